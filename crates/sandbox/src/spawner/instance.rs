//! One sandbox as the spawner holds it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;

use rustix::process::{Pid, Signal, WaitStatus, pidfd_send_signal};

use super::disk::Disk;
use super::late::LateFolders;
use super::network::Lease;
use super::report::Report;
use super::skeleton::Skeleton;
use super::slots::Slot;
use crate::cgroup::Cgroups;
use crate::exit::ExitStatus;
use crate::gauge::GaugeKind;
use crate::launch::User;

/// A started process and what it holds of the host.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) id: String,
    /// Whom its processes run as, as the host knows it.
    pub(super) user: User,
    pub(super) slot: Slot,
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) disk: Option<Disk>,
    /// Some until it is fitted.
    pub(super) late: Option<LateFolders>,
    #[expect(dead_code, reason = "held: its folders must not go while something is mounted on them")]
    pub(super) skeleton: Rc<Skeleton>,
    /// Handed to the server with the news of the launch.
    pub(super) gauge: Option<(GaugeKind, File)>,
    /// `/proc/PID/net`, handed to the server with it; none on the host's network.
    pub(super) counters: Option<File>,
    /// Its address, if it has a way out.
    #[expect(dead_code, reason = "held: dropped, it is another's")]
    pub(super) address: Option<Lease>,
    pub(super) report: Report,
    /// Whether it is known how the start went.
    pub(super) is_known: bool,
    /// Whether it is to end, and only its init has not been collected yet.
    pub(super) is_killed: bool,
    /// Why the program was not started; the server is told when it is cleaned up.
    pub(super) failure: Option<String>,
}

impl Instance {
    /// Kills everything in it. The end of its init would be enough, but the init ends when it is given CPU, for which all the others
    /// compete with it. To be done again until the init is collected.
    pub(super) fn kill(&mut self, cgroups: &Cgroups) {
        self.is_killed = true;
        // Already dead is as good.
        let _gone = pidfd_send_signal(&self.pidfd, Signal::KILL);
        cgroups.kill(&self.id);
    }

    /// Reads how the start went, once the report can be read. False if it failed.
    pub(super) fn read_report(&mut self) -> bool {
        self.is_known = true;
        self.failure = self.report.start().err();
        self.failure.is_none()
    }

    /// Lets go of all it holds, before what stays of it outside is cleaned up.
    pub(super) fn dissolve(self) -> (String, Slot) {
        (self.id, self.slot)
    }

    /// How it ended, from what wait said of its init: as the function did, if that was the first to end.
    pub(super) fn exit_status(&mut self, status: WaitStatus) -> ExitStatus {
        let told = status.exited().then(|| self.report.end()).flatten();
        let (code, signal) = match told {
            Some(told) => (told.code(), told.signal()),
            None => (status.exit_status(), status.terminating_signal()),
        };
        code.map_or(ExitStatus::Signal(signal.unwrap_or(0)), ExitStatus::Code)
    }
}
