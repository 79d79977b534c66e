//! Whether an answer is what the tables say. Every build with debug assertions looks at each answer that leaves, so that every test of
//! the API is a test of its document too; a release does not.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    Answer, Entry, entry,
    field::{Field, Kind, Shape, Use},
};
use crate::{
    answer::{Content, Refusal, Response},
    routes::Route,
};

/// Looks at the answer to a request.
///
/// # Errors
/// A refusal that tells the developer what does not fit.
pub(crate) fn check(route: &Route<'_>, answer: Result<Response, Refusal>) -> Result<Response, Refusal> {
    let Some(entry) = entry(route.operation.name()) else { return answer };
    match misfit(entry, route.pattern, &answer) {
        None => answer,
        Some(message) => Err(Refusal::Panic {
            message: format!("{} does not answer as crates/gateway/src/api/ says: {message}", entry.name),
        }),
    }
}

fn misfit(entry: &Entry, path: &str, answer: &Result<Response, Refusal>) -> Option<String> {
    match answer {
        // What a function answers is its own affair.
        _ if matches!(entry.answer, Answer::Run(_)) => None,
        Err(Refusal::Panic { .. }) => None,
        Err(refusal) => {
            let code = refusal.fault().code;
            let is_known = entry.codes(path).any(|known| known == code);
            (!is_known).then(|| format!("the code {code} ({code:?}) is missing in its refuses()"))
        }
        Ok(response) if response.status().as_u16() != entry.status => {
            Some(format!("the status is {}, not {}", response.status(), entry.status))
        }
        Ok(response) => match response.body() {
            Content::File(_) if matches!(entry.answer, Answer::Archive) => None,
            Content::Whole(body) => body_misfit(entry.answer, body),
            Content::File(_) | Content::Stream(_) => {
                Some("what is sent piece by piece is none of the answers in the tables".to_owned())
            }
        },
    }
}

fn body_misfit(answer: Answer, body: &Bytes) -> Option<String> {
    let value = || serde_json::from_slice::<Value>(body);
    match answer {
        Answer::Nothing => (!matches!(&body[..], b"" | b"{}")).then(|| "there is a body".to_owned()),
        Answer::Archive => Some("it is not sent as a file".to_owned()),
        Answer::Object(shape) | Answer::Run(shape) => match value() {
            Ok(value) => object("", shape, &value),
            Err(error) => Some(format!("the body is not JSON: {error}")),
        },
        Answer::List(shape) => match value() {
            Ok(value) => list("", shape, &value),
            Err(error) => Some(format!("the body is not JSON: {error}")),
        },
    }
}

fn object(at: &str, shape: &Shape, value: &Value) -> Option<String> {
    let Value::Object(members) = value else { return Some(format!("{at} is not an object of {}", shape.name)) };
    let unknown = members.keys().find(|name| shape.field(name).is_none_or(|field| field.use_ == Use::Absent));
    if let Some(name) = unknown {
        return Some(format!("{at}{name} is no field of {}, or one that is never given", shape.name));
    }
    shape.fields().find_map(|field| member(at, field, members))
}

fn member(at: &str, field: &Field, members: &Map<String, Value>) -> Option<String> {
    let name = field.name;
    match members.get(name) {
        None | Some(Value::Null) if field.is_required => Some(format!("{at}{name} is missing")),
        None | Some(Value::Null) => None,
        Some(value) => of_kind(&format!("{at}{name}"), field, value),
    }
}

fn of_kind(at: &str, field: &Field, value: &Value) -> Option<String> {
    let is_fine = match field.kind {
        Kind::Any => true,
        Kind::Text | Kind::Time => value.as_str().is_some_and(|text| {
            let words = field.bounds.words.list();
            words.is_empty() || words.contains(&text)
        }),
        Kind::Integer => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Kind::Long => value.as_i64().is_some(),
        Kind::Number => value.is_number(),
        Kind::Flag => value.is_boolean(),
        Kind::Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        Kind::TextMap => value.as_object().is_some_and(|members| members.values().all(Value::is_string)),
        Kind::IntegerMap => value.as_object().is_some_and(|members| {
            members.values().all(|value| value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()))
        }),
        Kind::ObjectMap(shape) => return map(at, shape, value),
        Kind::Object(shape) => return object(&format!("{at}."), shape, value),
        Kind::Objects(shape) => return list(at, shape, value),
    };
    (!is_fine).then(|| format!("{at} is not {:?}: {value}", field.kind))
}

fn list(at: &str, shape: &Shape, value: &Value) -> Option<String> {
    let Value::Array(items) = value else { return Some(format!("{at} is not a list of {}", shape.name)) };
    items.iter().enumerate().find_map(|(index, item)| object(&format!("{at}[{index}]."), shape, item))
}

fn map(at: &str, shape: &Shape, value: &Value) -> Option<String> {
    let Value::Object(members) = value else { return Some(format!("{at} is not a map of {}", shape.name)) };
    members.iter().find_map(|(name, member)| object(&format!("{at}.{name}."), shape, member))
}

#[cfg(test)]
mod tests {
    use fungraph_model::{ErrorCode, Fault};
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::answer;

    const PATH: &str = "/v2/{project_id}/fgs/functions/{function_urn}/reservedinstances";

    fn check(answer: &Result<Response, Refusal>, expected: Option<&str>) {
        let entry = entry("UpdateFunctionReservedInstancesCount").expect("it is built");
        let found = misfit(entry, PATH, answer);
        match expected {
            None => assert_eq!(found, None),
            Some(part) => assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{part} in {found:?}"),
        }
    }

    fn answered(body: &Value) -> Result<Response, Refusal> {
        Ok(answer::json(body))
    }

    #[test]
    fn answers_are_looked_at_field_by_field() {
        let rule = json!({ "name": "day", "cron": "0 0 8 * * ?", "count": 1, "start_time": 1_700_000_000_000_i64 });
        check(&answered(&json!({ "count": 1, "idle_mode": null, "tactics_config": { "cron_configs": [rule] } })), None);
        check(&answered(&json!({ "count": "1" })), Some("count is not Integer: \"1\""));
        check(&answered(&json!({ "count": 1_i64 << 40 })), Some("count is not Integer"));
        check(&answered(&json!({ "number": 1 })), Some("number is no field"));
        check(&answered(&json!([])), Some("is not an object"));
        check(&answered(&json!({ "tactics_config": { "metric_configs": [{ "type": "Memory" }] } })), Some("[0].type"));
        check(&Ok(answer::no_content()), Some("the status is 204"));
        check(&Ok(answer::text(StatusCode::OK, "done")), Some("not JSON"));
    }

    #[test]
    fn refusals_are_those_of_the_table() {
        for code in [ErrorCode::TooManyReserved, ErrorCode::FunctionNotFound, ErrorCode::BadCredentials] {
            check(&Err(Fault::new(code, "no").into()), None);
        }
        check(&Err(Fault::new(ErrorCode::DependencyInUse, "no").into()), Some("(DependencyInUse) is missing"));
    }

    #[test]
    fn lists_are_looked_at_item_by_item() {
        let Some(Answer::Object(shape)) = entry("ListReservedInstanceConfigs").map(|entry| entry.answer) else {
            panic!("it answers with an object");
        };
        let misfit = |body: &str| body_misfit(Answer::List(shape), &Bytes::copy_from_slice(body.as_bytes()));
        assert_eq!(misfit(r#"[{"count": 1}, {}]"#), None);
        assert_eq!(
            misfit(r#"[{}, {"page_info": {"next_marker": 0}}]"#).as_deref(),
            Some("[1].page_info.previous_marker is missing")
        );
    }
}
