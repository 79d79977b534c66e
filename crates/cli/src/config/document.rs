//! All settings as one TOML document, with the place each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use fungraph_model::Runtime;
use toml::de::DeTable;
use toml::{Table, Value};

use super::Error;
use super::mounts;
use super::nearest::nearest;
use super::obs;
use super::runtime_images;

/// The manual, compiled in.
pub(super) const DEFAULT: &str = include_str!("../default.toml");

/// Where a value came from.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Default,
    File { path: String, line: usize },
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default.toml"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// The effective settings: defaults, then the file, then flags.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    sections: Table,
    places: BTreeMap<String, Place>,
}

impl Document {
    /// The defaults alone.
    pub(crate) fn defaults() -> Self {
        let sections = DEFAULT.parse().expect("default.toml is compiled in and a test reads it");
        Self { sections, places: BTreeMap::new() }
    }

    /// The defaults with a file laid over them.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or has a key that does not exist or a value of another kind.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Error> {
        let mut document = Self::defaults();
        if let Some(file) = file {
            let path = file.display().to_string();
            let text = fs::read_to_string(file).map_err(|source| Error::File { path: path.clone(), source })?;
            document.overlay(&path, &text)?;
        }
        Ok(document)
    }

    /// Lays the text of a file over what is there.
    pub(super) fn overlay(&mut self, path: &str, text: &str) -> Result<(), Error> {
        let place = |start: usize| Place::File { path: path.to_owned(), line: line_of(text, start) };
        let syntax = |error: toml::de::Error| Error::Syntax {
            place: place(error.span().map_or(0, |span| span.start)).to_string(),
            message: error.message().to_owned(),
        };
        // Once for the values, once for where they stand: the parser gives one or the other.
        let values: Table = text.parse().map_err(syntax)?;
        let spans = DeTable::parse(text).map_err(syntax)?;
        for (section, content) in spans.get_ref() {
            let here = place(section.span().start);
            let section: &str = section.get_ref();
            let known = self.sections.get_mut(section).and_then(Value::as_table_mut);
            let Some(known) = known else { return Err(self.unknown_section(&here, section)) };
            let Some(keys) = content.get_ref().as_table() else {
                return Err(value_error(&here, section, &values[section], "it is a section; write it as [section]"));
            };
            for key in keys.keys() {
                let here = place(key.span().start);
                let value = &values[section][key.get_ref().as_ref()];
                let name = if section == mounts::SECTION {
                    set_mount(known, key.get_ref(), value, &here)?
                } else if section == runtime_images::SECTION && is_runtime(known, key.get_ref(), value) {
                    runtime_images::check(key.get_ref(), value, &here)?;
                    known.insert(key.get_ref().to_string(), value.clone());
                    format!("{section}.{}", key.get_ref())
                } else {
                    set(known, section, key.get_ref(), value, &here)?
                };
                self.places.insert(name, here);
            }
        }
        Ok(())
    }

    /// Lays one flag over what is there; `flag` also names its variable.
    ///
    /// # Errors
    /// The value is of another kind.
    pub(crate) fn set(&mut self, section: &str, key: &str, value: &Value, flag: &'static str) -> Result<(), Error> {
        let place = Place::Flag(flag);
        let known = self.sections.get_mut(section).and_then(Value::as_table_mut).expect("flags name real sections");
        let name = set(known, section, key, value, &place)?;
        self.places.insert(name, place);
        Ok(())
    }

    /// The value of a setting and where it came from.
    pub(super) fn get(&self, section: &str, key: &str) -> (&Value, Place) {
        let value = self.sections.get(section).and_then(|keys| keys.get(key));
        let place = self.place(&format!("{section}.{key}"));
        (value.expect("a test reads every setting of default.toml and no other"), place)
    }

    /// Where a setting came from. What is inside a table is where the table is.
    pub(super) fn place(&self, name: &str) -> Place {
        let mut names = std::iter::successors(Some(name), |name| name.rsplit_once('.').map(|(outer, _)| outer));
        names.find_map(|name| self.places.get(name).cloned()).unwrap_or(Place::Default)
    }

    /// The tables of a section whose keys are names of the operator's.
    pub(super) fn tables(&self, section: &str) -> impl Iterator<Item = (&str, &Table)> {
        let tables = self.sections.get(section).and_then(Value::as_table).into_iter().flatten();
        tables.filter_map(|(name, table)| Some((name.as_str(), table.as_table()?)))
    }

    /// Every `section.key`.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<String> {
        let keys = |(section, keys): (&String, &Value)| {
            // Tables have names of the operator's.
            let keys = keys.as_table().expect("only sections at the top").iter().filter(|(_, value)| !value.is_table());
            keys.map(|(key, _)| format!("{section}.{key}")).collect::<Vec<_>>()
        };
        self.sections.iter().flat_map(keys).collect()
    }

    fn unknown_section(&self, place: &Place, section: &str) -> Error {
        let known = || self.sections.keys().map(String::as_str);
        // A setting without its section is the likelier mistake than a section that does not exist.
        let owner = self.sections.iter().find(|(_, keys)| keys.get(section).is_some());
        let hint = match (owner, nearest(section, known())) {
            (Some((owner, _)), _) => format!("; it belongs below [{owner}]"),
            (None, Some(name)) => format!("; did you mean [{name}]?"),
            (None, None) => format!("; the sections are {}", known().collect::<Vec<_>>().join(", ")),
        };
        Error::Unknown { place: place.to_string(), key: section.to_owned(), hint }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.sections.clone();
        if let Some(secret) = shown.get_mut(obs::SECTION).and_then(|section| section.get_mut(obs::SECRET)) {
            *secret = obs::masked(secret);
        }
        f.write_str(&toml::to_string_pretty(&shown).map_err(|_| fmt::Error)?)
    }
}

