//! What calls of programs that failed are told, in the words that every bootstrap has for it.

use std::borrow::Cow;

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode};
use serde::Deserialize;

use crate::{beside, death::failure, protocol::PAYLOAD_BYTES};

/// A failure with our own words; the prefix of its number comes before them.
pub(crate) fn told(code: FailureCode, error_type: &str, message: &str) -> Failure<Bytes> {
    let prefix = match code {
        FailureCode::LoadFailed | FailureCode::StartFailed | FailureCode::InitializerTimedOut => {
            "function entry exception, error: "
        }
        FailureCode::HandlerFailed => "function invocation exception, error: ",
        FailureCode::InitializerFailed => "function initialization exception, error: ",
        _ => "",
    };
    failure(code, error_type, &format!("{prefix}{message}"))
}

/// The platform has no way to the program, or the program none to it: a fault of ours. Its cause is the operator's to know.
pub(crate) fn unreachable() -> Failure<Bytes> {
    let message = "function entry exception, error: the platform could not connect to the program; its operator finds the cause in \
                   the server's log";
    told(FailureCode::ExecutorFailed, "FunctionStartError", message)
}

/// The result is over its limit.
pub(crate) fn too_large() -> Failure<Bytes> {
    let message = "the return value of the function exceeds the maximum allowed limit";
    told(FailureCode::ResultTooLarge, "FunctionResultTooLarge", message)
}

/// What a program said of itself: an error object stays as it is, anything else is put into one.
pub(crate) fn reported(body: &[u8]) -> Failure<Bytes> {
    beside(body.len(), || as_object(body))
}

fn as_object(body: &[u8]) -> Failure<Bytes> {
    let text = String::from_utf8_lossy(body);
    if ErrorObject::read(&text).is_some() {
        return Failure { code: FailureCode::HandlerFailed, object: text.into_owned().into() };
    }
    let wrapped = failure(FailureCode::HandlerFailed, "Error", &text);
    // As JSON some texts are six times as long.
    if wrapped.object.len() > PAYLOAD_BYTES { too_large() } else { wrapped }
}

/// The two texts that make an object an error object. Whatever else is in it is passed over without being kept: a list of numbers
/// takes many times its text where it is read into values.
#[derive(Deserialize)]
pub(crate) struct ErrorObject<'a> {
    #[serde(borrow, rename = "errorMessage")]
    _message: Cow<'a, str>,
    #[serde(borrow, rename = "errorType")]
    pub(crate) kind: Cow<'a, str>,
}

impl<'a> ErrorObject<'a> {
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        // A list would be taken for its fields in order.
        text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok())?
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn object(failure: &Failure<Bytes>) -> Value {
        serde_json::from_slice(&failure.object).expect("an object")
    }

    #[test]
    fn an_error_object_passes_and_all_else_is_wrapped() {
        let check = |body: &str, message: &str, error_type: &str| {
            let failure = reported(body.as_bytes());
            let object = object(&failure);
            assert_eq!(
                (failure.code, &object["errorMessage"], &object["errorType"]),
                (FailureCode::HandlerFailed, &message.into(), &error_type.into())
            );
        };
        check(r#"{"errorType": "Odd", "errorMessage": "7 is \"odd\"", "more": [1, {}]}"#, "7 is \"odd\"", "Odd");
        for body in [
            "plain \"text\"",
            r#"{"errorMessage": "no type"}"#,
            r#"{"errorMessage": 1, "errorType": "x"}"#,
            r#"["no object", "x"]"#,
            "",
        ] {
            check(body, body, "Error");
        }
        let odd = r#"{"errorType":"Odd","errorMessage":"x","more":1}"#;
        assert_eq!(reported(odd.as_bytes()).object, odd);
        assert_eq!(reported(&vec![1; PAYLOAD_BYTES / 2]).code, FailureCode::ResultTooLarge);
    }

    #[test]
    fn the_prefix_follows_the_number() {
        for (code, begins) in [
            (FailureCode::LoadFailed, "function entry"),
            (FailureCode::HandlerFailed, "function invocation"),
            (FailureCode::InitializerFailed, "function initialization"),
        ] {
            let object = object(&told(code, "T", "why"));
            let message = object["errorMessage"].as_str().expect("a text");
            assert!(message.starts_with(begins) && message.ends_with(" exception, error: why"), "{message}");
        }
    }
}
