//! The user's program: how it is started, watched and asked to end.
//!
//! Its standard output and error are ours, the one pipe of the instance: the platform gives what arrives there to the call that
//! began last, and before each answer it takes what was printed until then. Nothing it prints passes through this process.

use std::{
    io,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{process::Command, sync::watch, time::timeout};

use crate::{failure::Failure, leave, load::Load};

/// How long it may take over SIGTERM (contract: custom-runtime.md 1.3).
const TERM: Duration = Duration::from_secs(2);

/// The running program. Cheap to share.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// It leads a process group of its own.
    group: Pid,
    ended: watch::Receiver<Option<ExitStatus>>,
}

/// A command whose working directory is the code, with the environment of the function.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, load: &Load) -> Command {
    let mut command = Command::new(program);
    command.envs(load.environment());
    command.current_dir(load.code_root()).stdin(Stdio::null()).process_group(0);
    command
}

impl Program {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = id.ok_or_else(|| io::Error::other("the program has no process id"))?;
        let (tell, ended) = watch::channel(None);
        // Ends with the program.
        tokio::spawn(async move {
            let status = child.wait().await;
            tell.send_replace(Some(status.unwrap_or_default()));
        });
        Ok(Self { group, ended })
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status.ok().and_then(|status| *status).unwrap_or_default()
    }

    /// Lets it end by itself, and then no longer.
    pub(crate) async fn stop(&self) {
        // It, or the last of its group, may be gone already.
        let _gone = kill_process_group(self.group, Signal::TERM);
        let _slow = timeout(TERM, self.ended()).await;
        let _gone = kill_process_group(self.group, Signal::KILL);
    }
}

/// What is told of a program that ended while it started; `before` says what it had not done.
pub(crate) fn ended_early(name: &str, status: ExitStatus, before: &str) -> Failure {
    if status.signal() == Some(Signal::KILL.as_raw()) {
        // Perhaps for want of memory, and the platform knows whether.
        leave::like(status);
    }
    Failure::start(&format!("{name} {} {before}", how(status)))
}

/// What an end looks like in a sentence: "it ...".
pub(crate) fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Whether there is a file to start at all, and one that may be.
pub(crate) fn check_file(path: &Path, must_be_executable: bool) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let refuse = |why: String| Err(Failure::start(&why));
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => refuse(format!(
            "the code package has no file {name} at its top level; put {name} there, not into a folder of the archive"
        )),
        Err(error) => refuse(format!("{name} cannot be read: {error}")),
        Ok(found) if !found.is_file() => refuse(format!("{name} is no file; it must be a script or a program")),
        Ok(found) if must_be_executable && found.permissions().mode() & 0o111 == 0 => refuse(format!(
            "{name} is not executable; run chmod +x {name} before the folder is packed, with a tool that keeps modes"
        )),
        Ok(_) => Ok(()),
    }
}

/// Why a file that is there and executable was not started.
pub(crate) fn explain(path: &Path, error: &io::Error) -> Failure {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let begin = first_line(path);
    let script = begin.strip_prefix("#!");
    Failure::start(&match (error.kind(), script) {
        (io::ErrorKind::NotFound, Some(line)) => {
            format!(
                "{name} cannot be started: its first line names {}, which is not there (or has carriage returns after it)",
                line.trim()
            )
        }
        (io::ErrorKind::NotFound, None) => {
            format!(
                "{name} cannot be started: the program loader it was linked for is not there; link it statically, or for this system"
            )
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error())
            && begin.starts_with("\u{7f}ELF") =>
        {
            format!(
                "{name} is a program for another kind of processor; build it for Linux on {}",
                std::env::consts::ARCH
            )
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            format!("{name} is neither a program nor a script; begin a script with a line such as #!/bin/bash")
        }
        _ => format!("{name} cannot be started: {error}"),
    })
}

/// As much of the first line as explains something.
fn first_line(path: &Path) -> String {
    use std::io::Read as _;
    let mut begin = Vec::new();
    // A file that cannot be read begins with nothing.
    let _unreadable = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut begin));
    let text = String::from_utf8_lossy(&begin);
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A file as a package might bring it, and a word of what is told when it is started.
    fn check(content: Option<&[u8]>, mode: u32, expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bootstrap");
        if let Some(content) = content {
            fs::write(&path, content).expect("it is written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        }
        let started = check_file(&path, true).and_then(|()| {
            std::process::Command::new(&path).spawn().map(|_| ()).map_err(|error| explain(&path, &error))
        });
        let failure = started.expect_err("none of them can be started");
        assert_eq!(failure.code, 4201);
        assert!(failure.object.contains("bootstrap") && failure.object.contains(expected), "{}", failure.object);
    }

    #[test]
    fn each_reason_why_a_file_cannot_be_started_is_told() {
        check(None, 0, "has no file bootstrap");
        check(Some(b"#!/bin/sh\n"), 0o644, "chmod +x");
        check(Some(b"#!/no/such/shell -x\n"), 0o755, "/no/such/shell -x, which is not there");
        check(Some(b"echo hello\n"), 0o755, "begin a script with a line such as #!/bin/bash");
        let mut foreign = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xff\x7f".to_vec();
        foreign.resize(200, 0);
        check(Some(&foreign), 0o755, "another kind of processor");
    }

    #[test]
    fn a_folder_is_no_program() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(check_file(folder.path(), true).expect_err("it is none").object.contains("is no file"));
    }
}
