//! What a start that failed is told: a number and the error object of PROTOCOL.md.

use serde_json::Value;

/// A failure as it goes into a FAILED frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Inner code.
    pub(crate) code: u16,
    /// The error object, a JSON text.
    pub(crate) object: String,
}

/// Nothing can be called: the program's file is not what it should be.
pub(crate) const LOAD: u16 = 4001;
/// The program did not start, or ended while it started.
const START: u16 = 4201;
/// It was not ready in time.
const START_TIMEOUT: u16 = 4211;

impl Failure {
    /// A failure with our own words.
    pub(crate) fn new(code: u16, error_type: &str, message: &str) -> Self {
        let message = Value::from(format!("function entry exception, error: {message}"));
        let error_type = Value::from(error_type);
        // Four blanks, as every bootstrap has them.
        Self { code, object: format!("{{\n    \"errorMessage\": {message},\n    \"errorType\": {error_type}\n}}") }
    }

    /// The program did not start.
    pub(crate) fn start(message: &str) -> Self {
        Self::new(START, "FunctionStartError", message)
    }

    /// The program was not ready within its limit.
    pub(crate) fn not_ready(message: &str) -> Self {
        Self::new(START_TIMEOUT, "FunctionTimeout", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_an_object_whatever_its_words_are() {
        let failure = Failure::start("bootstrap is \"odd\"");
        let object: Value = serde_json::from_str(&failure.object).expect("an object");
        assert_eq!(object["errorMessage"], "function entry exception, error: bootstrap is \"odd\"");
        assert_eq!((failure.code, &object["errorType"]), (4201, &"FunctionStartError".into()));
    }
}
