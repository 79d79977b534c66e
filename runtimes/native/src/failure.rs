//! What a call or a start that failed is told: a number and the error object of PROTOCOL.md.

use serde_json::Value;

/// A failure as it goes into a FAILED frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Inner code.
    pub(crate) code: u16,
    /// The error object, a JSON text.
    pub(crate) object: String,
}

/// Nothing can be called: the module, or the program's file, is not what it should be.
pub(crate) const LOAD: u16 = 4001;
/// The program failed during a call.
pub(crate) const CALL: u16 = 4002;
/// The result has more bytes than are allowed.
pub(crate) const TOO_LARGE: u16 = 4004;
/// The initializer failed.
pub(crate) const INITIALIZER: u16 = 4009;
/// The program did not start, or ended while it started.
pub(crate) const START: u16 = 4201;
/// It was not ready in time.
pub(crate) const START_TIMEOUT: u16 = 4211;

const ENTRY: &str = "function entry exception, error: ";
const INVOCATION: &str = "function invocation exception, error: ";
const INITIALIZATION: &str = "function initialization exception, error: ";

impl Failure {
    /// A failure with our own words; the prefix of its number comes before them.
    pub(crate) fn new(code: u16, error_type: &str, message: &str) -> Self {
        let prefix = match code {
            LOAD | START | START_TIMEOUT => ENTRY,
            CALL => INVOCATION,
            INITIALIZER => INITIALIZATION,
            _ => "",
        };
        let (message, error_type) = (Value::from(format!("{prefix}{message}")), Value::from(error_type));
        // Four blanks, as every bootstrap has them.
        Self { code, object: format!("{{\n    \"errorMessage\": {message},\n    \"errorType\": {error_type}\n}}") }
    }

    /// The program did not start.
    pub(crate) fn start(message: &str) -> Self {
        Self::new(START, "FunctionStartError", message)
    }

    /// The program was not ready within `seconds`.
    pub(crate) fn not_ready(message: &str) -> Self {
        Self::new(START_TIMEOUT, "FunctionTimeout", message)
    }

    /// The result is over its limit.
    pub(crate) fn too_large() -> Self {
        let message = "the return value of the function exceeds the maximum allowed limit";
        Self::new(TOO_LARGE, "FunctionResultTooLarge", message)
    }

    /// What a program said of itself: an error object stays as it is, anything else is put into one.
    pub(crate) fn reported(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        if is_error_object(&text) {
            return Self { code: CALL, object: text.into_owned() };
        }
        let message = Value::from(&*text);
        Self { code: CALL, object: format!("{{\n    \"errorMessage\": {message},\n    \"errorType\": \"Error\"\n}}") }
    }
}

fn is_error_object(text: &str) -> bool {
    serde_json::from_str::<Value>(text)
        .is_ok_and(|value| value["errorMessage"].is_string() && value["errorType"].is_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_object_passes_and_all_else_is_wrapped() {
        let check = |body: &str, message: &str, error_type: &str| {
            let failure = Failure::reported(body.as_bytes());
            let object: Value = serde_json::from_str(&failure.object).expect("an object");
            assert_eq!(
                (failure.code, &object["errorMessage"], &object["errorType"]),
                (4002, &message.into(), &error_type.into())
            );
        };
        check(r#"{"errorType": "Odd", "errorMessage": "7 is odd", "more": 1}"#, "7 is odd", "Odd");
        for body in
            ["plain \"text\"", r#"{"errorMessage": "no type"}"#, r#"{"errorMessage": 1, "errorType": "x"}"#, "[]", ""]
        {
            check(body, body, "Error");
        }
        let odd = r#"{"errorType":"Odd","errorMessage":"x","more":1}"#;
        assert_eq!(Failure::reported(odd.as_bytes()).object, odd);
    }

    #[test]
    fn the_prefix_follows_the_number() {
        for (code, begins) in
            [(LOAD, "function entry"), (CALL, "function invocation"), (INITIALIZER, "function initialization")]
        {
            let object: Value = serde_json::from_str(&Failure::new(code, "T", "why").object).expect("an object");
            let message = object["errorMessage"].as_str().expect("a text");
            assert!(message.starts_with(begins) && message.ends_with(" exception, error: why"), "{message}");
        }
    }
}
