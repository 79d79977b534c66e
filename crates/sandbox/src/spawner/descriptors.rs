//! What is open, to close what libcontainer forgets.
//!
//! It keeps the ends of its channels as numbers and closes them at the end of the good path: each launch that fails half-way would
//! leave five of them open in the spawner, and a tenant can make launches fail.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::RawFd;

/// The numbers that were open at one moment.
#[derive(Debug)]
pub(super) struct Descriptors {
    open: BTreeSet<RawFd>,
}

impl Descriptors {
    pub(super) fn of_this_process() -> Descriptors {
        Descriptors { open: list() }
    }

    /// Closes what has been opened since. Only to be called when nobody owns any of it.
    #[allow(unsafe_code)]
    pub(super) fn close_newer(&self) {
        for number in list().difference(&self.open) {
            // SAFETY: by the contract above no owner is left; the folder that was listed is closed already, which is refused.
            unsafe { libc::close(*number) };
        }
    }
}

fn list() -> BTreeSet<RawFd> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
