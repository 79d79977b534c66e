//! A socket in the network of a sandbox, for the server.
//!
//! The server talks with programs that listen in a sandbox, and lets them talk with it. It gets a socket that was never anybody
//! else's: one that the function had held could be made to block, or to linger when it is closed, and so hold up who uses it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::Pid;

use super::namespace::{self, HomeNetwork};

impl HomeNetwork {
    /// A TCP socket of the network namespace where this process lives, or the child of ours that it was until we collect it.
    pub(super) fn tcp_socket_of(&self, pid: Pid) -> io::Result<OwnedFd> {
        let namespace = match namespace::of_process(pid.as_raw_nonzero().get().cast_unsigned()) {
            // Dead, and about to be told so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(io::Error::other("it has ended")),
            opened => opened,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(self.visit(&namespace?, || socket_with(AddressFamily::INET, SocketType::STREAM, flags, None))??)
    }
}
