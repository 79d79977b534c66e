//! `fungraph invoke FOLDER`: a newcomer's first minute.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Signal, kill_process};

use crate::harness::{Run, children, fungraph, fungraph_with, instance, repository, server_pid, wait_for};
use crate::samples::go;

/// Runs a folder with a TMPDIR of its own and checks that nothing stays there.
fn invoke(folder: &Path, args: &[&str]) -> Run {
    let place = tempfile::tempdir().expect("a folder");
    fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).expect("chmod");
    let target = format!("{}/", folder.display());
    let run = fungraph_with(&[&["invoke", &target], args].concat(), |command| {
        command.env("TMPDIR", place.path());
    });
    let left: Vec<_> = fs::read_dir(place.path()).expect("it is there").flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?} stayed; {run:?}");
    run
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
        fs::write(path, content).expect("write");
    }
    folder
}

#[track_caller]
fn says_hello(example: &str) {
    let run = invoke(&repository(example), &["--data", r#"{"name": "Ada"}"#]);
    assert_eq!(run.code, 0, "{run:?}");
    let result: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(result["message"], "Hello, Ada!");
    let lines: Vec<&str> = run.err.lines().collect();
    let [start, hello, finish, summary] = *lines.as_slice() else { panic!("four lines: {}", run.err) };
    assert!(start.contains("Start invoke request"), "{start}");
    assert!(hello.ends_with("INFO saying hello to Ada"), "{hello}");
    assert!(finish.contains("Finish invoke request"), "{finish}");
    assert!(summary.contains(" ms (billed 100 ms), ") && summary.contains(" of 128 MB, cold start "), "{summary}");
}

#[test]
fn the_python_example_says_hello() {
    says_hello("examples/hello-python");
}

#[test]
fn the_node_example_says_hello() {
    says_hello("examples/hello-node");
}

#[test]
fn the_php_example_says_hello() {
    says_hello("examples/hello-php");
}

#[test]
fn a_refused_connection_is_explained_once() {
    let connect = "import socket\n\ndef handler(event, context):\n    for port in (80, 81):\n        try: \
                   socket.create_connection(('169.254.169.254', port), 5)\n        except OSError as error: last = error\n    \
                   raise last\n";
    let folder = folder(&[("index.py", connect)]);
    let run = invoke(folder.path(), &[]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("Network is unreachable"), "{run:?}");
    assert_eq!(run.err.matches("WARN a connection was refused: ").count(), 1, "{run:?}");
}

#[test]
fn a_refused_connection_is_explained_where_the_function_caught_the_error() {
    let connect = "import socket\n\ndef handler(event, context):\n    try: socket.create_connection(('169.254.169.254', 80), 5)\n    \
                   except OSError: return 'caught'\n";
    let run = invoke(folder(&[("index.py", connect)]).path(), &[]);
    assert_eq!((run.code, run.out.trim()), (0, "caught"), "{run:?}");
    assert_eq!(run.err.matches("WARN a connection was refused: ").count(), 1, "{run:?}");
}

#[test]
fn a_failed_function_ends_with_1_and_is_told_readably() {
    let folder = folder(&[("index.py", "def handler(event, context):\n    return 1 / event['by']\n")]);
    let run = invoke(folder.path(), &["--data", r#"{"by": 0}"#]);
    assert_eq!((run.code, run.out.as_str()), (1, ""), "{run:?}");
    assert!(run.err.contains("the function failed (4002): ZeroDivisionError: "), "{}", run.err);
    assert!(run.err.contains("division by zero") && run.err.contains("return 1 / event['by']"), "{}", run.err);
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let folder = folder(&[("index.py", "import time\ndef handler(event, context):\n    time.sleep(100)\n")]);
    let place = tempfile::tempdir().expect("a folder");
    fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).expect("chmod");
    let mut run = Command::new(env!("CARGO_BIN_EXE_fungraph"));
    run.args(["invoke", "--timeout", "200"]).arg(format!("{}/", folder.path().display())).env("TMPDIR", place.path());
    let mut run = run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // The run itself, its spawner, the instance: the last one shows that the call is under way.
    wait_for("the start of an instance", || {
        let run = *children(run.id()).first()?;
        let spawner = *children(run).first()?;
        instance(spawner)
    });
    kill_process(server_pid(run.id()), Signal::INT).expect("it runs");
    let ended = run.wait().expect("it ends");
    assert_eq!(ended.code(), Some(1));
    assert_eq!(fs::read_dir(place.path()).expect("it is there").count(), 0, "nothing stays");
}

#[test]
fn more_files_other_handlers_and_other_sizes() {
    let folder = folder(&[
        (
            "src/main.py",
            "from lib.words import word\ndef run(event, context):\n    return f'{word} {context.getMemorySize()}'\n",
        ),
        ("lib/words.py", "word = 'memory'\n"),
    ]);
    let run = invoke(
        folder.path(),
        &["--runtime", "Python3.9", "--handler", "src/main.run", "--memory", "256", "--timeout", "10"],
    );
    assert_eq!((run.code, run.out.as_str()), (0, "memory 256\n"), "{run:?}");
    assert!(run.err.contains(" of 256 MB"), "{}", run.err);
}

#[test]
fn a_folder_with_a_bootstrap_is_a_program_of_its_own() {
    let sample = repository("tests/contract/samples/custom-bash-echo");
    let run = invoke(&sample, &["--data", "[1, 2]"]);
    assert_eq!((run.code, run.out.trim()), (0, r#"{"served":1,"event":[1, 2]}"#), "{run:?}");
    assert!(
        run.err.contains("bash runtime is up for bootstrap") && run.err.contains("serving number 1"),
        "{}",
        run.err
    );
    let event = r#"{"httpMethod": "GET", "path": "/404"}"#;
    let run = invoke(&repository("tests/samples/http-status"), &["--runtime", "http", "--data", event]);
    assert_eq!(run.code, 0, "{run:?}");
    let result: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(result["statusCode"], 404);
}

#[test]
fn a_folder_with_a_go_program_runs() {
    let built = go::build("folder", &repository("tests/contract/samples/go-echo")).expect("it has a program");
    let folder = built.parent().expect("it lies in a folder");
    let run = invoke(folder, &["--runtime", "Go1.x", "--data", "[1]"]);
    assert_eq!((run.code, run.out.trim()), (0, r#"{"bytes":3,"event":[1]}"#), "{run:?}");
    assert!(run.err.contains("got 3 bytes"), "{}", run.err);
    let run = invoke(folder, &["--runtime", "Go1.x", "--handler", "other"]);
    assert!(run.code == 1 && run.err.contains("the code package has no file"), "{run:?}");
}

#[test]
fn what_is_wrong_is_told_before_anything_starts() {
    let empty = folder(&[]);
    let both = folder(&[("index.py", ""), ("index.js", "")]);
    let python = folder(&[("index.py", "")]);
    let at = |folder: &tempfile::TempDir| format!("{}/", folder.path().display());
    for (args, expected) in [
        (vec!["/nowhere/at/all".to_owned()], "there is no folder /nowhere/at/all; to call a function of a server, give its name without a slash".to_owned()),
        (vec![format!("{}index.py", at(&python))], format!("{}index.py is a file; give the folder that holds it", at(&python))),
        (vec![at(&empty)], format!("{} has none of index.py, index.js, index.php, bootstrap; say what it is, such as --runtime Python3.12 --handler main.handler", at(&empty))),
        (vec![at(&both)], format!("{} has index.py and index.js; say which with --runtime Python3.12 or --runtime Node.js20.15", at(&both))),
        (vec![at(&python), "--data".to_owned(), "{name: 1}".to_owned()], "--data is not JSON: key must be a string at line 1 column 2; in a shell, put it in single quotes: --data '{\"name\": \"Ada\"}'".to_owned()),
        (vec![at(&python), "--data".to_owned(), "@/nowhere".to_owned()], "--data: cannot read /nowhere: No such file or directory (os error 2)".to_owned()),
        (vec!["./x".to_owned(), "--async".to_owned()], "--async is for functions of a server, whose queue keeps the call; a folder runs here and now".to_owned()),
    ] {
        let args: Vec<&str> = ["invoke"].into_iter().chain(args.iter().map(String::as_str)).collect();
        fungraph(&args).fails(2, &format!("fungraph: {expected}\n"));
    }
}

#[test]
fn an_unknown_runtime_is_told_with_the_known_ones() {
    let python = folder(&[("index.py", "")]);
    let run = fungraph(&["invoke", &format!("{}/", python.path().display()), "--runtime", "Python3.99"]);
    assert_eq!(run.code, 2);
    assert!(
        run.err.starts_with("fungraph: there is no runtime \"Python3.99\"; those that run here are Node.js6.10, "),
        "{}",
        run.err
    );
}

#[test]
fn an_impossible_memory_size_is_refused_with_the_possible_ones() {
    let python = folder(&[("index.py", "def handler(event, context):\n    pass\n")]);
    let run = invoke(python.path(), &["--memory", "100"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:?}");
    assert!(run.err.contains("128, 256, 512"), "{}", run.err);
}
