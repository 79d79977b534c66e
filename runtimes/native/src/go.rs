//! Go functions: their executable serves Go's `net/rpc` at `RUNTIME_API_ADDR` (contract: runtimes.md 8.4). Here it is started and waited for;
//! its client is in the server (`fungraph-instance`, `programs/go.rs`).

mod port;
mod program;

use std::{process::ExitStatus, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, timeout_at};

use crate::{
    child::{self, Program},
    failure::{self, Failure},
    leave,
    load::Load,
};
pub(crate) use port::Port;

/// What every program has to do, for those who are told that theirs did not.
const SERVE: &str = "`main` must call `runtime.Register(handler)` of the Go runtime library";

/// Starts the program and waits until it listens at its port.
pub(crate) async fn start(load: &Load) -> Result<(Port, Program), Failure> {
    let begun = Instant::now();
    let port = Port::choose();
    let port = port.map_err(|error| cannot_load(&format!("there is no free port to serve at ({error})")))?;
    let program = launch(load, port)?;
    tokio::select! {
        biased;
        open = timeout_at(begun + load.start_limit(), port.opens()) => match open {
            Ok(()) => Ok((port, program)),
            Err(_) => Err(closed(&load.handler, load.start_limit())),
        },
        status = program.ended() => Err(ended(&load.handler, status)),
    }
}

/// Starts the program. Its output is the instance's own.
fn launch(load: &Load, port: Port) -> Result<Program, Failure> {
    let path = program::find(load.code_root(), &load.handler).map_err(|why| cannot_load(&why.to_string()))?;
    let mut command = child::command(&path, load);
    command.env("RUNTIME_API_ADDR", port.address().to_string());
    Program::start(command).map_err(|error| cannot_load(&program::explain(&load.handler, &error)))
}

/// The port stayed closed.
fn closed(handler: &str, limit: Duration) -> Failure {
    Failure::not_ready(&format!(
        "{handler:?} did not listen at RUNTIME_API_ADDR within {} seconds; {SERVE}",
        limit.as_millis().div_ceil(1000)
    ))
}

/// The program has ended.
fn ended(handler: &str, status: ExitStatus) -> Failure {
    use std::os::unix::process::ExitStatusExt as _;
    if status.signal() == Some(Signal::KILL.as_raw()) {
        // Perhaps for want of memory, and the platform knows whether.
        leave::like(status);
    }
    cannot_load(&format!(
        "{handler:?} {} before it served its function; what it printed is in the log, and {SERVE}",
        child::how(status)
    ))
}

fn cannot_load(why: &str) -> Failure {
    Failure::new(failure::LOAD, "FunctionLoadError", why)
}
