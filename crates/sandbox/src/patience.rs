//! Waiting for a program that should be quick, but not for ever.

use std::io;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Whether a program ends within `limit`; one that does not goes on.
pub(crate) fn ends_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let ended = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The same, and one that does not end is ended.
pub(crate) fn end_within(child: &mut Child, limit: Duration) -> io::Result<bool> {
    let ended = ends_within(child, limit)?;
    if !ended {
        // It may end this very moment, which is as good.
        let _gone = child.kill();
        child.wait()?;
    }
    Ok(ended)
}

/// A shell script to run, for tests. Another process writes it: what this one has open for writing, a thread that starts a
/// program just then hands on, and the kernel runs no file that somebody writes to.
#[cfg(test)]
pub(crate) fn script(path: &std::path::Path, text: &str) {
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let written = std::process::Command::new("sh").args(["-c", write]).arg(path).arg(text).status();
    assert!(written.expect("there is a shell").success(), "it is written");
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn who_takes_too_long_is_ended() {
        let start = |seconds: &str| Command::new("sleep").arg(seconds).spawn().expect("it is there");
        let (mut quick, mut slow) = (start("0"), start("1000"));
        assert!(end_within(&mut quick, Duration::from_secs(60)).expect("it is watched"));
        assert!(!end_within(&mut slow, Duration::from_millis(20)).expect("it is watched"));
        let status = slow.try_wait().expect("it is ours").expect("it has ended");
        assert!(!status.success());
    }
}
