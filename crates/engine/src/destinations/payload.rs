//! What a destination is told of a call that has ended (contract: async.md section 3). Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fungraph_model::{FailureCode, FunctionKey, Outcome, RequestId, Value};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;

/// A longer result is replaced by nothing (contract: async.md section 1). So is a longer event, which no client can send: it tells of
/// another call, and each record within a record doubles the backslashes of the one inside.
const MOST_BYTES: usize = 256 * 1024;

/// A call that has come to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished<'a> {
    /// Its id, the same for all attempts.
    pub(crate) request: RequestId,
    /// The function.
    pub(crate) key: &'a FunctionKey,
    /// The version that ran, or was to run.
    pub(crate) version: &'a str,
    /// Start of the last attempt; of a call that never ran, when it was accepted.
    pub(crate) started: Timestamp,
    /// How often it was begun.
    pub(crate) attempts: u32,
    /// The event as it was accepted.
    pub(crate) event: &'a [u8],
    /// How it ended.
    pub(crate) end: CallEnd<'a>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallEnd<'a> {
    /// With a result.
    Returned(&'a [u8]),
    /// The last attempt failed, with the error object of the function.
    Failed(FailureCode, &'a [u8]),
    /// It was older than its function allows before it could run, or run again; with a text for people.
    TooOld(&'a str),
    /// Somebody asked for its end.
    Cancelled(&'a str),
    /// By the platform's fault, or because there was nothing left to run.
    Broken(&'a str),
}

impl<'a> CallEnd<'a> {
    /// That of a run.
    pub(crate) fn of(outcome: &'a Outcome<Bytes>) -> Self {
        match outcome {
            Outcome::Returned(Value::Nothing) => Self::Returned(b""),
            Outcome::Returned(Value::Text(value) | Value::Json(value) | Value::Bytes(value)) => Self::Returned(value),
            Outcome::Failed(failure) => Self::Failed(failure.code, &failure.object),
        }
    }

    /// Whether the destination of successes is the one to tell.
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Returned(_))
    }

    /// The contract's word for what went wrong; those for what it has no word for are ours.
    fn condition(self) -> &'static str {
        match self {
            Self::Returned(_) => "",
            Self::Failed(FailureCode::TimedOut, _) => "InvocationTimeout",
            Self::Failed(FailureCode::OutOfMemory, _) => "OutOfMemory",
            Self::Failed(
                FailureCode::InitializerFailed
                | FailureCode::InitializerTimedOut
                | FailureCode::StartFailed
                | FailureCode::BadHeartbeat,
                _,
            ) => "FunctionInitError",
            Self::Failed(FailureCode::Cancelled, _) | Self::Cancelled(_) => "InvocationCancelled",
            Self::Failed(..) => "UnhandledInvocationError",
            Self::TooOld(_) => "EventAgeExceeded",
            Self::Broken(_) => "SystemError",
        }
    }

    fn response(self) -> Cow<'a, str> {
        match self {
            Self::Returned(bytes) | Self::Failed(_, bytes) => text(bytes),
            // In the form that the errors of functions have, so that a reader needs to know only one.
            Self::TooOld(why) | Self::Cancelled(why) | Self::Broken(why) => {
                json!({ "errorMessage": why, "errorType": self.condition() }).to_string().into()
            }
        }
    }
}

/// The JSON object that is sent.
pub(crate) fn payload(call: &Finished<'_>, region: &str) -> Bytes {
    let status = if call.end.is_success() { 200 } else { 500 };
    let object = json!({
        "timestamp": nanoseconds(call.started),
        "request_context": {
            "request_id": call.request.to_string(),
            "function_urn": call.key.urn(region, call.version),
            "condition": call.end.condition(),
            // 0 is what was seen of a first attempt.
            "approximate_invoke_count": if call.attempts > 1 { call.attempts } else { 0 },
        },
        "request_payload": text(call.event),
        // The error's text stands in the payload; nobody has seen it here.
        "response_context": { "status_code": status, "function_error": "" },
        "response_payload": call.end.response(),
    });
    object.to_string().into()
}

/// What a payload says of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    /// The version that ran.
    pub(super) version: String,
    pub(super) is_success: bool,
}

/// Looks into what [`payload`] has made.
pub(super) fn whose(payload: &[u8]) -> Option<Whose> {
    let object: serde_json::Value = serde_json::from_slice(payload).ok()?;
    let (_, version) = object["request_context"]["function_urn"].as_str()?.rsplit_once(':')?;
    let is_success = object["response_context"]["status_code"] == 200;
    Some(Whose { version: version.to_owned(), is_success })
}

/// Bytes that are no text travel as base64, as in the answer of a synchronous call.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    if bytes.len() > MOST_BYTES {
        return "".into();
    }
    std::str::from_utf8(bytes).map_or_else(|_| STANDARD.encode(bytes).into(), Cow::Borrowed)
}

