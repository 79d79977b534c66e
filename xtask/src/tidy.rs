//! Small promises about the files themselves, which no other tool keeps.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fungraph_model::ErrorCode;

use crate::workspace;

/// Copied as they were given to us: a clone stands alone, and byte for byte.
const COPIES: &str = "tests/contract";

/// Words that say that something is not done. In two parts, so that this file passes.
const UNDONE: [&str; 5] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("#[ig", "nore"),
];

/// One file of the project with its text.
struct Text<'a> {
    path: &'a str,
    text: &'a str,
}

/// Looks at every file.
pub(crate) fn run() -> Result<()> {
    let root = workspace::root();
    let mut faults = error_pages(&root);
    let mut looked_at = 0;
    for file in workspace::files()? {
        let path = file.strip_prefix(&root).context("a file outside the workspace")?.to_string_lossy().into_owned();
        let bytes = fs::read(&file).with_context(|| format!("cannot read {path}"))?;
        // What is not text (an image, say) has no lines to be tidy about.
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let file = Text { path: &path, text };
        faults.extend(lines(&file));
        if path.starts_with("crates/") && path.contains("/src/") && path.ends_with(".rs") && !text.starts_with("//!") {
            faults.push(format!("{path}: opens without saying what it is for (`//!`)"));
        }
        if path.starts_with("crates/") && path.contains("/src/") && path.ends_with(".rs") {
            faults.extend(broken_locks(&file));
        }
        if path.ends_with("Cargo.toml") && text.contains("[package]") && !text.contains("[lints]\nworkspace = true") {
            faults.push(format!("{path}: does not take the workspace's lints"));
        }
        if path.ends_with(".md") && !path.starts_with(COPIES) {
            faults.extend(links(&root, &file));
        }
        looked_at += 1;
    }
    if faults.is_empty() {
        println!("    {looked_at} files are tidy");
        return Ok(());
    }
    bail!("not tidy:\n  {}", faults.join("\n  "))
}

/// Faults that one can point at.
fn lines(file: &Text<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    if file.path.starts_with(COPIES) {
        return faults;
    }
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        faults.push(format!("{}: does not end in one line feed", file.path));
    }
    let home = Homes::of_this_run();
    for (number, line) in file.text.lines().enumerate() {
        let mut fault = |what: &str| faults.push(format!("{}:{}: {what}", file.path, number + 1));
        if line.ends_with([' ', '\t', '\r']) {
            fault("ends in blanks");
        }
        if let Some(word) = UNDONE.iter().find(|word| line.contains(**word)) {
            fault(&format!("says {word}: do it, or write down in docs/ that it is not done"));
        }
        if home.in_line(line) {
            fault("names a folder of the machine it was written on");
        }
    }
    faults
}

/// Locks that one panic breaks for good (CONTRIBUTING.md says what to do instead). Tests may: there the panic has told already.
fn broken_locks(file: &Text<'_>) -> Vec<String> {
    let is_test = file.path.contains("/tests/") || ["tests.rs", "fake.rs"].iter().any(|name| file.path.ends_with(name));
    let outside_tests = file.text.lines().take_while(|line| !is_test && line.trim() != "#[cfg(test)]");
    let breaks =
        |line: &str| [".lock()", ".read()", ".write()"].iter().any(|lock| line.contains(&format!("{lock}.expect(")));
    let found = outside_tests.enumerate().filter(|(_, line)| breaks(line));
    found.map(|(at, _)| format!("{}:{}: a lock that one panic breaks for good", file.path, at + 1)).collect()
}

/// Folders that exist on one machine only: this checkout, and the home of whoever runs this.
struct Homes(Vec<String>);

impl Homes {
    fn of_this_run() -> Self {
        let root = workspace::root();
        let above = root.parent().filter(|above| above.components().count() > 1).map(Path::to_path_buf);
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.starts_with("/home"));
        let found = [Some(root), above, home].into_iter().flatten();
        Self(
            found
                .map(|folder| format!("{}/", folder.display()))
                .filter(|folder| !COMMON.contains(&&**folder))
                .collect(),
        )
    }

    fn in_line(&self, line: &str) -> bool {
        self.0.iter().any(|folder| line.contains(folder))
    }
}

/// Folders to have a checkout in whose names say nothing, and which appear in honest text.
const COMMON: [&str; 8] = ["/tmp/", "/root/", "/home/", "/opt/", "/src/", "/usr/", "/usr/src/", "/srv/"];

/// Every code that we answer with is explained somewhere.
fn error_pages(root: &Path) -> Vec<String> {
    let mut codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.text()).collect();
    codes.sort_unstable();
    codes.dedup();
    let page = |code: &str| format!("docs/errors/{code}.md");
    let missing = codes.iter().filter(|code| !root.join(page(code)).is_file());
    missing.map(|code| format!("{}: missing, and the server answers with {code}", page(code))).collect()
}

/// Links to files that are not there.
fn links(root: &Path, file: &Text<'_>) -> Vec<String> {
    let folder = root.join(file.path).parent().map(Path::to_path_buf).unwrap_or_default();
    let targets = file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local =
        targets.filter(|target| !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:"));
    local
        .filter(|target| !folder.join(target.split('#').next().unwrap_or_default()).exists())
        .map(|target| format!("{}: links to {target}, which is not there", file.path))
        .collect()
}
