//! cargo-deny, in the one version whose verdicts we know. It is kept under `target/tools`, so nothing is asked of the
//! machine and nothing is changed on it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::{step, workspace};

const VERSION: &str = "0.20.2";

/// Checks bans, licences and sources. Advisories are left out: they need a network that a test run may not have.
pub(crate) fn check() -> Result<()> {
    let program = ready()?;
    // Warnings (two releases of one crate) are for whoever looks: `cargo deny check bans` shows them.
    let words = ["--log-level", "error", "--all-features", "check", "bans", "licenses", "sources"];
    step::run(Command::new(program).args(words))
}

fn ready() -> Result<PathBuf> {
    let folder = workspace::root().join("target/tools");
    let program = folder.join("bin/cargo-deny");
    if version(&program).is_none_or(|version| version != VERSION) {
        // Unoptimised: it is built in half the time and runs for a second.
        let mut install = step::cargo(&["install", "cargo-deny", "--locked", "--version", VERSION]);
        install.args(["--no-default-features", "--debug", "--quiet", "--force", "--root"]).arg(&folder);
        step::run(&mut install)?;
    }
    Ok(program)
}

/// "cargo-deny 0.20.2" gives the second word.
fn version(program: &PathBuf) -> Option<String> {
    let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}
