//! `cargo xtask crash`: builds the server as it is shipped, and lets `bench/` kill it.

use std::process::Command;

use anyhow::Result;

use crate::step::{self, cargo};
use crate::{host, workspace};

/// Builds and kills.
pub(crate) fn run(options: &[String]) -> Result<()> {
    if !options.iter().any(|option| option == "--help") {
        host::need_root("crash")?;
    }
    step::run(&mut cargo(&["build", "--release", "--locked", "--package", "fungraph", "--package", "fungraph-bench"]))?;
    let release = workspace::root().join("target/release");
    step::run(Command::new(release.join("fungraph-bench")).arg("crash").args(options))
}
