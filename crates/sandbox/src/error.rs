//! What a caller of this crate can be told.

use std::io;

use crate::launch::InvalidLaunch;

/// Why the spawner, or one launch, did not work. The texts are for the operator: they name folders of this host.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spawner process could not be started or refused to work.
    #[error("the spawner did not start: {reason}")]
    Start {
        /// What it said, with what to do about it.
        reason: String,
    },
    /// A system call on the server's side failed.
    #[error("{step}")]
    System {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The request itself is wrong.
    #[error("launch {id:?} is not valid")]
    Invalid {
        /// The id of the launch.
        id: String,
        /// What is wrong with it.
        source: InvalidLaunch,
    },
    /// The spawner tried and failed; nothing of the attempt is left.
    #[error("cannot start sandbox {id:?}: {reason}")]
    Launch {
        /// The id of the launch.
        id: String,
        /// What failed, as the spawner told it.
        reason: String,
    },
    /// A running sandbox could not be fitted; it is of no use any more.
    #[error("cannot fit sandbox {id:?}: {reason}")]
    Fit {
        /// The id of its launch.
        id: String,
        /// What failed, as the spawner told it.
        reason: String,
        /// What of it others than the operator may know: it names nothing of the host.
        told: Option<String>,
    },
    /// A running sandbox has no socket to give.
    #[error("no socket in the network of sandbox {id:?}: {reason}")]
    Socket {
        /// The id of its launch.
        id: String,
        /// What failed, as the spawner told it.
        reason: String,
    },
    /// The spawner is gone, and with it every sandbox.
    #[error("the spawner is gone")]
    Lost,
}

impl Error {
    pub(crate) fn system(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> Error {
        move |errno| Error::System { step, source: errno.into() }
    }
}
