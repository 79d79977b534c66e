//! What a fixture expects of a call, key by key.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::gateway;
use super::instances::runs;
use super::matcher::{like, matches};
use crate::harness::{Answer, wait_for};

/// A call as a harness sees it.
pub(super) struct Seen<'a> {
    pub(super) answer: Answer,
    pub(super) wall: Duration,
    /// The whole log, where some key asks for it.
    pub(super) log: String,
    /// Whether no interpreter was started for it.
    pub(super) same_instance: bool,
    pub(super) function: &'a str,
}

impl Seen<'_> {
    fn code(&self) -> i64 {
        self.answer.header("x-func-err-code").and_then(|code| code.parse().ok()).unwrap_or(-1)
    }

    /// The word of samples/README.md.
    fn outcome(&self) -> &'static str {
        let crashed = self.json()["errorType"] == "FunctionCrashed";
        match (self.answer.status, self.code()) {
            (200, 0) => "returned",
            (500, 4010) => "timed_out",
            (500, 4205) => "out_of_memory",
            (500, 4009 | 4211 | 4201) => "init_failed",
            (500, 4002) if crashed => "crashed",
            (500, 4001..=4007) => "raised",
            _ => "none that is known",
        }
    }

    fn text(&self) -> String {
        self.answer.text()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.answer.body).unwrap_or(Value::Null)
    }
}

/// What is not as expected.
pub(super) fn compare(expect: &Value, seen: &Seen<'_>) -> Vec<String> {
    let keys = expect.as_object().expect("an expectation is an object");
    let faults = keys.iter().filter_map(|(key, wanted)| {
        let why = one(key, wanted, seen).err()?;
        Some(format!("{key}: {why}; answer: {} {}", seen.answer.status, clip(&seen.text())))
    });
    faults.chain(flags(seen)).collect()
}

fn clip(text: &str) -> String {
    text.chars().take(600).collect()
}

fn one(key: &str, wanted: &Value, seen: &Seen<'_>) -> Result<(), String> {
    match key {
        "outcome" => matches(wanted, &json!(seen.outcome())),
        "inner_code" => matches(wanted, &json!(seen.code())),
        "result" => matches(wanted, &seen.json()),
        "result_like" => like(wanted, &seen.json()),
        "result_text" => matches(&json!(text(wanted).replace("{function_name}", seen.function)), &json!(seen.text())),
        "result_contains" => list(wanted).iter().try_for_each(|part| contains(&seen.text(), part)),
        "result_length" => matches(wanted, &json!(seen.answer.body.len())),
        "result_empty" => truth(wanted.as_bool() == Some(seen.answer.body.is_empty()), "the body is not empty"),
        "content_type" => contains(seen.answer.header("content-type").unwrap_or_default(), wanted),
        "error" => error(wanted, &seen.json()),
        "error_text_contains" => contains(&seen.text(), wanted),
        "logs" => list(wanted).iter().try_for_each(|line| contains(&seen.log, line)),
        "logs_absent" => list(wanted)
            .iter()
            .try_for_each(|line| truth(!seen.log.contains(text(line)), &format!("the log has {line}: {}", seen.log))),
        "same_instance" => truth(wanted.as_bool() == Some(seen.same_instance), "another instance than expected"),
        "wall_ms" => matches(wanted, &json!(seen.wall.as_secs_f64() * 1000.0)),
        "attempts" => matches(wanted, &json!(seen.log.matches("Start initialize request").count())),
        "no_process_left" => {
            wait_for(&format!("the end of {wanted}"), || (!runs(text(wanted))).then_some(()));
            Ok(())
        }
        // A web server's result is what a gateway makes its answer of; that of other functions is seen at the gateway only.
        "http" if seen.function.starts_with("http-") => gateway::compare_result(wanted, &seen.json()),
        // The latter is compared over all answers.
        "http" | "distinct" => Ok(()),
        other => panic!("this harness does not know the expectation {other:?}"),
    }
}

/// What holds for every answer: headers agree with the outcome.
fn flags(seen: &Seen<'_>) -> Option<String> {
    let expected = if seen.answer.status == 200 { "false" } else { "true" };
    let given = seen.answer.header("x-is-func-err");
    (given != Some(expected)).then(|| format!("X-Is-Func-Err is {given:?}, status {}", seen.answer.status))
}

fn error(wanted: &Value, seen: &Value) -> Result<(), String> {
    let stack = seen["stackTrace"].as_array();
    let lines: String = stack.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
    for (key, wanted) in wanted.as_object().expect("an error is an object") {
        match key.as_str() {
            "errorType" | "errorMessage" => matches(wanted, &seen[key])?,
            "errorMessage_contains" => contains(seen["errorMessage"].as_str().unwrap_or_default(), wanted)?,
            "stackTrace" => truth(
                wanted.as_bool() == Some(stack.is_some()),
                "the stack trace is there or not, and should not be so",
            )?,
            "stackTrace_contains" => list(wanted).iter().try_for_each(|line| contains(&lines, line))?,
            "stackTrace_absent" => list(wanted)
                .iter()
                .try_for_each(|line| truth(!lines.contains(text(line)), &format!("the stack trace has {line}")))?,
            other => panic!("this harness does not know the expectation error.{other:?}"),
        }
    }
    Ok(())
}

/// Fields that must differ between answers given at the same time.
pub(super) fn distinct(expect: &Value, all: &[Seen<'_>]) -> Vec<String> {
    let fields = expect.get("distinct").map(list).unwrap_or_default();
    let same = fields.iter().filter(|field| {
        let values: BTreeSet<String> = all.iter().map(|seen| seen.json()[text(field)].to_string()).collect();
        values.len() != all.len()
    });
    same.map(|field| format!("{field} is not distinct")).collect()
}

fn contains(text_seen: &str, wanted: &Value) -> Result<(), String> {
    truth(text_seen.contains(text(wanted)), &format!("{wanted} is not in {:?}", clip(text_seen)))
}

fn truth(holds: bool, why: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| why.to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} should be a text"))
}

/// A list of texts, or one.
fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}
