//! Settings that are kept and given back, but have no effect in this server yet.

use fungraph_model::{CODE_URL, ErrorCode, Fault};
use serde_json::{Map, Value};

use super::{fields::Fields, kept};
use crate::api::{
    field::{Field, flag, object, text, text_map},
    settings::{FUNC_LOG_CONFIG, FUNC_VPC, NETWORK_CONTROL_CONFIG, TYPES},
};

/// Bytes of all such settings of a function, as JSON: real ones are a few hundred.
const MOST_BYTES: usize = 32 * 1024;

/// As the tables of the API have them.
static SETTINGS: [Field; 15] = [
    text("xrole"),
    text("app_xrole"),
    object("func_vpc", &FUNC_VPC),
    text("peering_cidr"),
    text("extend_config"),
    text("enterprise_project_id"),
    text("type").one_of(&TYPES),
    object("log_config", &FUNC_LOG_CONFIG),
    object("network_controller", &NETWORK_CONTROL_CONFIG),
    flag("enable_auth_in_header"),
    text("domain_names"),
    flag("enable_lts_log"),
    text_map("lts_custom_tag"),
    text("user_data_encrypt_kms_key_id"),
    text("code_encrypt_kms_key_id"),
];

/// Their names.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|field| field.name)
}

/// Takes them out of a request.
pub(super) fn take(fields: &mut Fields) -> Result<Map<String, Value>, Fault> {
    let mut passive = Map::new();
    for field in &SETTINGS {
        if let Some(value) = kept::value(fields, field)? {
            passive.insert(field.name.to_owned(), value);
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
    // What was set to nothing was taken away.
    let is_nothing = |value: &Value| matches!(value, Value::Object(inner) if inner.is_empty());
    for (name, value) in passive.into_iter().filter(|(_, value)| !is_nothing(value)) {
        match name.as_str() {
            "tags" => {}
            "type" if value == "" => {}
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

/// Where the code came from; empty where it was sent.
pub(super) fn code_url(passive: &str) -> String {
    let passive: Value = serde_json::from_str(passive).unwrap_or_default();
    passive[CODE_URL].as_str().unwrap_or_default().to_owned()
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
    fn nothing_takes_a_setting_away() {
        let mut fields =
            Fields::parse(br#"{"func_vpc":{"more":1},"type":"","log_config":{},"xrole":""}"#).expect("JSON");
        let passive = take(&mut fields).expect("good types");
        let mut shape = Map::new();
        put(&Value::Object(passive).to_string(), &mut shape);
        assert_eq!(Value::Object(shape), json!({ "xrole": "" }));
    }

    #[test]
    fn wrong_types_and_long_texts_are_refused() {
        let check = |body: String, expected: &str| {
            let fault = take(&mut Fields::parse(body.as_bytes()).expect("JSON")).expect_err("a fault");
            assert!(fault.message.contains(expected), "{}", fault.message);
        };
        check(r#"{"func_vpc":"v"}"#.to_owned(), "The field 'func_vpc' must be an object");
        check(r#"{"func_vpc":{"vpc_id":7}}"#.to_owned(), "The field 'func_vpc.vpc_id' must be a text");
        check(r#"{"func_vpc":{"vpc_id":"v"}}"#.to_owned(), "The field 'func_vpc.subnet_id' is missing");
        check(r#"{"type":"v3"}"#.to_owned(), "The field 'type' must be one of v1, v2");
        check(r#"{"lts_custom_tag":{"a":1}}"#.to_owned(), "The field 'lts_custom_tag.a' must be a text");
        check(
            r#"{"network_controller":{"trigger_access_vpcs":[{},7]}}"#.to_owned(),
            "The field 'network_controller.trigger_access_vpcs[1]' must be an object",
        );
        check(format!(r#"{{"xrole":"{}"}}"#, "x".repeat(40_000)), "xrole");
    }
}
