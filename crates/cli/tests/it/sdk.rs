//! The official Python SDK, as anyone installs it, against the real binary: `tests/sdk/` holds the scenarios.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::environment;
use crate::harness::{Server, open_folder, repository};
use crate::images::registry::Registry;
use crate::samples::{csharp, fixture};

/// An interpreter with the SDK, and without settings that the SDK would read.
fn python() -> Command {
    clean(environment::python("sdk", "huaweicloudsdkfunctiongraph"))
}

fn clean(python: PathBuf) -> Command {
    let mut command = Command::new(python);
    command.args(["-B", "-W", "ignore::ImportWarning"]);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["HUAWEICLOUD_", "FUNGRAPH_", "OS_"].iter().any(|prefix| name.starts_with(prefix)) {
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
    let mut command = python();
    change(&mut command);
    scenarios_by(command, "sdk", file, args);
}

/// The same by another interpreter and from another folder of `tests`.
fn scenarios_by(mut command: Command, folder: &str, file: &str, args: &[&str]) {
    let server = Server::start(args);
    command.env("FUNGRAPH_PROGRAM", env!("CARGO_BIN_EXE_fungraph"));
    command.args(["-m", "unittest", "--verbose", file]).current_dir(repository(&format!("tests/{folder}")));
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
fn functions_are_called_asynchronously() {
    scenarios("test_async");
}

#[test]
fn refusals_arrive_as_exceptions() {
    scenarios("test_refusals");
}

#[test]
fn a_key_or_a_password_is_all_a_client_needs() {
    scenarios("test_accounts");
}

#[test]
fn clients_of_openstack_log_in() {
    scenarios_by(clean(environment::python("openstack", "openstack")), "openstack", "test_accounts", &[]);
}

#[test]
fn dependencies_are_attached() {
    scenarios("test_dependencies");
}

#[test]
fn functions_are_exported_and_imported() {
    scenarios("test_exports");
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
fn images_are_functions() {
    let registry = Registry::start();
    let program = registry.program();
    let image = registry.push_server("server:v1", &program);
    let program = std::fs::read(program).expect("it is built");
    let other = registry.push("other:v1", &[("server", &program)], &json!({ "Cmd": ["/server"] }));
    let settings = registry.settings("");
    // Signed, so without the last two arguments.
    let arguments = settings.each_ref().map(String::as_str);
    scenarios_of("test_images", &arguments[..2], |command| {
        command.env("TEST_IMAGE", &image).env("TEST_OTHER_IMAGE", &other);
    });
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
fn calls_are_counted() {
    scenarios("test_statistics");
}

#[test]
fn triggers_call_functions() {
    scenarios("test_triggers");
}

#[test]
fn versions_are_published_and_aliases_point_to_them() {
    scenarios("test_versions");
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
