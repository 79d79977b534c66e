//! What a gateway's caller would get of an http function's result: the object of custom-runtime.md 2.3, read back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::matcher::matches;

/// Compares the keys of `http` with a result.
pub(super) fn compare(wanted: &Value, result: &Value) -> Result<(), String> {
    let encoded = result["body"].as_str().filter(|_| result["isBase64Encoded"] == true);
    let encoded = encoded.ok_or_else(|| format!("no base64 body in {result}"))?;
    let body = STANDARD.decode(encoded).map_err(|error| format!("the body is not base64: {error}"))?;
    for (key, wanted) in wanted.as_object().expect("an expectation is an object") {
        let fits = match key.as_str() {
            "status" => matches(wanted, &result["statusCode"]),
            "headers" => headers(wanted, &result["headers"]),
            "body_text" => matches(wanted, &json!(String::from_utf8_lossy(&body))),
            "body_json" => matches(wanted, &serde_json::from_slice(&body).unwrap_or(Value::Null)),
            "body_base64" => matches(wanted, &json!(encoded)),
            other => panic!("this harness does not know the expectation http.{other:?}"),
        };
        fits.map_err(|why| format!("{key}: {why}"))?;
    }
    Ok(())
}

fn headers(wanted: &Value, seen: &Value) -> Result<(), String> {
    wanted.as_object().expect("headers are an object").iter().try_for_each(|(name, wanted)| {
        let all = seen.as_object().into_iter().flatten();
        let values = all.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.flat_map(|values| values.as_array().cloned().unwrap_or_default()).next();
        matches(wanted, &value.unwrap_or(Value::Null)).map_err(|why| format!("{name}: {why}"))
    })
}
