//! Commands of README.md. The checks run what is written there, so that it cannot drift from what works.

use std::fs;

use anyhow::{Context as _, Result};

use crate::workspace;

/// The first command that builds and runs something, as typed, without `sudo`: the checks are root already.
pub(crate) fn first_command() -> Result<String> {
    let text = fs::read_to_string(workspace::root().join("README.md")).context("cannot read README.md")?;
    let command = commands(&text).into_iter().find(|line| line.contains("cargo run "));
    command.context("README.md has no `cargo run ...` line in a block of shell commands")
}

/// Whether README.md tells to run exactly what runs now.
pub(crate) fn names_the_checks() -> Result<bool> {
    let text = fs::read_to_string(workspace::root().join("README.md")).context("cannot read README.md")?;
    Ok(commands(&text).iter().any(|line| line.ends_with("cargo xtask check")))
}

/// Lines of shell blocks, without prompt, sudo, comment, and the lines that are none.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(language) => inside = !inside && matches!(language.trim(), "sh" | "bash" | "shell" | "console"),
            None if inside => found.push(bare(line)),
            None => {}
        }
    }
    found.retain(|line| !line.is_empty());
    found
}

fn bare(line: &str) -> String {
    let line = line.trim();
    let line = line.strip_prefix("$ ").unwrap_or(line);
    let line = line.split(" #").next().unwrap_or_default().trim();
    match line.strip_prefix("sudo ") {
        Some(rest) => rest.trim_start_matches("-E ").to_owned(),
        None if line.starts_with('#') => String::new(),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_shell_blocks() {
        let text = "cargo run no\n```rust\ncargo run no\n```\n```sh\n# first\n$ sudo cargo run a  # why\n\ncargo xtask check\n```\nx\n";
        assert_eq!(commands(text), ["cargo run a", "cargo xtask check"]);
    }
}
