//! `/openapi.json`: the tables as an OpenAPI 3.1 document.

use std::collections::{BTreeMap, BTreeSet};

use fungraph_model::limits;
use serde_json::{Map, Value, json};

use super::{
    Answer, Body, Entry, entry,
    field::{Bounds, Field, Kind, Shape, Use, text},
    not_built,
};
use crate::{answer, routes};

const JSON: &str = "application/json";
const ENVELOPE: &str = "Refusal";

const ABOUT: &str = "The FunctionGraph v2 API as this server speaks it. Operations with `x-fungraph: not built` answer 501. Fields with \
    `x-fungraph` differ from the service in the way it says. Requests are read leniently: the text of a number is a number, \
    null is an absent field, and unknown fields are ignored. Every answer has the header X-Request-Id.";

/// The whole document.
pub(crate) fn document() -> Value {
    let mut shapes = Shapes::default();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (operation, method, path) in routes::table() {
        let name = operation.name();
        let entry = entry(name);
        let described = match entry {
            Some(entry) => built(entry, path, &mut shapes),
            None => unbuilt(name, path, &mut shapes),
        };
        let written = written(name, path, entry, described);
        paths.entry(path).or_default().insert(method.to_lowercase(), written);
    }
    for (operation, method, path) in routes::more() {
        // An id is given once, and some of these are another way to an operation that has its own.
        let name = format!("{}By{method}", operation.name());
        let entry = entry(operation.name());
        let described = beside(entry, path, &mut shapes);
        let written = written(&name, path, entry, described);
        paths.entry(path).or_default().insert(method.to_lowercase(), written);
    }
    let mut components = shapes.written();
    components.insert("securitySchemes".to_owned(), json!({ "signature": signature() }));
    json!({
        "openapi": "3.1.0",
        "info": { "title": "fungraph", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT },
        "servers": [{ "url": "/" }],
        "security": [{ "signature": [] }],
        "paths": paths,
        "components": components,
    })
}

fn signature() -> Value {
    json!({
        "type": "apiKey", "in": "header", "name": "Authorization",
        "description": "SDK-HMAC-SHA256 over the request, with the header X-Sdk-Date",
    })
}

/// What is said of an operation beside its id.
#[derive(Default)]
struct Described {
    parameters: Vec<Value>,
    rest: Map<String, Value>,
}

fn written(id: &str, path: &'static str, entry: Option<&'static Entry>, described: Described) -> Value {
    let mut operation = Map::from_iter([("operationId".to_owned(), json!(id))]);
    operation.extend(described.rest);
    let bounds = entry.map_or(&[][..], |entry| entry.path);
    let parameters: Vec<Value> = path_parameters(path, bounds).chain(described.parameters).collect();
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), parameters.into());
    }
    operation.into()
}

/// What clients call although the contract's list does not have it. Where no table describes it, any answer may come.
fn beside(entry: Option<&'static Entry>, path: &str, shapes: &mut Shapes) -> Described {
    let mut described = match entry {
        Some(entry) => built(entry, path, shapes),
        None => {
            let responses = json!({ "responses": { "default": { "description": "Not described" } } });
            Described { parameters: Vec::new(), rest: members(responses) }
        }
    };
    described.rest.insert("x-fungraph".to_owned(), "beside the list of the contract: clients call it".into());
    described
}

fn unbuilt(name: &str, path: &str, shapes: &mut Shapes) -> Described {
    let mut responses = Map::new();
    for status in [400, 401, 403, 404] {
        responses.insert(status.to_string(), shapes.refusal(&BTreeSet::new()));
    }
    responses.insert("501".to_owned(), shapes.refusal(&BTreeSet::from(["FSS.0426"])));
    let rest = json!({
        "summary": format!("{name} answers 501: {}", not_built::reason(path)), "x-fungraph": "not built", "responses": responses,
    });
    Described { parameters: Vec::new(), rest: members(rest) }
}

