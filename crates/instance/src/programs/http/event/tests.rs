//! Events as they come from a gateway, and from people who try one out.

use http_body_util::BodyExt as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(event: &Value) -> Result<Request<Full<Bytes>>, BadEvent> {
    request(event.to_string().as_bytes())
}

/// Fields beside a method and a path, and the target they give.
#[track_caller]
fn check_target(path: &str, query: &Value, expected: &str) {
    let request = read(&json!({"httpMethod": "GET", "path": path, "queryStringParameters": query})).expect("it is one");
    assert_eq!(request.uri().to_string(), expected, "{path} {query}");
}

#[test]
fn path_and_query_are_written_as_a_target() {
    check_target("/things/1", &json!({"q": "a b"}), "/things/1?q=a%20b");
    check_target("", &json!({}), "/");
    check_target("things", &Value::Null, "/things");
    check_target("//evil.test/x", &json!({}), "/evil.test/x");
    check_target("/a b/č/%2F/%zz?x#y", &json!({}), "/a%20b/%C4%8D/%2F/%25zz%3Fx%23y");
    check_target("/", &json!({"a": ["1", "2"], "b": "", "c&=": "d&=+"}), "/?a=1&a=2&b=&c%26%3D=d%26%3D%2B");
    check_target("/", &json!({"n": 7, "t": true}), "/?n=7&t=true");
}

/// A field that is added to a good event, and what is told of it.
#[track_caller]
fn check_bad(field: &str, value: Value, expected: &str) {
    let mut event = json!({"httpMethod": "GET", "path": "/"});
    event[field] = value;
    let error = read(&event).expect_err("it is not one").to_string();
    assert!(error.contains(expected) && error.contains(field), "{field}: {error}");
}

#[test]
fn what_is_no_gateway_event_is_told_by_its_field() {
    for event in ["", "7", "[]", "\"x\"", "{\"httpMethod\":", "\u{fffd}"] {
        assert_eq!(request(event.as_bytes()).expect_err("it is not one"), BadEvent::NoObject);
    }
    check_bad("httpMethod", Value::Null, "no httpMethod");
    check_bad("httpMethod", json!(7), "is no text");
    check_bad("httpMethod", json!("G T"), "is no method");
    check_bad("httpMethod", json!("connect"), "is no method");
    check_bad("path", Value::Null, "no path");
    check_bad("headers", json!([]), "is no object");
    check_bad("headers", json!({"a b": "c"}), "headers.a b of this one is no name");
    check_bad("headers", json!({"a": "b\nc: d"}), "headers.a of this one has control characters");
    check_bad("headers", json!({"a": {}}), "neither a text nor a list");
    check_bad("queryStringParameters", json!({"a": [[]]}), "neither a text nor a list");
    check_bad("isBase64Encoded", json!("true"), "neither true nor false");
    check_bad("body", json!({"a": 1}), "put JSON into quotes");
    check_bad("requestContext", json!("x"), "is no object");
    let event = json!({"httpMethod": "GET", "path": "/", "isBase64Encoded": true, "body": "a b"});
    assert!(read(&event).expect_err("it is not base64").to_string().contains("is not base64"));
}

#[test]
fn headers_and_values_without_end_are_refused_before_they_are_read() {
    let event = |headers: usize| {
        let headers: Vec<String> = (0..headers).map(|number| format!("\"h{number}\":\"\"")).collect();
        format!(r#"{{"httpMethod":"GET","path":"/","headers":{{{}}}}}"#, headers.join(","))
    };
    assert_eq!(request(event(40_000).as_bytes()).expect_err("a map of headers has no room"), BadEvent::TooMany);
    // The most that are let through, and those that the platform adds, find room.
    let mut most = request(event(JSON_VALUES / 2 - 4).as_bytes()).expect("it is one");
    let version = crate::programs::fake::version("http");
    let head = super::super::head::Head::of(&version, "local");
    head.add(most.headers_mut(), &crate::programs::fake::call(1, b""));
    let list = format!(r#"{{"httpMethod":"GET","path":"/","more":[{}0]}}"#, "0,".repeat(JSON_VALUES));
    assert_eq!(request(list.as_bytes()).expect_err("nobody asked for it"), BadEvent::TooMany);
    let long = json!({"httpMethod": "GET", "path": "/", "body": "[0,0],".repeat(JSON_VALUES)});
    read(&long).expect("a body is one text");
}

/// What the headers of an event become.
#[track_caller]
fn check_headers(headers: &Value, context: &Value, expected: &[(&str, &str)]) {
    let event = json!({"httpMethod": "GET", "path": "/", "headers": headers, "requestContext": context});
    let request = read(&event).expect("it is one");
    let sent: Vec<(&str, &str)> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().expect("a text"))).collect();
    assert_eq!(sent, expected);
}

#[test]
fn headers_pass_but_for_those_of_a_connection() {
    let plain = [("host", "127.0.0.1:8000")];
    check_headers(&Value::Null, &Value::Null, &plain);
    check_headers(&json!({}), &json!({"stage": 7}), &plain);
    check_headers(
        &json!({"Host": "shop.test", "accept": ["a", "b"], "content-length": "9", "transfer-encoding": "chunked", "keep-alive": "5"}),
        &json!({"apiId": "a", "requestId": "r", "stage": "RELEASE", "sourceIp": "192.0.2.7"}),
        &[
            ("host", "shop.test"),
            ("accept", "a"),
            ("accept", "b"),
            ("x-apig-api-id", "a"),
            ("x-apig-request-id", "r"),
            ("x-apig-source-ip", "192.0.2.7"),
            ("x-apig-source-stage", "RELEASE"),
        ],
    );
}

#[test]
fn a_body_is_text_or_base64() {
    for (fields, expected) in [
        (json!({}), &b""[..]),
        (json!({"body": null, "isBase64Encoded": null}), b""),
        (json!({"body": "", "isBase64Encoded": true}), b""),
        (json!({"body": "xI1hdQ==", "isBase64Encoded": true}), "čau".as_bytes()),
        (json!({"body": "/wA=", "isBase64Encoded": true}), b"\xff\0"),
        (json!({"body": "xI1hdQ=="}), b"xI1hdQ=="),
    ] {
        let mut event = json!({"httpMethod": "post", "path": "/"});
        event.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let request = read(&event).expect("it is one");
        assert_eq!(request.method(), Method::POST);
        let mut body = request.into_body();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let bytes = runtime.block_on(async { body.frame().await.map(|frame| frame.expect("in memory").into_data()) });
        assert_eq!(bytes.map_or(Bytes::new(), |data| data.expect("data")), expected, "{fields}");
    }
}

proptest! {
    #[test]
    fn any_path_and_query_give_a_target_that_keeps_them(path in "\\PC{0,40}", name in "\\PC{1,10}", value in "\\PC{0,10}") {
        let event = json!({"httpMethod": "GET", "path": path, "queryStringParameters": {name: value}});
        let request = read(&event).expect("it is one");
        prop_assert!(request.uri().path().starts_with('/') && !request.uri().path().starts_with("//"));
        prop_assert!(request.uri().authority().is_none());
        prop_assert_eq!(request.uri().query().map(|query| query.matches(['=', '&']).count()), Some(1));
    }

    #[test]
    fn any_bytes_are_an_event_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _either = request(&bytes);
    }
}
