//! The official Python SDK, as anyone installs it, against the real binary: `tests/sdk/` holds the scenarios.

use std::process::Command;

use crate::environment;
use crate::harness::{Server, open_folder, repository};
use crate::samples::{csharp, fixture};

/// An interpreter with the SDK, and without settings that the SDK would read.
fn python() -> Command {
    let mut command = Command::new(environment::python("sdk", "huaweicloudsdkfunctiongraph"));
    command.args(["-B", "-W", "ignore::ImportWarning"]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HUAWEICLOUD_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs one file of scenarios against a server of its own.
fn scenarios(file: &str) {
    scenarios_with(file, &[]);
}

/// The same with a server of these arguments.
fn scenarios_with(file: &str, args: &[&str]) {
    scenarios_of(file, args, |_| {});
}

/// The same with more in the environment of the scenarios.
fn scenarios_of(file: &str, args: &[&str], change: impl FnOnce(&mut Command)) {
    let server = Server::start(args);
    let mut command = python();
    change(&mut command);
    command.args(["-m", "unittest", "--verbose", file]).current_dir(repository("tests/sdk"));
    command.env("FUNGRAPH_CREDENTIALS", server.data().join("credentials.json"));
    let output = command.output().expect("the interpreter of the virtual environment starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("\nOK"), "{said}");
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn functions_are_managed() {
    scenarios("test_functions");
}

#[test]
fn functions_are_called() {
    scenarios("test_calls");
}

#[test]
fn refusals_arrive_as_exceptions() {
    scenarios("test_refusals");
}

#[test]
fn dependencies_are_attached() {
    scenarios("test_dependencies");
}

#[test]
fn folders_are_mounted() {
    let home = open_folder();
    let (folder, settings) = (home.path().join("shared"), home.path().join("settings.toml"));
    std::fs::create_dir(&folder).expect("it is made");
    std::os::unix::fs::chown(&folder, Some(1003), Some(1003)).expect("we are root");
    let text = format!("[mounts.data]\npath = \"{}\"\nmode = \"rw\"\n", folder.display());
    std::fs::write(&settings, text).expect("write");
    scenarios_with("test_mounts", &["--config", &settings.display().to_string()]);
}

#[test]
fn compiled_functions_are_managed_and_called() {
    let home = open_folder();
    let package = home.path().join("package.zip");
    std::fs::write(&package, fixture::package("csharp-hello")).expect("write");
    let (_settings, config) = csharp::settings();
    scenarios_of("test_compiled", &["--config", &config], |command| {
        command.env("FUNGRAPH_PACKAGE", &package);
    });
}

#[test]
fn belongings_are_kept() {
    scenarios("test_belongings");
}

#[test]
fn instances_are_reserved() {
    scenarios("test_reserved");
}

#[test]
fn triggers_call_functions() {
    scenarios("test_triggers");
}

#[test]
fn the_program_that_readme_shows_runs() {
    let server = Server::start(&[]);
    let credentials = server.data().join("credentials.json");
    let output = python().arg(repository("examples/sdk.py")).arg(credentials).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in ["created urn:fss:local:", "Hello, Ada!", "INFO asked by Ada", "deleted"] {
        assert!(said.contains(line), "{line:?} is missing in:\n{said}");
    }
    assert_eq!(server.stop(), Some(0));
}
