//! What a function returned as the answer to the caller of its API (contract: events.md section 4). Pure: no connection is touched here.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use fungraph_model::{ErrorCode, Fault, JSON_VALUES, Value, has_few_values};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// Headers that are ours to set.
const CONNECTION_HEADERS: [HeaderName; 5] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRAILER, header::TRANSFER_ENCODING, header::UPGRADE];

/// The fields of a result. What is of another type is told by its name.
#[derive(Deserialize)]
struct ApiResult {
    #[serde(default, rename = "statusCode")]
    status: Json,
    #[serde(default)]
    headers: Json,
    #[serde(default)]
    body: Json,
    #[serde(default, rename = "isBase64Encoded")]
    is_base64: Json,
}

/// The answer that a result describes.
///
/// # Errors
/// FSS.1202 where `statusCode` is missing; FSS.1206 where the result is no object or a field is of the wrong type.
pub(super) fn reply(result: &Value<Bytes>) -> Result<Response<Bytes>, Fault> {
    let result = object(result)?;
    let mut response = Response::new(body(&result)?);
    *response.status_mut() = status(&result.status)?;
    *response.headers_mut() = headers(&result.headers)?;
    Ok(response)
}

fn object(result: &Value<Bytes>) -> Result<ApiResult, Fault> {
    let no_object = || wrong("the result is no object with statusCode, headers, body and isBase64Encoded");
    let text: &[u8] = match result {
        Value::Nothing => return Err(no_object()),
        Value::Text(bytes) | Value::Json(bytes) | Value::Bytes(bytes) => bytes,
    };
    // An object, or a text that holds one.
    let text = match serde_json::from_slice::<Cow<'_, str>>(text) {
        Ok(inner) => Cow::Owned(inner.into_owned().into_bytes()),
        Err(_) => Cow::Borrowed(text),
    };
    // A list would be taken for the fields in their order.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(no_object());
    }
    if !has_few_values(&text) {
        // It would take much more memory than it is long, and a map of headers has no room for so many.
        return Err(wrong(&format!(
            "the result has more than {JSON_VALUES} values; put them into its body, as JSON text"
        )));
    }
    serde_json::from_slice(&text).map_err(|_| no_object())
}

fn status(given: &Json) -> Result<StatusCode, Fault> {
    if given.is_null() {
        return Err(Fault::new(
            ErrorCode::NoStatusCode,
            "The function behind this API returned no statusCode. Let it return an object with statusCode, headers, body and isBase64Encoded",
        ));
    }
    let number = given.as_u64().and_then(|number| u16::try_from(number).ok());
    // Below 200 there is no answer yet.
    let status =
        number.filter(|number| (200..=999).contains(number)).and_then(|number| StatusCode::from_u16(number).ok());
    status.ok_or_else(|| wrong("statusCode is not an integer from 200 to 999"))
}

fn headers(given: &Json) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for (name, values) in entries(given)? {
        let named = |why: &str| wrong(&format!("headers.{} {why}", name.chars().take(80).collect::<String>()));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| named("is no name of a header"))?;
        if CONNECTION_HEADERS.contains(&header) || header == "keep-alive" {
            continue;
        }
        let values = if let Json::Array(values) = values { values.as_slice() } else { std::slice::from_ref(values) };
        for value in values {
            let value = match value {
                Json::String(text) => Cow::Borrowed(text.as_str()),
                Json::Number(_) | Json::Bool(_) => Cow::Owned(value.to_string()),
                _ => return Err(named("is neither a text nor a list of texts")),
            };
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| named("has control characters"))?;
            headers.append(header.clone(), value);
        }
    }
    Ok(headers)
}

fn entries(given: &Json) -> Result<&Map<String, Json>, Fault> {
    static NONE: std::sync::LazyLock<Map<String, Json>> = std::sync::LazyLock::new(Map::new);
    match given {
        Json::Null => Ok(&NONE),
        Json::Object(entries) => Ok(entries),
        _ => Err(wrong("headers is no object")),
    }
}

