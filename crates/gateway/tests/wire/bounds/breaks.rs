//! One bound broken at a time, and what it is refused with.

use serde_json::{Value, json};

use super::{Operation, values::Contract};

/// A field with a value that its bounds do not have.
#[derive(Clone, Debug)]
pub(crate) struct Break {
    /// From the outermost object to the field.
    path: Vec<String>,
    how: How,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Missing,
    Type,
    Range,
    Length,
    Word,
    Form,
}

/// What is refused with another code than FSS.0400; where `how` is not there, the field's type and bounds alike.
const CODES: &[(&str, &[How], &str)] = &[
    ("func_name", &[How::Missing, How::Length, How::Form], "400 FSS.1002"),
    ("CreateDependencyVersion name", &[How::Missing, How::Length, How::Form], "400 FSS.1002"),
    ("CreateEvent name", &[How::Missing, How::Length, How::Form], "400 FSS.1074"),
    ("CreateVersionAlias name", &[How::Missing, How::Length, How::Form], "400 FSS.1014"),
    ("runtime", &[How::Missing, How::Word], "400 FSS.1005"),
    ("handler", &[How::Missing, How::Length], "400 FSS.1003"),
    ("memory_size", &[How::Missing, How::Word], "400 FSS.1007"),
    ("timeout", &[How::Range], "400 FSS.1008"),
    ("code_type", &[How::Missing, How::Word], "400 FSS.1006"),
    ("func_code", &[How::Missing], "400 FSS.1012"),
    ("user_data", &[How::Length], "400 FSS.1018"),
    ("encrypted_user_data", &[How::Length], "400 FSS.1018"),
    ("description", &[How::Length], "400 FSS.1019"),
    ("initializer_timeout", &[How::Range], "400 FSS.1405"),
    ("strategy_config.concurrency", &[How::Range], "400 FSS.1026"),
    ("strategy_config.concurrent_num", &[How::Range], "400 FSS.1026"),
    ("max_instance_num", &[How::Range], "400 FSS.1026"),
    ("depend_type", &[How::Missing, How::Word], "400 FSS.1032"),
    ("depend_file", &[How::Missing], "400 FSS.1024"),
    ("CreateFunctionVersion version", &[How::Length, How::Form], "400 FSS.1015"),
    ("CreateEvent content", &[How::Missing], "400 FSS.1074"),
    ("gpu_memory", &[How::Range, How::Type], "501 FSS.0426"),
    ("gpu_type", &[How::Type], "501 FSS.0426"),
    ("restore_hook_handler", &[How::Type], "501 FSS.0426"),
    ("is_stateful_function", &[How::Type], "501 FSS.0426"),
];

/// What is taken all the same, and why.
const TAKEN: [(&str, How, &str); 7] = [
    ("package", How::Missing, "it is default"),
    ("CreateFunction timeout", How::Missing, "it is 3: a form may leave it out (limits.md)"),
    ("UpdateFunctionConfig timeout", How::Missing, "it stays"),
    ("UpdateFunctionConfig func_name", How::Missing, "it is in the path"),
    ("UpdateFunctionConfig runtime", How::Missing, "it stays"),
    ("UpdateFunctionConfig handler", How::Missing, "it stays"),
    ("UpdateFunctionConfig memory_size", How::Missing, "it stays"),
];

/// Images and mounts have tests of their own; the others are not looked at (`ignored()` in the tables of the API).
const NOT_LOOKED_AT: [&str; 7] = [
    "custom_image",
    "mount_config",
    "restore_hook_timeout",
    "code_url",
    "FuncCode.link",
    "depend_link",
    "UpdateFunctionCodeRequestBody.code_encrypt_kms_key_id",
];

impl Break {
    /// Every bound of an operation's body.
    pub(crate) fn all(contract: &Contract, operation: &Operation) -> Vec<Self> {
        let mut all = Vec::new();
        below(contract, operation.body, &[], &mut all);
        all.retain(|one: &Self| !TAKEN.iter().any(|(name, how, _)| one.is(operation, name) && one.how == *how));
        all
    }

    /// Breaks it in a body that is well.
    pub(crate) fn apply(&self, body: &mut Value) {
        let (last, outer) = self.path.split_last().expect("a field has a name");
        let mut object = body;
        for name in outer {
            if !object[name].is_object() {
                object[name] = json!({});
            }
            object = &mut object[name];
        }
        object[last] = self.value.clone();
        // Without a handler, the seconds of one mean nothing.
        if let Some(hook) = last.strip_suffix("_timeout") {
            object[format!("{hook}_handler")] = json!("index.hook");
        }
    }

    /// Status and code.
    pub(crate) fn expected(&self, operation: &Operation) -> (u16, String) {
        let known = CODES.iter().find(|(name, how, _)| self.is(operation, name) && how.contains(&self.how));
        let text = known.map_or("400 FSS.0400", |(_, _, text)| text);
        let (status, code) = text.split_once(' ').expect("a status and a code");
        (status.parse().expect("a status"), code.to_owned())
    }

    fn is(&self, operation: &Operation, name: &str) -> bool {
        let path = self.path.join(".");
        name == path || name == format!("{} {path}", operation.name)
    }
}

fn below(contract: &Contract, object: &str, at: &[String], all: &mut Vec<Break>) {
    for (name, field) in contract.fields(object) {
        if NOT_LOOKED_AT.contains(&name.as_str()) || NOT_LOOKED_AT.contains(&format!("{object}.{name}").as_str()) {
            continue;
        }
        let path: Vec<String> = at.iter().cloned().chain([name.clone()]).collect();
        let mut add = |how, value| all.push(Break { path: path.clone(), how, value });
        // Null is an absent field.
        if field["required"] == true && at.is_empty() {
            add(How::Missing, Value::Null);
        }
        let kind = field["type"].as_str().expect("a type");
        if let Some(wrong) = other_type(kind) {
            add(How::Type, wrong);
        }
        outside(field, &mut add);
        if let (true, Some(inner)) = (kind == "object", field["ref"].as_str()) {
            below(contract, inner, &path, all);
        }
    }
}

fn other_type(kind: &str) -> Option<Value> {
    Some(match kind {
        "string" => json!(7),
        "integer" | "number" => json!("seven"),
        "boolean" => json!("maybe"),
        "object" | "map" => json!("text"),
        "array" => json!({ "0": 1 }),
        _ => return None,
    })
}

fn outside(field: &Value, add: &mut impl FnMut(How, Value)) {
    let number = |name: &str| field[name].as_i64();
    if field["enum"].is_array() {
        let word = if field["type"] == "integer" { json!(5) } else { json!("another") };
        add(How::Word, word);
    } else {
        if let Some(least) = number("min") {
            add(How::Range, json!(least - 1));
        }
        if let Some(most) = number("max") {
            add(How::Range, json!(most + 1));
            add(How::Range, json!(i64::MAX));
        }
    }
    if let Some(most) = field["max_length"].as_u64() {
        add(How::Length, too_long(most).into());
    }
    if field["pattern"].is_string() {
        for wrong in ["9-", "a b", "-", "ž", "a\u{0}"] {
            add(How::Form, wrong.into());
        }
    }
}

/// A text that is too long and nothing else: JSON, and a name with a dot.
fn too_long(most: u64) -> String {
    let most = usize::try_from(most).expect("a length");
    match most {
        // The only texts of this length are JSON.
        4096 => json!({ "a": "x".repeat(most) }).to_string(),
        _ => format!("a.{}", "a".repeat(most - 1)),
    }
}
