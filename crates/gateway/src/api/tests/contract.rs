//! Parameters, bodies, answers and bounds, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{super::field::Use, *};

/// One object of ours stands for several of the contract, whose fields it has all: the server gives the same everywhere.
const ONE_FOR: [(&str, &[&str]); 11] = [
    (
        "ShowFunctionConfigResponse",
        &[
            "CreateFunctionResponse",
            "UpdateFunctionConfigResponse",
            "UpdateFunctionMaxInstanceConfigResponse",
            "CreateFunctionVersionResponse",
            "ImportFunctionResponse",
        ],
    ),
    ("ShowVersionAliasResponse", &["CreateVersionAliasResponse", "UpdateVersionAliasResponse"]),
    ("ShowFunctionCodeResponse", &["UpdateFunctionCodeResponse"]),
    ("ShowDependencyVersionResponse", &["CreateDependencyVersionResponse"]),
    ("ListDependencyVersionResponse", &["ListDependenciesResponse"]),
    ("ListDependencyVersionsResult", &["ListDependenciesResult"]),
    ("ShowFunctionAsyncInvokeConfigResponse", &["UpdateFunctionAsyncInvokeConfigResponse"]),
    ("ListAsyncInvocationsResponse", &["ListActiveAsyncInvocationsResponse"]),
    ("CreateEventResponse", &["UpdateEventResponse"]),
    ("ShowLtsLogDetailsResponse", &["ShowProjectAsyncStatusLogInfoResponse"]),
    (
        "ListFunctionTriggerResult",
        &["CreateFunctionTriggerResponse", "ShowFunctionTriggerResponse", "UpdateTriggerResponse"],
    ),
];

/// Where we know better than the file, and why.
const EXCEPTIONS: [(&str, &str); 5] = [
    (".handler min_length:", "an image function's handler is -"),
    (".last_modified format:", "the seconds of a test event do not fit into 32 bits"),
    ("MonthUsed.value format:", "the calls of a month do not fit into 32 bits"),
    ("trigger_type_code enum:", "IOTDA and ROCKETMQ are types too (events.md)"),
    (".ephemeral_storage enum:", "the file has texts for numbers in one place"),
];

#[test]
fn the_tables_are_the_contracts() {
    let contract = Contract::read();
    let mut wrong = Vec::new();
    for (operation, _, path) in routes::table() {
        if let Some(entry) = entry(operation.name()) {
            compare_operation(contract.operation(entry.name), entry, path, &mut wrong);
        }
    }
    for shape in all_shapes() {
        compare(&contract, shape, &mut wrong);
    }
    for (exception, why) in EXCEPTIONS {
        let before = wrong.len();
        wrong.retain(|line: &String| !line.contains(exception));
        assert!(wrong.len() < before, "there is nothing to except any more: {exception}, {why}");
    }
    assert!(wrong.is_empty(), "crates/gateway/src/api/ is not as tests/contract/ has it:\n{}", wrong.join("\n"));
}

/// Every shape that an operation leads to, once.
fn all_shapes() -> Vec<&'static Shape> {
    let mut found: BTreeMap<&str, &'static Shape> = BTreeMap::new();
    let mut next: Vec<&'static Shape> = TABLES.iter().flat_map(|table| table.iter()).flat_map(shapes).collect();
    while let Some(shape) = next.pop() {
        if let Some(other) = found.insert(shape.name, shape) {
            assert!(std::ptr::eq(other, shape), "there are two shapes of the name {}", shape.name);
        } else {
            next.extend(shape.fields().filter_map(inside));
        }
    }
    found.into_values().collect()
}

fn compare(contract: &Contract, shape: &Shape, wrong: &mut Vec<String>) {
    let theirs = fields_of(contract, shape.name);
    let ours: BTreeMap<&str, &Field> = shape.fields().map(|field| (field.name, field)).collect();
    assert_eq!(ours.len(), shape.fields().count(), "{} has a field twice", shape.name);
    for (name, field) in &theirs {
        match ours.get(name.as_str()) {
            None => wrong.push(format!("{}.{name} is missing", shape.name)),
            Some(ours) => compare_field(&format!("{}.{name}", shape.name), &described(ours), field, wrong),
        }
    }
    for (name, field) in ours {
        let is_ours = matches!(field.use_, Use::Ours(_));
        if theirs.contains_key(name) == is_ours {
            wrong.push(format!("{}.{name} is ours() exactly if the contract does not have it", shape.name));
        }
    }
}

/// The fields of all objects that one of ours stands for.
fn fields_of(contract: &Contract, name: &str) -> Map<String, Value> {
    let others = ONE_FOR.iter().find(|(one, _)| *one == name).map_or(&[][..], |(_, others)| others);
    let mut all = Map::new();
    for name in others.iter().copied().chain([name]) {
        let fields = contract.shapes[name].as_object().unwrap_or_else(|| panic!("{name} is in the contract"));
        all.extend(fields.clone());
    }
    all
}

