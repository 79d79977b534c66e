//! Discovery on trees of real files, the rule of the nearest version as a table, and this host's own interpreters.

mod tree;

use std::path::Path;

use tree::{Elf, Tree};

use super::*;

fn python(major: u16, minor: u16, patch: u16) -> Arc<Interpreter> {
    interpreter(Language::Python, (major, minor, patch))
}

fn node(major: u16, minor: u16) -> Arc<Interpreter> {
    interpreter(Language::NodeJs, (major, minor, 0))
}

fn interpreter(language: Language, version: Version) -> Arc<Interpreter> {
    let (program, library) = ("/usr/bin/x".into(), (language == Language::Java).then(|| "/gson.jar".into()));
    Arc::new(Interpreter { language, version, program, prefix: None, library, origin: Origin::System, image: None })
}

/// A host with four interpreters; `expected` is the version chosen, and whether it is of the series asked for.
fn check(runtime: &str, expected: Result<(Version, bool), &str>) {
    let all = vec![python(3, 13, 0), python(3, 11, 7), python(3, 11, 2), python(3, 8, 18), node(22, 4), node(18, 20)];
    check_on(&all, runtime, false, expected);
}

fn check_on(all: &[Arc<Interpreter>], name: &str, strict: bool, expected: Result<(Version, bool), &str>) {
    let host = Interpreters { all: all.to_vec(), ..Interpreters::default() };
    let runtime = Runtime::parse(name).expect(name);
    match (host.choose(runtime, strict), expected) {
        (Ok(choice), Ok((version, exact))) => {
            assert_eq!((choice.interpreter.version, choice.exact), (version, exact), "{name}");
        }
        (Err(error), Err(text)) => assert!(error.message().contains(text), "{name}: {error}"),
        (found, expected) => panic!("{name}: {found:?} instead of {expected:?}"),
    }
}

#[test]
fn nearest_is_same_series_then_next_higher_then_next_lower() {
    check("Python3.6", Ok(((3, 8, 18), false)));
    check("Python3.9", Ok(((3, 11, 7), false)));
    check("Python3.10", Ok(((3, 11, 7), false)));
    check("Python3.12", Ok(((3, 13, 0), false)));
    check_on(&[python(3, 8, 18), python(3, 6, 15)], "Python3.12", false, Ok(((3, 8, 18), false)));
    check_on(&[python(3, 12, 1)], "Python3.12", true, Ok(((3, 12, 1), true)));
}

#[test]
fn python_never_crosses_its_major() {
    check("Python2.7", Err("no newer Python stands in for it"));
    check_on(&[python(4, 0, 0)], "Python3.12", false, Err("apt install python3"));
}

#[test]
fn php_never_crosses_its_major() {
    let host = [interpreter(Language::Php, (8, 2, 29)), interpreter(Language::Php, (8, 1, 2))];
    check_on(&host, "PHP8.3", false, Ok(((8, 2, 29), false)));
    check_on(&host, "PHP8.3", true, Err("this host has PHP 8.2, 8.1. Install that version (phpenv install 8.3"));
    check_on(
        &host,
        "PHP7.3",
        false,
        Err("this host has PHP 8.2, 8.1, and no other major version stands in for it. Install"),
    );
    check_on(&host, "PHP7.3", false, Err("phpenv install 7.3"));
    check_on(&[], "PHP7.3", false, Err("phpenv install 7.3"));
    check_on(&[], "PHP8.3", false, Err("apt install php-cli"));
    check_on(&[interpreter(Language::Php, (7, 4, 33))], "PHP7.3", false, Ok(((7, 4, 33), false)));
}

#[test]
fn a_series_of_node_is_its_major() {
    check("Node.js18.15", Ok(((18, 20, 0), true)));
    check("Node.js20.15", Ok(((22, 4, 0), false)));
    check("Node.js6.10", Ok(((18, 20, 0), false)));
    check_on(&[node(20, 1)], "Node.js18.15", false, Ok(((20, 1, 0), false)));
    check_on(&[node(16, 1), node(14, 1)], "Node.js20.15", false, Ok(((16, 1, 0), false)));
}

#[test]
fn java_is_one_series_of_majors_and_needs_gson() {
    let java = |major| interpreter(Language::Java, (major, 0, 1));
    let host = [java(25), java(17)];
    check_on(&host, "Java8", false, Ok(((17, 0, 1), false)));
    check_on(&host, "Java17", true, Ok(((17, 0, 1), true)));
    check_on(&host, "Java21", false, Ok(((25, 0, 1), false)));
    check_on(&host[1..], "Java21", false, Ok(((17, 0, 1), false)));
    check_on(&host, "Java21", true, Err("apt install openjdk-21-jdk-headless"));
    check_on(&[], "Java11", false, Err("apt install openjdk-17-jdk-headless"));
    let bare = Arc::new(Interpreter { library: None, ..Interpreter::clone(&host[1]) });
    check_on(&[bare], "Java17", false, Err("apt install libgoogle-gson-java"));
}

