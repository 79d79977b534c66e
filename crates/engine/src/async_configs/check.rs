//! Every range of the settings, and the form of each kind of destination.

use fungraph_model::{AsyncConfig, Destination, DestinationKind, ErrorCode, Fault, FunctionRef, limits};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{AsyncDraft, DestinationDraft};
use crate::validate::clip;

/// Characters of a destination's `param`.
const PARAM_CHARS: usize = 4096;

/// A text that a destination needs, and its longest length.
struct Needed(&'static str, usize);

pub(super) fn config(draft: AsyncDraft, now: Timestamp) -> Result<AsyncConfig, Fault> {
    let within = |field: &str, value: Option<i64>, range: std::ops::RangeInclusive<u32>, default: u32| match value {
        None => Ok(default),
        Some(value) => u32::try_from(value).ok().filter(|value| range.contains(value)).ok_or_else(|| {
            bad(&format!("The field '{field}' is {value}; it must be {} to {}", range.start(), range.end()))
        }),
    };
    let (age, retries) = ("max_async_event_age_in_seconds", "max_async_retry_attempts");
    if let Some((field, _)) = draft.log.iter().find(|(_, text)| text.chars().count() > 128) {
        return Err(bad(&format!("The field '{field}' has more than 128 characters")));
    }
    Ok(AsyncConfig {
        max_age_s: within(age, draft.max_age, limits::ASYNC_AGE_SECONDS, limits::ASYNC_AGE_DEFAULT)?,
        max_retries: within(retries, draft.max_retries, limits::ASYNC_RETRIES, limits::ASYNC_RETRIES_DEFAULT)?,
        on_success: destination("on_success", draft.on_success)?,
        on_failure: destination("on_failure", draft.on_failure)?,
        status_log: draft.status_log.unwrap_or(false),
        log: draft.log,
        created: now,
        last_modified: now,
    })
}

fn destination(field: &str, draft: Option<DestinationDraft>) -> Result<Option<Destination>, Fault> {
    let DestinationDraft { kind, param } = draft.unwrap_or_default();
    let (kind, param) = (kind.unwrap_or_default(), param.unwrap_or_default());
    if kind.is_empty() && param.is_empty() {
        return Ok(None);
    }
    let at = |why: &str| bad(&format!("destination_config.{field}.{why}"));
    let kind = DestinationKind::parse(&kind).ok_or_else(|| {
        at(&format!("destination '{}' does not exist. Use OBS, SMN, DIS or FunctionGraph", clip(&kind)))
    })?;
    let object = object(&param).map_err(|why| at(&format!("param {why}")))?;
    check(kind, &object).map_err(|why| at(&format!("param of {}: {why}", kind.name())))?;
    Ok(Some(Destination { kind, param }))
}

fn object(param: &str) -> Result<Map<String, Value>, &'static str> {
    if param.chars().count() > PARAM_CHARS {
        return Err("has more than 4096 characters");
    }
    serde_json::from_str(param).map_err(|_| "must be the text of a JSON object, {\"func_urn\":\"…\"} for instance")
}

fn check(kind: DestinationKind, object: &Map<String, Value>) -> Result<(), String> {
    let needed = match kind {
        DestinationKind::Obs => Needed("bucket", 64),
        DestinationKind::Smn => Needed("topic_urn", 255),
        DestinationKind::Dis => Needed("stream_name", 64),
        DestinationKind::Function => Needed("func_urn", limits::URN_CHARS),
    };
    let Needed(name, most) = needed;
    let text = match object.get(name) {
        Some(Value::String(text)) if (1..=most).contains(&text.chars().count()) => text,
        _ => return Err(format!("{name} must be a text of 1 to {most} characters")),
    };
    match kind {
        DestinationKind::Obs if !is_bucket(text) => {
            Err("bucket must have 3 to 63 small letters, digits, '.' and '-', \
             and begin and end with a letter or digit"
                .to_owned())
        }
        DestinationKind::Obs => check_obs(object),
        // It travels in a header.
        DestinationKind::Smn if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err("topic_urn must have no blanks and no letters beyond ASCII".to_owned())
        }
        // It is a part of a subject, where '.', '*' and '>' mean something.
        DestinationKind::Dis if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) => {
            Err("stream_name must have letters, digits, '-' and '_'".to_owned())
        }
        _ => Ok(()),
    }
}

pub(crate) fn is_bucket(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| is_plain(*byte) || b".-".contains(byte))
        && [bytes.first(), bytes.last()].into_iter().flatten().all(|byte| is_plain(*byte))
        && !name.contains("..")
}

fn check_obs(object: &Map<String, Value>) -> Result<(), String> {
    match object.get("prefix") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.chars().count() > 1024 || text.chars().any(char::is_control) => {
            return Err("prefix must have up to 1024 characters, and no control characters".to_owned());
        }
        // Such a name would be another one, or of another bucket, once it stands in a URL.
        Some(Value::String(text)) if text.split('/').any(|part| matches!(part, "." | "..")) => {
            return Err("prefix must have no parts '.' and '..'".to_owned());
        }
        Some(Value::String(_)) => {}
        Some(_) => return Err("prefix must be a text of up to 1024 characters".to_owned()),
    }
    let expires = match object.get("expires") {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64(),
    };
    let days = expires.and_then(|days| u32::try_from(days).ok());
    match days.filter(|days| limits::OBS_EXPIRES_DAYS.contains(days)) {
        Some(_) => Ok(()),
        None => Err("expires must be a whole number of days, 0 (keep) to 365".to_owned()),
    }
}

