//! Which interpreter processes a server has: how one sees from outside whether a call got the instance of the last one.

use std::collections::BTreeSet;
use std::fs;

use crate::harness::{Server, has_code};

/// Process ids of the interpreters below a server that have a function's code.
pub(crate) fn interpreters(server: &Server) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = vec![server.spawner()];
    while let Some(process) = open.pop() {
        let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
        for child in text.split_whitespace().filter_map(|child| child.parse().ok()) {
            open.push(child);
            if is_interpreter(child) && has_code(child) {
                found.insert(child);
            }
        }
    }
    found
}

fn is_interpreter(process: u32) -> bool {
    let program = fs::read_link(format!("/proc/{process}/exe")).unwrap_or_default();
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    ["python", "node", "java", "php", "dotnet", "bootstrap-native"].iter().any(|stem| name.starts_with(stem))
}

/// Whether any process on this host was started with these words.
pub(super) fn runs(words: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    processes
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ") == words)
}
