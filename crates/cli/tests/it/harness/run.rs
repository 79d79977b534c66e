//! Runs of the binary that end by themselves.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// How a run ended and all it said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Checks the exit code and the whole standard error, for runs that print no result.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, err: &str) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (code, "", err));
    }
}

/// The binary with none of our caller's settings; a run that takes two minutes is ended with 124.
pub(crate) fn command() -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "120", env!("CARGO_BIN_EXE_fungraph")]);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("FUNGRAPH_") || name.starts_with("HUAWEICLOUD_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the binary.
pub(crate) fn fungraph(args: &[&str]) -> Run {
    fungraph_with(args, |_| {})
}

/// Runs the binary in a folder.
pub(crate) fn fungraph_in(folder: impl AsRef<OsStr>, args: &[&str]) -> Run {
    fungraph_with(args, |command| {
        command.current_dir(folder.as_ref());
    })
}

/// Runs the binary with a change to its environment.
pub(crate) fn fungraph_with(args: &[&str], change: impl FnOnce(&mut Command)) -> Run {
    let mut command = command();
    command.args(args);
    change(&mut command);
    let output = command.output().expect("`timeout` of coreutils runs the binary");
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}
