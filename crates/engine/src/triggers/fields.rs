//! Fields of `event_data`, described and read. What a kind of trigger takes is a table of these (`kinds.rs`), not a procedure.

use std::{collections::BTreeMap, ops::RangeInclusive};

use fungraph_model::{ErrorCode, Fault, Secret, limits};
use serde_json::{Map, Value};

/// What is shown in the place of a secret; sent back in an update, it keeps the secret.
pub(crate) const MASK: &str = "******";

/// One field.
pub(super) struct Field {
    pub(super) name: &'static str,
    holds: Holds,
    required: bool,
    secret: bool,
}

/// What a field may hold.
pub(super) enum Holds {
    /// So many characters.
    Text(RangeInclusive<usize>),
    /// A trigger's name, whose length and letters have codes of their own (`check.rs`).
    Name,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number in a range.
    Number(RangeInclusive<i64>),
    /// True or false.
    Flag,
    /// True or false, as the text of it.
    FlagText,
    /// So many texts.
    Texts(RangeInclusive<usize>),
    /// Fields of its own.
    Object(&'static [Field]),
}

impl Field {
    pub(super) const fn new(name: &'static str, holds: Holds) -> Self {
        Self { name, holds, required: false, secret: false }
    }

    pub(super) const fn required(name: &'static str, holds: Holds) -> Self {
        Self { name, holds, required: true, secret: false }
    }

    #[cfg(test)]
    pub(super) fn is_secret(&self) -> bool {
        self.secret
    }

    /// A text that is kept apart and never shown.
    pub(super) const fn secret(self) -> Self {
        Self { name: self.name, holds: self.holds, required: self.required, secret: true }
    }
}

/// Event data that fits its table.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// What is shown, in the table's order.
    pub(super) data: Map<String, Value>,
    pub(super) secrets: BTreeMap<String, Secret>,
}

/// Reads what `fields` knows of an object; everything else is left out. `code` is that of the kind's refusals.
pub(super) fn read(fields: &[Field], given: &Map<String, Value>, code: ErrorCode) -> Result<Checked, Fault> {
    let mut checked = Checked::default();
    read_into(&mut checked, fields, given, "event_data").map_err(|message| Fault::new(code, message))?;
    Ok(checked)
}

fn read_into(checked: &mut Checked, fields: &[Field], given: &Map<String, Value>, path: &str) -> Result<(), String> {
    for field in fields {
        let path = format!("{path}.{}", field.name);
        match given.get(field.name).filter(|value| !field.holds.is_nothing(value)) {
            None if field.required => {
                return Err(format!("The field '{path}' is missing. It takes {}", field.holds.words()));
            }
            None => {}
            Some(value) => {
                let wrong = || format!("The field '{path}' must be {}", field.holds.words());
                let value = field.holds.read(value, &path)?.ok_or_else(wrong)?;
                match value {
                    Value::String(text) if field.secret => {
                        checked.secrets.insert(field.name.to_owned(), Secret::new(text));
                    }
                    value => {
                        checked.data.insert(field.name.to_owned(), value);
                    }
                }
            }
        }
    }
    Ok(())
}

impl Holds {
    /// Whether a client means that the field is absent: null, or an empty text where no text is empty.
    fn is_nothing(&self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text.is_empty() && !matches!(self, Self::Text(chars) if *chars.start() == 0),
            _ => false,
        }
    }

    /// The value as it is kept; `None` where it does not fit. Numbers and flags may come as texts.
    fn read(&self, value: &Value, path: &str) -> Result<Option<Value>, String> {
        Ok(match self {
            Self::Text(chars) => value.as_str().filter(|text| fits(text, chars)).map(Value::from),
            Self::Name => value.as_str().map(Value::from),
            Self::Word(words) => {
                let word = words.iter().find(|word| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(word)));
                word.map(|word| Value::from(*word))
            }
            Self::Number(range) => number(value).filter(|number| range.contains(number)).map(Value::from),
            Self::Flag => flag(value).map(Value::from),
            Self::FlagText => flag(value).map(|flag| Value::from(flag.to_string())),
            Self::Texts(range) => {
                let items = value.as_array().filter(|items| range.contains(&items.len()));
                let all = |items: &&Vec<Value>| {
                    items.iter().all(|item| item.as_str().is_some_and(|text| fits(text, &(1..=ITEM_CHARS))))
                };
                items.filter(all).map(|items| Value::from(items.clone()))
            }
            Self::Object(fields) => {
                let Some(object) = value.as_object() else { return Ok(None) };
                let mut inner = Checked::default();
                read_into(&mut inner, fields, object, path)?;
                Some(Value::Object(inner.data))
            }
        })
    }

    /// What it takes, in words.
    fn words(&self) -> String {
        match self {
            Self::Text(chars) if *chars.start() == 0 => format!("a text of up to {} characters", chars.end()),
            Self::Text(chars) => format!("a text of {} to {} characters", chars.start(), chars.end()),
            Self::Name => format!("a name of 1 to {} characters", limits::TRIGGER_NAME_CHARS),
            Self::Word(words) => words.join(" or "),
            Self::Number(range) if *range.end() == i64::from(i32::MAX) => {
                format!("a whole number of {} or more", range.start())
            }
            Self::Number(range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Flag => "true or false".to_owned(),
            Self::FlagText => "\"true\" or \"false\"".to_owned(),
            Self::Texts(range) => {
                format!("a list of {} to {} texts of 1 to {ITEM_CHARS} characters", range.start(), range.end())
            }
            Self::Object(_) => "an object".to_owned(),
        }
    }
}

