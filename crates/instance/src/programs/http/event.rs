//! A gateway event as an HTTP request (contract: events.md section 4). Pure: no connection is touched here.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use fungraph_model::{JSON_VALUES, has_few_values};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use serde_json::{Map, Value};

/// What is wrong with an event that should be a gateway event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadEvent {
    /// It is no JSON object.
    #[error("this one is no JSON object")]
    NoObject,
    /// It would take much more memory than it is long, or more headers than there is room for.
    #[error("this one has more than {JSON_VALUES} values; put them into its body, as JSON text")]
    TooMany,
    /// A field that is needed is not there.
    #[error("this one has no {field}")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// A field has a value that cannot be sent.
    #[error("{field} of this one {why}")]
    Field {
        /// Which, with the name inside it.
        field: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// Headers that belong to one connection; a request of our own has its own.
const CONNECTION_HEADERS: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers that a gateway's context becomes.
const CONTEXT_HEADERS: [(&str, &str); 4] = [
    ("apiId", "x-apig-api-id"),
    ("requestId", "x-apig-request-id"),
    ("sourceIp", "x-apig-source-ip"),
    ("stage", "x-apig-source-stage"),
];

/// The host where the event names none.
const HOST: HeaderValue = HeaderValue::from_static("127.0.0.1:8000");

/// The request that the event describes.
pub(crate) fn request(event: &[u8]) -> Result<Request<Full<Bytes>>, BadEvent> {
    if !has_few_values(event) {
        return Err(BadEvent::TooMany);
    }
    let Ok(Value::Object(event)) = serde_json::from_slice(event) else { return Err(BadEvent::NoObject) };
    let mut request = Request::new(Full::new(body(&event)?));
    *request.method_mut() = method(&event)?;
    *request.uri_mut() = target(&event)?;
    *request.headers_mut() = headers(&event)?;
    Ok(request)
}

/// `POST /init` with `{}` (contract: custom-runtime.md 2.1).
pub(crate) fn initialization() -> Request<Full<Bytes>> {
    post("/init", Bytes::from_static(b"{}"))
}

/// `POST /invoke` with an event (contract: custom-runtime.md 3.1).
pub(crate) fn invocation(event: Bytes) -> Request<Full<Bytes>> {
    post("/invoke", event)
}

fn post(path: &'static str, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(path);
    request.headers_mut().insert(header::HOST, HOST);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

fn field(name: &str, why: &'static str) -> BadEvent {
    BadEvent::Field { field: name.chars().take(80).collect(), why }
}

fn text<'a>(event: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, BadEvent> {
    match event.get(name) {
        None | Some(Value::Null) => Err(BadEvent::Missing { field: name }),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(field(name, "is no text")),
    }
}

fn method(event: &Map<String, Value>) -> Result<Method, BadEvent> {
    let method = Method::from_bytes(text(event, "httpMethod")?.to_ascii_uppercase().as_bytes());
    // A tunnel is no request.
    method.ok().filter(|method| *method != Method::CONNECT).ok_or_else(|| field("httpMethod", "is no method"))
}

fn target(event: &Map<String, Value>) -> Result<Uri, BadEvent> {
    let path = text(event, "path")?;
    let mut target = String::with_capacity(path.len() + 1);
    target.push('/');
    push_path(&mut target, path.trim_start_matches('/'));
    let mut mark = '?';
    for (name, values) in object(event, "queryStringParameters")? {
        for value in list(values) {
            target.push(mark);
            push_escaped(&mut target, name);
            target.push('=');
            let not_text = || field(&format!("queryStringParameters.{name}"), "is neither a text nor a list of texts");
            push_escaped(&mut target, &scalar(value).ok_or_else(not_text)?);
            mark = '&';
        }
    }
    target.try_into().map_err(|_| field("path", "is too long, with its query"))
}

fn headers(event: &Map<String, Value>) -> Result<HeaderMap, BadEvent> {
    let mut headers = HeaderMap::new();
    for (name, values) in object(event, "headers")? {
        let named = |why| field(&format!("headers.{name}"), why);
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| named("is no name of a header"))?;
        if CONNECTION_HEADERS.contains(&header) || is_hop(&header) {
            continue;
        }
        for value in list(values) {
            let value = scalar(value).ok_or_else(|| named("is neither a text nor a list of texts"))?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| named("has control characters"))?;
            headers.append(header.clone(), value);
        }
    }
    let context = object(event, "requestContext")?;
    for (key, name) in CONTEXT_HEADERS {
        let value = context.clone().find(|(known, _)| *known == key).and_then(|(_, value)| value.as_str());
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers.entry(header::HOST).or_insert(HOST);
    Ok(headers)
}

fn is_hop(name: &HeaderName) -> bool {
    matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

fn body(event: &Map<String, Value>) -> Result<Bytes, BadEvent> {
    let is_base64 = match event.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(is_base64)) => *is_base64,
        Some(_) => return Err(field("isBase64Encoded", "is neither true nor false")),
    };
    let body = match event.get("body") {
        None | Some(Value::Null) => "",
        Some(Value::String(body)) => body,
        Some(_) => return Err(field("body", "is no text; put JSON into quotes")),
    };
    if is_base64 {
        return STANDARD
            .decode(body)
            .map(Bytes::from)
            .map_err(|_| field("body", "is not base64, as isBase64Encoded says"));
    }
    Ok(Bytes::copy_from_slice(body.as_bytes()))
}

/// The entries of an object that may be absent.
fn object<'a>(
    event: &'a Map<String, Value>,
    name: &'static str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)> + Clone + use<'a>, BadEvent> {
    match event.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(field(name, "is no object")),
    }
    .map(|object| object.into_iter().flatten())
}

/// One value, or several of the same name.
fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A path keeps what is escaped in it; what cannot stand in one is escaped.
fn push_path(target: &mut String, path: &str) {
    let bytes = path.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let is_escape =
            byte == b'%' && bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if is_escape || is_plain(byte) || b"/!$&'()*+,;=:@".contains(&byte) {
            target.push(char::from(byte));
        } else {
            push_hex(target, byte);
        }
    }
}

fn push_escaped(target: &mut String, text: &str) {
    for byte in text.bytes() {
        if is_plain(byte) {
            target.push(char::from(byte));
        } else {
            push_hex(target, byte);
        }
    }
}

/// Unreserved characters (RFC 3986, 2.3).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn push_hex(target: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    target.push('%');
    target.push(char::from(DIGITS[usize::from(byte >> 4)]));
    target.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests;
