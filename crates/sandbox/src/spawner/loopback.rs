//! Raising `lo` in a new network namespace, where it is down.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The network namespace of the spawner, to come back to.
#[derive(Debug)]
pub(super) struct HomeNetwork {
    namespace: File,
}

impl HomeNetwork {
    pub(super) fn new() -> io::Result<HomeNetwork> {
        Ok(HomeNetwork { namespace: File::open("/proc/self/ns/net")? })
    }

    /// Raises `lo` where this process lives. It cannot do so itself: it has no capability by the time it could.
    pub(super) fn raise_loopback_of(&self, pid: u32) -> io::Result<()> {
        let theirs = File::open(format!("/proc/{pid}/ns/net"))?;
        move_into_link_name_space(theirs.as_fd(), Some(LinkNameSpaceType::Network))?;
        let raised = raise();
        if let Err(errno) = move_into_link_name_space(self.namespace.as_fd(), Some(LinkNameSpaceType::Network)) {
            // The next sandbox would share this one's network. The kernel has no reason to refuse; better none than that.
            tracing::error!(%errno, "the spawner cannot leave a sandbox's network and ends");
            std::process::abort();
        }
        raised
    }
}

#[allow(unsafe_code)]
fn raise() -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: ifreq is plain data, for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = (*from).cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which lives until the call returns; name and flags are set.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as libc::Ioctl, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
