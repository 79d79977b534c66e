//! `{"$regex": …}` and its kin: how a fixture says what it cannot say exactly.

use serde_json::Value;

/// Whether a value is what a fixture wants; if not, why.
pub(super) fn matches(wanted: &Value, seen: &Value) -> Result<(), String> {
    match matcher(wanted) {
        Some(("$regex", pattern)) => {
            let text = seen.as_str().ok_or_else(|| format!("{seen} is no text"))?;
            pattern
                .as_str()
                .is_some_and(|pattern| regex(pattern, text))
                .then_some(())
                .ok_or_else(|| differs(wanted, seen))
        }
        Some(("$between", limits)) => {
            let inside =
                seen.as_f64().is_some_and(|seen| limits[0].as_f64() <= Some(seen) && Some(seen) <= limits[1].as_f64());
            inside.then_some(()).ok_or_else(|| differs(wanted, seen))
        }
        Some(("$one_of", choices)) => {
            let any = choices.as_array().into_iter().flatten().any(|choice| matches(choice, seen).is_ok());
            any.then_some(()).ok_or_else(|| differs(wanted, seen))
        }
        Some(("$json", inner)) => {
            let parsed = seen.as_str().and_then(|text| serde_json::from_str(text).ok());
            matches(inner, &parsed.unwrap_or(Value::Null)).map_err(|why| format!("{why}, in the text {seen}"))
        }
        Some((other, _)) => panic!("this harness does not know the matcher {other:?}"),
        None => equal(wanted, seen),
    }
}

/// Whether the keys that a fixture names are so; others do not matter.
pub(super) fn like(wanted: &Value, seen: &Value) -> Result<(), String> {
    let Some(keys) = wanted.as_object().filter(|_| matcher(wanted).is_none()) else { return matches(wanted, seen) };
    for (key, wanted) in keys {
        like(wanted, seen.get(key).unwrap_or(&Value::Null)).map_err(|why| format!("{key}: {why}"))?;
    }
    Ok(())
}

fn equal(wanted: &Value, seen: &Value) -> Result<(), String> {
    match (wanted, seen) {
        // 3 and 3.0 are one number to JSON.
        (Value::Number(wanted_number), Value::Number(seen_number))
            if wanted_number.as_f64() == seen_number.as_f64() =>
        {
            Ok(())
        }
        (Value::Array(wanted_items), Value::Array(seen_items)) if wanted_items.len() == seen_items.len() => {
            wanted_items.iter().zip(seen_items).try_for_each(|(wanted, seen)| matches(wanted, seen))
        }
        (Value::Object(wanted_fields), Value::Object(seen_fields)) if wanted_fields.len() == seen_fields.len() => {
            let fields = wanted_fields.iter();
            fields
                .into_iter()
                .try_for_each(|(key, wanted)| matches(wanted, seen_fields.get(key).unwrap_or(&Value::Null)))
        }
        _ if wanted == seen => Ok(()),
        _ => Err(differs(wanted, seen)),
    }
}

fn matcher(wanted: &Value) -> Option<(&str, &Value)> {
    let fields = wanted.as_object()?;
    let (name, inner) = fields.iter().next()?;
    (fields.len() == 1 && name.starts_with('$')).then_some((name.as_str(), inner))
}

fn differs(wanted: &Value, seen: &Value) -> String {
    format!("expected {wanted}, got {seen}")
}

/// As much of a regular expression as the samples use: `^…$` around parts that may repeat.
fn regex(pattern: &str, text: &str) -> bool {
    match pattern {
        ".+" => !text.is_empty(),
        "^[0-9a-f-]{36}$" => hex(text, 36, "-"),
        "^[0-9a-f]{64}$" => hex(text, 64, ""),
        "^/opt/function(/code)?$" => matches!(text, "/opt/function" | "/opt/function/code"),
        r"^java\.lang\.(IllegalStateException|RuntimeException)$" => {
            matches!(text, "java.lang.IllegalStateException" | "java.lang.RuntimeException")
        }
        other => panic!("this harness does not know the pattern {other:?}; teach it"),
    }
}

fn hex(text: &str, length: usize, more: &str) -> bool {
    text.len() == length && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c) || more.contains(c))
}

#[test]
fn matchers_match() {
    let check = |wanted: &str, seen: &str, fits: bool| {
        let parse = |text| serde_json::from_str(text).expect("JSON");
        let (wanted, seen): (Value, Value) = (parse(wanted), parse(seen));
        assert_eq!(like(&wanted, &seen).is_ok(), fits, "{wanted} {seen}");
    };
    check(r#"{"$between": [1, 3]}"#, "3", true);
    check(r#"{"$between": [1, 3]}"#, "3.1", false);
    check(r#"{"$one_of": ["", null]}"#, "null", true);
    check(r#"{"$one_of": ["a", {"$between": [0, 1]}]}"#, "2", false);
    check(r#"{"$json": {"a": 1}}"#, r#""{\"a\": 1}""#, true);
    check(r#"{"$regex": "^[0-9a-f]{64}$"}"#, r#""0a""#, false);
    check(r#"{"a": {"b": 1}}"#, r#"{"a": {"b": 1, "c": 2}}"#, true);
    check(r#"{"a": [1]}"#, r#"{"a": [1, 2]}"#, false);
    check("{}", "3", true);
    check("7", "7.0", true);
}
