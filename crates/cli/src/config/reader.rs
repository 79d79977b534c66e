//! Takes single values out of a document, each with what it may be.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Value;

use super::Error;
use super::document::{Document, Place, value_error};

/// One section being read.
pub(super) struct Section<'a> {
    document: &'a Document,
    name: &'static str,
    #[cfg(test)]
    pub(super) read: &'a std::cell::RefCell<Vec<String>>,
}

impl<'a> Section<'a> {
    #[cfg(not(test))]
    pub(super) fn new(document: &'a Document, name: &'static str) -> Self {
        Self { document, name }
    }

    #[cfg(test)]
    pub(super) fn new(document: &'a Document, name: &'static str, read: &'a std::cell::RefCell<Vec<String>>) -> Self {
        Self { document, name, read }
    }
}

impl Section<'_> {
    /// Reads a value as `convert` does; its error says what is allowed.
    pub(super) fn value<T>(&self, key: &str, convert: impl FnOnce(&Value) -> Result<T, String>) -> Result<T, Error> {
        #[cfg(test)]
        self.read.borrow_mut().push(format!("{}.{key}", self.name));
        let (value, place) = self.document.get(self.name, key);
        convert(value).map_err(|allowed| value_error(&place, &format!("{}.{key}", self.name), value, &allowed))
    }

    /// Whether somebody wrote it, rather than left it as it is.
    pub(super) fn is_given(&self, key: &str) -> bool {
        !matches!(self.document.get(self.name, key).1, Place::Default)
    }

    pub(super) fn text<T>(&self, key: &str, convert: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Error> {
        self.value(key, |value| convert(value.as_str().ok_or("it must be a text in quotes")?))
    }

    pub(super) fn truth(&self, key: &str) -> Result<bool, Error> {
        self.value(key, |value| value.as_bool().ok_or_else(|| "it must be true or false".to_owned()))
    }

    pub(super) fn number(&self, key: &str, range: RangeInclusive<u32>) -> Result<u32, Error> {
        self.value(key, |value| {
            let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
            let allowed = || format!("it must be a whole number from {} to {}", range.start(), range.end());
            number.filter(|number| range.contains(number)).ok_or_else(allowed)
        })
    }

    /// One of a few numbers.
    pub(super) fn either(&self, key: &str, allowed: [u32; 2]) -> Result<u32, Error> {
        self.value(key, |value| {
            let number = allowed.into_iter().find(|one| value.as_integer() == Some(i64::from(*one)));
            number.ok_or_else(|| format!("it must be {} or {}", allowed[0], allowed[1]))
        })
    }

    pub(super) fn seconds(&self, key: &str, range: RangeInclusive<u32>) -> Result<Duration, Error> {
        self.number(key, range).map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// A number of MB, in bytes.
    pub(super) fn megabytes(&self, key: &str, range: RangeInclusive<u32>) -> Result<u64, Error> {
        self.number(key, range).map(|megabytes| u64::from(megabytes) << 20)
    }

    pub(super) fn texts<T>(&self, key: &str, convert: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Error> {
        self.value(key, |value| list(value, convert))
    }
}

/// Every text of a list.
pub(super) fn list<T>(value: &Value, convert: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let list = value.as_array().ok_or("it must be a list of texts")?;
    list.iter().map(|one| convert(one.as_str().ok_or("it must be a list of texts")?)).collect()
}