#[test]
fn dotnet_runs_what_was_built_for_those_before_it() {
    let dotnet = |major, minor| interpreter(Language::CSharp, (major, minor, 2));
    let host = [dotnet(8, 0), dotnet(6, 0), dotnet(3, 1)];
    check_on(&host, "C#(.NET Core 6.0)", true, Ok(((6, 0, 2), true)));
    check_on(&host, "C#(.NET Core 3.1)", true, Ok(((3, 1, 2), true)));
    check_on(&host, "C#(.NET Core 2.1)", false, Ok(((3, 1, 2), false)));
    check_on(&host[..1], "C#(.NET Core 3.1)", false, Ok(((8, 0, 2), false)));
    check_on(&host[2..], "C#(.NET Core 6.0)", false, Ok(((3, 1, 2), false)));
    check_on(
        &host[..1],
        "C#(.NET Core 6.0)",
        true,
        Err("this host has .NET 8.0. Install that version (dotnet-install.sh --channel 6.0"),
    );
    check_on(&[], "C#(.NET Core 3.1)", false, Err("a runtime alone cannot compile the bootstrap"));
}

#[test]
fn every_dotnet_beside_a_program_is_one() {
    let tree = Tree::new();
    tree.dotnet("home/.dotnet", &["8.0.11", "6.0.36", "2.1.30"], true);
    tree.dotnet("usr/lib/dotnet", &["8.0.1"], false);
    tree.dotnet("opt/dotnet", &["2.1.30"], true);
    let found = tree.discover();
    tree.check(&found, &["CSharp 8.0.11 runtimes.search home/.dotnet", "CSharp 6.0.36 runtimes.search home/.dotnet"]);
    let noted = |place: &str, why: &str| found.notes().iter().any(|note| note.contains(place) && note.contains(why));
    assert!(noted("usr/lib/dotnet/dotnet", "it has no SDK"), "{:?}", found.notes());
    assert!(noted("opt/dotnet/dotnet", "only .NET 2.1.30"), "{:?}", found.notes());
    let parts = found.all()[0].parts();
    let expected = ["dotnet", "host", "shared"].map(|part| tree.path("home/.dotnet").join(part));
    assert_eq!(parts, expected, "certificates of a home are none of a function's business");
}

#[test]
fn what_lies_where_a_sandbox_has_its_own_folder_is_told_with_what_to_do() {
    let tree = Tree::new();
    tree.python("tmp/python", "3.12", Some((3, 12, 4)));
    tree.link("bin/python3", "tmp/python/bin/python3.12");
    tree.node("tmpfs/node", Some((20, 15, 1)));
    tree.link("bin/node", "tmpfs/node/bin/node");
    let found = tree.discover();
    tree.check(&found, &["NodeJs 20.15.1 PATH tmpfs/node"]);
    let [note] = found.notes() else { panic!("{:?}", found.notes()) };
    let told = ["tmp/python/bin/python3.12 is not used", "every sandbox has a", "/opt", "runtimes.search"];
    assert!(told.iter().all(|part| note.contains(part)), "{note}");
}

#[test]
fn jdks_are_told_by_their_release_and_their_compiler() {
    let tree = Tree::new();
    tree.jdk("home/.sdkman/candidates/java/21.0.2-tem", "21.0.2", true);
    tree.jdk("usr/lib/jvm/java-17", "17.0.15", false);
    tree.jdk("opt/jdk8", "1.8.0_452", true);
    tree.link("bin/java", "opt/jdk8/bin/java");
    let found = tree.discover();
    tree.check(&found, &["Java 21.0.2 sdkman home/.sdkman/candidates/java/21.0.2-tem", "Java 8.0.452 system opt/jdk8"]);
    assert!(found.notes().iter().any(|note| note.contains("java-17/bin/java") && note.contains("jdk-headless")));
}

