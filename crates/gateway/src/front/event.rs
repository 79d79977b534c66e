//! A request as the event of a function behind an API (contract: events.md section 4). Pure: no connection is touched here.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use fungraph_model::RequestId;
use http::{HeaderMap, HeaderName, Method, header};
use serde_json::{Map, Value, json};

use crate::percent;

/// Headers that belong to the connection, not to the request.
const CONNECTION_HEADERS: [HeaderName; 7] = [
    header::CONNECTION,
    // The body has been waited for here.
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What proved the caller to us is nobody else's: a token would let the function act as its caller.
const PROOFS: [&str; 4] = ["authorization", "x-auth-token", "x-security-token", "x-sdk-date"];

/// A request with what the platform knows of it.
pub(super) struct Arrived<'a> {
    /// Id of the run.
    pub(super) request: RequestId,
    /// The API it reached.
    pub(super) api: &'a str,
    /// Stage of that API.
    pub(super) stage: &'a str,
    pub(super) method: &'a Method,
    /// Path within the group, as sent.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// Parts of the path that have a name; the rest behind a prefix has the empty one.
    pub(super) parameters: &'a [(String, String)],
    pub(super) headers: &'a HeaderMap,
    /// Whether the headers hold the proof of a caller that was checked here.
    pub(super) is_proven: bool,
    /// Who sent it, and to which port.
    pub(super) from: IpAddr,
    pub(super) port: u16,
    /// Host that the client named.
    pub(super) host: &'a str,
    pub(super) is_https: bool,
    pub(super) body: &'a [u8],
}

/// The event as JSON text.
pub(super) fn event(arrived: &Arrived<'_>) -> Bytes {
    let object = json!({
        "body": BASE64.encode(arrived.body),
        "requestContext": {
            "apiId": arrived.api,
            "requestId": arrived.request.to_string(),
            "stage": arrived.stage,
            "sourceIp": arrived.from.to_string(),
        },
        "queryStringParameters": query(arrived.query.unwrap_or_default()),
        "httpMethod": arrived.method.as_str(),
        "pathParameters": arrived.parameters.iter().cloned().map(|(name, value)| (name, value.into())).collect::<Map<_, _>>(),
        "headers": headers(arrived),
        "path": arrived.path,
        "isBase64Encoded": true,
    });
    object.to_string().into()
}

/// Names in lower case, each with one text.
fn headers(arrived: &Arrived<'_>) -> Map<String, Value> {
    let given = arrived.headers;
    // A client may name more of them itself (RFC 9110, section 7.6.1).
    let named = joined(given, &header::CONNECTION);
    let is_named = |name: &HeaderName| named.split(',').any(|named| named.trim().eq_ignore_ascii_case(name.as_str()));
    let is_passed_on = |name: &&HeaderName| {
        let is_proof = arrived.is_proven && PROOFS.contains(&name.as_str());
        let is_of_connection = CONNECTION_HEADERS.contains(name) || name.as_str() == "keep-alive" || is_named(name);
        !is_of_connection && !is_proof
    };
    let mut headers: Map<String, Value> =
        given.keys().filter(is_passed_on).map(|name| (name.as_str().to_owned(), joined(given, name).into())).collect();
    let from = arrived.from.to_string();
    let forwarded_for = match given.get_all("x-forwarded-for").iter().next() {
        Some(_) => format!("{}, {from}", joined(given, &HeaderName::from_static("x-forwarded-for"))),
        None => from.clone(),
    };
    let added = [
        ("host", arrived.host.to_owned()),
        ("x-request-id", arrived.request.to_string()),
        ("x-real-ip", from),
        ("x-forwarded-for", forwarded_for),
        ("x-forwarded-proto", if arrived.is_https { "https" } else { "http" }.to_owned()),
        ("x-forwarded-port", arrived.port.to_string()),
        ("x-forwarded-host", arrived.host.to_owned()),
    ];
    headers.extend(added.map(|(name, value)| (name.to_owned(), value.into())));
    headers
}

/// All values of a name in one text. Bytes that are no UTF-8 are Latin-1, as they were when headers were defined.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
    };
    let values: Vec<String> = headers.get_all(name).iter().map(|value| text(value.as_bytes())).collect();
    values.join(if *name == header::COOKIE { "; " } else { ", " })
}

/// The parameters of a query; a name that comes again has a list.
fn query(query: &str) -> Map<String, Value> {
    let mut parameters = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = Value::from(form_text(value));
        match parameters.entry(form_text(name)) {
            serde_json::map::Entry::Vacant(entry) => {
                entry.insert(value);
            }
            serde_json::map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(values) => values.push(value),
                one => *one = Value::Array(vec![one.take(), value]),
            },
        }
    }
    parameters
}

