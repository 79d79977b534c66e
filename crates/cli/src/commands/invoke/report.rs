//! Shows the end of a call to a person.

use std::time::Duration;

use serde_json::Value;

use crate::say;

/// How a call ended, from the engine or from a server's answer.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) end: End,
    /// The end of the log, where it was asked for.
    pub(super) log: String,
    pub(super) numbers: Option<Numbers>,
    /// Time around the handler's own: the start of an instance, mostly.
    pub(super) beside: Option<Duration>,
}

/// What came out.
#[derive(Debug)]
pub(super) enum End {
    /// A value; texts and JSON are lines, bytes are left as they are.
    Returned { value: Vec<u8>, is_line: bool },
    /// The function failed: its number and its error object.
    Failed { number: u32, object: Vec<u8> },
}

/// The summary of the call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) duration_ms: f64,
    pub(super) billed_ms: u64,
    pub(super) memory_mb: u64,
    pub(super) used_mb: f64,
}

impl Report {
    /// Log and summary to the standard error, the value to the standard output.
    pub(super) fn show(&self) {
        self.log.lines().for_each(say::note);
        match &self.end {
            End::Returned { value, is_line } => {
                say::raw(value);
                if *is_line && !value.is_empty() && !value.ends_with(b"\n") {
                    say::raw(b"\n");
                }
            }
            End::Failed { number, object } => say::note(failure(*number, object)),
        }
        if let Some(numbers) = self.numbers {
            say::note(summary(numbers, self.beside));
        }
    }

    /// Whether the function failed.
    pub(super) fn failed(&self) -> bool {
        matches!(self.end, End::Failed { .. })
    }
}

fn summary(numbers: Numbers, beside: Option<Duration>) -> String {
    let Numbers { duration_ms, billed_ms, memory_mb, used_mb } = numbers;
    let beside = beside.map_or_else(String::new, |time| format!(", cold start {:.0} ms", time.as_secs_f64() * 1000.0));
    format!("{duration_ms:.1} ms (billed {billed_ms} ms), {used_mb:.1} of {memory_mb} MB{beside}")
}

/// The error object as lines: type, message, then the stack as the language wrote it.
fn failure(number: u32, object: &[u8]) -> String {
    let text = String::from_utf8_lossy(object);
    let Ok(value) = serde_json::from_slice::<Value>(object) else {
        return format!("the function failed ({number}): {text}");
    };
    let message = value.get("errorMessage").and_then(Value::as_str);
    let Some(message) = message else { return format!("the function failed ({number}): {text}") };
    let kind = value.get("errorType").and_then(Value::as_str).map_or_else(String::new, |kind| format!("{kind}: "));
    let stack = value.get("stackTrace").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut lines = vec![format!("the function failed ({number}): {kind}{message}")];
    lines.extend(stack.flat_map(str::lines).map(|line| format!("    {}", line.trim_end())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_object_is_shown_as_lines() {
        let object = br#"{"errorMessage":"function invocation exception, error: division by zero",
            "errorType":"ZeroDivisionError","stackTrace":["File \"index.py\", line 2, in handler\n    1 / 0\n"]}"#;
        assert_eq!(
            failure(4002, object),
            "the function failed (4002): ZeroDivisionError: function invocation exception, error: division by zero\n    \
             File \"index.py\", line 2, in handler\n        1 / 0"
        );
        assert_eq!(failure(4010, b"timed out"), "the function failed (4010): timed out");
        assert_eq!(failure(4002, b"[1]"), "the function failed (4002): [1]");
    }

    #[test]
    fn a_summary_is_one_line() {
        let numbers = Numbers { duration_ms: 12.34, billed_ms: 100, memory_mb: 128, used_mb: 21.43 };
        assert_eq!(summary(numbers, None), "12.3 ms (billed 100 ms), 21.4 of 128 MB");
        let beside = Some(Duration::from_millis(85));
        assert_eq!(summary(numbers, beside), "12.3 ms (billed 100 ms), 21.4 of 128 MB, cold start 85 ms");
    }
}
