//! `[mounts."NAME"]`: folders of the host that functions may mount.

use std::path::PathBuf;

use toml::{Table, Value};

use super::Error;
use super::document::{Document, value_error};
use super::nearest::nearest;
use super::reader::list;

/// The section.
pub(super) const SECTION: &str = "mounts";
/// The keys of each mount.
const KEYS: [&str; 3] = ["path", "mode", "projects"];
/// Characters of a name.
const NAME_CHARS: usize = 64;

/// One folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) read_only: bool,
    /// `None`: all.
    pub(crate) projects: Option<Vec<String>>,
}

/// Why a table cannot be a mount, apart from its values; the key that is wrong comes first.
pub(super) fn unknown_key(table: &Table) -> Option<(&str, String)> {
    let key = table.keys().find(|key| !KEYS.contains(&key.as_str()))?;
    let hint = match nearest(key, KEYS.into_iter()) {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => format!("; a mount has {}", KEYS.join(", ")),
    };
    Some((key, hint))
}

/// Every mount of a document, by name.
pub(super) fn read(document: &Document) -> Result<Vec<Mount>, Error> {
    document.tables(SECTION).map(|(name, table)| one(document, name, table)).collect()
}

fn one(document: &Document, name: &str, table: &Table) -> Result<Mount, Error> {
    let key = |key: &str| format!("{SECTION}.{name}.{key}");
    let bad = |of: &str, value: &Value, allowed: &str| value_error(&document.place(of), of, value, allowed);
    if !is_name(name) {
        let allowed = format!(
            "a name has 1 to {NAME_CHARS} letters, digits, '.', '_' and '-', of which the first is a letter or digit"
        );
        return Err(bad(&format!("{SECTION}.{name}"), &Value::String(name.to_owned()), &allowed));
    }
    let absent = Value::String(String::new());
    let path = table.get("path").unwrap_or(&absent);
    let path = folder(path).map_err(|allowed| bad(&key("path"), path, &allowed))?;
    let mode = table.get("mode").map(|mode| is_read_only(mode).map_err(|allowed| bad(&key("mode"), mode, &allowed)));
    let projects = table.get("projects");
    let projects =
        projects.map(|value| self::projects(value).map_err(|allowed| bad(&key("projects"), value, &allowed)));
    Ok(Mount {
        name: name.to_owned(),
        path,
        read_only: mode.transpose()?.unwrap_or(true),
        projects: projects.transpose()?,
    })
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_CHARS
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether it is there is seen at the start, by who shows it.
fn folder(value: &Value) -> Result<PathBuf, String> {
    let path = PathBuf::from(value.as_str().ok_or("it must be a text in quotes")?);
    if !path.is_absolute() {
        return Err("it must be the absolute path of a folder".to_owned());
    }
    if path.parent().is_none() {
        return Err("all of the host cannot be given away; name a folder".to_owned());
    }
    Ok(path)
}

fn is_read_only(value: &Value) -> Result<bool, String> {
    match value.as_str() {
        Some("ro") => Ok(true),
        Some("rw") => Ok(false),
        _ => Err("it must be \"ro\" or \"rw\"".to_owned()),
    }
}

fn projects(value: &Value) -> Result<Vec<String>, String> {
    let id = |text: &str| {
        let good = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is no project id, which is 32 of 0-9 and a-f"))
    };
    match list(value, id)? {
        none if none.is_empty() => Err("name the projects that may have it, or leave it out for all".to_owned()),
        projects => Ok(projects),
    }
}
