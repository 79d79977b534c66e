//! `docs/runtimes.md`: which sample passes on which runtime, written by the tests that run them.
//!
//! Each test owns the section of its language and compares it after everything in it has passed: what stands there has been run. A
//! runtime that the host of the tests need not have says so wherever the tests run, so that the page is the same everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Mutex, PoisonError};

use super::fixture::Fixture;
use super::{NOT_YET, RARE};
use crate::harness::repository;

const FILE: &str = "docs/runtimes.md";
const NOT_YET_TITLE: &str = "Not yet";

const HEAD: &str = "# Which sample passes on which runtime

Written by the test run: every sample is a function, created, called and compared through the real server and its sandbox, on the interpreter
that this host has for the runtime's name: its own version, or the nearest (`fungraph runtimes` lists them). After a change,
`INSTA_UPDATE=always cargo test -p fungraph --test it samples::` writes this page again; a test fails where it is not what has passed.

- **yes**: passes.
- **where installed**: passes on hosts that have such an interpreter. Debian 12 has none, so elsewhere the tests look at how it is refused.
- no mark: the sample is not meant for that runtime.

The samples are in `tests/contract/samples` and `tests/samples`.
";

/// Sections are written by tests that run at the same time.
static WRITING: Mutex<()> = Mutex::new(());

/// Headings by what the names of samples begin with.
fn title(prefix: &str) -> String {
    match prefix {
        "py-" => "Python".to_owned(),
        "js-" => "Node.js".to_owned(),
        "php-" => "PHP".to_owned(),
        "csharp-" => "C#".to_owned(),
        other => {
            let mut letters = other.trim_end_matches('-').chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}

/// Compares the section of samples that have all passed.
pub(super) fn passed(prefix: &str, samples: &[Fixture]) {
    compare(&title(prefix), &section(samples));
}

/// Compares the section of those that wait, and looks for sections of nobody.
pub(super) fn waiting(prefixes: &[&str]) {
    let mut text = "\n| sample | what it shows | waits for |\n|---|---|---|\n".to_owned();
    for (name, reason) in NOT_YET {
        text += &format!("| {name} | {} | {reason} |\n", Fixture::find(name).title());
    }
    if NOT_YET.is_empty() {
        "\nNothing: every sample runs.\n".clone_into(&mut text);
    }
    compare(NOT_YET_TITLE, &text);
    let known: BTreeSet<String> =
        prefixes.iter().map(|prefix| title(prefix)).chain([NOT_YET_TITLE.to_owned()]).collect();
    let (_, sections) = read();
    let unknown: Vec<_> = sections.keys().filter(|title| !known.contains(*title)).collect();
    assert!(unknown.is_empty(), "{FILE} has sections that no test writes: {unknown:?}");
}

fn section(samples: &[Fixture]) -> String {
    let all: BTreeSet<String> = samples.iter().flat_map(Fixture::runtimes).collect();
    let mut runtimes: Vec<String> = all.into_iter().collect();
    runtimes.sort_by_key(|name| version(name));
    let mut text = format!(
        "\n| sample | what it shows | {} |\n|---|---|{}\n",
        runtimes.join(" | "),
        "---|".repeat(runtimes.len())
    );
    for sample in samples {
        let own = sample.runtimes();
        let mark = |runtime: &String| match own.contains(runtime) {
            true if RARE.contains(&runtime.as_str()) => "where installed",
            true => "yes",
            false => "",
        };
        let marks: Vec<&str> = runtimes.iter().map(mark).collect();
        text += &format!("| {} | {} | {} |\n", sample.name, sample.title(), marks.join(" | "));
    }
    text
}

/// Numbers of a name, so that `Python3.10` comes after `Python3.9`.
fn version(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn compare(title: &str, text: &str) {
    let writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let (head, mut sections) = read();
    if head == HEAD && sections.get(title).is_some_and(|written| written == text) {
        return;
    }
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        sections.insert(title.to_owned(), text.to_owned());
        write(sections);
        return;
    }
    drop(writing);
    let written = sections.get(title).map_or("", String::as_str);
    panic!(
        "{FILE} is not what has passed; INSTA_UPDATE=always writes it\n--- section {title} there:\n{written}\n--- here:\n{text}"
    );
}

/// The page: what stands before the first section, and the sections by their titles.
fn read() -> (String, BTreeMap<String, String>) {
    let text = fs::read_to_string(repository(FILE)).unwrap_or_default();
    let mut parts = text.split("\n## ");
    let head = parts.next().unwrap_or_default().to_owned();
    let sections =
        parts.filter_map(|part| part.split_once('\n')).map(|(title, text)| (title.to_owned(), text.to_owned()));
    // The line feed in front of each heading ends what stands before it.
    let sections = sections.map(|(title, text)| (title, format!("{}\n", text.trim_end_matches('\n'))));
    (head, sections.collect())
}

fn write(mut sections: BTreeMap<String, String>) {
    let last = sections.remove_entry(NOT_YET_TITLE);
    let sections: String =
        sections.into_iter().chain(last).map(|(title, text)| format!("\n## {title}\n{text}")).collect();
    fs::write(repository(FILE), format!("{HEAD}{sections}")).expect("it is written");
}
