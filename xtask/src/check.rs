//! `cargo xtask check`: everything that must hold, in the order in which it fails soonest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::step::{self, Steps, cargo};
use crate::{cargo_deny, dotnet, host, java, readme, tidy, workspace};

type Work = fn() -> Result<()>;

const STEPS: &[(&str, Work)] = &[
    ("format", || step::run(&mut cargo(&["fmt", "--all", "--check"]))),
    ("tidy", tidy::run),
    ("host", host::prepare),
    ("lints", lints),
    ("tests", || step::run(&mut cargo(&["test", "--workspace", "--locked"]))),
    ("bootstraps", bootstraps),
    ("documentation", documentation),
    ("dependencies", cargo_deny::check),
    ("smoke", smoke),
];

/// Runs all steps, or those named.
pub(crate) fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|(step, _)| step == name)) {
        let all: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        bail!("there is no step {unknown:?}; the steps are: {}", all.join(", "));
    }
    host::need_root("check")?;
    let mut steps = Steps::default();
    for (name, work) in STEPS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            steps.take(name, *work)?;
        }
    }
    let what = if names.is_empty() { "All checks passed" } else { "Passed" };
    println!("\n{what}:\n{}", steps.summary());
    Ok(())
}

fn lints() -> Result<()> {
    step::run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

fn documentation() -> Result<()> {
    step::run(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Each bootstrap's own tests, in its own language.
fn bootstraps() -> Result<()> {
    let python = "runtimes/python/tests";
    step::run(Command::new("python3").args(["-B", "-m", "unittest", "discover", "-s", python, "-p", "test_*.py"]))?;
    let tests = node_tests()?;
    // Files by name: what `node --test FOLDER` means differs from release to release.
    step::run(Command::new("node").arg("--test").args(tests))?;
    step::run(Command::new("php").arg("runtimes/php/tests/test_bootstrap.php"))?;
    java::test()?;
    dotnet::test()
}

fn node_tests() -> Result<Vec<PathBuf>> {
    let root = workspace::root();
    let folder = root.join("runtimes/nodejs/tests");
    let mut tests = workspace::files()?;
    let is_test = |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("test_"));
    tests.retain(|file| file.starts_with(&folder) && is_test(file));
    ensure!(!tests.is_empty(), "there is no test_*.js below runtimes/nodejs/tests");
    Ok(tests.into_iter().map(|file| file.strip_prefix(&root).map(PathBuf::from).unwrap_or(file)).collect())
}

/// README's first command, as it stands there.
fn smoke() -> Result<()> {
    ensure!(readme::names_the_checks()?, "README.md does not tell to run `cargo xtask check`");
    step::run(Command::new("sh").args(["-c", &readme::first_command()?]))
}