/// The same for a destination that was set before, perhaps by a version that took more.
pub(crate) fn recheck(destination: &Destination) -> Result<(), Fault> {
    let object = object(&destination.param).map_err(|why| bad(&format!("param {why}")))?;
    check(destination.kind, &object).map_err(|why| bad(&format!("param: {why}")))
}

/// The bucket that a destination names.
pub(super) fn bucket(destination: &Destination) -> Option<String> {
    let object: Map<String, Value> = serde_json::from_str(&destination.param).unwrap_or_default();
    let bucket = object.get("bucket").and_then(Value::as_str);
    bucket.filter(|_| destination.kind == DestinationKind::Obs).map(str::to_owned)
}

/// The function that a destination names.
pub(crate) fn function(destination: &Destination) -> Result<Option<FunctionRef>, Fault> {
    if destination.kind != DestinationKind::Function {
        return Ok(None);
    }
    let object: Map<String, Value> = serde_json::from_str(&destination.param).unwrap_or_default();
    let urn = object.get("func_urn").and_then(Value::as_str).unwrap_or_default();
    FunctionRef::parse(urn).map(Some)
}

fn bad(message: &str) -> Fault {
    Fault::new(ErrorCode::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(change: impl FnOnce(&mut AsyncDraft)) -> Result<AsyncConfig, String> {
        let mut draft = AsyncDraft::default();
        change(&mut draft);
        config(draft, Timestamp::UNIX_EPOCH).map_err(|fault| {
            assert_eq!(fault.code, ErrorCode::BadParameter);
            fault.message
        })
    }

    fn to(kind: &str, param: &str) -> Result<Option<Destination>, String> {
        let draft = DestinationDraft { kind: Some(kind.to_owned()), param: Some(param.to_owned()) };
        set(|config| config.on_failure = Some(draft)).map(|config| config.on_failure)
    }

    #[test]
    fn ranges_and_defaults_of_the_contract() {
        let plain = set(|_| {}).expect("defaults");
        assert_eq!((plain.max_age_s, plain.max_retries, plain.status_log), (3600, 1, false));
        for (age, fine) in [(0, false), (1, true), (86_400, true), (86_401, false), (i64::MIN, false)] {
            assert_eq!(set(|draft| draft.max_age = Some(age)).is_ok(), fine, "{age}");
        }
        for (retries, fine) in [(-1, false), (0, true), (3, true), (4, false)] {
            assert_eq!(set(|draft| draft.max_retries = Some(retries)).is_ok(), fine, "{retries}");
        }
        let long = set(|draft| drop(draft.log.insert("log_group_id".to_owned(), "x".repeat(129))));
        assert!(long.expect_err("too long").contains("log_group_id"));
    }

    #[test]
    fn each_destination_has_its_form() {
        for (kind, param) in [
            ("OBS", r#"{"bucket":"b-1.c","prefix":"p/","expires":365}"#),
            ("OBS", r#"{"bucket":"bucket","expires":"0","prefix":null}"#),
            ("SMN", r#"{"topic_urn":"urn:smn:r:p:t"}"#),
            ("DIS", r#"{"stream_name":"s"}"#),
            ("FunctionGraph", r#"{ "func_urn" : "other" }"#),
        ] {
            let kept = to(kind, param).expect(param).expect("a destination");
            assert_eq!((kept.kind.name(), kept.param.as_str()), (kind, param), "the text stays as it was");
        }
        assert_eq!(to("", ""), Ok(None));
        for (kind, param, word) in [
            ("obs", "{}", "Use OBS"),
            ("", "{}", "Use OBS"),
            ("OBS", "", "JSON object"),
            ("OBS", "[]", "JSON object"),
            ("OBS", "{}", "bucket"),
            ("OBS", r#"{"bucket":""}"#, "bucket"),
            ("OBS", r#"{"bucket":"../b"}"#, "bucket"),
            ("OBS", r#"{"bucket":"b..c"}"#, "bucket"),
            ("OBS", r#"{"bucket":"bucket","expires":366}"#, "expires"),
            ("OBS", r#"{"bucket":"bucket","expires":-1}"#, "expires"),
            ("OBS", r#"{"bucket":"bucket","expires":1.5}"#, "expires"),
            ("OBS", r#"{"bucket":"bucket","prefix":7}"#, "prefix"),
            ("OBS", r#"{"bucket":"bucket","prefix":"a/../../b"}"#, "prefix"),
            ("OBS", r#"{"bucket":"bucket","prefix":"a\nb"}"#, "prefix"),
            ("SMN", r#"{"topic":"t"}"#, "topic_urn"),
            ("SMN", r#"{"topic_urn":"a\r\nb: c"}"#, "topic_urn"),
            ("DIS", r#"{"stream_name":7}"#, "stream_name"),
            ("DIS", r#"{"stream_name":"a.>"}"#, "stream_name"),
            ("DIS", r#"{"stream_name":"a b"}"#, "stream_name"),
            ("FunctionGraph", r#"{"func_urn":null}"#, "func_urn"),
        ] {
            let message = to(kind, param).expect_err(param);
            assert!(message.contains("on_failure") && message.contains(word), "{message}");
        }
        assert!(to("DIS", &format!(r#"{{"stream_name":"s","more":"{}"}}"#, "x".repeat(4096))).is_err());
    }
}
