//! Samples that are called asynchronously: accepted, waited for, and what their destination was told. A destination `capture` is a function
//! of ours that prints its event.

use serde_json::{Value, json};

use super::fixture::Step;
use super::matcher::matches;
use super::play::Play;
use crate::harness::{fungraph, wait_for};
use crate::raw::base64;

const CAPTURE: &str = "import json\ndef handler(event, context):\n    print('captured ' + json.dumps(event))\n";

/// Calls the function of a play as its fixture says.
pub(super) fn play(play: &Play<'_>) -> Vec<String> {
    let capture = format!("capture-{}", play.function);
    create(play, &capture);
    configure(play, &capture);
    let mut faults = Vec::new();
    for (number, step) in play.fixture.steps().iter().enumerate() {
        faults.extend(one(play, &capture, step).into_iter().map(|fault| format!("call {}: {fault}", number + 1)));
    }
    play.client.done("DELETE", &format!("/{capture}"), &Value::Null);
    faults
}

fn create(play: &Play<'_>, capture: &str) {
    let body = json!({
        "func_name": capture, "package": "default", "runtime": "Python3.9", "handler": "index.handler", "timeout": 10,
        "memory_size": 128, "code_type": "inline", "func_code": { "file": base64(CAPTURE.as_bytes()) },
    });
    play.client.done("POST", "", &body);
}

fn configure(play: &Play<'_>, capture: &str) {
    let config = &play.fixture.json["async_config"];
    let param = json!({ "func_urn": format!("{}:default:{capture}", play.client.project) }).to_string();
    let destination = |name: &str| match config[name].as_str() {
        None => Value::Null,
        Some("capture") => json!({ "destination": "FunctionGraph", "param": param }),
        Some(other) => panic!("this harness does not know the destination {other:?}"),
    };
    let body = json!({
        "max_async_retry_attempts": config["max_async_retry_attempts"],
        "max_async_event_age_in_seconds": config["max_async_event_age_in_seconds"],
        "destination_config": { "on_success": destination("on_success"), "on_failure": destination("on_failure") },
    });
    play.client.done("PUT", &format!("/{}/async-invoke-config", play.function), &body);
}

fn one(play: &Play<'_>, capture: &str, step: &Step<'_>) -> Vec<String> {
    let path = play.client.functions(&format!("/{}/invocations-async", play.function));
    let answer = play.client.call("POST", &path, &step.event);
    let accepted: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let call = accepted["request_id"].as_str().filter(|_| answer.status == 202);
    let mut faults = Vec::new();
    for (key, wanted) in step.expect.as_object().expect("an expectation is an object") {
        let fits = match (key.as_str(), call) {
            ("accepted", _) => matches(wanted, &json!(call.is_some())),
            (_, None) => Err(format!("it was not accepted: {} {}", answer.status, answer.text())),
            ("final_status", Some(call)) => matches(wanted, &json!(status(play, call))),
            ("destination", Some(call)) => told(wanted, &notification(play, capture, call)),
            (other, _) => panic!("this harness does not know the expectation {other:?} of an asynchronous call"),
        };
        faults.extend(fits.err().map(|why| format!("{key}: {why}")));
    }
    faults
}

/// How a call ended.
fn status(play: &Play<'_>, call: &str) -> String {
    let path = play.client.functions(&format!("/{}/async-invocations?request_id={call}", play.function));
    wait_for(&format!("the end of {call}"), || {
        let answer = play.client.call("GET", &path, "");
        let list: Value = serde_json::from_slice(&answer.body).expect("a list");
        let status = list["invocations"][0]["status"].as_str().expect("the call is known").to_owned();
        (!matches!(status.as_str(), "WAIT" | "RUNNING")).then_some(status)
    })
}

/// What the destination got about a call.
fn notification(play: &Play<'_>, capture: &str, call: &str) -> Value {
    let data = play.server.data().display().to_string();
    wait_for(&format!("what the destination is told of {call}"), || {
        let log = fungraph(&["logs", capture, "--data-dir", &data]).out;
        let events = log.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("captured ")?).ok());
        let mut events = events.filter(|event: &Value| event["request_context"]["request_id"] == call);
        let first = events.next();
        assert!(events.next().is_none(), "{call} was told twice");
        first
    })
}

fn told(wanted: &Value, seen: &Value) -> Result<(), String> {
    let context = &seen["request_context"];
    let parsed = |payload: &Value| -> Value {
        payload.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    for (key, wanted) in wanted.as_object().expect("a destination is an object") {
        let fits = match key.as_str() {
            "condition" | "approximate_invoke_count" => matches(wanted, &context[key.as_str()]),
            "status_code" => matches(wanted, &seen["response_context"]["status_code"]),
            "request_payload_json" => matches(wanted, &parsed(&seen["request_payload"])),
            "response_payload_json" => matches(wanted, &parsed(&seen["response_payload"])),
            "response_payload_contains" => {
                let text = seen["response_payload"].as_str().unwrap_or_default();
                let holds = wanted.as_str().is_some_and(|part| text.contains(part));
                holds.then_some(()).ok_or_else(|| format!("{wanted} is not in {text:?}"))
            }
            other => panic!("this harness does not know the expectation destination.{other:?}"),
        };
        fits.map_err(|why| format!("{key}: {why}; it was told {seen}"))?;
    }
    Ok(())
}
