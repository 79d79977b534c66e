//! What the inside of a sandbox tells the spawner: that the function was started, or why not, and how it ended.
//!
//! A pipe: one byte 0 once the program runs, then the status of its end as `wait` gives it, in four bytes. Or a text instead, when it
//! could not be started, or the number of the error where the init itself tried (see init/code.rs). Neither libcontainer nor an OCI
//! program has a way to tell.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::io::{Errno, ioctl_fionbio, read};
use rustix::pipe::{PipeFlags, pipe_with};

/// What is sent when the program runs.
pub(super) const STARTED: u8 = 0;
/// What the init sends when an OCI program started it and it cannot start the function: this, and then the number of the error in
/// four bytes. No text begins with it.
const REFUSED: u8 = 1;

/// The spawner's end.
#[derive(Debug)]
pub(super) struct Report {
    pipe: OwnedFd,
    /// What is to be run, to name it where it cannot.
    program: String,
    told: Vec<u8>,
}

impl Report {
    /// The spawner's end, and the one that goes into the sandbox.
    pub(super) fn new(program: &str) -> io::Result<(Report, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        // Processes that are being made hold copies of the other end, so its end would not be seen.
        ioctl_fionbio(&ours, true)?;
        Ok((Report { pipe: ours, program: program.to_owned(), told: Vec::new() }, theirs))
    }

    /// Reads how the start went, once there is something to read or the process has ended.
    pub(super) fn start(&mut self) -> Result<(), String> {
        self.take_in().map_err(|errno| format!("cannot learn whether it started: {errno}"))?;
        match self.told.as_slice() {
            [STARTED, ..] => Ok(()),
            &[REFUSED, a, b, c, d] => {
                let error = io::Error::from_raw_os_error(i32::from_ne_bytes([a, b, c, d]));
                Err(format!("cannot run {}: {error}", self.program))
            }
            [_, ..] => Err(String::from_utf8_lossy(&self.told).into_owned()),
            [] => Err("it ended before its program was started".to_owned()),
        }
    }

    /// How the function ended, once pid 1 has ended; none where that was killed.
    pub(super) fn end(&mut self) -> Option<ExitStatus> {
        // What cannot be read was not told.
        let _unread = self.take_in();
        let status = self.told.strip_prefix(&[STARTED])?;
        Some(ExitStatus::from_raw(i32::from_ne_bytes(status.try_into().ok()?)))
    }

    fn take_in(&mut self) -> Result<(), Errno> {
        let mut text = [0; 1024];
        match read(&self.pipe, &mut text) {
            Ok(length) => self.told.extend_from_slice(&text[..length]),
            Err(Errno::AGAIN) => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    }
}

impl AsFd for Report {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::write;

    use super::*;

    #[test]
    fn a_start_and_an_end_are_told_apart_however_they_arrive() {
        let (mut report, theirs) = Report::new("/bin/f").expect("a pipe");
        write(&theirs, &[STARTED]).expect("room");
        assert_eq!(report.start(), Ok(()));
        assert!(report.end().is_none());
        write(&theirs, &(7_i32 << 8).to_ne_bytes()).expect("room");
        assert_eq!(report.end().and_then(|status| status.code()), Some(7));
        let (mut report, theirs) = Report::new("/bin/f").expect("a pipe");
        write(&theirs, &[&[STARTED], &9_i32.to_ne_bytes()[..]].concat()).expect("room");
        assert_eq!(report.start(), Ok(()));
        assert_eq!(report.end().and_then(|status| status.signal()), Some(9));
    }

    #[test]
    fn a_start_that_failed_says_why() {
        let (mut report, theirs) = Report::new("/bin/f").expect("a pipe");
        write(&theirs, b"no such file").expect("room");
        assert_eq!(report.start(), Err("no such file".to_owned()));
        assert!(report.end().is_none());
        let (mut report, theirs) = Report::new("/bin/f").expect("a pipe");
        write(&theirs, &[&[REFUSED], &2_i32.to_ne_bytes()[..]].concat()).expect("room");
        assert_eq!(report.start(), Err("cannot run /bin/f: No such file or directory (os error 2)".to_owned()));
        let (mut report, _theirs) = Report::new("/bin/f").expect("a pipe");
        assert!(report.start().is_err());
    }
}
