//! Tries to get out of a real sandbox, as root, on this host.
//!
//! It brings its own main, since the spawner is the same program started again, and that must not be a test runner. `cargo test -p
//! fungraph-sandbox --test walls NAME` runs the tests whose name contains NAME with each engine, `ENGINE::NAME` with one, one after another: they
//! look at what the whole host has of mounts, loop devices and cgroups.

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
mod mounts;
mod network;
mod server;
mod sockets;

use std::process::ExitCode;

use fungraph_sandbox::Engine;
use harness::Test;

/// Followed by an engine and a filter: the tests with that engine, in this process.
const ENGINE: &str = "__engine";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |number: usize| arguments.get(number).map(String::as_str).unwrap_or_default();
    match argument(0) {
        fungraph_sandbox::SPAWNER_COMMAND => {
            if std::env::var_os("RUST_LOG").is_some() {
                harness::log_to_stderr();
            }
            return fungraph_sandbox::spawner_main();
        }
        server::ROLE => return server::main(),
        server::DOOMED_ROLE => return server::doomed_main(),
        "--list" => return ExitCode::SUCCESS,
        ENGINE => {
            let engine = Engine::from_name(argument(1)).expect("an engine");
            harness::set_engine(engine);
            return harness::run_all(&chosen(engine, argument(2)));
        }
        _ => {}
    }
    if !harness::is_root() {
        harness::say(
            "these tests make namespaces, mounts and cgroups: run them as root (sudo -E cargo test -p fungraph-sandbox)",
        );
        return ExitCode::FAILURE;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).cloned().unwrap_or_default();
    let failed = Engine::ALL.into_iter().filter(|engine| !run_with(*engine, &filter)).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A process for each engine: what one leaves, an adopted child for one, must not be the next one's.
fn run_with(engine: Engine, filter: &str) -> bool {
    let filter = match filter.split_once("::") {
        Some((name, _)) if name != engine.name() => return true,
        Some((_, rest)) => rest,
        None => filter,
    };
    if chosen(engine, filter).is_empty() {
        return true;
    }
    let program = std::env::current_exe().expect("it has a path");
    let run = std::process::Command::new(program).args([ENGINE, engine.name(), filter]).status();
    run.expect("it runs").success()
}

fn chosen(engine: Engine, filter: &str) -> Vec<Test> {
    let tests = [
        files::TESTS,
        image::TESTS,
        kernel::TESTS,
        limits::TESTS,
        late::TESTS,
        mounts::TESTS,
        network::TESTS,
        sockets::TESTS,
        egress::TESTS,
        life::TESTS,
        init::TESTS,
        server::TESTS,
    ]
    .concat();
    // What the hub filters, no engine has a part in: once is enough, but for one look at each thing that begins in the sandbox.
    let is_wanted = |name: &str| {
        engine == Engine::Embedded || !name.starts_with("egress_") || egress::WITH_EACH_ENGINE.contains(&name)
    };
    tests.into_iter().filter(|(name, _)| name.contains(filter) && is_wanted(name)).collect()
}
