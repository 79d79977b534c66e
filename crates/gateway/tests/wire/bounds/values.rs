//! Values within the bounds of the contract.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use proptest::{prelude::*, string::string_regex};
use serde_json::{Map, Value, json};

/// What nothing works without, though the contract has it as optional: an image function would need no code.
const NEEDED: [(&str, &str); 4] = [
    ("UpdateFunctionMaxInstanceConfigRequestBody", "max_instance_num"),
    ("CreateFunctionRequestBody", "code_type"),
    ("CreateFunctionRequestBody", "func_code"),
    ("CreateDependencyRequestBody", "depend_file"),
];

/// The contract's objects.
pub(crate) struct Contract(Value);

impl Contract {
    pub(crate) fn read() -> Self {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contract/schemas.json"));
        Self(serde_json::from_str(text).expect("the contract is JSON"))
    }

    /// The fields of an object.
    pub(crate) fn fields(&self, object: &str) -> &Map<String, Value> {
        self.0[object].as_object().unwrap_or_else(|| panic!("{object} is in the contract"))
    }

    /// An object with all fields that it must have and some of the others.
    pub(crate) fn body(&self, object: &str) -> BoxedStrategy<Value> {
        let mut whole: BoxedStrategy<Map<String, Value>> = Just(Map::new()).boxed();
        for (name, field) in self.fields(object) {
            let Some(value) = self.value(object, name, field) else { continue };
            let value = match field["required"] == true || NEEDED.contains(&(object, name.as_str())) {
                true => value.prop_map(Some).boxed(),
                // Null is an absent field.
                false => prop_oneof![4 => Just(None), 1 => Just(Some(Value::Null)), 5 => value.prop_map(Some)].boxed(),
            };
            let name = name.clone();
            whole = (whole, value)
                .prop_map(move |(mut whole, value)| {
                    whole.extend(value.map(|value| (name.clone(), value)));
                    whole
                })
                .boxed();
        }
        whole.prop_map(Value::Object).boxed()
    }

    /// A value of a field; none where it is left out.
    fn value(&self, object: &str, name: &str, field: &Value) -> Option<BoxedStrategy<Value>> {
        if let Some(value) = meant(object, name) {
            return value;
        }
        let inner = || field["ref"].as_str().map(|object| self.body(object));
        Some(match field["type"].as_str().expect("a type") {
            "string" => text(field),
            "integer" => integer(field),
            "boolean" => any::<bool>().prop_map(Value::from).boxed(),
            "object" => inner().expect("an object of the contract"),
            "array" => {
                let item = inner().unwrap_or_else(|| text(&Value::Null));
                prop::collection::vec(item, 0..3).prop_map(Value::from).boxed()
            }
            "map" if field["values"] == "string" => {
                prop::collection::btree_map("[a-z]{1,8}", "[ -~]{0,8}", 0..3).prop_map(|map| json!(map)).boxed()
            }
            _ => return None,
        })
    }
}

fn text(field: &Value) -> BoxedStrategy<Value> {
    if let Some(words) = field["enum"].as_array() {
        return prop::sample::select(words.clone()).boxed();
    }
    let number = |name: &str| field[name].as_u64();
    let (least, most) = (number("min_length").unwrap_or(0), number("max_length").unwrap_or(40));
    let form = match field["pattern"].as_str() {
        // Ends are letters or digits; what is between may be more.
        Some(_) => format!("[A-Za-z]([A-Za-z0-9_-]{{0,{}}}[A-Za-z0-9])?", most.saturating_sub(2)),
        None => format!("[ -~äß語]{{{least},{most}}}"),
    };
    string_regex(&form).expect("a regular expression").prop_map(Value::from).boxed()
}

/// A number; the text of one too, as old clients send it.
fn integer(field: &Value) -> BoxedStrategy<Value> {
    let numbers = match field["enum"].as_array() {
        Some(numbers) => prop::sample::select(numbers.clone()).boxed(),
        None => {
            let (least, most) = (field["min"].as_i64().unwrap_or(0), field["max"].as_i64().unwrap_or(1000));
            // The ends are where mistakes are.
            prop_oneof![Just(least), Just(most), least..=most].prop_map(Value::from).boxed()
        }
    };
    prop_oneof![3 => numbers.clone(), 1 => numbers.prop_map(|number| number.to_string().into())].boxed()
}

/// Fields whose values mean more than their bounds say. `Some(None)` leaves the field out.
fn meant(object: &str, name: &str) -> Option<Option<BoxedStrategy<Value>>> {
    let of = |form: &'static str| Some(string_regex(form).expect("a regular expression").prop_map(Value::from).boxed());
    let just = |value: Value| Some(Just(value).boxed());
    Some(match (object, name) {
        // One of the host's, whatever it has; and the one that `kept` has.
        ("CreateFunctionRequestBody", "runtime") => just(json!("Python3.9")),
        ("UpdateFunctionConfigRequestBody", "runtime") => just(json!("Python3.9")),
        ("UpdateFunctionConfigRequestBody", "func_name") => just(json!("kept")),
        (_, "handler") => of("[a-z]{1,60}\\.[a-z]{1,60}"),
        (_, "initializer_handler" | "pre_stop_handler") => of("([a-z]{1,20}\\.[a-z]{1,20})?"),
        ("CreateFunctionRequestBody", "package") => of("(|default|[A-Z][a-z0-9_-]{0,20}[a-z])"),
        (_, "code_type") => just(json!("inline")),
        (_, "code_filename") => just(json!("index.py")),
        (_, "func_code") => Some(
            prop::collection::vec(any::<u8>(), 1..2000)
                .prop_map(|bytes| json!({ "file": BASE64.encode(bytes) }))
                .boxed(),
        ),
        (_, "user_data" | "encrypted_user_data") => Some(
            prop::collection::btree_map("[a-z][A-Za-z0-9_]{0,10}", "[ -~é]{0,80}", 0..=20)
                .prop_map(|map| json!(map).to_string().into())
                .boxed(),
        ),
        ("CreateFunctionRequestBody", "tags") => of("([a-z]{1,8}=[a-z]{0,8})?"),
        // Images are asked for at a registry, dependencies and mounts must be there, and the rest answers 501.
        (_, "custom_image" | "depend_version_list" | "mount_config" | "gpu_memory" | "gpu_type") => None,
        (_, "is_stateful_function" | "enable_class_isolation" | "heartbeat_handler" | "restore_hook_handler") => None,
        ("CreateDependencyRequestBody", "depend_type") => just(json!("zip")),
        ("CreateDependencyRequestBody", "depend_file") => just(json!(EMPTY_ZIP)),
        ("CreateEventRequestBody", "content") => {
            of("[a-z ]{0,40}").map(|text| text.prop_map(|text| BASE64.encode(text.to_string()).into()).boxed())
        }
        ("CreateVersionAliasRequestBody", "version") => just(json!("latest")),
        // Neither side of it may be latest, and nothing else is published.
        ("CreateVersionAliasRequestBody", "additional_version_weights" | "additional_version_strategy") => None,
        ("CreateFunctionVersionRequestBody", "digest") => None,
        ("UpdateFunctionAsyncInvokeConfigRequestBody", "destination_config") => None,
        ("TacticsConfig", "cron_configs" | "metric_configs") => None,
        _ => return None,
    })
}

/// An archive with one empty file, `a`.
const EMPTY_ZIP: &str = "UEsDBBQAAAAAAAAAIQAAAAAAAAAAAAAAAAABAAAAYVBLAQIUABQAAAAAAAAAIQAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAABhUEsFBgAAAAABAAEALwAAAB8AAAAAAA==";