fn nanoseconds(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use fungraph_model::{Failure, ProjectId};
    use serde_json::Value as Json;

    use super::*;

    fn sent(end: CallEnd<'_>, attempts: u32, event: &[u8]) -> Json {
        let key =
            FunctionKey { project: ProjectId("p".to_owned()), package: "default".to_owned(), name: "f".to_owned() };
        let request = RequestId::parse("6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10").expect("an id");
        let started = "2026-01-01T09:47:56.893440057Z".parse().expect("a time");
        let call = Finished { request, key: &key, version: "v1", started, attempts, event, end };
        serde_json::from_slice(&payload(&call, "local")).expect("JSON")
    }

    #[test]
    fn a_success_has_the_form_of_the_contract() {
        let expected = json!({
            "timestamp": "2026-01-01T09:47:56.893440057+00:00",
            "request_context": {
                "request_id": "6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10",
                "function_urn": "urn:fss:local:p:function:default:f:v1",
                "condition": "",
                "approximate_invoke_count": 0,
            },
            "request_payload": "{\"a\": 1}",
            "response_context": { "status_code": 200, "function_error": "" },
            "response_payload": "\"done\"",
        });
        let got = sent(CallEnd::Returned(b"\"done\""), 1, b"{\"a\": 1}");
        assert_eq!(got.to_string(), expected.to_string(), "the order of the fields counts too");
    }

    #[test]
    fn a_payload_says_whose_it_is() {
        for (end, is_success) in [(CallEnd::Returned(b"1"), true), (CallEnd::TooOld("late"), false)] {
            let payload = sent(end, 1, b"{}").to_string();
            assert_eq!(whose(payload.as_bytes()), Some(Whose { version: "v1".to_owned(), is_success }));
        }
        for payload in ["", "{}", "[]", r#"{"request_context": {"function_urn": 7}}"#] {
            assert_eq!(whose(payload.as_bytes()), None);
        }
    }

    #[test]
    fn each_way_to_fail_has_its_condition() {
        for (code, condition) in [
            (FailureCode::HandlerFailed, "UnhandledInvocationError"),
            (FailureCode::LoadFailed, "UnhandledInvocationError"),
            (FailureCode::TimedOut, "InvocationTimeout"),
            (FailureCode::OutOfMemory, "OutOfMemory"),
            (FailureCode::InitializerFailed, "FunctionInitError"),
            (FailureCode::InitializerTimedOut, "FunctionInitError"),
            (FailureCode::Cancelled, "InvocationCancelled"),
        ] {
            let outcome = Outcome::Failed(Failure { code, object: Bytes::from_static(b"{}") });
            let got = sent(CallEnd::of(&outcome), 3, b"{}");
            assert_eq!(got["request_context"]["condition"], condition, "{code:?}");
            assert_eq!(got["request_context"]["approximate_invoke_count"], 3);
            assert_eq!(got["response_context"]["status_code"], 500);
            assert_eq!(got["response_payload"], "{}");
        }
        for (end, condition) in [
            (CallEnd::TooOld("late"), "EventAgeExceeded"),
            (CallEnd::Cancelled("stopped"), "InvocationCancelled"),
            (CallEnd::Broken("gone"), "SystemError"),
        ] {
            let got = sent(end, 0, b"{}");
            assert_eq!(got["request_context"]["condition"], condition);
            let object: Json = serde_json::from_str(got["response_payload"].as_str().expect("a text")).expect("JSON");
            assert_eq!(object["errorType"], condition);
            assert!(!end.is_success());
        }
    }

    #[test]
    fn a_chain_of_records_does_not_grow_without_end() {
        let mut event = format!("\"{}\"", "\\\"".repeat(MOST_BYTES / 2 - 1)).into_bytes();
        assert_eq!(event.len(), MOST_BYTES);
        for _ in 0..=super::super::MOST_HOPS {
            event = sent(CallEnd::Returned(&event), 1, &event).to_string().into_bytes();
            assert!(event.len() <= fungraph_model::limits::EVENT_BYTES, "{}", event.len());
        }
    }

    #[test]
    fn long_results_and_events_are_left_out_and_bytes_are_base64() {
        let long = vec![b'x'; MOST_BYTES + 1];
        assert_eq!(sent(CallEnd::Returned(b""), 1, &long)["request_payload"], "");
        assert_eq!(sent(CallEnd::Returned(&long), 1, b"{}")["response_payload"], "");
        assert_eq!(
            sent(CallEnd::Returned(&long[1..]), 1, b"{}")["response_payload"].as_str().map(str::len),
            Some(MOST_BYTES)
        );
        let bytes = sent(CallEnd::Returned(b"\xff\x00"), 1, b"\xfe");
        assert_eq!((&bytes["response_payload"], &bytes["request_payload"]), (&json!("/wA="), &json!("/g==")));
        assert_eq!(sent(CallEnd::of(&Outcome::Returned(Value::Nothing)), 1, b"")["response_payload"], "");
    }
}
