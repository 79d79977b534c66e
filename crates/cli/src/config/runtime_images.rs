//! `runtimes."NAME".image`: runtimes that run in container images of the operator's.

use fungraph_model::{Language, Runtime};
use fungraph_store::images::check_name;
use toml::{Table, Value};

use super::Error;
use super::document::{Document, Place, value_error};
use super::nearest::nearest;

/// The section that these tables stand in, among other settings.
pub(super) const SECTION: &str = "runtimes";
const KEY: &str = "image";

/// A runtime and the image that it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeImage {
    pub(crate) runtime: Runtime,
    pub(crate) image: String,
}

/// What is wrong with a table before its values are looked at.
pub(super) fn check(name: &str, value: &Value, place: &Place) -> Result<(), Error> {
    let full = format!("{SECTION}.{name}");
    let unknown = |key: String, hint: String| Error::Unknown { place: place.to_string(), key, hint };
    if Runtime::parse(name).is_none() {
        let hint = nearest(name, Runtime::all().map(Runtime::name)).map(|near| format!("; did you mean {near}?"));
        return Err(unknown(full, hint.unwrap_or_else(|| "; `fungraph runtimes` lists all runtimes".to_owned())));
    }
    let Some(table) = value.as_table() else {
        let allowed = format!("it is a table; write {SECTION}.\"{name}\".{KEY} = \"registry/repository:tag\"");
        return Err(value_error(place, &full, value, &allowed));
    };
    match table.keys().find(|key| *key != KEY) {
        Some(key) => Err(unknown(format!("{full}.{key}"), format!("; a runtime has {KEY}"))),
        None => Ok(()),
    }
}

/// Every image of a document, by the runtime's name.
pub(super) fn read(document: &Document) -> Result<Vec<RuntimeImage>, Error> {
    document.tables(SECTION).map(|(name, table)| one(document, name, table)).collect()
}

fn one(document: &Document, name: &str, table: &Table) -> Result<RuntimeImage, Error> {
    let key = format!("{SECTION}.{name}.{KEY}");
    let absent = Value::String(String::new());
    let value = table.get(KEY).unwrap_or(&absent);
    let bad = |allowed: String| value_error(&document.place(&key), &key, value, &allowed);
    let runtime = Runtime::parse(name).expect("it was checked when it was laid into the document");
    let scripted = [Language::Python, Language::NodeJs, Language::Php, Language::Java];
    if !scripted.contains(&runtime.language()) {
        return Err(bad(format!(
            "functions of {name} have no interpreter that an image could bring; it must be a runtime of Python, Node.js, PHP or Java"
        )));
    }
    let image = value.as_str().unwrap_or_default();
    check_name(image).map_err(bad)?;
    Ok(RuntimeImage { runtime, image: image.to_owned() })
}
