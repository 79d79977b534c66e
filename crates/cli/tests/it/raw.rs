//! The HTTP interface without any SDK: golden answers, signatures that are refused, input that is bad.

mod bad_input;
mod golden;
mod mask;
mod signatures;

use serde_json::{Value, json};

use crate::signed::Client;

/// Body of a request that creates an inline Python function.
pub(crate) fn python(name: &str, code: &str) -> Value {
    json!({
        "func_name": name, "package": "default", "runtime": "Python3.9", "handler": "index.handler", "timeout": 10,
        "memory_size": 128, "code_type": "inline", "func_code": { "file": base64(code.as_bytes()) },
    })
}

/// Creates it.
pub(crate) fn create(client: &Client, name: &str, code: &str) {
    client.done("POST", "", &python(name, code));
}

/// Base64 as RFC 4648 has it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The bytes behind base64.
pub(crate) fn from_base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}
