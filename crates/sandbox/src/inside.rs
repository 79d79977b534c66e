//! For a program of ours that runs inside a sandbox: its way to the socket that the spawner gave it.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::getsockname;

/// The number by which a sandboxed process knows its socket.
const NUMBER: i32 = 3;

/// Takes descriptor 3, once, before anything is opened; programs that are started from now on do not inherit it.
///
/// # Errors
/// There is no socket: the program was not started by the spawner.
#[allow(unsafe_code)]
pub fn socket() -> io::Result<OwnedFd> {
    // SAFETY: a look at a number, which is closed or open; the kernel says which.
    getsockname(unsafe { BorrowedFd::borrow_raw(NUMBER) })?;
    // SAFETY: it is open, by the call above, and the process has just begun and has opened nothing, so nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(NUMBER) };
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}
