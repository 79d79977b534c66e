//! Settings whose feature this server does not have. Taking them would be a lie, so they are refused by name.

use fungraph_model::{ErrorCode, Fault};
use serde_json::Value;

use super::fields::Fields;

/// Field, whether its value asks for the feature, and what to do instead.
type Feature = (&'static str, fn(&Value) -> bool, &'static str);

const FEATURES: [Feature; 5] = [
    ("gpu_memory", is_something, "leave the field out"),
    ("gpu_type", is_something, "leave the field out"),
    ("is_stateful_function", is_something, "leave the field out, or set it to false"),
    (
        "restore_hook_handler",
        is_something,
        "there are no snapshots here that an instance could be restored from; leave the field out, and do in the initializer what \
         each instance needs",
    ),
    ("is_return_stream", is_something, "leave the field out, or set it to false"),
];

/// Refuses a request that asks for what is not built.
///
/// # Errors
/// FSS.0426 naming the field and what to do instead.
pub(super) fn refuse(fields: &Fields) -> Result<(), Fault> {
    let asked = FEATURES.iter().find(|(name, asks, _)| fields.get(name).is_some_and(asks));
    asked.map_or(Ok(()), |(name, _, instead)| {
        Err(Fault::new(
            ErrorCode::NotSupported,
            format!("The setting {name} is not built into this server yet: {instead}"),
        ))
    })
}

/// The fields it looks at.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FEATURES.iter().map(|(name, ..)| *name)
}

/// Clients send empty values for what they do not use.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.as_str(), "" | "0" | "false"),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Option<&str>) {
        let refused = refuse(&Fields::parse(body.as_bytes()).expect(body));
        match expected {
            None => assert_eq!(refused, Ok(()), "{body}"),
            Some(word) => {
                let fault = refused.expect_err(body);
                assert_eq!(fault.code, ErrorCode::NotSupported);
                assert!(fault.message.contains(word), "{}", fault.message);
            }
        }
    }

    #[test]
    fn what_is_not_built_is_named() {
        check(r#"{"gpu_memory":1024}"#, Some("gpu_memory"));
        check(r#"{"is_stateful_function":true}"#, Some("is_stateful_function"));
        check(r#"{"restore_hook_handler":"a.b"}"#, Some("no snapshots"));
    }

    #[test]
    fn empty_values_ask_for_nothing() {
        check(
            r#"{"code_type":"zip","custom_image":{"enabled":false},"depend_version_list":[],"depend_list":null,
                "gpu_memory":0,"gpu_type":"","is_stateful_function":false,
                "restore_hook_handler":"","code_url":"x"}"#,
            None,
        );
    }
}
