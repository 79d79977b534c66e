//! Events of a bucket: which there are, and whether two triggers would both be called for one. Pure.

use serde_json::{Map, Value};

const CREATED: [&str; 4] = ["Put", "Post", "Copy", "CompleteMultipartUpload"];
const REMOVED: [&str; 2] = ["Delete", "DeleteMarkerCreated"];

/// Events as bits: all of one group, or one of it.
fn bits(event: &str) -> Option<(u8, bool)> {
    let event = event.strip_prefix("s3:").unwrap_or(event);
    let (created, removed) = (0b00_1111, 0b11_0000);
    let (group, name) = event.split_once(':').map_or((None, event), |(group, name)| (Some(group), name));
    let one =
        |names: &[&str], first: usize| names.iter().position(|known| *known == name).map(|index| 1 << (first + index));
    match (group, name) {
        (None, "ObjectCreated") | (Some("ObjectCreated"), "*") => Some((created, true)),
        (None, "ObjectRemoved") | (Some("ObjectRemoved"), "*") => Some((removed, true)),
        (Some("ObjectCreated"), _) => Some((one(&CREATED, 0)?, false)),
        (Some("ObjectRemoved"), _) => Some((one(&REMOVED, CREATED.len())?, false)),
        (None, _) => Some((one(&CREATED, 0).or_else(|| one(&REMOVED, CREATED.len()))?, false)),
        (Some(_), _) => None,
    }
}

/// Checks the events: known ones, none twice, no group beside its members.
pub(super) fn check(data: &Map<String, Value>) -> Result<(), String> {
    let mut seen = 0;
    for event in texts(data) {
        let (bits, _) = bits(event).ok_or_else(|| {
            let event: String = event.chars().take(40).collect();
            format!(
                "The field 'event_data.events' has '{event}', which does not exist. It takes s3:ObjectCreated:* or its members {}, \
                 and s3:ObjectRemoved:* or its members {}",
                CREATED.join(", "),
                REMOVED.join(", ")
            )
        })?;
        if seen & bits != 0 {
            return Err(
                "The field 'event_data.events' names an event twice, or all of a group beside one of it".to_owned()
            );
        }
        seen |= bits;
    }
    Ok(())
}

/// Whether one object's event could call both.
pub(super) fn overlap(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let text =
        |data: &Map<String, Value>, name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let both = |name: &str| (text(one, name), text(other, name));
    let events = |data: &Map<String, Value>| texts(data).filter_map(bits).fold(0, |all, (bits, _)| all | bits);
    let (prefixes, suffixes, buckets) = (both("prefix"), both("suffix"), both("bucket"));
    buckets.0 == buckets.1
        && events(one) & events(other) != 0
        && (prefixes.0.starts_with(&prefixes.1) || prefixes.1.starts_with(&prefixes.0))
        && (suffixes.0.ends_with(&suffixes.1) || suffixes.1.ends_with(&suffixes.0))
}

fn texts(data: &Map<String, Value>) -> impl Iterator<Item = &str> {
    data.get("events").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn both_forms_of_events_are_known_and_none_is_named_twice() {
        for (events, expected) in [
            (json!(["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]), ""),
            (json!(["ObjectCreated", "Delete"]), ""),
            (json!(["s3:ObjectCreated:Put", "Post", "ObjectCreated:Copy", "CompleteMultipartUpload"]), ""),
            (json!(["s3:ObjectCreated:*", "s3:ObjectCreated:Put"]), "beside one of it"),
            (json!(["Put", "s3:ObjectCreated:Put"]), "twice"),
            (json!(["s3:ObjectCreated:Delete"]), "'s3:ObjectCreated:Delete', which does not exist"),
            (json!(["s3:Put"]), ""),
            (json!(["put"]), "does not exist"),
            (json!(["s3:Other:Put"]), "does not exist"),
        ] {
            let found = check(&object(&json!({ "events": events })));
            match found {
                Ok(()) => assert_eq!(expected, "", "{events}"),
                Err(why) => assert!(!expected.is_empty() && why.contains(expected), "{events}: {why}"),
            }
        }
    }

    #[test]
    fn triggers_overlap_where_one_object_would_call_both() {
        let check = |one: Value, other: Value, expected| {
            let base = json!({ "bucket": "b", "events": ["s3:ObjectCreated:*"] });
            let with = |more: &Value| {
                let mut all = object(&base);
                all.extend(object(more));
                all
            };
            assert_eq!(overlap(&with(&one), &with(&other)), expected, "{one} {other}");
            assert_eq!(overlap(&with(&other), &with(&one)), expected, "{other} {one}");
        };
        check(json!({}), json!({}), true);
        check(json!({}), json!({ "bucket": "c" }), false);
        check(json!({}), json!({ "events": ["Put"] }), true);
        check(json!({}), json!({ "events": ["s3:ObjectRemoved:*"] }), false);
        check(json!({ "events": ["Put"] }), json!({ "events": ["Post"] }), false);
        check(json!({ "prefix": "in/" }), json!({}), true);
        check(json!({ "prefix": "in/" }), json!({ "prefix": "in/a" }), true);
        check(json!({ "prefix": "in/" }), json!({ "prefix": "out/" }), false);
        check(json!({ "suffix": ".jpg" }), json!({ "suffix": "x.jpg" }), true);
        check(json!({ "suffix": ".jpg" }), json!({ "suffix": ".png" }), false);
        check(json!({ "prefix": "in/", "suffix": ".jpg" }), json!({ "prefix": "in/", "suffix": ".png" }), false);
    }
}
