//! Descriptor 3, kept free for the socket of the next launch.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{FdFlags, dup2, fcntl_setfd};

/// The number by which a sandboxed process knows its socket.
const NUMBER: i32 = 3;

/// Holds number 3, so that nothing else of this process ever gets it.
#[derive(Debug)]
pub(super) struct Third {
    number: OwnedFd,
    null: File,
}

impl Third {
    /// Called first in the process: whatever 3 was before is closed.
    #[allow(unsafe_code)]
    pub(super) fn reserve() -> io::Result<Third> {
        let null = File::open("/dev/null")?;
        if null.as_raw_fd() == NUMBER {
            let other = null.try_clone()?;
            return Ok(Third { number: null.into(), null: other });
        }
        // SAFETY: dup2 takes plain numbers; nothing in this process owns 3 yet, or it would be the spawner's own code that does.
        if unsafe { libc::dup2(null.as_raw_fd(), NUMBER) } != NUMBER {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: 3 is open, by the call above, and owned by nobody else.
        let number = unsafe { OwnedFd::from_raw_fd(NUMBER) };
        Ok(Third { number, null })
    }

    /// Makes 3 the socket, to be inherited.
    pub(super) fn place(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        Ok(dup2(socket, &mut self.number)?)
    }

    /// Makes 3 nothing again: a peer that waits for the socket's end must not wait for this process.
    pub(super) fn take_back(&mut self) {
        let emptied = dup2(&self.null, &mut self.number).and_then(|()| fcntl_setfd(&self.number, FdFlags::CLOEXEC));
        if let Err(errno) = emptied {
            tracing::error!(%errno, "cannot take descriptor 3 back");
        }
    }
}