/// Whether a key of `[runtimes]` is the name of one, or meant to be: all settings of that section have plain values.
fn is_runtime(known: &Table, key: &str, value: &Value) -> bool {
    let is_setting = known.get(key).is_some_and(|setting| !setting.is_table());
    !is_setting && (value.is_table() || Runtime::parse(key).is_some())
}

fn set(known: &mut Table, section: &str, key: &str, value: &Value, place: &Place) -> Result<String, Error> {
    let name = format!("{section}.{key}");
    let Some(slot) = known.get_mut(key) else {
        let hint = match nearest(key, known.keys().map(String::as_str)) {
            Some(nearest) => format!("; did you mean {section}.{nearest}?"),
            None => {
                let all: Vec<&str> = known.keys().map(String::as_str).collect();
                format!("; [{section}] has {}", all.join(", "))
            }
        };
        return Err(Error::Unknown { place: place.to_string(), key: name, hint });
    };
    if !slot.same_type(value) {
        return Err(value_error(place, &name, value, &format!("it must be {}", kind(slot))));
    }
    *slot = value.clone();
    Ok(name)
}

/// A mount is as the file has it: there is none to lay it over.
fn set_mount(known: &mut Table, name: &str, value: &Value, place: &Place) -> Result<String, Error> {
    let full = format!("{}.{name}", mounts::SECTION);
    let Some(table) = value.as_table() else {
        return Err(value_error(place, &full, value, &format!("it is a table; write it as [mounts.\"{name}\"]")));
    };
    if let Some((key, hint)) = mounts::unknown_key(table) {
        return Err(Error::Unknown { place: place.to_string(), key: format!("{full}.{key}"), hint });
    }
    known.insert(name.to_owned(), value.clone());
    Ok(full)
}

pub(super) fn value_error(place: &Place, key: &str, value: &Value, allowed: &str) -> Error {
    Error::Value {
        place: place.to_string(),
        key: key.to_owned(),
        value: value.to_string(),
        allowed: allowed.to_owned(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text in quotes",
        Value::Integer(_) => "a whole number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of texts, such as [\"a\", \"b\"]",
        _ => "of the kind that default.toml shows",
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