fn built(entry: &Entry, path: &str, shapes: &mut Shapes) -> Described {
    let query = entry.query.iter().map(|field| parameter("query", field));
    let headers = entry.headers.iter().map(|field| parameter("header", field));
    let mut rest = Map::from_iter([("summary".to_owned(), json!(entry.summary))]);
    if !entry.note.is_empty() {
        rest.insert("description".to_owned(), json!(entry.note));
    }
    if let Some(body) = entry.body {
        let (schema, is_required) = match body {
            Body::Object(shape) => (shapes.refer(shape), shape.fields().any(|field| field.is_required)),
            Body::Event => (json!({}), false),
        };
        rest.insert(
            "requestBody".to_owned(),
            json!({ "required": is_required, "content": { JSON: { "schema": schema } } }),
        );
    }
    rest.insert("responses".to_owned(), responses(entry, path, shapes).into());
    Described { parameters: query.chain(headers).collect(), rest }
}

fn responses(entry: &Entry, path: &str, shapes: &mut Shapes) -> Map<String, Value> {
    let mut codes: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    for code in entry.codes(path) {
        codes.entry(answer::status_of(code)).or_default().insert(code.text());
    }
    let mut responses: Map<String, Value> =
        codes.iter().map(|(status, codes)| (status.to_string(), shapes.refusal(codes))).collect();
    let success = match entry.answer {
        Answer::Nothing if entry.status == 204 => json!({ "description": "Done" }),
        Answer::Nothing => json!({ "description": "Done", "content": { JSON: { "schema": { "type": "object" } } } }),
        Answer::Archive => json!({ "description": "Done", "content": { "application/zip": {} } }),
        Answer::Object(shape) => {
            json!({ "description": "Done", "content": { JSON: { "schema": shapes.refer(shape) } } })
        }
        Answer::List(shape) => {
            let schema = json!({ "type": "array", "items": shapes.refer(shape) });
            json!({ "description": "Done", "content": { JSON: { "schema": schema } } })
        }
        Answer::Run(shape) => run(&shapes.refer(shape)),
    };
    responses.insert(entry.status.to_string(), success);
    if let Answer::Run(_) = entry.answer {
        // The function's own failure is the same on any path through the platform.
        for status in ["404", "429", "500"] {
            let description = "The function failed, or the call was refused: X-Is-Func-Err and X-Func-Err-Code tell";
            responses.insert(status.to_owned(), json!({ "description": description, "content": { "*/*": {} } }));
        }
    }
    responses
}

/// The answer to a call: what the function returned, or an object of form v1.
fn run(shape: &Value) -> Value {
    let text = json!({ "schema": { "type": "string" } });
    let headers: Map<String, Value> =
        answer::RUN_HEADERS.iter().map(|name| (name.as_str().to_owned(), text.clone())).collect();
    json!({
        "description": "What the function returned. With X-CFF-Request-Version v1 an object, also where the function failed",
        "headers": headers,
        "content": { JSON: { "schema": { "anyOf": [shape, {}] } }, "*/*": {} },
    })
}

fn path_parameters(path: &'static str, known: &'static [Field]) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(move |name| match known.iter().find(|field| field.name == name) {
        Some(field) => parameter("path", field),
        None if name.ends_with("_urn") => parameter("path", &text(name).required().length(1, limits::URN_CHARS)),
        None => parameter("path", &text(name).required()),
    })
}

fn parameter(place: &str, field: &Field) -> Value {
    // Here is no null.
    let schema = bounded(bare(field.kind, &mut Shapes::default()), &field.bounds);
    let mut parameter = json!({ "name": field.name, "in": place, "required": field.is_required, "schema": schema });
    if let Some(text) = field.use_.text() {
        parameter["x-fungraph"] = text.into();
    }
    parameter
}

/// What is referred to, by name.
#[derive(Default)]
struct Shapes {
    objects: BTreeMap<&'static str, Option<Value>>,
    refusals: BTreeMap<String, Value>,
}

impl Shapes {
    /// A reference to a shape, which is written where it is the first.
    fn refer(&mut self, shape: &'static Shape) -> Value {
        if !self.objects.contains_key(shape.name) {
            // Before its fields, since they may lead back to it.
            self.objects.insert(shape.name, None);
            let written = self.write(shape);
            self.objects.insert(shape.name, Some(written));
        }
        json!({ "$ref": format!("#/components/schemas/{}", shape.name) })
    }

