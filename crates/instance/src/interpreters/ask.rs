//! Asks a program for its version: run with `--version`, nothing in its environment, and five seconds.

use std::io::{self, PipeReader, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process_group, pidfd_open};

use super::Version;
use super::program::Program;
use super::version;

/// What a program may take to print its version.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("it cannot be started")]
    Start(#[source] io::Error),
    #[error("it did not print its version in time")]
    Slow,
    #[error("what it prints for --version is no version")]
    Unreadable,
}

/// Runs the program and reads its version, within `limit`.
///
/// # Errors
/// It does not start, is too slow, or prints something else.
pub(super) fn ask(program: &Program, limit: Duration) -> Result<Version, Error> {
    let (output, mut child) = start(program).map_err(Error::Start)?;
    let ended = wait(&child, limit).map_err(Error::Start);
    if !matches!(ended, Ok(true)) {
        end(&mut child);
    }
    // A failure to collect it leaves nothing to do: the version is in the pipe or it is not.
    let _ = child.wait();
    if !ended? {
        return Err(Error::Slow);
    }
    version::from_output(&read(output)).ok_or(Error::Unreadable)
}

fn start(program: &Program) -> io::Result<(PipeReader, Child)> {
    // Python 2 prints its version on the standard error: both go into one pipe.
    let (output, input) = io::pipe()?;
    let mut command = Command::new(&program.path);
    command
        .arg("--version")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input)
        .process_group(0);
    let (uid, gid) = (program.metadata.uid(), program.metadata.gid());
    if geteuid().is_root() && uid != 0 {
        // A server of root must not run a user's file as root; the standard library drops the other groups with it.
        command.gid(gid).uid(uid);
    }
    let child = command.spawn()?;
    Ok((output, child))
}

/// Waits for the end of the child itself, whoever holds its pipe; `false` where it was too slow.
fn wait(child: &Child, limit: Duration) -> io::Result<bool> {
    let pid = pid(child);
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn end(child: &mut Child) {
    // It leads a group of its own, so this ends what it started as well; it may have ended meanwhile.
    let _ = kill_process_group(pid(child), Signal::KILL);
    let _ = child.kill();
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// What is in the pipe now. A grandchild may hold the other end open, so the end of file is not waited for.
fn read(mut output: PipeReader) -> String {
    let mut text = [0; 512];
    let ready = poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    let length = match ready {
        Ok(1..) => output.read(&mut text).unwrap_or(0),
        _ => 0,
    };
    String::from_utf8_lossy(&text[..length]).into_owned()
}
