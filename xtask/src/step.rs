//! One step of a run: its name, its time, and how it ended.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Steps as they are done, for the summary at the end.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Does one step. Its output goes straight to the terminal; the first failure ends the run.
    pub(crate) fn take(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n==> {name}");
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        self.done.push((name, took));
        match result {
            Ok(()) => {
                println!("    {name}: passed in {}", seconds(took));
                Ok(())
            }
            Err(error) => {
                println!("    {name}: FAILED after {}", seconds(took));
                Err(error.context(format!("step {name:?} failed; to repeat it alone: cargo xtask check {name}")))
            }
        }
    }

    /// All steps with their times.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        let mut all = Duration::ZERO;
        for (name, took) in &self.done {
            all += *took;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:<14} {:>8}", seconds(*took));
        }
        let _ = write!(text, "  {:<14} {:>8}", "all", seconds(all));
        text
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Runs a command where the project is, if it says no other place, and shows it first as one would type it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    if command.get_current_dir().is_none() {
        command.current_dir(crate::workspace::root());
    }
    let shown = show(command);
    println!("    $ {shown}");
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// Cargo, the one that runs us, with these words.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words);
    command
}

fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let variables = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={:?}", name.to_string_lossy(), value.to_string_lossy()))
    });
    let words = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).map(String::from);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}
