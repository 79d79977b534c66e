//! The life of an instance as its function sees it: initializer, calls, pre-stop, and what takes its place.

use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::json;

use crate::harness::{Server, fungraph, instances, is_over, open_folder, request, server_pid, wait_for};
use crate::raw::{base64, python};
use crate::reserved::Host;

fn code(word: &str) -> String {
    format!(
        "import time\nready = []\ndef init(context):\n    print('{word} gets ready')\n    ready.append(1)\ndef stop(context):\n    print('{word} says goodbye')\n\
         def handler(event, context):\n    time.sleep(event.get('seconds', 0))\n    return '{word} %d' % len(ready)\n"
    )
}

fn create(host: &Host, code: &str, seconds: u32) {
    let mut body = python("f", code);
    body["initializer_handler"] = json!("index.init");
    body["initializer_timeout"] = json!(seconds);
    body["pre_stop_handler"] = json!("index.stop");
    body["pre_stop_timeout"] = json!(10);
    host.done("POST", "", &body);
}

fn log(home: &std::path::Path) -> String {
    fungraph(&["logs", "f", "--data-dir", &home.join("data").display().to_string()]).out
}

#[test]
fn initializer_runs_once_and_pre_stop_at_the_end() {
    let home = open_folder();
    let host = Host::start(home.path());
    create(&host, &code("one"), 3);
    for _ in 0..3 {
        assert_eq!(host.call("f").text(), "one 1");
    }
    let said = wait_for("the end of the idle instance", || {
        Some(log(home.path())).filter(|log| log.contains("one says goodbye"))
    });
    assert_eq!(said.matches("one gets ready").count(), said.matches("Start initialize").count(), "{said}");
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_call_in_flight_ends_in_the_old_code_and_the_next_one_begins_in_the_new() {
    let home = open_folder();
    let host = Host::start(home.path());
    create(&host, &code("one"), 3);
    let (endpoint, path) = (host.server.endpoint().to_owned(), format!("{}/f/invocations", host.functions));
    let call = std::thread::spawn(move || request(&endpoint, "POST", &path, &[], r#"{"seconds": 2}"#));
    // There is one because the call has been let in: it belongs to the old code from then on.
    host.server.wait_for_instance();
    let new = json!({ "code_type": "inline", "func_code": { "file": base64(code("two").as_bytes()) } });
    host.done("PUT", "/f/code", &new);
    assert_eq!(host.call("f").text(), "two 1");
    let old = call.join().expect("no panic");
    assert_eq!((old.status, old.text().as_str()), (200, "one 1"));
    wait_for("the end of the old instance", || log(home.path()).contains("one says goodbye").then_some(()));
    assert_eq!(host.server.stop(), Some(0));
    let said = log(home.path());
    assert!(said.contains("two says goodbye"), "the end of the server is an orderly one too: {said}");
}

#[test]
fn nothing_of_a_deleted_function_is_in_the_log_of_the_next() {
    let home = open_folder();
    let host = Host::start(home.path());
    create(&host, &code("old"), 3);
    let (endpoint, path) = (host.server.endpoint().to_owned(), format!("{}/f/invocations", host.functions));
    let call = std::thread::spawn(move || request(&endpoint, "POST", &path, &[], r#"{"seconds": 2}"#));
    host.server.wait_for_instance();
    assert_eq!(host.call("f").text(), "old 1");
    let deleted = host.server.request("DELETE", &format!("{}/f", host.functions), &[], "");
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    create(&host, &code("new"), 3);
    assert_eq!(host.call("f").text(), "new 1");
    let old = call.join().expect("no panic");
    assert_eq!((old.status, old.text().as_str()), (200, "old 1"));
    wait_for("the end of the new instance, which is idle", || {
        log(home.path()).contains("new says goodbye").then_some(())
    });
    // Waits for every instance, and writes what they said.
    assert_eq!(host.server.stop(), Some(0));
    let said = log(home.path());
    assert!(said.contains("new gets ready") && !said.contains("old "), "{said}");
}

#[test]
fn initializer_has_its_own_limit_and_three_tries() {
    let home = open_folder();
    let host = Host::start(home.path());
    create(&host, "import time\ndef init(context):\n    time.sleep(60)\ndef handler(event, context):\n    pass\n", 1);
    let answer = host.call("f");
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(answer.text().contains("initializer timed out after 1 seconds"), "{}", answer.text());
    assert_eq!(host.server.stop(), Some(0));
    let said = log(home.path());
    assert_eq!(said.matches("(initialize Failed)").count(), 3, "{said}");
}

#[test]
fn python_instances_start_from_byte_code_once_there_is_some() {
    let server = Server::start(&["--auth", "off"]);
    let folder = server.data().join("bootstraps");
    server.create("f", "Python3.9", "def handler(event, context):\n    return 'from byte code'\n");
    wait_for("the byte code", || {
        let mut files = std::fs::read_dir(&folder).expect("it is there").flatten();
        files.any(|file| file.path().extension().is_some_and(|kind| kind == "pyc")).then_some(())
    });
    let call = || server.request("POST", &server.invocations("f"), &[], "{}").text();
    assert_eq!(call(), "from byte code");
    let runs_it = |process: &u32| {
        std::fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|line| line.contains(".pyc"))
    };
    let started = || instances(server.spawner()).into_iter().find(runs_it);
    let process = wait_for("an instance that was started since", started);
    // Whoever runs the text leaves, so that the next call is answered by one that runs the other.
    for other in instances(server.spawner()).into_iter().filter(|other| *other != process) {
        kill_process(server_pid(other), Signal::KILL).expect("it runs");
        wait_for("its end", || is_over(other).then_some(()));
    }
    assert_eq!(call(), "from byte code");
}

#[test]
fn log_left_by_a_server_that_was_killed_while_it_deleted_is_not_shown_by_the_next_function() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start(home.path());
    create(&host, &code("kept"), 3);
    assert_eq!(host.call("f").text(), "kept 1");
    let project = host.server.project();
    assert_eq!(host.server.stop(), Some(0));
    // What such a server leaves: the folder of a function that its database does not have.
    let package = data.join("logs").join(project).join("default");
    for lost in ["lost", "never-created-again"] {
        let folder = package.join(lost);
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::copy(package.join("f/00000001.log"), folder.join("00000001.log")).expect("a copy");
        let owner = std::fs::metadata(package.join("f")).expect("a folder");
        std::os::unix::fs::chown(&folder, Some(owner.uid()), Some(owner.gid())).expect("root may");
    }
    let host = Host::start(home.path());
    let mut body = python("lost", "def handler(event, context):\n    return 'new'\n");
    body["memory_size"] = json!(128);
    host.done("POST", "", &body);
    assert_eq!(host.call("lost").text(), "new");
    wait_for("the end of what nobody wants", || (!package.join("never-created-again").exists()).then_some(()));
    assert_eq!(host.server.stop(), Some(0));
    let said = fungraph(&["logs", "lost", "--data-dir", &data.display().to_string()]).out;
    assert!(said.contains("Finish invoke") && !said.contains("kept"), "{said}");
    assert!(log(home.path()).contains("kept gets ready"), "the log of a function that exists stays");
}

/// As with `ulimit -Hn 1300`.
#[test]
fn a_limit_on_open_files_that_is_too_low_for_a_sandbox_is_told_with_what_to_do() {
    let server = Server::start(&["--auth", "off"]);
    let spawner = i32::try_from(server.spawner()).ok().and_then(Pid::from_raw).expect("a process id");
    let low = Rlimit { current: Some(1300), maximum: Some(1300) };
    prlimit(Some(spawner), Resource::Nofile, low).expect("root may");
    server.create("f", "Python3.9", "def handler(event, context):\n    return 'ran'\n");
    let answer = server.request("POST", &server.invocations("f"), &[], "{}");
    assert_eq!(answer.status, 500, "{}", answer.text());
    let log = server.log();
    let told = "a sandbox has 2048 open files, and this server must not have more than 1300; raise its hard limit";
    assert!(log.contains(told), "{log}");
    assert_eq!(server.stop(), Some(0));
}
