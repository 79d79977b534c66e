//! The bodies of the tables are what the readers in `shape` ask for: each field, its type, and nothing else.

use std::collections::BTreeMap;

use super::{super::field::Use, *};
use crate::shape::{self, Fields, asked, not_built, passive};

/// What reads the body of an operation.
fn reader(operation: &str) -> Option<fn(Fields)> {
    Some(match operation {
        "CreateFunction" => |fields| drop(shape::create(fields)),
        "UpdateFunctionConfig" => |fields| drop(shape::spec_update(fields)),
        "UpdateFunctionCode" => |fields| drop(shape::code_update(fields)),
        "UpdateFunctionMaxInstanceConfig" => |fields| drop(shape::most_instances(fields)),
        "UpdateFunctionReservedInstancesCount" => |fields| drop(shape::reservation_update(fields)),
        "CreateFunctionVersion" => |fields| drop(shape::version_create(fields)),
        "CreateVersionAlias" => |fields| drop(shape::alias_create(fields)),
        "UpdateVersionAlias" => |fields| drop(shape::alias_update(fields)),
        "CreateDependencyVersion" => |fields| drop(shape::dependency_create(fields)),
        "CreateFunctionTrigger" => |fields| drop(shape::trigger_create(fields)),
        "UpdateTrigger" => |fields| drop(shape::trigger_update(fields)),
        "ImportFunction" => |fields| drop(shape::import_request(fields)),
        "CreateEvent" | "UpdateEvent" => |fields| drop(shape::test_event_draft(fields)),
        "CreateTags" => |fields| drop(shape::tag_drafts(fields, "create")),
        "DeleteTags" => |fields| drop(shape::tag_drafts(fields, "delete")),
        "ShowResInstanceInfo" => |fields| drop(shape::resource_filter(fields)),
        "UpdateFunctionAsyncInvokeConfig" => |fields| drop(shape::async_draft(fields)),
        "CancelAsyncInvocation" => |fields| drop(shape::async_call_cancel(fields)),
        "UpdateTracing" => |fields| drop(shape::tracing_draft(fields)),
        "CreateVpcEndpoint" => |fields| drop(shape::vpc_endpoint_draft(fields)),
        _ => return None,
    })
}

/// Objects whose fields the engine reads, by tables of its own: the event data of triggers.
const READ_BY_ENGINE: [&str; 1] = ["event_data"];

/// Operations whose bodies have fields that are kept without effect; the same names mean other things elsewhere.
const KEEPING: [&str; 2] = ["CreateFunction", "UpdateFunctionConfig"];

/// Texts of whole numbers, which a number may stand for.
const NUMERIC_TEXTS: [&str; 4] = ["custom_image.uid", "custom_image.gid", "limit", "offset"];

#[test]
fn bodies_are_read_as_the_tables_say() {
    let mut wrong = Vec::new();
    for entry in TABLES.iter().flat_map(|table| table.iter()) {
        let Some(Body::Object(shape)) = entry.body else { continue };
        let Some(reader) = reader(entry.name) else {
            wrong.push(format!("{} has a body: say what reads it, in reader() of this test", entry.name));
            continue;
        };
        let asked = asked::by(|| reader(Fields::default()));
        let mut declared = BTreeMap::new();
        declare("", shape, &mut declared);
        for (path, (kind, use_)) in &declared {
            let asked = asked.get(path).copied();
            let is_kept = KEEPING.contains(&entry.name) && passive::names().any(|name| name == path);
            let says_so = matches!(use_, Use::Stored | Use::Refused | Use::Ignored | Use::Ours(_));
            if is_kept && asked.is_some() && !says_so {
                wrong.push(format!("{} {path} is kept without effect, and not declared stored()", entry.name));
            }
            if !fits(path, kind, *use_, asked) {
                wrong.push(format!(
                    "{} {path} is declared as {kind}, {use_:?}; it is asked for as {asked:?}",
                    entry.name
                ));
            }
        }
        // Clients send a setting where it has no place, too, and are told the same.
        let is_refused = |path: &str| not_built::names().any(|name| name == path);
        let unknown = asked.keys().filter(|path| !declared.contains_key(*path) && !is_refused(path));
        wrong.extend(unknown.map(|path| format!("{} {path} is read and not declared", entry.name)));
    }
    assert!(wrong.is_empty(), "crates/gateway/src/api/ and crates/gateway/src/shape/ disagree:\n{}", wrong.join("\n"));
}

fn fits(path: &str, kind: &str, use_: Use, asked: Option<&str>) -> bool {
    match (use_, asked) {
        (Use::Ignored, asked) => asked.is_none(),
        (_, None) => false,
        (Use::Refused, Some(_)) | (_, Some(asked::ANY)) => true,
        (_, Some(asked)) => asked == kind || (NUMERIC_TEXTS.contains(&path) && asked == "integer"),
    }
}

fn declare(at: &str, shape: &Shape, declared: &mut BTreeMap<String, (&'static str, Use)>) {
    for field in shape.fields() {
        let path = format!("{at}{}", field.name);
        let (kind, below) = match field.kind {
            Kind::Text | Kind::Time => ("text", ""),
            Kind::Integer | Kind::Long => ("integer", ""),
            Kind::Number => ("number", ""),
            Kind::Flag => ("flag", ""),
            Kind::Any => ("any", ""),
            Kind::Texts => ("texts", ""),
            Kind::TextMap | Kind::IntegerMap => ("object", ""),
            Kind::ObjectMap(_) => ("object", ".*."),
            Kind::Object(_) => ("object", "."),
            Kind::Objects(_) => ("objects", "[]."),
        };
        // What is inside of an object that is refused, or not looked at, is nobody's.
        if let Some(inner) = inside(field)
            && !matches!(field.use_, Use::Refused | Use::Ignored)
            && !READ_BY_ENGINE.contains(&field.name)
        {
            declare(&format!("{path}{below}"), inner, declared);
        }
        // Readers of maps are asked with one name for all.
        match field.kind {
            Kind::IntegerMap => drop(declared.insert(format!("{path}.*"), ("integer", field.use_))),
            Kind::ObjectMap(_) => drop(declared.insert(format!("{path}.*"), ("object", field.use_))),
            _ => {}
        }
        declared.insert(path, (kind, field.use_));
    }
}