fn compare_operation(theirs: &Value, entry: &Entry, path: &str, wrong: &mut Vec<String>) {
    let name = entry.name;
    for (place, ours) in [("query", entry.query), ("headers", entry.headers)] {
        parameters(&format!("{name} {place}"), ours, &theirs[place], wrong);
    }
    let bounded: Vec<Value> =
        theirs["path_params"].as_array().expect("a list").iter().filter(|p| p.get("enum").is_some()).cloned().collect();
    parameters(&format!("{name} path"), entry.path, &bounded.into(), wrong);
    let body = match entry.body {
        None => Value::Null,
        Some(Body::Event) => "map<string,any>".into(),
        Some(Body::Object(shape)) => shape.name.into(),
    };
    expect(&format!("{name} body"), &body, theirs["body"].get("schema").unwrap_or(&Value::Null), wrong);
    let success = &theirs["success"][0];
    expect(&format!("{name} status"), &entry.status.into(), &success["status"], wrong);
    let (list, answer) = match entry.answer {
        Answer::Nothing | Answer::Archive => (false, None),
        Answer::Object(shape) | Answer::Run(shape) => (false, Some(shape.name)),
        Answer::List(shape) => (true, Some(shape.name)),
    };
    let schema = if list { &success["items"] } else { &success["schema"] };
    let is_one = answer.zip(schema.as_str()).is_some_and(|(ours, theirs)| stands_for(ours, theirs));
    if !is_one {
        expect(&format!("{name} answer"), &json!(answer), schema, wrong);
    }
    let statuses: BTreeSet<u16> = entry.codes(path).map(crate::answer::status_of).collect();
    for status in theirs["documented_errors"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
        if !statuses.iter().any(|known| u64::from(*known) == status) {
            wrong.push(format!("{name} documents the error {status}, and none of its codes has it"));
        }
    }
}

fn stands_for(ours: &str, theirs: &str) -> bool {
    ONE_FOR.iter().any(|(one, others)| *one == ours && others.contains(&theirs))
}

fn parameters(at: &str, ours: &[Field], theirs: &Value, wrong: &mut Vec<String>) {
    let theirs = theirs.as_array().expect("a list");
    let names = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let known = names(theirs.iter().filter_map(|parameter| parameter["name"].as_str()).collect());
    let here = names(ours.iter().map(|field| field.name).collect());
    expect(at, &json!(here), &json!(known), wrong);
    for field in ours {
        if let Some(parameter) = theirs.iter().find(|parameter| parameter["name"] == field.name) {
            let mut parameter = parameter.as_object().cloned().unwrap_or_default();
            // A page size above the most is cut to it.
            parameter.remove("max");
            compare_field(&format!("{at} {}", field.name), &described(field), &parameter.into(), wrong);
        }
    }
}

const COMPARED: [&str; 11] =
    ["type", "format", "items", "values", "ref", "required", "enum", "min", "max", "min_length", "max_length"];

fn compare_field(at: &str, ours: &Value, theirs: &Value, wrong: &mut Vec<String>) {
    for what in COMPARED.into_iter().chain(["pattern"]) {
        let (ours, theirs) = (&ours[what], &theirs[what]);
        // The list of runtimes is the service's, not the SDK's.
        let is_of_runtimes = what == "enum" && theirs.as_array().is_some_and(|words| words.contains(&json!("Java8")));
        if !is_of_runtimes {
            expect(&format!("{at} {what}"), ours, theirs, wrong);
        }
    }
}

fn expect(at: &str, ours: &Value, theirs: &Value, wrong: &mut Vec<String>) {
    if ours != theirs {
        wrong.push(format!("{at}: {ours} here, {theirs} there"));
    }
}

/// A field in the contract's words.
fn described(field: &Field) -> Value {
    let mut said = match field.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::Integer => json!({ "type": "integer", "format": "int32" }),
        Kind::Long => json!({ "type": "integer", "format": "int64" }),
        Kind::Number => json!({ "type": "number", "format": "float64" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Any => json!({ "type": "any" }),
        Kind::Texts => json!({ "type": "array", "items": "string" }),
        Kind::TextMap => json!({ "type": "map", "values": "string" }),
        Kind::IntegerMap => json!({ "type": "map", "values": "integer" }),
        Kind::ObjectMap(shape) => json!({ "type": "map", "values": shape.name, "ref": shape.name }),
        Kind::Object(shape) => json!({ "type": "object", "ref": shape.name }),
        Kind::Objects(shape) => json!({ "type": "array", "items": shape.name, "ref": shape.name }),
    };
    said["required"] = field.is_required.into();
    let bounds = &field.bounds;
    let numbers = (bounds.numbers.first(), bounds.numbers.last());
    let words = bounds.words.list();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            said[name] = value;
        }
    };
    put("min", bounds.least.map(Value::from));
    put("max", bounds.most.map(Value::from));
    if let (Some(least), Some(most)) = numbers
        && bounds.numbers.len() > 2
    {
        put("min", Some((*least).into()));
        put("max", Some((*most).into()));
    }
    put("min_length", bounds.shortest.map(Value::from));
    put("max_length", bounds.longest.map(Value::from));
    put("pattern", bounds.pattern.map(Value::from));
    put("enum", (!words.is_empty()).then(|| words.into()));
    put("enum", (!bounds.numbers.is_empty()).then(|| bounds.numbers.into()));
    said
}
