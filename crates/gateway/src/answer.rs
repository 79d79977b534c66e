//! From a result or a refusal to status, headers and body: the one place that decides them.

mod content;
mod refusal;
mod run;
mod status;
mod stream;

use bytes::Bytes;
use fungraph_model::RequestId;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::Serialize;

pub(crate) use content::{Content, FileContent};
pub(crate) use refusal::Refusal;
pub(crate) use run::{Form, RUN_HEADERS, Statuses, run};
pub(crate) use stream::StreamContent;

/// An answer on its way out.
pub(crate) type Response = http::Response<Content>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RUN_ID: HeaderName = HeaderName::from_static("x-cff-request-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The HTTP status of a code.
pub(crate) fn status_of(code: fungraph_model::ErrorCode) -> u16 {
    status::status(code).as_u16()
}

/// 200 with a JSON body.
pub(crate) fn json(shape: &impl Serialize) -> Response {
    whole(StatusCode::OK, JSON, json_bytes(shape))
}

/// 201 with a JSON body.
pub(crate) fn created(shape: &impl Serialize) -> Response {
    whole(StatusCode::CREATED, JSON, json_bytes(shape))
}

#[derive(Serialize)]
struct Accepted<'a> {
    request_id: &'a str,
}

/// 202 for a run that will be made: its id, in the body and under its own name in the headers.
pub(crate) fn accepted(run: RequestId) -> Response {
    let run = run.text();
    let mut response = whole(StatusCode::ACCEPTED, JSON, json_bytes(&Accepted { request_id: run.as_str() }));
    response.headers_mut().insert(RUN_ID, HeaderValue::from_str(run.as_str()).expect("an id is ASCII"));
    response
}

/// 200 with a JSON body that is written already.
pub(crate) fn json_text(text: Bytes) -> Response {
    whole(StatusCode::OK, JSON, text)
}

/// 204: done, nothing to say.
pub(crate) fn no_content() -> Response {
    let mut response = Response::new(Content::whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A line or a page of text.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response {
    whole(status, TEXT, text.into())
}

/// Puts on what every answer carries: the id, on the paths of calls under the name of the run's id too where that has none of its own, and
/// advice to retry.
pub(crate) fn finish(mut response: Response, id: RequestId, is_invocation: bool) -> Response {
    let value = HeaderValue::from_str(id.text().as_str()).expect("an id is ASCII");
    let status = response.status();
    let headers = response.headers_mut();
    if is_invocation {
        headers.entry(RUN_ID).or_insert_with(|| value.clone());
    }
    headers.insert(REQUEST_ID, value);
    retry_after(status, headers);
    response
}

/// The Python SDK hides the body of a 429, so the advice stands in the headers too (clients.md, 15).
fn retry_after(status: StatusCode, headers: &mut HeaderMap) {
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
}

fn whole(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(Content::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn json_bytes(shape: &impl Serialize) -> Bytes {
    serde_json::to_vec(shape).expect("shapes of answers have text keys and write to memory").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_carries_its_id() {
        let id = RequestId::random();
        let answer = finish(no_content(), id, false);
        assert_eq!(answer.headers()["X-Request-Id"], id.to_string());
        assert!(!answer.headers().contains_key("X-Cff-Request-Id") && !answer.headers().contains_key("Content-Type"));
        let answer = finish(text(StatusCode::SERVICE_UNAVAILABLE, "no"), id, true);
        assert_eq!(answer.headers()["X-Cff-Request-Id"], id.to_string());
        assert_eq!(answer.headers()["Retry-After"], "1");
        let run = RequestId::random();
        let answer = finish(accepted(run), id, true);
        assert_eq!(answer.headers()["X-Request-Id"], id.to_string());
        assert_eq!(answer.headers()["X-Cff-Request-Id"], run.to_string());
    }
}
