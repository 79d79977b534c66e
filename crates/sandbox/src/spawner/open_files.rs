//! The limit on open files: that of this process, and what it can give to sandboxes.
//!
//! A sandbox sets its own limit where it has no right to raise any, so it cannot have more than this process could.

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

/// Sees to it that a sandbox can have so many, if this process has the right to.
pub(super) fn allow(needed: u64) -> Result<(), TooFew> {
    let Some(most) = getrlimit(Resource::Nofile).maximum.filter(|most| *most < needed) else { return Ok(()) };
    let raised = Rlimit { current: Some(needed), maximum: Some(needed) };
    setrlimit(Resource::Nofile, raised).map_err(|_| TooFew { needed, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_told_with_what_to_do() {
        let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert!(allow(most.min(1024)).is_ok(), "nothing is to be raised");
        // More than the kernel allows anybody (fs.nr_open).
        if let Err(told) = allow(u64::MAX - 1) {
            let told = told.to_string();
            assert!(told.contains("18446744073709551614") && told.contains("ulimit -Hn"), "{told}");
        } else {
            assert_eq!(most, u64::MAX, "it cannot be raised so far");
        }
    }
}
