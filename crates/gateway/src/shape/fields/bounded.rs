//! JSON with a bound on the number of its values: 72 MB of `[[],[],…` would otherwise take a gigabyte once parsed.
//!
//! Packages, the only fields that are large, are not copied: they are told apart from all else, as parts of the body.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Most values in one request; real ones have tens.
const MOST_VALUES: u32 = 20_000;

/// What is said about a body with more.
pub(super) const MESSAGE: &str = "it holds more than 20000 values";

/// Fields with the base64 of an archive, by their path.
const PACKAGES: [&str; 3] = ["func_code.file", "depend_file", "file_code"];

/// A package of a body: its path, and its text.
pub(super) type Package<'de> = (&'static str, &'de str);

/// Parses a whole text. A package whose text has no escapes is given beside the value, where its field is null.
pub(super) fn parse(body: &[u8]) -> Result<(Value, Vec<Package<'_>>), serde_json::Error> {
    let (left, packages) = (Cell::new(MOST_VALUES), RefCell::default());
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Bounded { left: &left, packages: &packages, at: At::Root }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, packages.into_inner()))
}

#[derive(Clone, Copy)]
struct Bounded<'a, 'de> {
    left: &'a Cell<u32>,
    packages: &'a RefCell<Vec<Package<'de>>>,
    at: At,
}

/// Where a value stands, as far as packages are concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Root,
    /// In the object that has the package of this path.
    Above(&'static str),
    Package(&'static str),
    Elsewhere,
}

impl At {
    /// Where the value of a field stands.
    fn field(self, name: &str) -> Self {
        let found = PACKAGES.into_iter().find_map(|path| {
            let rest = match self {
                Self::Root => path,
                Self::Above(above) if above == path => path.split_once('.')?.1,
                _ => return None,
            };
            match rest.split_once('.') {
                Some((above, _)) => (above == name).then_some(Self::Above(path)),
                None => (rest == name).then_some(Self::Package(path)),
            }
        });
        found.unwrap_or(Self::Elsewhere)
    }
}

impl<'de> Bounded<'_, 'de> {
    fn count<E: Error>(self) -> Result<(), E> {
        self.left.set(self.left.get().checked_sub(1).ok_or_else(|| E::custom(MESSAGE))?);
        Ok(())
    }

    /// For the value of a field. Of doubled fields the last counts: what one before had is gone.
    fn inside(self, name: &str) -> Self {
        let at = self.at.field(name);
        if let At::Above(path) | At::Package(path) = at {
            self.packages.borrow_mut().retain(|(known, _)| *known != path);
        }
        Self { at, ..self }
    }

    fn elsewhere(self) -> Self {
        Self { at: At::Elsewhere, ..self }
    }

    fn keep(self, text: &'de str) -> bool {
        let At::Package(path) = self.at else { return false };
        self.packages.borrow_mut().push((path, text));
        true
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_, 'de> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_, 'de> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value, E> {
        Ok(if self.keep(value) { Value::Null } else { Value::String(value.to_owned()) })
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = items.next_element_seed(self.elsewhere())? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.inside(&key))?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        let (value, packages) = parse(text.as_bytes()).expect(text);
        assert!(packages.is_empty(), "{text}");
        value
    }

    #[test]
    fn parses_what_serde_json_parses() {
        let text = r#"{"a":[1,-2,3.5,true,null,"x\u00e9\"",{}],"b":{"c":[[]]}}"#;
        assert_eq!(value(text), serde_json::from_str::<Value>(text).expect(text));
    }

    #[test]
    fn many_values_are_refused() {
        let list = |items: usize| format!("[{}1]", "1,".repeat(items - 1));
        assert!(parse(list(19_999).as_bytes()).is_ok());
        assert!(parse(list(20_000).as_bytes()).expect_err("too many").is_data());
    }

    #[test]
    fn packages_stay_in_the_body() {
        let packages = |text: &str| {
            let found = parse(text.as_bytes()).expect(text).1;
            found.iter().map(|(path, text)| format!("{path}={text}")).collect::<Vec<_>>().join(" ")
        };
        for (text, expected) in [
            (r#"{"depend_file":"a","func_code":{"file":"b","link":"c"}}"#, "depend_file=a func_code.file=b"),
            // The last of doubled ones counts, on both levels.
            (r#"{"depend_file":"a","depend_file":"b"}"#, "depend_file=b"),
            (r#"{"func_code":{"file":"a","file":"b"}}"#, "func_code.file=b"),
            (r#"{"func_code":{"file":"a"},"func_code":{}}"#, ""),
            (r#"{"func_code":{"file":"a"},"func_code":7}"#, ""),
            (r#"{"func_code":{"file":"a","file":7}}"#, ""),
            // Not elsewhere, and not where another type stands.
            (r#"{"file":"a","x":{"func_code":{"file":"b"},"depend_file":"c"},"func_code":{"x":{"file":"d"}}}"#, ""),
            (r#"{"func_code":[{"file":"a"}],"depend_file":["a"]}"#, ""),
        ] {
            assert_eq!(packages(text), expected, "{text}");
        }
        let escaped = r#"{"depend_file":"a\/b"}"#;
        assert_eq!(value(escaped)["depend_file"], "a/b");
    }
}
