//! An HTTP response as the result of a call (contract: custom-runtime.md 2.3). Pure: no connection is touched here.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use serde_json::{Map, Value};

/// Headers that belong to the connection to the server, not to its answer.
const CONNECTION_HEADERS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The result: a JSON object of body, headers, status and how the body is written, in this order.
pub(crate) fn object(answer: &Response<Bytes>, id: &str) -> Vec<u8> {
    let mut headers = headers(answer.headers());
    headers.entry("X-Cff-Request-Id").or_insert_with(|| Value::from(vec![id]));
    let status = answer.status().as_u16();
    let mut object = String::with_capacity(answer.body().len() / 3 * 4 + 512);
    // Base64 needs no escapes, and is long: it is written where it belongs.
    object.push_str("{\"body\":\"");
    STANDARD.encode_string(answer.body(), &mut object);
    object.push_str("\",\"headers\":");
    object.push_str(&Value::Object(headers).to_string());
    object.push_str(&format!(",\"statusCode\":{status},\"isBase64Encoded\":true}}"));
    object.into_bytes()
}

/// Leaves the headers that are for the caller.
pub(super) fn remove_own(headers: &mut HeaderMap) {
    for name in CONNECTION_HEADERS {
        headers.remove(name);
    }
}

/// Names in canonical form, values always in lists.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .keys()
        .filter(|name| !CONNECTION_HEADERS.contains(name))
        .map(|name| (canonical(name), headers.get_all(name).iter().map(text).collect()))
        .collect()
}

/// `Content-Type`, as Go writes names.
fn canonical(name: &HeaderName) -> String {
    let parts = name.as_str().split('-').map(|part| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    parts.collect::<Vec<_>>().join("-")
}

/// Bytes that are no UTF-8 are Latin-1, as they were when headers were defined.
fn text(value: &HeaderValue) -> Value {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect::<String>(), str::to_owned)
        .into()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[track_caller]
    fn check(status: u16, headers: &[(&str, &[u8])], body: &'static [u8], expected: &str) {
        let mut answer = Response::new(Bytes::from_static(body));
        *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            answer.headers_mut().append(name, HeaderValue::from_bytes(value).expect("a value"));
        }
        assert_eq!(String::from_utf8(object(&answer, "r-1")).expect("a text"), expected);
    }

    #[test]
    fn answers_become_objects() {
        check(
            200,
            &[("content-type", b"text/html")],
            b"hi",
            r#"{"body":"aGk=","headers":{"Content-Type":["text/html"],"X-Cff-Request-Id":["r-1"]},"statusCode":200,"isBase64Encoded":true}"#,
        );
        check(
            418,
            &[("set-cookie", b"a=1"), ("set-cookie", b"b=\"2\""), ("etag", b"x")],
            b"\xff\0",
            r#"{"body":"/wA=","headers":{"Set-Cookie":["a=1","b=\"2\""],"Etag":["x"],"X-Cff-Request-Id":["r-1"]},"statusCode":418,"isBase64Encoded":true}"#,
        );
        check(
            204,
            &[
                ("connection", b"close"),
                ("transfer-encoding", b"chunked"),
                ("keep-alive", b"5"),
                ("x-cff-request-id", b"own"),
                ("x--a", b"\xe9"),
            ],
            b"",
            r#"{"body":"","headers":{"X-Cff-Request-Id":["own"],"X--A":["é"]},"statusCode":204,"isBase64Encoded":true}"#,
        );
    }
}
