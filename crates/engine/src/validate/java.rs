//! Settings that only Java has. They are kept with those that have no effect, by their API names: nothing but Java's bootstrap looks at
//! them.

use fungraph_model::{CLASS_ISOLATION, ErrorCode, Fault, HEARTBEAT_HANDLER, Language, Runtime};
use serde_json::{Map, Value};

use super::hook_form;

/// What is kept of a function, with what a request says of Java's settings.
pub(super) fn settings(
    mut kept: Map<String, Value>,
    heartbeat: Option<String>,
    isolation: Option<bool>,
    runtime: Runtime,
) -> Result<String, Fault> {
    match heartbeat {
        None => {}
        Some(text) if text.is_empty() => drop(kept.remove(HEARTBEAT_HANDLER)),
        Some(text) => {
            only_java(HEARTBEAT_HANDLER, runtime)?;
            hook_form(&text, runtime)
                .map_err(|why| Fault::new(ErrorCode::BadHandler, format!("{HEARTBEAT_HANDLER} {why}")))?;
            kept.insert(HEARTBEAT_HANDLER.to_owned(), text.into());
        }
    }
    match isolation {
        None => {}
        Some(false) => drop(kept.remove(CLASS_ISOLATION)),
        Some(true) => {
            only_java(CLASS_ISOLATION, runtime)?;
            kept.insert(CLASS_ISOLATION.to_owned(), true.into());
        }
    }
    Ok(Value::Object(kept).to_string())
}

fn only_java(field: &str, runtime: Runtime) -> Result<(), Fault> {
    if runtime.language() == Language::Java {
        return Ok(());
    }
    Err(Fault::new(
        ErrorCode::BadParameter,
        format!(
            "{field} is for functions in Java, and this one has the runtime {}: leave the field out",
            runtime.name()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        kept: &str,
        runtime: &str,
        heartbeat: Option<&str>,
        isolation: Option<bool>,
        expected: Result<&str, ErrorCode>,
    ) {
        let kept: Map<String, Value> = serde_json::from_str(kept).expect("an object");
        let runtime = Runtime::parse(runtime).expect("in the list");
        let found = settings(kept, heartbeat.map(str::to_owned), isolation, runtime).map_err(|fault| fault.code);
        assert_eq!(found, expected.map(str::to_owned));
    }

    #[test]
    fn what_is_said_is_kept_beside_the_others() {
        let both = r#"{"heartbeat_handler":"a.B.beat","enable_class_isolation":true}"#;
        check("{}", "Java17", Some("a.B.beat"), Some(true), Ok(both));
        check(both, "Java17", None, None, Ok(both));
        check(both, "Java17", Some(""), Some(false), Ok("{}"));
        check(r#"{"xrole":"x"}"#, "Java8", None, Some(true), Ok(r#"{"xrole":"x","enable_class_isolation":true}"#));
    }

    #[test]
    fn only_java_has_them() {
        check("{}", "Java17", Some("beat"), None, Err(ErrorCode::BadHandler));
        check("{}", "Python3.9", Some("index.beat"), None, Err(ErrorCode::BadParameter));
        check("{}", "Python3.9", None, Some(true), Err(ErrorCode::BadParameter));
        check("{}", "Python3.9", Some(""), Some(false), Ok("{}"));
    }
}
