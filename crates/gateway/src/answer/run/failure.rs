//! Body of a failed call in form v0: the error object with the pair in front that the SDK looks for (errors.md, "Body of a failed function").

use bytes::Bytes;
use fungraph_model::{Failure, has_few_values};
use serde::Serialize;
use serde_json::{Map, Value, ser::PrettyFormatter};

/// `error_code`, `error_msg`, then the keys of the error object, indented as its runtime does.
pub(super) fn body(failure: &Failure<Bytes>) -> Bytes {
    let mut body = Map::new();
    body.insert("error_code".to_owned(), Value::String(failure.code.fss()));
    // What would take many times its length in memory stays a text.
    let read = Some(&failure.object[..]).filter(|object| has_few_values(object)).map(serde_json::from_slice);
    match read {
        Some(Ok(Value::Object(object))) => {
            body.insert("error_msg".to_owned(), Value::String(message(&object)));
            for (key, value) in object {
                body.entry(key).or_insert(value);
            }
        }
        // A Custom runtime or a Go program may send anything; its text is then the message.
        Some(Ok(Value::String(text))) => {
            body.insert("error_msg".to_owned(), Value::String(text));
        }
        _ => {
            let text = String::from_utf8_lossy(&failure.object).into_owned();
            body.insert("error_msg".to_owned(), Value::String(text));
        }
    }
    write(&body, indent(&failure.object))
}

/// The text of an error object, whatever it calls it; an object without one is shown as it is.
fn message(object: &Map<String, Value>) -> String {
    ["errorMessage", "error_msg", "message"]
        .iter()
        .find_map(|key| object.get(*key)?.as_str().map(str::to_owned))
        .unwrap_or_else(|| Value::Object(object.clone()).to_string())
}

/// The blanks before the first key; `None` where the object stands on one line.
fn indent(object: &[u8]) -> Option<&[u8]> {
    let rest = object.trim_ascii_start().strip_prefix(b"{")?;
    let line = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
    let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    Some(&line[..blanks])
}

fn write(body: &Map<String, Value>, indent: Option<&[u8]>) -> Bytes {
    let Some(indent) = indent else { return super::json_bytes(body) };
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(indent));
    body.serialize(&mut serializer).expect("a JSON object writes to memory");
    bytes.into()
}

#[cfg(test)]
mod tests {
    use fungraph_model::{FailureCode, JSON_VALUES};
    use serde_json::json;

    use super::*;

    fn check(object: &'static str, expected: &str) {
        let failure = Failure { code: FailureCode::HandlerFailed, object: Bytes::from_static(object.as_bytes()) };
        assert_eq!(String::from_utf8_lossy(&body(&failure)), expected);
    }

    #[test]
    fn the_error_object_follows_the_pair() {
        check(
            r#"{"errorMessage":"no","errorType":"E","stackTrace":["a"]}"#,
            r#"{"error_code":"FSS.4002","error_msg":"no","errorMessage":"no","errorType":"E","stackTrace":["a"]}"#,
        );
        check(
            "{\n    \"errorMessage\": \"no\"\n}",
            "{\n    \"error_code\": \"FSS.4002\",\n    \"error_msg\": \"no\",\n    \"errorMessage\": \"no\"\n}",
        );
    }

    #[test]
    fn what_is_no_error_object_becomes_the_message() {
        check(r#""just text""#, r#"{"error_code":"FSS.4002","error_msg":"just text"}"#);
        check("not JSON", r#"{"error_code":"FSS.4002","error_msg":"not JSON"}"#);
        check("", r#"{"error_code":"FSS.4002","error_msg":""}"#);
        // Read, it would take many times as much.
        let many = format!("{{\"errorMessage\":[{}0]}}", "0,".repeat(JSON_VALUES)).leak();
        check(many, &json!({"error_code": "FSS.4002", "error_msg": many}).to_string());
        check("[1,2]", r#"{"error_code":"FSS.4002","error_msg":"[1,2]"}"#);
        check(r#"{"a":1}"#, r#"{"error_code":"FSS.4002","error_msg":"{\"a\":1}","a":1}"#);
        check(r#"{"error_code":"MINE","error_msg":"m"}"#, r#"{"error_code":"FSS.4002","error_msg":"m"}"#);
    }
}