fn body(result: &ApiResult) -> Result<Bytes, Fault> {
    let is_base64 = match result.is_base64 {
        Json::Null => false,
        Json::Bool(is_base64) => is_base64,
        _ => return Err(wrong("isBase64Encoded is neither true nor false")),
    };
    match &result.body {
        Json::Null => Ok(Bytes::new()),
        Json::String(text) if is_base64 => {
            BASE64.decode(text).map(Bytes::from).map_err(|_| wrong("body is not base64, as isBase64Encoded says"))
        }
        Json::String(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        _ => Err(wrong("body is no text; write objects as JSON text")),
    }
}

fn wrong(why: &str) -> Fault {
    Fault::new(ErrorCode::BadApiResult, format!("The function behind this API returned what is no answer: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(result: &str) -> Result<Response<Bytes>, Fault> {
        reply(&Value::Json(Bytes::copy_from_slice(result.as_bytes())))
    }

    #[track_caller]
    fn check(result: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        for value in [Value::Json, Value::Text, Value::Bytes] {
            let response = reply(&value(Bytes::copy_from_slice(result.as_bytes()))).expect(result);
            assert_eq!(response.status().as_u16(), status);
            let sent = response.headers().iter();
            let sent: Vec<_> = sent.map(|(name, value)| (name.as_str(), value.to_str().expect("a text"))).collect();
            assert_eq!(sent, headers);
            assert_eq!(response.body(), body);
        }
    }

    #[track_caller]
    fn refuse(result: &str, code: ErrorCode, word: &str) {
        let fault = read(result).expect_err(result);
        assert_eq!(fault.code, code, "{result}");
        assert!(fault.message.contains(word), "{}", fault.message);
    }

    #[test]
    fn results_become_answers() {
        check(r#"{"statusCode":200,"body":"hi"}"#, 200, &[], b"hi");
        check(r#"{"statusCode":200,"isBase64Encoded":true,"body":"/wA="}"#, 200, &[], b"\xff\0");
        check(r#"{"statusCode":204,"headers":null,"body":null,"isBase64Encoded":null}"#, 204, &[], b"");
        check(
            r#"{"statusCode":302,"headers":{"Location":"/x","Set-Cookie":["a=1","b=2"],"X-N":7,"Connection":"close","Content-Length":"9"},"more":1}"#,
            302,
            &[("location", "/x"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-n", "7")],
            b"",
        );
        check(r#""{\"statusCode\":201,\"body\":\"text\"}""#, 201, &[], b"text");
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        refuse(r#"{"body":"x"}"#, ErrorCode::NoStatusCode, "statusCode");
        refuse(r#"{"statusCode":null}"#, ErrorCode::NoStatusCode, "statusCode");
        for (result, word) in [
            (r#"{"statusCode":0}"#, "statusCode"),
            (r#"{"statusCode":"200"}"#, "statusCode"),
            (r#"{"statusCode":101}"#, "statusCode"),
            (r#"{"statusCode":-1}"#, "statusCode"),
            ("[200]", "no object"),
            ("7", "no object"),
            (r#""plain""#, "no object"),
            ("plain", "no object"),
            ("", "no object"),
            (r#"{"statusCode":200,"body":{}}"#, "body"),
            (r#"{"statusCode":200,"body":"!","isBase64Encoded":true}"#, "base64"),
            (r#"{"statusCode":200,"isBase64Encoded":"true"}"#, "isBase64Encoded"),
            (r#"{"statusCode":200,"headers":[]}"#, "headers"),
            (r#"{"statusCode":200,"headers":{"a b":"x"}}"#, "a b"),
            (r#"{"statusCode":200,"headers":{"a":{}}}"#, "headers.a"),
            (r#"{"statusCode":200,"headers":{"a":"x\r\nb: y"}}"#, "headers.a"),
        ] {
            refuse(result, ErrorCode::BadApiResult, word);
        }
        let headers: Vec<String> = (0..40_000).map(|number| format!("\"h{number}\":1")).collect();
        let many = format!(r#"{{"statusCode":200,"headers":{{{}}}}}"#, headers.join(","));
        refuse(&many, ErrorCode::BadApiResult, "more than 40000 values");
        assert_eq!(reply(&Value::Nothing).expect_err("nothing").code, ErrorCode::BadApiResult);
    }
}
