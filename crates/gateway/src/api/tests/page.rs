//! The table of operations in docs/compatibility.md, written from the tables here.

use std::fmt::Write;

use super::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compatibility.md");
const BEGIN: &str = "## Operations\n";

const HEAD: &str = "
Written from the tables in `crates/gateway/src/api/`, which are also `/openapi.json`. After a change,
`INSTA_UPDATE=always cargo test --workspace --lib -- api::` writes this section again.

| operation | state |
|---|---|
";

#[test]
fn the_table_of_operations_is_what_is_built() {
    let page = std::fs::read_to_string(FILE).expect("the page is there");
    let (before, rest) = page.split_once(BEGIN).expect("the section is there");
    let (written, after) = rest.split_once("\n## ").expect("another section follows");
    let table = format!("{HEAD}{}", rows());
    if written == table {
        return;
    }
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(FILE, format!("{before}{BEGIN}{table}\n## {after}")).expect("it is written");
        return;
    }
    panic!(
        "docs/compatibility.md is not what is built; INSTA_UPDATE=always writes it\n--- there:\n{written}\n--- here:\n{table}"
    );
}

/// In the order of the contract, which goes by nouns.
fn rows() -> String {
    let contract = Contract::read();
    let mut rows = String::new();
    for theirs in contract.operations.as_array().expect("a list") {
        let name = theirs["operation"].as_str().expect("a name");
        let path = theirs["path"].as_str().expect("a path");
        let state = match entry(name) {
            Some(entry) if entry.note.is_empty() => "real".to_owned(),
            Some(entry) => format!("real: {}", entry.note),
            None => format!("501: {}", not_built::reason(path)),
        };
        writeln!(rows, "| {name} | {state} |").expect("memory takes any text");
    }
    rows
}