/// Characters of a text in a list.
const ITEM_CHARS: usize = 1024;

fn fits(text: &str, chars: &RangeInclusive<usize>) -> bool {
    // A NUL is no character of anything that these texts name.
    chars.contains(&text.chars().count()) && !text.contains('\0')
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INNER: &[Field] = &[Field::required("deep", Holds::Number(1..=9))];
    const FIELDS: &[Field] = &[
        Field::required("text", Holds::Text(1..=3)),
        Field::new("free", Holds::Text(0..=3)),
        Field::new("word", Holds::Word(&["ONE", "TWO"])),
        Field::new("name", Holds::Name),
        Field::new("flag", Holds::Flag),
        Field::new("serial", Holds::FlagText),
        Field::new("items", Holds::Texts(1..=2)),
        Field::new("inner", Holds::Object(INNER)),
        Field::new("password", Holds::Text(1..=9)).secret(),
    ];

    fn check(given: &Value, expected: Result<Value, &str>) {
        let found = read(FIELDS, given.as_object().expect("an object"), ErrorCode::BadTimer);
        let found = found.map(|checked| Value::Object(checked.data)).map_err(|fault| fault.message);
        match expected {
            Ok(expected) => assert_eq!(found, Ok(expected), "{given}"),
            Err(word) => {
                let message = found.expect_err(word);
                assert!(message.contains(word), "{message} lacks {word}");
            }
        }
    }

    #[test]
    fn every_type_has_its_values() {
        check(&json!({}), Err("'event_data.text' is missing. It takes a text of 1 to 3 characters"));
        check(&json!({ "text": "" }), Err("'event_data.text' is missing"));
        check(&json!({ "text": "abcd" }), Err("'event_data.text' must be a text of 1 to 3"));
        check(&json!({ "text": 7 }), Err("must be a text"));
        check(&json!({ "text": "ž\u{0}" }), Err("must be a text"));
        check(&json!({ "text": "žžž", "more": 1, "free": "", "word": null }), Ok(json!({ "text": "žžž", "free": "" })));
        check(&json!({ "text": "a", "word": "one" }), Ok(json!({ "text": "a", "word": "ONE" })));
        check(&json!({ "text": "a", "word": "three" }), Err("'event_data.word' must be ONE or TWO"));
        check(
            &json!({ "text": "a", "flag": "true", "serial": true }),
            Ok(json!({ "text": "a", "flag": true, "serial": "true" })),
        );
        check(&json!({ "text": "a", "flag": 1 }), Err("must be true or false"));
        check(&json!({ "text": "a", "name": 7 }), Err("'event_data.name' must be a name of 1 to 64 characters"));
        check(&json!({ "text": "a", "name": "" }), Ok(json!({ "text": "a" })));
        check(&json!({ "text": "a", "items": [] }), Err("must be a list of 1 to 2 texts"));
        check(&json!({ "text": "a", "items": ["x", 7] }), Err("must be a list"));
        check(&json!({ "text": "a", "inner": { "deep": "7" } }), Ok(json!({ "text": "a", "inner": { "deep": 7 } })));
        check(
            &json!({ "text": "a", "inner": {} }),
            Err("'event_data.inner.deep' is missing. It takes a whole number from 1 to 9"),
        );
        check(&json!({ "text": "a", "inner": { "deep": 1.5 } }), Err("'event_data.inner.deep' must be a whole number"));
        check(&json!({ "text": "a", "inner": 7 }), Err("'event_data.inner' must be an object"));
    }

    #[test]
    fn secrets_are_kept_apart() {
        let given = json!({ "text": "a", "password": "hidden" });
        let checked = read(FIELDS, given.as_object().expect("an object"), ErrorCode::BadTimer).expect("fits");
        assert_eq!(Value::Object(checked.data), json!({ "text": "a" }));
        assert_eq!(checked.secrets["password"].reveal(), "hidden");
    }
}
