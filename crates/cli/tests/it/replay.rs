//! `fungraph replay`: a recorded call is made again, with the same event and the same code, here or on another server.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Run, Server, fungraph, fungraph_with, open_folder, wait_for};
use crate::raw::{base64, python};

const CODE: &str = "def handler(event, context):\n    return {'hello': event.get('name')}\n";
const OTHER: &str = "def handler(event, context):\n    return {'other': event.get('name')}\n";

fn server(data: &Path) -> Server {
    Server::start_on(data, &["--auth", "off"])
}

/// A function that asks for its events to be recorded, or not.
fn create(server: &Server, name: &str, records: bool) {
    let mut body = python(name, CODE);
    if records {
        body["extend_config"] = json!({ "record_events": true }).to_string().into();
    }
    let path = format!("/v2/{}/fgs/functions", server.project());
    let answer = server.request("POST", &path, &[], &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[track_caller]
fn call(server: &Server, name: &str, event: &str) -> String {
    let answer = server.request("POST", &server.invocations(name), &[], event);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-cff-request-id").expect("every answer has one").to_owned()
}

fn replay(server: &Server, args: &[&str]) -> Run {
    fungraph(&[&["replay"], args, &["--data-dir", &server.data().display().to_string()]].concat())
}

/// It is kept behind the call.
fn kept(server: &Server, call: &str) {
    wait_for("the event to be kept", || (replay(server, &[call, "--show"]).code == 0).then_some(()));
}

#[test]
fn a_recorded_call_is_made_again_with_the_same_event_and_the_same_code() {
    let home = open_folder();
    let server = server(&home.path().join("data"));
    create(&server, "open", true);
    create(&server, "shut", false);
    let event = r#"{"name": "Ada of the recorded event"}"#;
    let (recorded, unrecorded) = (call(&server, "open", event), call(&server, "shut", event));
    kept(&server, &recorded);
    let shown = replay(&server, &[&recorded, "--show"]);
    assert_eq!((shown.code, shown.out.as_str(), shown.err.as_str()), (0, event, ""));
    let again = replay(&server, &[&recorded]);
    assert_eq!((again.code, again.out.as_str()), (0, "{\"hello\": \"Ada of the recorded event\"}\n"), "{}", again.err);

    for (id, code, word) in [
        (unrecorded.as_str(), 1, "record_events"),
        ("6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10", 1, "(404 FSS.0404)"),
        ("7", 2, "is no request id"),
    ] {
        let run = replay(&server, &[id]);
        assert!(run.code == code && run.err.contains(word), "{id}: {} {}", run.code, run.err);
    }
    // Another project knows nothing of it.
    let other = server.request("GET", &format!("/fungraph/{}/events/{recorded}", "0".repeat(32)), &[], "");
    assert!(matches!(other.status, 403 | 404), "{}", other.text());

    let path = format!("/v2/{}/fgs/functions/open", server.project());
    let code = json!({ "code_type": "inline", "func_code": { "file": base64(OTHER.as_bytes()) } });
    assert_eq!(server.request("PUT", &format!("{path}/code"), &[], &code.to_string()).status, 200);
    let changed = replay(&server, &[&recorded]);
    assert!(changed.code == 1 && changed.err.contains("--any-code") && changed.out.is_empty(), "{}", changed.err);
    let any = replay(&server, &[&recorded, "--any-code"]);
    assert_eq!(any.out, "{\"other\": \"Ada of the recorded event\"}\n", "{}", any.err);
    assert_eq!(server.request("DELETE", &path, &[], "").status, 204);
    assert_eq!(replay(&server, &[&recorded, "--show"]).code, 1, "it goes with its function");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_event_of_a_call_that_is_refused_is_not_recorded() {
    let home = open_folder();
    let server = server(&home.path().join("data"));
    for name in ["full", "open"] {
        create(&server, name, true);
    }
    let path = format!("/v2/{}/fgs/functions/full/config-max-instance", server.project());
    let none = json!({ "max_instance_num": 0 }).to_string();
    assert_eq!(server.request("PUT", &path, &[], &none).status, 200);
    let refused = server.request("POST", &server.invocations("full"), &[], "{}");
    assert_eq!(refused.status, 429, "{}", refused.text());
    let refused = refused.header("x-cff-request-id").expect("every answer has one").to_owned();
    // Events are kept in the order in which they came.
    kept(&server, &call(&server, "open", "{}"));
    let run = replay(&server, &[&refused, "--show"]);
    assert!(run.code == 1 && run.err.contains("(404 FSS.0404)"), "{} {}", run.code, run.err);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn recorded_events_are_not_readable_in_the_data_folder() {
    let home = open_folder();
    let data = home.path().join("data");
    let server = server(&data);
    create(&server, "open", true);
    let id = call(&server, "open", r#"{"name": "a-word-that-stands-nowhere-else"}"#);
    kept(&server, &id);
    assert_eq!(server.stop(), Some(0));
    for entry in std::fs::read_dir(&data).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let Ok(bytes) = std::fs::read(&entry) else { continue };
        let found = bytes.windows(31).any(|window| window == b"a-word-that-stands-nowhere-else");
        assert!(!found, "{}", entry.display());
    }
}

#[test]
fn a_recorded_call_is_made_on_another_server() {
    let homes = [open_folder(), open_folder()];
    let [here, there] = [&homes[0], &homes[1]].map(|home| server(&home.path().join("data")));
    create(&here, "open", true);
    create(&there, "open", false);
    let id = call(&here, "open", r#"{"name": "Ada"}"#);
    kept(&here, &id);
    let folder = there.data().display().to_string();
    let run = replay(&here, &[&id, "--to-data-dir", &folder]);
    assert_eq!((run.code, run.out.as_str()), (0, "{\"hello\": \"Ada\"}\n"), "{}", run.err);
    let known = there.credentials();
    let text = |name: &str| known[name].as_str().expect("a text").to_owned();
    let data = here.data().display().to_string();
    let (project, endpoint) = (there.project(), there.endpoint().to_owned());
    let to = |endpoint: &str| {
        let args = ["replay", &id, "--data-dir", &data, "--to", endpoint, "--to-project", &project];
        fungraph_with(&args, |command| {
            command.env("FUNGRAPH_TO_AK", text("access_key")).env("FUNGRAPH_TO_SK", text("secret_key"));
        })
    };
    let run = to(&endpoint);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "{\"hello\": \"Ada\"}\n", ""));
    // An address that leads here, which nobody can tell from one that does not.
    let run = to(&endpoint.replace("127.0.0.1", "0.0.0.0"));
    assert!(run.err.contains("over plain HTTP to http://0.0.0.0:"), "{}", run.err);
    let run = fungraph(&["replay", &id, "--data-dir", &data, "--to", &endpoint, "--to-project", &project]);
    assert!(run.code == 2 && run.err.contains("FUNGRAPH_TO_AK"), "{}", run.err);
    assert_eq!(here.stop(), Some(0));
    assert_eq!(there.stop(), Some(0));
}

#[test]
fn an_asynchronous_call_is_retried_with_its_recorded_event() {
    let home = open_folder();
    let server = server(&home.path().join("data"));
    create(&server, "job", true);
    let data = server.data().display().to_string();
    let run = |args: &[&str]| fungraph(&[args, &["--data-dir", &data]].concat());
    let id = run(&["invoke", "job", "--async", "--data", r#"{"name": "Ada"}"#]).out.trim().to_owned();
    let is_over = |id: &str| run(&["async", "show", "job", id]).out.contains("SUCCESS");
    wait_for("its end", || is_over(&id).then_some(()));
    kept(&server, &id);
    let again = run(&["async", "retry", "job", &id]);
    assert_eq!(again.code, 0, "{}", again.err);
    let again = again.out.trim().to_owned();
    assert_ne!(again, id);
    wait_for("the end of the other", || is_over(&again).then_some(()));
    let same = replay(&server, &[&again, "--show"]);
    assert_eq!(same.out, r#"{"name": "Ada"}"#, "{}", same.err);
    assert_eq!(server.stop(), Some(0));
}

/// Tells what it was called by, and prints it.
const TELLS: &str = "def handler(event, context):\n    told = context.getAlias() + ' ' + str(context.getMemorySize())\n    \
                     print('called', told)\n    return told\n";

#[test]
fn a_call_is_made_again_by_its_alias_and_with_its_memory() {
    let home = open_folder();
    let server = server(&home.path().join("data"));
    let mut body = python("f", TELLS);
    body["extend_config"] = json!({ "record_events": true }).to_string().into();
    body["enable_dynamic_memory"] = json!(true);
    let functions = format!("/v2/{}/fgs/functions", server.project());
    let done = |method: &str, rest: &str, headers: &[(&str, &str)], body: &Value| {
        let answer = server.request(method, &format!("{functions}{rest}"), headers, &body.to_string());
        assert!((200..300).contains(&answer.status), "{method} {rest}: {}", answer.text());
        answer
    };
    let memory = [("X-Cff-Instance-Memory", "512")];
    done("POST", "", &[], &body);
    done("POST", "/f/versions", &[], &json!({ "version": "v1" }));
    let other = json!({ "code_type": "inline", "func_code": { "file": base64(OTHER.as_bytes()) } });
    done("PUT", "/f/code", &[], &other);
    done("POST", "/f/versions", &[], &json!({ "version": "v2" }));
    done("POST", "/f/aliases", &[], &json!({ "name": "prod", "version": "v1" }));
    let by_alias = format!("/{}:default:f:!prod", server.project());

    let answer = done("POST", &format!("{by_alias}/invocations"), &memory, &json!({}));
    assert_eq!(answer.text(), "prod 512");
    let call = answer.header("x-cff-request-id").expect("every answer has one").to_owned();
    kept(&server, &call);
    let again = replay(&server, &[&call]);
    assert_eq!((again.code, again.out.as_str(), again.err.as_str()), (0, "prod 512\n", ""));

    let answer = done("POST", &format!("{by_alias}/invocations-async"), &memory, &json!({}));
    let accepted: Value = serde_json::from_str(&answer.text()).expect("JSON");
    let first = accepted["request_id"].as_str().expect("an id").to_owned();
    let data = server.data().display().to_string();
    let run = |args: &[&str]| fungraph(&[args, &["--data-dir", &data]].concat());
    let called = |id: &str| {
        wait_for("its end", || run(&["async", "show", "f", id]).out.contains("SUCCESS").then_some(()));
        wait_for("its log", || run(&["logs", "f", "--request", id]).out.contains("called prod 512").then_some(()));
    };
    called(&first);
    kept(&server, &first);
    let again = run(&["async", "retry", "f", &first]);
    assert_eq!(again.code, 0, "{}", again.err);
    called(again.out.trim());

    // The version counts for more than the alias.
    done("PUT", "/f/aliases/prod", &[], &json!({ "version": "v2" }));
    let other = replay(&server, &[&call]);
    assert_eq!((other.code, other.out.as_str()), (0, " 512\n"), "{}", other.err);
    assert!(other.err.contains("the alias prod does not lead to v1 alone"), "{}", other.err);
    assert_eq!(server.stop(), Some(0));
}