/// A text as forms write it: a plus sign is a blank.
fn form_text(sent: &str) -> String {
    text(&sent.replace('+', " "))
}

/// A part of a path or query, decoded. Bytes that are no UTF-8 are replaced.
pub(super) fn text(sent: &str) -> String {
    match percent::decode(sent) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        // Path and query were looked at before; what is malformed never comes here.
        Err(_) => sent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(change: impl FnOnce(&mut Arrived<'_>), headers: &[(&'static str, &[u8])]) -> Value {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_bytes(value).expect("a value"));
        }
        let mut arrived = Arrived {
            request: RequestId::parse("6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10").expect("an id"),
            api: "a1",
            stage: "RELEASE",
            method: &Method::PUT,
            path: "/shop/1%20a",
            query: Some("q=a+b&q=c%2B&flag&x=1"),
            parameters: &[(String::new(), "1 a".to_owned())],
            headers: &map,
            is_proven: false,
            from: "192.0.2.7".parse().expect("an address"),
            port: 3470,
            host: "fg.example:3470",
            is_https: false,
            body: b"\xff\0",
        };
        change(&mut arrived);
        serde_json::from_slice(&event(&arrived)).expect("JSON")
    }

    #[test]
    fn events_have_every_field_of_the_contract() {
        let event = sent(|_| (), &[("content-type", b"text/plain"), ("accept", b"a"), ("accept", b"b")]);
        let id = "6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10";
        let expected = json!({
            "body": "/wA=",
            "requestContext": {"apiId": "a1", "requestId": id, "stage": "RELEASE", "sourceIp": "192.0.2.7"},
            "queryStringParameters": {"q": ["a b", "c+"], "flag": "", "x": "1"},
            "httpMethod": "PUT",
            "pathParameters": {"": "1 a"},
            "headers": {
                "content-type": "text/plain", "accept": "a, b", "host": "fg.example:3470", "x-request-id": id,
                "x-real-ip": "192.0.2.7", "x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "http",
                "x-forwarded-port": "3470", "x-forwarded-host": "fg.example:3470",
            },
            "path": "/shop/1%20a",
            "isBase64Encoded": true,
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn callers_cannot_hide_where_they_are() {
        let headers: [(&str, &[u8]); 3] =
            [("x-real-ip", b"10.0.0.1"), ("x-forwarded-for", b"10.0.0.1"), ("x-request-id", b"mine")];
        let event = sent(|_| (), &headers);
        assert_eq!(event["headers"]["x-real-ip"], "192.0.2.7");
        assert_eq!(event["headers"]["x-forwarded-for"], "10.0.0.1, 192.0.2.7");
        assert_ne!(event["headers"]["x-request-id"], "mine");
    }

    #[test]
    fn proofs_of_a_caller_stay_here() {
        let headers: [(&str, &[u8]); 3] =
            [("authorization", b"Basic x"), ("x-auth-token", b"t"), ("connection", b"close")];
        let open = sent(|_| (), &headers);
        assert_eq!(
            (&open["headers"]["authorization"], &open["headers"]["connection"]),
            (&json!("Basic x"), &Value::Null)
        );
        let proven = sent(|arrived| arrived.is_proven = true, &headers);
        assert_eq!(
            (&proven["headers"]["authorization"], &proven["headers"]["x-auth-token"]),
            (&Value::Null, &Value::Null)
        );
    }

    #[test]
    fn what_belongs_to_the_connection_stays_here() {
        let headers: [(&str, &[u8]); 4] =
            [("connection", b"close, X-Hop"), ("x-hop", b"1"), ("expect", b"100-continue"), ("x-own", b"mine")];
        let event = sent(|_| (), &headers);
        for name in ["connection", "x-hop", "expect"] {
            assert_eq!(event["headers"][name], Value::Null, "{name}");
        }
        assert_eq!(event["headers"]["x-own"], "mine");
    }

    #[test]
    fn odd_texts_are_texts() {
        let event = sent(
            |arrived| arrived.query = Some("%ff=1&&=2&a==b"),
            &[("x-name", b"caf\xe9"), ("cookie", b"a=1"), ("cookie", b"b=2")],
        );
        assert_eq!(event["queryStringParameters"], json!({"\u{fffd}": "1", "": "2", "a": "=b"}));
        assert_eq!((&event["headers"]["x-name"], &event["headers"]["cookie"]), (&json!("café"), &json!("a=1; b=2")));
    }
}
