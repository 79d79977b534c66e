//! Fields that are taken as their table has them, with every type and word checked: for what is kept without being looked at again.

use fungraph_model::{ErrorCode, Fault};
use serde_json::{Map, Value};

use super::fields::Fields;
use crate::api::field::{Field, Kind, Shape};

/// A field's value; `None` where it is absent.
///
/// # Errors
/// FSS.0400 naming the field.
pub(super) fn value(fields: &mut Fields, field: &Field) -> Result<Option<Value>, Fault> {
    let name = field.name;
    Ok(match field.kind {
        Kind::Text | Kind::Time => fields.text(name)?.map(|text| word(field, text)).transpose()?.map(Value::String),
        Kind::Integer | Kind::Long => fields.integer(name)?.map(Value::from),
        Kind::Flag => fields.boolean(name)?.map(Value::Bool),
        Kind::Texts => fields.texts(name)?.map(Value::from),
        Kind::TextMap => fields.text_map(name)?.map(Value::Object),
        Kind::Object(shape) => fields.inside(name, |inner| object(inner, shape))?.map(Value::Object),
        Kind::Objects(shape) => {
            let list = fields.each(name, |inner| Ok(Value::Object(object(inner, shape)?)))?;
            (!list.is_empty()).then(|| list.into())
        }
        // No setting that is kept is one of these.
        Kind::Number | Kind::Any | Kind::IntegerMap | Kind::ObjectMap(_) => fields.get(name).cloned(),
    })
}

/// The fields of an object; unknown ones are left out. An object that says nothing is one that is empty, whatever it should have.
fn object(fields: &mut Fields, shape: &Shape) -> Result<Map<String, Value>, Fault> {
    let mut taken = Map::new();
    for field in shape.fields() {
        if let Some(value) = value(fields, field)? {
            taken.insert(field.name.to_owned(), value);
        }
    }
    let missing = shape.fields().find(|field| field.is_required && !taken.contains_key(field.name));
    match missing {
        Some(field) if !taken.is_empty() => {
            Err(Fault::new(ErrorCode::BadParameter, format!("The field '{}' is missing", field.name)))
        }
        _ => Ok(taken),
    }
}

/// Clients send an empty text for a word that they do not choose.
fn word(field: &Field, text: String) -> Result<String, Fault> {
    let words = field.bounds.words.list();
    if words.is_empty() || text.is_empty() || words.contains(&text.as_str()) {
        return Ok(text);
    }
    Err(Fault::new(ErrorCode::BadParameter, format!("The field '{}' must be one of {}", field.name, words.join(", "))))
}
