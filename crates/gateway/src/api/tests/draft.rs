//! An entry from the contract, as the text of a table: what a new operation begins with.

use std::fmt::Write;

use super::*;

/// The entry of an operation, and the shapes that no table has yet.
pub(super) fn of(contract: &Contract, name: &str) -> String {
    let operation = contract.operation(name);
    let mut text = format!("    operation(\"{name}\", {})", operation["summary"]);
    for place in ["query", "headers"] {
        let parameters: Vec<String> = list(&operation[place]).map(|one| field(word(&one["name"]), one)).collect();
        if !parameters.is_empty() {
            put(&mut text, &format!("\n        .{place}(&[{}])", parameters.join(", ")));
        }
    }
    let mut shapes = Vec::new();
    match operation["body"]["schema"].as_str() {
        Some(shape) if shape.starts_with("map<") => put(&mut text, "\n        .takes(Body::Event)"),
        Some(shape) => {
            put(&mut text, &format!("\n        .takes(Body::Object(&{}))", constant(shape)));
            shapes.push(shape);
        }
        None => {}
    }
    let success = &operation["success"][0];
    let answer = match (success["items"].as_str(), success["schema"].as_str()) {
        (Some(shape), _) => format!("Answer::List(&{})", constant(shape)),
        (None, Some(shape)) => format!("Answer::Object(&{})", constant(shape)),
        (None, None) => "Answer::Nothing".to_owned(),
    };
    put(&mut text, &format!("\n        .gives({}, {answer})\n        .refuses(&[]),\n\n", success["status"]));
    shapes.extend(success["items"].as_str().or(success["schema"].as_str().filter(|_| success["items"].is_null())));
    add_shapes(contract, shapes, &mut text);
    text
}

fn add_shapes<'a>(contract: &'a Contract, mut next: Vec<&'a str>, text: &mut String) {
    let mut seen = Vec::new();
    while let Some(name) = next.pop() {
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let fields = contract.shapes[name].as_object().expect("an object of the contract");
        next.extend(fields.values().filter_map(|field| field["ref"].as_str()));
        let fields: String = fields.iter().map(|(name, one)| format!("    {},\n", field(name, one))).collect();
        put(text, &format!("static {}: Shape = shape(\"{name}\", &[\n{fields}]);\n\n", constant(name)));
    }
}

fn field(name: &str, said: &Value) -> String {
    let reference = said["ref"].as_str().map(constant).unwrap_or_default();
    let mut text = match (word(&said["type"]), word(&said["format"])) {
        ("string", "date-time") => format!("time(\"{name}\")"),
        ("integer", "int64") => format!("long(\"{name}\")"),
        ("integer", _) => format!("integer(\"{name}\")"),
        ("number", _) => format!("number(\"{name}\")"),
        ("boolean", _) => format!("flag(\"{name}\")"),
        ("any", _) => format!("any(\"{name}\")"),
        ("map", _) if said["values"] == "integer" => format!("integer_map(\"{name}\")"),
        ("map", _) if !reference.is_empty() => format!("object_map(\"{name}\", &{reference})"),
        ("map", _) => format!("text_map(\"{name}\")"),
        ("object", _) => format!("object(\"{name}\", &{reference})"),
        ("array", _) if reference.is_empty() => format!("texts(\"{name}\")"),
        ("array", _) => format!("objects(\"{name}\", &{reference})"),
        _ => format!("text(\"{name}\")"),
    };
    if said["required"] == true {
        put(&mut text, ".required()");
    }
    match list(&said["enum"]).next() {
        Some(Value::String(first)) if first == "Java8" => put(&mut text, ".of_runtimes()"),
        Some(Value::String(_)) => put(&mut text, &format!(".one_of(&{})", said["enum"])),
        Some(_) => put(&mut text, &format!(".one_of_numbers(&{})", said["enum"])),
        None => match (&said["min"], &said["max"]) {
            (Value::Null, _) => {}
            (least, Value::Null) => put(&mut text, &format!(".from({least})")),
            (least, most) => put(&mut text, &format!(".range({least}, {most})")),
        },
    }
    match (&said["min_length"], &said["max_length"]) {
        (_, Value::Null) => {}
        (Value::Null, longest) => put(&mut text, &format!(".up_to({longest})")),
        (shortest, longest) => put(&mut text, &format!(".length({shortest}, {longest})")),
    }
    if !said["pattern"].is_null() {
        put(&mut text, &format!(".like({})", said["pattern"]));
    }
    text
}

/// `CreateEventRequestBody` is `CREATE_EVENT_BODY`.
fn constant(name: &str) -> String {
    let name = name.replace("RequestBody", "Body").replace("Response", "Answer");
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_uppercase());
    }
    text
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn put(text: &mut String, more: &str) {
    text.write_str(more).expect("memory takes any text");
}

#[test]
fn a_draft_is_the_text_of_a_table() {
    let text = of(&Contract::read(), "CreateEvent");
    for part in [
        "operation(\"CreateEvent\", ",
        ".takes(Body::Object(&CREATE_EVENT_BODY))",
        ".gives(200, Answer::Object(&CREATE_EVENT_ANSWER))",
        "static CREATE_EVENT_BODY: Shape = shape(\"CreateEventRequestBody\", &[\n    text(\"name\").required().length(1, 25).like(\"^",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}
