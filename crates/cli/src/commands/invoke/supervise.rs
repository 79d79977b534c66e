//! Runs a folder in a process of its own and cleans up behind it, however that process ends.
//!
//! The platform gives up root and cannot remove what its spawner made as root; and a process that was killed removes
//! nothing. So one process stays outside, as root, does nothing but wait, and removes the temporary folder.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::folder;
use crate::args::{InvokeArgs, RUN_COMMAND};
use crate::exit::Exit;
use crate::platform;

pub(super) fn run(args: &InvokeArgs) -> anyhow::Result<Exit> {
    folder::language(Path::new(&args.target), args.runtime.as_deref())?;
    platform::require_root()?;
    let place = tempfile::Builder::new().prefix("fungraph-").tempdir().context("cannot make a temporary folder")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(watch(&place));
    let removed = place.close().context("cannot remove the temporary folder");
    let exit = Exit::from_code(code?);
    removed.map(|()| exit)
}

async fn watch(place: &TempDir) -> anyhow::Result<Option<i32>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // The same arguments, behind the hidden command: `invoke` itself is the first of them.
    let given: Vec<OsString> = std::env::args_os().skip(2).collect();
    let mut command = Command::new("/proc/self/exe");
    let mut child = command.arg(RUN_COMMAND).arg(place.path()).args(given).spawn().context("cannot start the run")?;
    loop {
        tokio::select! {
            ended = child.wait() => return Ok(ended.context("cannot wait for the run")?.code()),
            _ = interrupt.recv() => pass_on(&child),
            _ = terminate.recv() => pass_on(&child),
        }
    }
}

fn pass_on(child: &Child) {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(pid) = pid {
        // It may have ended just now, which is what was wanted.
        let _ = kill_process(pid, Signal::TERM);
    }
}
