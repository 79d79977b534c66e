//! Settings that are kept and given back, but have no effect in this server yet.

use fungraph_model::{ErrorCode, Fault};
use serde_json::{Map, Value};

use super::fields::Fields;

/// Bytes of all such settings of a function, as JSON: real ones are a few hundred.
const MOST_BYTES: usize = 32 * 1024;

enum Kind {
    Text,
    Flag,
    Object,
}

const SETTINGS: [(&str, Kind); 15] = [
    ("xrole", Kind::Text),
    ("app_xrole", Kind::Text),
    ("func_vpc", Kind::Object),
    ("peering_cidr", Kind::Text),
    ("extend_config", Kind::Text),
    ("enterprise_project_id", Kind::Text),
    ("type", Kind::Text),
    ("log_config", Kind::Object),
    ("network_controller", Kind::Object),
    ("enable_auth_in_header", Kind::Flag),
    ("domain_names", Kind::Text),
    ("enable_lts_log", Kind::Flag),
    ("lts_custom_tag", Kind::Object),
    ("user_data_encrypt_kms_key_id", Kind::Text),
    ("code_encrypt_kms_key_id", Kind::Text),
];

/// Their names.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|(name, _)| *name)
}

/// Takes them out of a request.
pub(super) fn take(fields: &mut Fields) -> Result<Map<String, Value>, Fault> {
    let mut passive = Map::new();
    for (name, kind) in &SETTINGS {
        let value = match kind {
            Kind::Text => fields.text(name)?.map(Value::String),
            Kind::Flag => fields.boolean(name)?.map(Value::Bool),
            Kind::Object => fields.object(name)?.map(Fields::into_value),
        };
        if let Some(value) = value {
            passive.insert((*name).to_owned(), value);
        }
    }
    if !passive.is_empty() && Value::Object(passive.clone()).to_string().len() > MOST_BYTES {
        let names: Vec<_> = passive.keys().map(String::as_str).collect();
        return Err(Fault::new(
            ErrorCode::BadParameter,
            format!("The fields {} are longer than {MOST_BYTES} bytes together: shorten them", names.join(", ")),
        ));
    }
    Ok(passive)
}

/// Puts them into an answer, under the names that answers have. `tags` of functions of before is none of them: the tag operations
/// have what is true.
pub(super) fn put(passive: &str, shape: &mut Map<String, Value>) {
    // Our own text, written from a checked map; were it ever unreadable, the answer does without.
    let Ok(Value::Object(passive)) = serde_json::from_str(passive) else { return };
    for (name, value) in passive {
        match name.as_str() {
            "tags" => {}
            "log_config" => {
                for (from, to) in [("group_id", "log_group_id"), ("stream_id", "log_stream_id")] {
                    shape.insert(to.to_owned(), value.get(from).cloned().unwrap_or_default());
                }
            }
            "func_vpc" => {
                shape.insert("func_vpc_id".to_owned(), value.get("vpc_id").cloned().unwrap_or_default());
                shape.insert(name, value);
            }
            _ => {
                shape.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_come_back_under_the_names_of_answers() {
        let mut fields = Fields::parse(
            br#"{"xrole":"r","func_vpc":{"vpc_id":"v","subnet_id":"s"},"log_config":{"group_id":"g","stream_id":"t"},
                "tags":"a=b","enable_lts_log":"true","unknown":1,"handler":"index.handler","app_xrole":null}"#,
        )
        .expect("JSON");
        let passive = take(&mut fields).expect("good types");
        let mut shape = Map::new();
        put(&Value::Object(passive).to_string(), &mut shape);
        assert_eq!(
            Value::Object(shape),
            json!({
                "xrole": "r", "func_vpc_id": "v", "func_vpc": {"vpc_id": "v", "subnet_id": "s"},
                "log_group_id": "g", "log_stream_id": "t", "enable_lts_log": true,
            })
        );
    }

    #[test]
    fn wrong_types_and_long_texts_are_refused() {
        let check = |body: String, expected: &str| {
            let fault = take(&mut Fields::parse(body.as_bytes()).expect("JSON")).expect_err("a fault");
            assert!(fault.message.contains(expected), "{}", fault.message);
        };
        check(r#"{"func_vpc":"v"}"#.to_owned(), "The field 'func_vpc' must be an object");
        check(format!(r#"{{"xrole":"{}"}}"#, "x".repeat(40_000)), "xrole");
    }
}
