//! One sandbox as the spawner holds it.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::io::read;
use rustix::process::{Pid, Signal, WaitStatus, pidfd_send_signal};

use super::disk::Disk;
use super::late::Late;
use super::network::Lease;
use super::slots::Slot;
use crate::exit::ExitStatus;
use crate::gauge::GaugeKind;

/// A started process and what it holds of the host.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) slot: Slot,
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) disk: Option<Disk>,
    /// Some until it is fitted.
    pub(super) late: Option<Late>,
    /// Handed to the server with the news of the launch.
    pub(super) gauge: Option<(GaugeKind, File)>,
    /// `/proc/PID/net`, handed to the server with it; none on the host's network.
    pub(super) counters: Option<File>,
    /// Its address, if it has a way out.
    #[expect(dead_code, reason = "held: dropped, it is another's")]
    pub(super) address: Option<Lease>,
    /// Some until it is known whether exec worked.
    pub(super) report: Option<OwnedFd>,
    /// Why exec did not work; the server is told when it is cleaned up.
    pub(super) failure: Option<String>,
}

impl Instance {
    /// Kills everything in it: its first process is the init of its pid namespace.
    pub(super) fn kill(&self) {
        // Already dead is as good.
        let _gone = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Reads how exec went, once the report can be read. False if it failed.
    pub(super) fn read_report(&mut self) -> bool {
        let Some(report) = self.report.take() else { return self.failure.is_none() };
        let mut text = [0; 1024];
        match read(&report, &mut text) {
            Ok(0) => {}
            Ok(length) => self.failure = Some(String::from_utf8_lossy(&text[..length]).into_owned()),
            Err(errno) => self.failure = Some(format!("cannot learn whether it started: {errno}")),
        }
        self.failure.is_none()
    }
}

/// How a process ended, from what wait said.
pub(super) fn exit_status(status: WaitStatus) -> ExitStatus {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitStatus::Code(code),
        (None, signal) => ExitStatus::Signal(signal.unwrap_or(0)),
    }
}
