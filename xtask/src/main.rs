//! What people run and what CI runs: `cargo xtask check`, `cargo xtask bench` and `cargo xtask crash`.
//!
//! It is a program and not a script so that it works the same everywhere, can read our own tables (error codes), and
//! needs nothing but the compiler that builds the project.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for terminals")]

mod bench;
mod cargo_deny;
mod check;
mod crash;
mod dotnet;
mod host;
mod java;
mod readme;
mod step;
mod tidy;
mod workspace;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  check [STEP...]     format, lints, tests, bootstraps, documentation, dependencies, tidiness, and README's first
                      command; a STEP's name runs that one only. Needs root, like the sandboxes it tests.
  bench [OPTIONS]     measure against the bare limit in the same run; --help tells the options. Needs root.
  crash [OPTIONS]     kill a server under asynchronous load, 200 times for each kind of trouble, and look whether
                      everything it accepted has ended exactly once; --help tells the options. Needs root.
  tidy                the tidy step alone, without root
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    let done = match command.as_str() {
        "check" => check::run(rest),
        "bench" => bench::run(rest),
        "crash" => crash::run(rest),
        "tidy" => tidy::run(),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => {
            eprintln!("xtask: there is no command {other:?}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