#[test]
fn toolchains_of_go_compile_and_run_nothing() {
    let tree = Tree::new();
    tree.go("usr/lib/go-1.19", "go1.19.8");
    tree.go("home/sdk/go1.22.3", "go1.22.3\ntime 2024-05-01T19:49:47Z");
    tree.go("usr/local/go", "go1.21");
    tree.go("opt/old", "go1.17.13");
    let found = tree.discover();
    tree.check(&found, &[]);
    let go = Runtime::parse("Go1.x").expect("in the list");
    let newest = found.compiler(go, true).expect("there are some");
    assert_eq!((newest.version, newest.prefix.clone()), ((1, 22, 3), Some(tree.path("home/sdk/go1.22.3"))));
    assert_eq!(found.choose(go, true).expect("it needs none").interpreter.language, Language::Custom);
    let old = |note: &String| note.contains("opt/old/bin/go is not used: it is Go 1.17.13");
    assert!(found.notes().iter().any(old), "{:?}", found.notes());
    tree.mode("home/sdk/go1.22.3/bin/go", 0o700);
    assert_eq!(tree.discover().compiler(go, false).expect("there are some").version, (1, 21, 0));
}

#[test]
fn strict_wants_the_very_series_and_says_how_to_get_it() {
    let host = [python(3, 11, 7), python(3, 11, 2), python(3, 8, 18), node(20, 1)];
    check_on(
        &host,
        "Python3.9",
        true,
        Err("this host has Python 3.11, 3.8. Install that version (uv python install 3.9"),
    );
    check_on(&host, "Node.js18.15", true, Err("nvm install 18"));
    check_on(
        &host,
        "Node.js6.10",
        true,
        Err("Node.js 20. It is too old for functions: choose a later runtime, or set runtimes.strict"),
    );
    check_on(&host, "Node.js20.15", true, Ok(((20, 1, 0), true)));
}

#[test]
fn what_is_missing_names_its_package() {
    check_on(&[], "Python3.9", false, Err("apt install python3"));
    check_on(&[python(3, 9, 1)], "Node.js18.15", false, Err("apt install nodejs"));
    check_on(&[], "Cangjie1.0", false, Err("cannot run here yet: only Python, "));
}

#[test]
fn version_managers_are_found_by_what_they_put_on_disk() {
    let tree = Tree::new();
    tree.python("home/.pyenv/versions/3.9.18", "3.9", Some((3, 9, 18)));
    tree.python("home/.local/share/uv/python/cpython-3.12.4-linux-x86_64-gnu", "3.12", None);
    tree.node("home/.nvm/versions/node/v20.15.1", Some((20, 15, 1)));
    tree.node("home/.volta/tools/image/node/18.20.2", Some((18, 20, 2)));
    tree.php("home/.phpenv/versions/7.4.33", (7, 4, 33));
    tree.php("home/.asdf/installs/php/8.3.6", (8, 3, 6));
    let found = tree.discover();
    tree.check(
        &found,
        &[
            "Python 3.12.4 uv home/.local/share/uv/python/cpython-3.12.4-linux-x86_64-gnu",
            "Python 3.9.18 pyenv home/.pyenv/versions/3.9.18",
            "NodeJs 20.15.1 nvm home/.nvm/versions/node/v20.15.1",
            "NodeJs 18.20.2 volta home/.volta/tools/image/node/18.20.2",
            "Php 8.3.6 asdf home/.asdf/installs/php/8.3.6",
            "Php 7.4.33 phpenv home/.phpenv/versions/7.4.33",
        ],
    );
    assert_eq!(found.notes(), [""; 0]);
}

#[test]
fn shims_are_no_interpreters() {
    let tree = Tree::new();
    tree.script("bin/python3");
    tree.elf("tools/volta-shim", Elf::Prints("v20.1.0"));
    tree.link("bin/node", "tools/volta-shim");
    tree.foreign_elf("bin/python");
    tree.check(&tree.discover(), &[]);
}

#[test]
fn one_program_counts_once_whatever_leads_to_it() {
    let tree = Tree::new();
    tree.python("opt/python/", "3.10", Some((3, 10, 1)));
    tree.link("bin/python3", "opt/python/bin/python3.10");
    tree.link("opt/python/bin/python", "opt/python/bin/python3.10");
    std::fs::hard_link(tree.path("opt/python/bin/python3.10"), tree.path("bin/python3.10")).expect("link");
    tree.check(&tree.discover(), &["Python 3.10.1 system opt/python"]);
}

