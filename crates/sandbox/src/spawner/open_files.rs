//! The limit on open files: that of this process, and what it can give to sandboxes.
//!
//! A sandbox sets its own limit where it has no right to raise any, and neither has this process: what the server was started with is the most.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Too few can be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "a sandbox has {needed} open files, and this server must not have more than {most}; raise its hard limit to {needed} at least \
     (ulimit -Hn of the shell, LimitNOFILE= of the systemd unit, --ulimit nofile= of the container)"
)]
pub(super) struct TooFew {
    needed: u64,
    most: u64,
}

/// Every sandbox costs this process a few descriptors, and the limit inherited may be a shell's.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(errno) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%errno, "cannot raise the limit on open files");
    }
}

/// Whether a sandbox can have so many.
pub(super) fn check(needed: u64) -> Result<(), TooFew> {
    let too_few = getrlimit(Resource::Nofile).maximum.filter(|most| *most < needed);
    too_few.map_or(Ok(()), |most| Err(TooFew { needed, most }))
}
