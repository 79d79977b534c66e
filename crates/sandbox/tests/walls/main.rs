//! Tries to get out of a real sandbox, as root, on this host.
//!
//! It brings its own main, since the spawner is the same program started again, and that must not be a test runner. `cargo test -p
//! fungraph-sandbox --test walls NAME` runs the tests whose name contains NAME, one after another: they look at what the whole
//! host has of mounts, loop devices and cgroups.

// Parts of the crate under test, to make networks with: a host need have no program for it.
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../../src/cidr.rs"]
mod cidr;
mod egress;
mod files;
mod harness;
mod image;
mod init;
mod internet;
mod kernel;
mod late;
mod life;
mod limits;
mod network;
mod server;

use std::process::ExitCode;

use harness::Test;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(fungraph_sandbox::SPAWNER_COMMAND) => {
            if std::env::var_os("RUST_LOG").is_some() {
                harness::log_to_stderr();
            }
            return fungraph_sandbox::spawner_main();
        }
        Some(server::ROLE) => return server::main(),
        Some(server::DOOMED_ROLE) => return server::doomed_main(),
        Some("--list") => return ExitCode::SUCCESS,
        _ => {}
    }
    if !harness::is_root() {
        harness::say(
            "these tests make namespaces, mounts and cgroups: run them as root (sudo -E cargo test -p fungraph-sandbox)",
        );
        return ExitCode::FAILURE;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).cloned().unwrap_or_default();
    let tests = [
        files::TESTS,
        image::TESTS,
        kernel::TESTS,
        limits::TESTS,
        late::TESTS,
        network::TESTS,
        egress::TESTS,
        life::TESTS,
        init::TESTS,
        server::TESTS,
    ]
    .concat();
    let chosen: Vec<Test> = tests.into_iter().filter(|(name, _)| name.contains(&filter)).collect();
    harness::run_all(&chosen)
}