#[test]
fn a_program_without_a_header_is_asked_once() {
    let tree = Tree::new();
    tree.node("opt/node", None);
    tree.elf("opt/node/bin/node", Elf::Prints("v20.1.0"));
    tree.check(&tree.discover(), &["NodeJs 20.1.0 system opt/node"]);
    let cached = std::fs::read(tree.path("cache.json")).expect("the answer is kept");
    let mut cached: serde_json::Value = serde_json::from_slice(&cached).expect("JSON");
    // Only an answer from the file can say 21.
    cached["programs"][0]["version"][0] = 21.into();
    std::fs::write(tree.path("cache.json"), cached.to_string()).expect("write");
    tree.check(&tree.discover(), &["NodeJs 21.1.0 system opt/node"]);
    tree.elf("opt/node/bin/node", Elf::Prints("v22.10.0"));
    tree.check(&tree.discover(), &["NodeJs 22.10.0 system opt/node"]);
    std::fs::write(tree.path("cache.json"), "no JSON").expect("write");
    tree.check(&tree.discover(), &["NodeJs 22.10.0 system opt/node"]);
}

#[test]
fn a_program_that_never_answers_is_given_up() {
    let tree = Tree::new();
    tree.elf("node", Elf::Hangs);
    let kind = kind::Kind::of(Language::NodeJs).expect("in the table");
    let program = program::Program::at(&tree.path("node"), kind).expect("a program");
    let error = ask::ask(&program, std::time::Duration::from_millis(20)).expect_err("it never ends");
    assert!(matches!(error, ask::Error::Slow), "{error:?}");
}

#[test]
fn root_asks_a_users_program_as_that_user() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can give a file to somebody else; the suite as a whole runs as root.
    }
    let tree = Tree::new();
    tree.node("opt/node", None);
    tree.elf("opt/node/bin/node", Elf::PrintsUnlessRoot("v20.1.0"));
    let found = tree.discover();
    assert!(found.notes()[0].contains("is no version"), "as root it prints nothing: {:?}", found.notes());
    std::os::unix::fs::chown(tree.path("opt/node/bin/node"), Some(12345), Some(12345)).expect("chown");
    tree.check(&tree.discover(), &["NodeJs 20.1.0 system opt/node"]);
}

#[test]
fn what_is_not_used_is_told_with_its_reason() {
    let tree = Tree::new();
    tree.python("home/.pyenv/versions/2.7.18", "2.7", Some((2, 7, 18)));
    tree.node("opt/old", Some((10, 1, 0)));
    tree.node("home", Some((20, 1, 0)));
    tree.elf("opt/alone/bin/node", Elf::Prints("v20.1.0"));
    tree.node("opt/open", Some((20, 1, 0)));
    tree.mode("opt/open/bin/node", 0o777);
    tree.node("opt/closed", Some((20, 1, 0)));
    tree.mode("opt/closed/bin/node", 0o700);
    let found = tree.discover();
    tree.check(&found, &[]);
    for (program, why) in [
        ("versions/2.7.18/bin/python2.7", "it is Python 2.7.18, and functions need 3.6 or newer"),
        ("opt/old/bin/node", "it is Node.js 10.1.0, and functions need 12.0 or newer"),
        ("home/bin/node", "functions would see the home folder"),
        ("opt/alone/bin/node", "its library does not lie beside it"),
        ("opt/open/bin/node", "everybody may write to it"),
        ("opt/closed/bin/node", "only its owner may run it"),
    ] {
        let told = found.notes().iter().any(|note| note.contains(program) && note.contains(why));
        assert!(told, "{program}: {why}\n{:#?}", found.notes());
    }
}

#[test]
fn this_host_has_what_its_path_shows() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let homes = std::env::home_dir().into_iter().collect();
    let plan = SearchPlan {
        path: std::env::split_paths(&path).collect(),
        homes,
        roots: vec!["/".into()],
        ..SearchPlan::default()
    };
    let found = Interpreters::discover(&plan, None);
    for interpreter in found.all() {
        assert!(interpreter.program.is_absolute() && interpreter.program.is_file(), "{interpreter:?}");
        assert_eq!(interpreter.prefix.is_none(), interpreter.program.starts_with("/usr"), "{interpreter:?}");
        let kind = kind::Kind::of(interpreter.language).expect("in the table");
        let program = program::Program::at(&interpreter.program, kind).expect("it is a program");
        if interpreter.language == Language::Java {
            continue; // Java 8 knows no --version: what its release file says is what there is.
        }
        let version = ask::ask(&program, ask::LIMIT).expect("it prints its version");
        assert_eq!(version, interpreter.version, "what files tell is what it prints: {interpreter:?}");
    }
    for (program, language) in
        [("/usr/bin/python3", Language::Python), ("/usr/bin/node", Language::NodeJs), ("/usr/bin/php", Language::Php)]
    {
        let there = found.all().iter().any(|interpreter| interpreter.language == language);
        assert!(there || !Path::new(program).exists(), "{program} exists and is not found: {:?}", found.notes());
    }
}
