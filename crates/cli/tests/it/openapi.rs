//! `/openapi.json` against the server that gives it: schemathesis makes requests of all kinds from the document and compares the answers.
//!
//! `tests/openapi/` says what is compared and what is left out, so that nothing is asked of another machine.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::dependencies::upload;
use crate::environment;
use crate::harness::{Server, open_folder, repository};
use crate::raw::python;

/// Cases for each operation, beside those that schemathesis makes of each bound. All of it takes about a minute.
const EXAMPLES: &str = "5";

#[test]
fn requests_of_any_kind_get_the_answers_that_the_document_has() {
    let home = open_folder();
    let config = home.path().join("fungraph.toml");
    // Ninety instances would be started, and reserved, for a number out of the blue.
    fs::write(&config, "[limits]\nreserved_instances = 0\n").expect("a file");
    let server = Server::start(&["--auth", "off", "--config", &config.display().to_string()]);
    let path = |rest: &str| format!("/v2/{}/fgs{rest}", server.project());
    let made = |rest: &str, body: &Value| -> Value {
        let answer = server.request("POST", &path(rest), &[], &body.to_string());
        assert_eq!(answer.status / 100, 2, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    };
    let archive = upload("fuzzed", &[("words.py", "WORD = 'word'\n")]);
    let dependency = made("/dependencies/version", &archive)["dep_id"].clone();
    let mut function = python("fuzzed", "def handler(event, context):\n    return event\n");
    function["depend_version_list"] = json!([dependency]);
    let urn = made("/functions", &function)["func_urn"].as_str().expect("a URN").to_owned();
    let timer = json!({ "name": "fuzzed", "schedule_type": "Rate", "schedule": "1d" });
    let timer = made(&format!("/triggers/{urn}"), &json!({ "trigger_type_code": "TIMER", "event_data": timer }));

    let known = [
        ("FUZZED_DEPENDENCY", &dependency),
        ("FUZZED_ARCHIVE", &archive["depend_file"]),
        ("FUZZED_TRIGGER", &timer["trigger_id"]),
    ];
    let run = fuzz(&server, home.path(), &known);
    let document: Value = serde_json::from_slice(&server.request("GET", "/openapi.json", &[], "").body).expect("JSON");
    let operations: usize = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .map(|path| path.as_object().expect("methods").len())
        .sum();
    assert!(run.contains(&format!("Tested: {operations}\n")), "{run}");
    let still = server.request("POST", &path("/functions/fuzzed/invocations"), &[], "{\"a\": 1}");
    assert!(still.status < 500 || still.text().contains("FSS.4"), "{}", still.text());
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert_eq!(server.stop(), Some(0));
}

/// Runs it; what it says, if all is well.
fn fuzz(server: &Server, folder: &std::path::Path, known: &[(&str, &Value)]) -> String {
    let python = environment::python("openapi", "schemathesis");
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command.arg("--config-file").arg(repository("tests/openapi/schemathesis.toml"));
    command.args(["run", &format!("{}/openapi.json", server.endpoint()), "--max-examples", EXAMPLES]);
    command.args(["--phases", "coverage,fuzzing", "--no-shrink", "--continue-on-failure", "--warnings", "off"]);
    // It keeps notes where it runs.
    command.current_dir(folder).env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", repository("tests/openapi"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_COLOR", "1").env("FUZZED_PROJECT", server.project());
    command.env("FUZZED_FUNCTION", "fuzzed");
    command.envs(known.iter().map(|(name, value)| (name, value.as_str().expect("a text"))));
    let output = command.output().expect("the program of the virtual environment starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaints}\n{}", server.log());
    said
}
