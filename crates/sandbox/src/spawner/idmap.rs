//! A user namespace that nobody lives in: it says under which ids a mount shows its files.
//!
//! A namespace needs a process to be made, and its maps to be written. That process ends at once and is collected when all is done:
//! what is dead already cannot outlive a spawner that is killed in between.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, WaitOptions, waitpid};

/// One past the last id there is.
const END: u32 = u32::MAX;

/// One id as it is stored in a file system, and as the kernel knows it among the host's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Twin {
    pub(super) stored: u32,
    pub(super) host: u32,
}

/// A namespace under which `user` and `group` are shown for what is stored, and all others as they are, but for the two that would
/// then be there twice.
pub(super) fn namespace(user: Twin, group: Twin) -> io::Result<OwnedFd> {
    let process = Dead::new()?;
    let path = |name: &str| format!("/proc/{}/{name}", process.0.as_raw_nonzero());
    fs::write(path("uid_map"), map(user))?;
    fs::write(path("gid_map"), map(group))?;
    Ok(File::open(path("ns/user"))?.into())
}

/// Lines of an id map: as stored, as the host's, how many. The kernel takes each id once on either side.
fn map(Twin { stored, host }: Twin) -> String {
    let mut lines = format!("{stored} {host} 1\n");
    let (low, high) = (stored.min(host), stored.max(host));
    for (first, end) in [(0, low), (low + 1, high), (high.saturating_add(1), END)] {
        if first < end {
            lines += &format!("{first} {first} {}\n", end - first);
        }
    }
    lines
}

/// A process of a user namespace of its own that has ended, and has not been collected.
struct Dead(Pid);

impl Dead {
    #[allow(unsafe_code)]
    fn new() -> io::Result<Dead> {
        const STACK: usize = 16 << 10;
        extern "C" fn end(_: *mut libc::c_void) -> libc::c_int {
            0
        }
        // u128 for the alignment that stacks have.
        let mut stack = vec![0_u128; STACK / size_of::<u128>()];
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_NEWUSER | libc::SIGCHLD;
        // SAFETY: the new process has a stack of its own, this one stands still until it has ended, and it does nothing but end.
        let pid = unsafe { libc::clone(end, stack.as_mut_ptr_range().end.cast(), flags, std::ptr::null_mut()) };
        Pid::from_raw(pid).filter(|_| pid > 0).map(Dead).ok_or_else(io::Error::last_os_error)
    }
}

impl Drop for Dead {
    fn drop(&mut self) {
        if let Err(errno) = waitpid(Some(self.0), WaitOptions::empty()) {
            tracing::debug!(%errno, "cannot collect the process of a user namespace");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_is_mapped_once_on_either_side() {
        let check = |stored, host, expected: &str| assert_eq!(map(Twin { stored, host }), expected);
        check(1003, 5000, "1003 5000 1\n0 0 1003\n1004 1004 3996\n5001 5001 4294962294\n");
        check(5000, 1003, "5000 1003 1\n0 0 1003\n1004 1004 3996\n5001 5001 4294962294\n");
        check(7, 8, "7 8 1\n0 0 7\n9 9 4294967286\n");
        check(7, 7, "7 7 1\n0 0 7\n8 8 4294967287\n");
    }
}
