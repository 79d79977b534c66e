//! Descriptors 3, 4 and 5, kept free for the next launch.
//!
//! 3 is the socket of every sandbox. An OCI program also passes the init's report as 4 and the init itself as 5; the embedded engine
//! needs no numbers for those.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use rustix::io::{FdFlags, dup2, fcntl_setfd};

/// The first number, by which a sandboxed process knows its socket.
const FIRST: i32 = 3;
const COUNT: usize = 3;

/// Holds the numbers, so that nothing else of this process ever gets them.
#[derive(Debug)]
pub(super) struct Reserved {
    numbers: [OwnedFd; COUNT],
    null: File,
}

impl Reserved {
    /// Called first in the process: whatever the numbers were before is closed.
    #[allow(unsafe_code)]
    pub(super) fn reserve() -> io::Result<Reserved> {
        let null = File::open("/dev/null")?;
        // Above all of them, whichever it got.
        let above = FIRST + COUNT as i32;
        let high = rustix::io::fcntl_dupfd_cloexec(&null, above)?;
        if (FIRST..above).contains(&null.as_raw_fd()) {
            // It is one of them, and is made so again below.
            let _number = null.into_raw_fd();
        }
        let number = |index: i32| {
            // SAFETY: dup2 takes plain numbers; nothing in this process owns these yet, or it would be the spawner's own code that does.
            if unsafe { libc::dup2(high.as_raw_fd(), FIRST + index) } != FIRST + index {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: it is open, by the call above, and owned by nobody else.
            let number = unsafe { OwnedFd::from_raw_fd(FIRST + index) };
            fcntl_setfd(&number, FdFlags::CLOEXEC)?;
            Ok(number)
        };
        Ok(Reserved { numbers: [number(0)?, number(1)?, number(2)?], null: high.into() })
    }

    /// Makes the numbers, from 3 on, these descriptors, to be inherited.
    pub(super) fn place(&mut self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        for (number, descriptor) in self.numbers.iter_mut().zip(descriptors) {
            dup2(descriptor, number)?;
        }
        Ok(())
    }

    /// Makes them nothing again: a peer that waits for the socket's end must not wait for this process.
    pub(super) fn take_back(&mut self) {
        for number in &mut self.numbers {
            let emptied = dup2(&self.null, number).and_then(|()| fcntl_setfd(&*number, FdFlags::CLOEXEC));
            if let Err(errno) = emptied {
                tracing::error!(%errno, "cannot take a descriptor back");
            }
        }
    }
}