    fn write(&mut self, shape: &'static Shape) -> Value {
        let properties: Map<String, Value> = shape
            .fields()
            .filter(|field| field.use_ != Use::Absent)
            .map(|field| (field.name.to_owned(), self.field(field)))
            .collect();
        let required: Vec<&str> = shape.fields().filter(|field| field.is_required).map(|field| field.name).collect();
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        schema
    }

    fn field(&mut self, field: &'static Field) -> Value {
        let mut schema = bounded(bare(field.kind, self), &field.bounds);
        if !field.is_required {
            or_null(&mut schema);
        }
        if let Some(text) = field.use_.text() {
            schema.insert("x-fungraph".to_owned(), text.into());
        }
        schema.into()
    }

    /// A reference to the answer that refuses with one of these codes, or with any.
    fn refusal(&mut self, codes: &BTreeSet<&'static str>) -> Value {
        let name =
            if codes.is_empty() { "Refused".to_owned() } else { codes.iter().copied().collect::<Vec<_>>().join("-") };
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        self.refusals.entry(name).or_insert_with(|| refusal(codes));
        reference
    }

    /// The `components` of the document.
    fn written(self) -> Map<String, Value> {
        let objects = self.objects.into_iter().filter_map(|(name, schema)| Some((name.to_owned(), schema?)));
        let schemas: Map<String, Value> = objects.chain([(ENVELOPE.to_owned(), envelope())]).collect();
        members(json!({ "schemas": schemas, "responses": self.refusals }))
    }
}

fn refusal(codes: &BTreeSet<&str>) -> Value {
    let envelope = json!({ "$ref": format!("#/components/schemas/{ENVELOPE}") });
    let schema = if codes.is_empty() {
        envelope
    } else {
        json!({ "allOf": [envelope, { "properties": { "error_code": { "enum": codes } } }] })
    };
    json!({ "description": "Refused: error_msg says what to do", "content": { JSON: { "schema": schema } } })
}

/// What every refusal is (contract: errors.md, "Envelope").
fn envelope() -> Value {
    json!({
        "type": "object",
        "required": ["error_code", "error_msg"],
        "properties": {
            "error_code": { "type": "string" }, "error_msg": { "type": "string" }, "request_id": { "type": "string" },
        },
    })
}

fn bare(kind: Kind, shapes: &mut Shapes) -> Map<String, Value> {
    members(match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::Integer => json!({ "type": "integer", "format": "int32" }),
        Kind::Long => json!({ "type": "integer", "format": "int64" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Any => json!({}),
        Kind::Object(shape) => shapes.refer(shape),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Objects(shape) => json!({ "type": "array", "items": shapes.refer(shape) }),
        Kind::TextMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::IntegerMap => {
            json!({ "type": "object", "additionalProperties": { "type": "integer", "format": "int32" } })
        }
        Kind::ObjectMap(shape) => json!({ "type": "object", "additionalProperties": shapes.refer(shape) }),
    })
}

fn bounded(mut schema: Map<String, Value>, bounds: &Bounds) -> Map<String, Value> {
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            schema.insert(name.to_owned(), value);
        }
    };
    put("minimum", bounds.least.map(Value::from));
    put("maximum", bounds.most.map(Value::from));
    put("minLength", bounds.shortest.map(Value::from));
    put("maxLength", bounds.longest.map(Value::from));
    put("pattern", bounds.pattern.map(Value::from));
    let words = bounds.words.list();
    put("enum", (!words.is_empty()).then(|| words.into()));
    put("enum", (!bounds.numbers.is_empty()).then(|| bounds.numbers.into()));
    schema
}

/// Lets a field be null, which is the same as absent.
fn or_null(schema: &mut Map<String, Value>) {
    if let Some(kind) = schema.get("type").cloned() {
        schema.insert("type".to_owned(), json!([kind, "null"]));
        if let Some(Value::Array(words)) = schema.get_mut("enum") {
            words.push(Value::Null);
        }
    } else if let Some(reference) = schema.remove("$ref") {
        schema.insert("anyOf".to_owned(), json!([{ "$ref": reference }, { "type": "null" }]));
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
