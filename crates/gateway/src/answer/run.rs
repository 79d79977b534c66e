//! The answer to a call (contract: invocation.md, "Answer 200" and "Failures"). This is the hot path: names and fixed values are
//! made once, the numbers share one buffer.

mod failure;
mod numbers;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use fungraph_engine::{Invocation, beside};
use fungraph_model::{FailureCode, Language, Outcome, RequestId, Runtime, Value};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::{Serialize, de::IgnoredAny};

use super::{Content, JSON, Response, TEXT, json_bytes};
use crate::config::UserFailureStatus;

const SUMMARY: HeaderName = HeaderName::from_static("x-cff-invoke-summary");
const LOG: HeaderName = HeaderName::from_static("x-cff-function-log");
const BILLING: HeaderName = HeaderName::from_static("x-cff-billing-duration");
const VERSION: HeaderName = HeaderName::from_static("x-cff-response-version");
const CODE: HeaderName = HeaderName::from_static("x-func-err-code");
const IS_USER_ERROR: HeaderName = HeaderName::from_static("x-is-func-err");

/// Headers that tell of a run, beside its id.
pub(crate) const RUN_HEADERS: [HeaderName; 6] = [SUMMARY, LOG, BILLING, VERSION, CODE, IS_USER_ERROR];

/// Form of the answer, asked for by `X-CFF-Request-Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The bare result.
    V0,
    /// An object around it.
    V1,
}

/// Statuses of calls whose function failed by its own fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statuses {
    v0: StatusCode,
    v1: StatusCode,
}

impl From<UserFailureStatus> for Statuses {
    fn from(given: UserFailureStatus) -> Self {
        Self {
            v0: StatusCode::from_u16(given.v0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            v1: StatusCode::from_u16(given.v1).unwrap_or(StatusCode::OK),
        }
    }
}

/// The answer to a call that ran. `tail` says whether its log was asked for.
pub(crate) fn run(id: RequestId, form: Form, tail: bool, invocation: Invocation, statuses: Statuses) -> Response {
    let (summary, billing) = numbers::headers(&invocation.summary);
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(SUMMARY, summary);
    headers.insert(BILLING, billing);
    headers.insert(
        VERSION,
        match form {
            Form::V0 => HeaderValue::from_static("v0"),
            Form::V1 => HeaderValue::from_static("v1"),
        },
    );
    if tail {
        headers.insert(LOG, base64_header(invocation.tail.as_str()));
    }
    let code = match &invocation.outcome {
        Outcome::Returned(_) => None,
        Outcome::Failed(failure) => Some(failure.code),
    };
    blame(code, &mut headers);
    let (status, content_type, body) = match (form, invocation.outcome) {
        (Form::V0, Outcome::Returned(value)) => bare(value, invocation.runtime),
        (Form::V1, Outcome::Returned(value)) => {
            let size = value.size();
            let body = || wrapped(id, &value_text(value), invocation.tail.as_str(), None);
            (StatusCode::OK, JSON, beside(size, body))
        }
        (Form::V1, Outcome::Failed(failure)) if failure.code.is_user_error() => {
            let object = String::from_utf8_lossy(&failure.object);
            let body = || wrapped(id, &object, invocation.tail.as_str(), code);
            (statuses.v1, JSON, beside(object.len(), body))
        }
        (_, Outcome::Failed(failure)) => {
            // What is not the function's fault is a failure of the platform in either form, so it looks like one.
            let user_error = failure.code.is_user_error();
            let status = if user_error { statuses.v0 } else { StatusCode::INTERNAL_SERVER_ERROR };
            (status, JSON, beside(failure.object.len(), || failure::body(&failure)))
        }
    };
    headers.insert(CONTENT_TYPE, content_type);
    let mut response = Response::new(Content::whole(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Says whether the run failed, and by whose fault.
fn blame(code: Option<FailureCode>, headers: &mut HeaderMap) {
    let number = code.map_or(const { HeaderValue::from_static("0") }, |code| HeaderValue::from(code.number()));
    headers.insert(CODE, number);
    let user_error = code.is_some_and(FailureCode::is_user_error);
    headers.insert(IS_USER_ERROR, HeaderValue::from_static(if user_error { "true" } else { "false" }));
}

/// The returned value itself (SETTLED.md, "Result").
fn bare(value: Value<Bytes>, runtime: Runtime) -> (StatusCode, HeaderValue, Bytes) {
    let (content_type, body) = match value {
        Value::Nothing => (TEXT, Bytes::new()),
        Value::Text(bytes) => (TEXT, bytes),
        Value::Json(bytes) => (JSON, bytes),
        Value::Bytes(bytes) if may_be_json(runtime) && beside(bytes.len(), || is_json(&bytes)) => (JSON, bytes),
        Value::Bytes(bytes) => (TEXT, bytes),
    };
    (StatusCode::OK, content_type, body)
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// Runtimes whose bytes are JSON where they parse as such: what serialises there is not ours to see.
fn may_be_json(runtime: Runtime) -> bool {
    matches!(runtime.language(), Language::Go | Language::Custom | Language::Http | Language::Image)
}

#[derive(Serialize)]
struct Wrapped<'a> {
    request_id: &'a str,
    result: &'a str,
    log: &'a str,
    status: u16,
    error_code: &'a str,
}

fn wrapped(id: RequestId, result: &str, log: &str, code: Option<FailureCode>) -> Bytes {
    let error_code = code.map(FailureCode::fss).unwrap_or_default();
    let status = if code.is_some() { 500 } else { 200 };
    json_bytes(&Wrapped { request_id: id.text().as_str(), result, log, status, error_code: &error_code })
}

/// The value as a text; bytes that are none become base64.
fn value_text(value: Value<Bytes>) -> String {
    match value {
        Value::Nothing => String::new(),
        Value::Text(bytes) | Value::Json(bytes) | Value::Bytes(bytes) => {
            String::from_utf8(bytes.into()).unwrap_or_else(|not_text| BASE64.encode(not_text.as_bytes()))
        }
    }
}

fn base64_header(text: &str) -> HeaderValue {
    HeaderValue::try_from(BASE64.encode(text)).expect("base64 is visible ASCII")
}

#[cfg(test)]
mod tests;
