//! `cargo xtask bench`: builds what is measured as it is shipped, and lets `bench/` measure it.

use std::process::Command;

use anyhow::Result;

use crate::step::{self, cargo};
use crate::{host, workspace};

/// Builds and measures.
pub(crate) fn run(options: &[String]) -> Result<()> {
    if !options.iter().any(|option| option == "--help") {
        host::need_root("bench")?;
    }
    step::run(&mut cargo(&["build", "--release", "--locked", "--package", "fungraph", "--package", "fungraph-bench"]))?;
    let release = workspace::root().join("target/release");
    step::run(Command::new(release.join("fungraph-bench")).arg("compare").args(options))
}
