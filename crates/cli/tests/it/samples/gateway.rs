//! What the caller of an API gets: a sample's events as the requests that they describe, through a trigger and the real gateway; and what it
//! would get of an http function's result, the object of custom-runtime.md 2.3, read back.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::fixture::Step;
use super::matcher::matches;
use super::play::Play;
use crate::harness::{Answer, request};

/// Samples whose events no request would become: they are about what only the API can send.
const API_ONLY: [&str; 2] = ["http-headers", "http-no-gateway-event"];

/// Plays the calls that have an answer over HTTP.
pub(super) fn play(play: &Play<'_>) -> Vec<String> {
    let name = play.fixture.name.as_str();
    if !play.fixture.has_http() || API_ONLY.contains(&name) {
        return Vec::new();
    }
    let steps = play.fixture.steps();
    let base = trigger(play, &event(&steps[0]));
    let faults = steps.iter().enumerate().filter_map(|(number, step)| {
        let wanted = step.expect.get("http")?;
        let answer = send(&base, &event(step));
        let why = compare(wanted, &answer).err()?;
        Some(format!("call {} through the gateway: {why}; answer: {} {}", number + 1, answer.status, answer.text()))
    });
    faults.collect()
}

fn event(step: &Step<'_>) -> Value {
    serde_json::from_str(&step.event).expect("gateway events are JSON")
}

/// Puts the function behind an API; gives what stands before the paths of its events.
fn trigger(play: &Play<'_>, event: &Value) -> String {
    // The rest of the path behind a prefix has the empty name.
    let path = event["path"].as_str().expect("a path");
    let rest = event["pathParameters"][""].as_str().unwrap_or_else(|| path.trim_start_matches('/'));
    let prefix = path.strip_suffix(rest).expect("the rest is a part of the path").trim_end_matches('/');
    let body = json!({
        "trigger_type_code": "APIG",
        "event_data": {
            "name": "sample", "group_id": "samples", "env_id": "DEFAULT_ENVIRONMENT_RELEASE_ID", "env_name": "RELEASE",
            "auth": "NONE", "protocol": "HTTP", "path": format!("{prefix}/"), "req_method": "ANY", "match_mode": "SWA",
            "backend_type": "FUNCTION", "type": 1, "func_info": {"timeout": 60_000},
        },
    });
    let path = format!("/v2/{}/fgs/triggers/{}", play.client.project, play.fixture.name);
    let answer = play.client.call("POST", &path, &body.to_string());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let trigger: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let url = trigger["event_data"]["invoke_url"].as_str().expect("an API has its URL");
    url.strip_suffix('/').unwrap_or(url).strip_suffix(prefix).expect("the URL ends in the path of the API").to_owned()
}

/// Sends the request that an event describes.
fn send(base: &str, event: &Value) -> Answer {
    let host_at = base.find("://").expect("a URL") + 3;
    let (endpoint, path) = base.split_at(base[host_at..].find('/').map_or(base.len(), |slash| host_at + slash));
    let query: Vec<String> =
        pairs(&event["queryStringParameters"]).map(|(name, value)| format!("{name}={value}")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    let path =
        format!("{path}{}{mark}{}", event["path"].as_str().expect("a path"), query.join("&").replace(' ', "%20"));
    let headers: Vec<(String, String)> = pairs(&event["headers"]).filter(|(name, _)| name != "host").collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let body = STANDARD.decode(event["body"].as_str().unwrap_or_default()).expect("base64");
    request(endpoint, event["httpMethod"].as_str().expect("a method"), &path, &headers, body)
}

fn pairs(object: &Value) -> impl Iterator<Item = (String, String)> {
    let entries = object.as_object().into_iter().flatten();
    entries.map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
}

/// Compares the keys of `http` with an answer.
fn compare(wanted: &Value, answer: &Answer) -> Result<(), String> {
    // How a body is framed belongs to the connection, not to the answer.
    let is_framing = |name: &str| name.eq_ignore_ascii_case("transfer-encoding");
    each(wanted, &json!(answer.status), &answer.body, |name| {
        answer.header(&name.to_lowercase()).filter(|_| !is_framing(name)).map_or(Value::Null, Value::from)
    })
}

/// Compares them with the result of an http function.
pub(super) fn compare_result(wanted: &Value, result: &Value) -> Result<(), String> {
    let encoded = result["body"].as_str().filter(|_| result["isBase64Encoded"] == true);
    let encoded = encoded.ok_or_else(|| format!("no base64 body in {result}"))?;
    let body = STANDARD.decode(encoded).map_err(|error| format!("the body is not base64: {error}"))?;
    each(wanted, &result["statusCode"], &body, |name| {
        let all = result["headers"].as_object().into_iter().flatten();
        let values = all.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        values.flat_map(|values| values.as_array().cloned().unwrap_or_default()).next().unwrap_or(Value::Null)
    })
}

fn each(wanted: &Value, status: &Value, body: &[u8], header: impl Fn(&str) -> Value) -> Result<(), String> {
    let json = || serde_json::from_slice(body).unwrap_or(Value::Null);
    for (key, wanted) in wanted.as_object().expect("an expectation is an object") {
        let fits = match key.as_str() {
            "status" => matches(wanted, status),
            "headers" => headers(wanted, &header),
            "body_text" => matches(wanted, &json!(String::from_utf8_lossy(body))),
            "body_json" => matches(wanted, &json()),
            "body_base64" => matches(wanted, &json!(STANDARD.encode(body))),
            "body_gunzip_text" => matches(wanted, &json!(gunzip(body))),
            "error_code" => matches(wanted, &json()["error_code"]),
            other => panic!("this harness does not know the expectation http.{other:?}"),
        };
        fits.map_err(|why| format!("{key}: {why}"))?;
    }
    Ok(())
}

fn headers(wanted: &Value, header: impl Fn(&str) -> Value) -> Result<(), String> {
    let wanted = wanted.as_object().expect("headers are an object");
    wanted.iter().try_for_each(|(name, wanted)| matches(wanted, &header(name)).map_err(|why| format!("{name}: {why}")))
}

fn gunzip(body: &[u8]) -> String {
    let mut text = String::new();
    // What is no gzip gives no text, which the comparison shows.
    let _read = flate2::read::GzDecoder::new(body).read_to_string(&mut text);
    text
}
