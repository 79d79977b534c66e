//! One spawner at a time for each data folder.
//!
//! A server that starts again at once meets the spawner of the one before, which is still cleaning up, and takes all that bears the
//! folder's name for its own. So the next one waits. The lock is one of those that belong to a process, not to a descriptor:
//! whatever a killed spawner was making has a copy of the descriptor, and would hold the other kind for as long as it lives.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

const FILE: &str = "lock";

/// Held for the life of a spawner.
#[derive(Debug)]
pub(super) struct Turn {
    /// The only descriptor of this process for that file: closing any would give the lock back.
    _file: File,
}

impl Turn {
    /// Waits for it until the deadline; none if another spawner is still there.
    pub(super) fn wait(folder: &Path, deadline: Instant) -> io::Result<Option<Turn>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(FILE))?;
        loop {
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Turn { _file: file })),
                Err(Errno::AGAIN | Errno::ACCESS) if Instant::now() > deadline => return Ok(None),
                Err(Errno::AGAIN | Errno::ACCESS | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            // To wait for it in the kernel would have no deadline.
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
