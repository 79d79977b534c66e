//! `fungraph`: the one binary. It reads arguments and settings, builds the parts, starts and stops them.

mod args;
mod client;
mod commands;
mod config;
mod credentials;
mod data_folder;
mod environment;
mod exit;
mod host;
mod platform;
mod privileges;
mod runtime_images;
mod say;
mod target;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::exit::Exit;

fn main() -> ExitCode {
    // Both are this program started again, by nobody but ourselves: they have no arguments to parse.
    match std::env::args_os().nth(1) {
        Some(first) if first == fungraph_sandbox::SPAWNER_COMMAND => {
            telemetry::start_log(telemetry::SPAWNER);
            return fungraph_sandbox::spawner_main();
        }
        Some(first) if first == fungraph_native::COMMAND => {
            return fungraph_sandbox::socket().map_or(ExitCode::FAILURE, fungraph_native::main);
        }
        _ => {}
    }
    let done = match Args::parse().command {
        Command::Serve(args) => commands::serve::run(&args),
        Command::Invoke(args) => commands::invoke::run(&args),
        Command::Async(command) => commands::queue::run(&command),
        Command::Replay(args) => commands::invoke::replay(&args),
        Command::Logs(args) => commands::logs::run(&args),
        Command::Why(args) => commands::why::run(&args),
        Command::Top(args) => commands::top::run(&args),
        Command::Triggers(args) => commands::triggers::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Runtimes(args) => commands::runtimes::run(&args),
        Command::Env(args) => commands::env::run(&args),
        Command::Project(command) => commands::project::run(&command),
        Command::User(command) => commands::user::run(&command),
        Command::Key(command) => commands::key::run(&command),
        Command::Run(args) => commands::invoke::run_in_place(&args),
    };
    let exit = done.unwrap_or_else(|error| {
        say::error(&error);
        Exit::of(&error)
    });
    exit.into()
}
