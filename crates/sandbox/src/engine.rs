//! What makes sandboxes: the engine that is compiled in, or an OCI program of the distribution.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

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
        let text = ask(&program).map_err(|why| EngineMissing::Broken { name, program: program.clone(), why })?;
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
    let ours = |owner| owner == 0 || owner == geteuid().as_raw();
    path.metadata().is_ok_and(|found| {
        let (mode, owner) = (found.mode(), found.uid());
        found.is_file() && mode & 0o111 != 0 && mode & 0o022 == 0 && ours(owner)
    })
}

fn ask(program: &Path) -> Result<String, String> {
    let asked = Command::new(program).arg("--version").env_clear().stdin(Stdio::null()).output();
    let output = asked.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !text.is_empty() { Ok(text) } else { Err(output.status.to_string()) }
}

/// Both tell in their version what they were built with: crun a list of words, runc the library's version.
fn has_seccomp(version: &str) -> bool {
    version.contains("+SECCOMP") || version.contains("libseccomp:")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

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
        let check = |script: &str, expected: &str| {
            let program = folder.path().join("crun");
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("it is written");
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
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
    fn the_embedded_engine_is_always_there() {
        assert_eq!(Engine::Embedded.inspect(OsStr::new("")).expect("it is compiled in").program, None);
    }
}
