//! What makes sandboxes: the engine that is compiled in, or an OCI program of the distribution.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

use crate::patience::end_within;

/// Longest time that a program may take to tell its version, on the busiest host.
const LIMIT: Duration = Duration::from_secs(10);

/// Which engine runs the bundles. All walls are the same bundle's; what differs is who reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Engine {
    /// libcontainer, compiled in.
    #[default]
    Embedded,
    /// crun, found in `PATH` or where distributions put it.
    Crun,
    /// runc, found likewise.
    Runc,
}

/// An engine that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineReport {
    /// Its program; none for the embedded one.
    pub program: Option<PathBuf>,
    /// As its program tells it, such as `crun version 1.8.1`.
    pub version: String,
}

/// Why an engine cannot be used, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum EngineMissing {
    /// No folder that was looked in has it.
    #[error(
        "sandbox.engine = \"{name}\" needs the program {name}, which is neither in PATH nor in /usr/sbin or /usr/bin; install it (the package {name} of \
         Debian, Ubuntu or Fedora), or use \"embedded\""
    )]
    Absent {
        /// The program.
        name: &'static str,
    },
    /// It does not tell its version.
    #[error("{} does not answer --version ({why}); install {name} again, or use sandbox.engine = \"embedded\"", program.display())]
    Broken {
        /// The engine.
        name: &'static str,
        /// What was found.
        program: PathBuf,
        /// What came instead of an answer.
        why: String,
    },
    /// It was built without libseccomp.
    #[error(
        "{} is built without seccomp, so it cannot give the wall seccomp, which no sandbox is without; install the \
         distribution's package {name}, or use sandbox.engine = \"embedded\"", program.display()
    )]
    NoSeccomp {
        /// The engine.
        name: &'static str,
        /// What was found.
        program: PathBuf,
    },
}

impl Engine {
    /// All of them.
    pub const ALL: [Engine; 3] = [Engine::Embedded, Engine::Crun, Engine::Runc];

    /// Its name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Embedded => "embedded",
            Engine::Crun => "crun",
            Engine::Runc => "runc",
        }
    }

    /// The engine of that name.
    pub fn from_name(name: &str) -> Option<Engine> {
        Engine::ALL.into_iter().find(|engine| engine.name() == name)
    }

    /// Looks whether it can be used here, with the folders of a `PATH`. It runs the program for its version.
    ///
    /// # Errors
    /// [`EngineMissing`] says what is wrong and what to do.
    pub fn inspect(self, path: &OsStr) -> Result<EngineReport, EngineMissing> {
        let name = self.name();
        if self == Engine::Embedded {
            return Ok(EngineReport { program: None, version: "libcontainer, compiled in".to_owned() });
        }
        let program = find(name, path).ok_or(EngineMissing::Absent { name })?;
        let text = ask(&program, LIMIT).map_err(|why| EngineMissing::Broken { name, program: program.clone(), why })?;
        if !has_seccomp(&text) {
            return Err(EngineMissing::NoSeccomp { name, program });
        }
        let version = text.lines().next().unwrap_or(name).to_owned();
        Ok(EngineReport { program: Some(program), version })
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Administrators' folders are looked at too: a user's `PATH` may lack them, and runc is in one of them on Debian.
fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    let usual = ["/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let folders = std::env::split_paths(path).chain(usual).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|program| is_program(program))
}

/// The spawner runs it as root: a program that somebody else owns, or may change, is passed over.
fn is_program(path: &Path) -> bool {
    let us = geteuid().as_raw();
    path.metadata().is_ok_and(|found| found.is_file() && is_trusted(found.mode(), found.uid(), us))
}

fn is_trusted(mode: u32, owner: u32, us: u32) -> bool {
    mode & 0o111 != 0 && mode & 0o022 == 0 && (owner == 0 || owner == us)
}

fn ask(program: &Path, limit: Duration) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg("--version").env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    if !end_within(&mut child, limit).map_err(|error| error.to_string())? {
        return Err(format!("it did not end within {} seconds", limit.as_secs()));
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let text = child.stdout.take().map(|said| said_so_far(&said)).unwrap_or_default();
    if status.success() && !text.is_empty() { Ok(text) } else { Err(status.to_string()) }
}

/// What is in a pipe now: something that the program started may hold the other end, and the end of that is not waited for.
fn said_so_far(pipe: impl AsFd) -> String {
    let mut said = vec![0; 64 << 10];
    let read = rustix::io::ioctl_fionbio(&pipe, true).and_then(|()| rustix::io::read(&pipe, &mut said));
    said.truncate(read.unwrap_or(0));
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// Both tell in their version what they were built with: crun a list of words, runc the library's version.
fn has_seccomp(version: &str) -> bool {
    version.contains("+SECCOMP") || version.contains("libseccomp:")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::patience::script;

    #[test]
    fn names_are_those_of_the_settings() {
        for engine in Engine::ALL {
            assert_eq!(Engine::from_name(engine.name()), Some(engine));
        }
        assert_eq!(Engine::from_name("runsc"), None);
    }

    #[test]
    fn an_engine_is_what_its_program_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |text: &str, expected: &str| {
            let program = folder.path().join("crun");
            script(&program, text);
            let told = match Engine::Crun.inspect(folder.path().as_os_str()) {
                Ok(report) => report.version,
                Err(error) => error.to_string(),
            };
            assert!(told.contains(expected), "{told}");
        };
        check("echo crun version 9; echo +SECCOMP +YAJL", "crun version 9");
        check("echo crun version 9; echo -SECCOMP", "cannot give the wall seccomp");
        check("exit 3", "does not answer --version (exit status: 3)");
    }

    #[test]
    fn a_program_that_does_not_answer_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("crun");
        let write = |text: &str| script(&program, text);
        write("exec sleep 1000");
        assert_eq!(ask(&program, Duration::from_millis(20)), Err("it did not end within 0 seconds".to_owned()));
        // Nor is what it leaves behind with its output.
        write("sleep 1000 & echo $! > \"$0.pid\"; echo crun version 9");
        assert_eq!(ask(&program, Duration::from_secs(60)).as_deref(), Ok("crun version 9"));
        let left = std::fs::read_to_string(folder.path().join("crun.pid")).expect("it told");
        let left = left.trim().parse().ok().and_then(rustix::process::Pid::from_raw).expect("a number");
        rustix::process::kill_process(left, rustix::process::Signal::KILL).expect("it still runs");
    }

    #[test]
    fn a_program_that_others_own_or_may_change_is_not_run_as_root() {
        for (mode, owner, expected) in [
            (0o755, 0, true),
            (0o700, 1000, true),
            (0o755, 1001, false),
            (0o775, 0, false),
            (0o757, 0, false),
            (0o644, 0, false),
        ] {
            assert_eq!(is_trusted(mode, owner, 1000), expected, "{mode:o} {owner}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("crun");
        std::fs::write(&program, "#!/bin/sh\n").expect("it is written");
        let found = |mode| {
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).expect("it is ours");
            find("crun", folder.path().as_os_str()) == Some(program.clone())
        };
        assert!(found(0o755) && !found(0o775) && !found(0o757) && !found(0o644), "it is passed over");
    }

    #[test]
    fn the_embedded_engine_is_always_there() {
        assert_eq!(Engine::Embedded.inspect(OsStr::new("")).expect("it is compiled in").program, None);
    }
}
