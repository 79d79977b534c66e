//! Visits to other network namespaces.
//!
//! A socket belongs to the namespace it was opened in, for good. So a visit is short: open what is needed, come back, use it from here.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// The network namespace of the spawner, to come back to.
#[derive(Debug)]
pub(crate) struct HomeNetwork {
    namespace: File,
}

impl HomeNetwork {
    pub(crate) fn new() -> io::Result<HomeNetwork> {
        Ok(HomeNetwork { namespace: this_namespace()? })
    }

    /// Does something in the namespace of another process, or in one held open.
    pub(crate) fn visit<T>(&self, theirs: &File, work: impl FnOnce() -> T) -> io::Result<T> {
        move_into_link_name_space(theirs.as_fd(), Some(LinkNameSpaceType::Network))?;
        let done = work();
        self.come_back();
        Ok(done)
    }

    /// Does something in a new namespace; it lives as long as what was opened in it, or its file.
    #[allow(unsafe_code)]
    pub(crate) fn visit_new<T>(&self, work: impl FnOnce() -> T) -> io::Result<(File, T)> {
        // SAFETY: only the network namespace is unshared; the table of descriptors, which the function warns of, stays shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
        let done = this_namespace().map(|namespace| (namespace, work()));
        self.come_back();
        done
    }

    fn come_back(&self) {
        if let Err(errno) = move_into_link_name_space(self.namespace.as_fd(), Some(LinkNameSpaceType::Network)) {
            // The next sandbox would share this one's network. The kernel has no reason to refuse; better none than that.
            tracing::error!(%errno, "this process cannot leave a network namespace and ends");
            std::process::abort();
        }
    }
}

impl AsFd for HomeNetwork {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }
}

/// Of this thread: the only one, but in tests and in `doctor`.
fn this_namespace() -> io::Result<File> {
    File::open("/proc/thread-self/ns/net")
}

/// The network namespace of a process.
pub(crate) fn of_process(pid: u32) -> io::Result<File> {
    File::open(format!("/proc/{pid}/ns/net"))
}
