//! `fungraph runtimes` on this host: it says what the server then does.

use std::io::{Cursor, Write as _};

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::{Server, fungraph};
use crate::raw::base64;
use crate::signed::Client;

fn listed() -> Value {
    let run = fungraph(&["runtimes", "--json"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    serde_json::from_str(&run.out).expect("one JSON object")
}

fn state<'a>(listed: &'a Value, name: &str) -> &'a Value {
    let all = listed["runtimes"].as_array().expect("a list");
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn what_is_listed_can_be_created_and_what_is_not_is_refused_in_the_same_words() {
    let listed = listed();
    let server = Server::start(&[]);
    let client = Client::of(&server);
    let package = base64(&package());
    for (number, runtime) in listed["runtimes"].as_array().expect("a list").iter().enumerate() {
        let body = json!({
            "func_name": format!("f{number}"), "package": "default", "runtime": runtime["name"], "handler": "index.handler",
            "timeout": 3, "memory_size": 128, "code_type": "zip", "func_code": { "file": package },
        });
        let answer = client.call("POST", &client.functions(""), &body.to_string());
        let (name, text) = (&runtime["name"], answer.text());
        match runtime["state"].as_str().expect("a word") {
            // It takes an image instead, and its handler says of which kind.
            "own_program" if *name == "Custom Image" => {
                assert!(answer.status == 400 && text.contains("of an image must be -"), "{name}: {text}");
            }
            "exact" | "nearest" | "own_program" => assert_eq!(answer.status, 200, "{name}: {text}"),
            "missing" => {
                assert_eq!(answer.status, 400, "{name}: {text}");
                let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
                assert_eq!(
                    (&error["error_code"], &error["error_msg"]),
                    (&json!("FSS.1005"), &runtime["message"]),
                    "{name}"
                );
            }
            "not_built" => assert_eq!(answer.status, 501, "{name}: {text}"),
            other => panic!("{name} is {other}"),
        }
    }
}

/// A zip that every runtime takes.
fn package() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default()).expect("in memory");
    zip.write_all(b"nothing").expect("in memory");
    zip.finish().expect("in memory").into_inner()
}

#[test]
fn every_name_of_the_contract_is_there_with_what_runs_it() {
    let listed = listed();
    let names = listed["runtimes"].as_array().expect("a list").len();
    assert_eq!(names, 29);
    for name in ["Python3.12", "Node.js20.15", "PHP8.3"] {
        let one = state(&listed, name);
        let program = one["interpreter"]["program"].as_str().unwrap_or_else(|| panic!("{one}"));
        assert!(std::path::Path::new(program).is_file(), "{one}");
    }
    let old = state(&listed, "Python2.7");
    assert_eq!((&old["state"], &old["install"]), (&json!("missing"), &Value::Null), "no newer Python stands in for it");
}

#[test]
fn the_table_has_a_line_for_each_and_fits() {
    let run = fungraph(&["runtimes"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let (table, programs) = run.out.split_once("\n\n").expect("two tables");
    for one in listed()["runtimes"].as_array().expect("a list") {
        let name = one["name"].as_str().expect("a text");
        let line = table.lines().find(|line| line.starts_with(&format!("{name:<18} ")));
        let line = line.unwrap_or_else(|| panic!("no line of {name}: {table}"));
        let version = one["interpreter"]["version"].as_str();
        assert_eq!(version.is_some_and(|version| line.contains(version)), version.is_some(), "{line}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(programs.starts_with("INTERPRETER"), "{programs}");
}

#[test]
fn with_strict_nothing_stands_in_for_another_series() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("strict.toml");
    std::fs::write(&file, "[runtimes]\nstrict = true\n").expect("it is written");
    let run = fungraph(&["runtimes", "--json", "--config", &file.display().to_string()]);
    let listed: Value = serde_json::from_str(&run.out).expect("one JSON object");
    assert!(!run.out.contains(r#""state":"nearest""#) && listed["strict"] == true, "{}", run.out);
    let oldest = state(&listed, "Node.js6.10");
    assert_eq!((&oldest["state"], &oldest["install"]), (&json!("missing"), &Value::Null), "no bootstrap runs on it");
}
