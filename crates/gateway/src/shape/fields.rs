//! A JSON object of a request, read field by field with errors that name the field.

#[cfg(test)]
pub(crate) mod asked;
mod bounded;

use std::sync::Arc;

use bytes::Bytes;
use fungraph_engine::Encoded;
use fungraph_model::{ErrorCode, Fault};
use serde_json::{Map, Value, error::Category};

use crate::memory::Share;

/// Bodies above this are parsed off the thread that serves requests: a package of 50 MB takes tens of milliseconds.
const BIG: usize = 1 << 20;

/// The fields of a request. Unknown ones are ignored; of doubled ones the last counts.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: Map<String, Value>,
    /// Texts that were left in the body, by the rest of their path; the fields are null.
    packages: Vec<(&'static str, Bytes)>,
    /// The share that the body has of the memory, to be held as long as those are.
    share: Option<Arc<Share>>,
}

impl Fields {
    /// Parses a body. An empty one has no fields, since most requests may leave theirs out.
    ///
    /// # Errors
    /// FSS.0400 naming line and column where it is not a JSON object.
    pub(crate) async fn read(body: Bytes) -> Result<Self, Fault> {
        Self::read_package(body, None).await
    }

    /// The same of a body that may have a package, which has its share as long as anybody has the package.
    pub(crate) async fn read_package(body: Bytes, share: Option<Share>) -> Result<Self, Fault> {
        let share = share.map(Arc::new);
        let is_big = body.len() > BIG;
        // The body goes in whole, so that no other part of it is held than its packages.
        let parse = move || Ok(Self { share, ..Self::of(&body)? });
        if !is_big {
            return parse();
        }
        tokio::task::spawn_blocking(parse).await.unwrap_or_else(|_| {
            Err(Fault::new(ErrorCode::Unavailable, "The server is stopping: send the request again"))
        })
    }

    #[cfg(test)]
    pub(super) fn parse(body: &[u8]) -> Result<Self, Fault> {
        Self::of(&Bytes::copy_from_slice(body))
    }

    fn of(body: &Bytes) -> Result<Self, Fault> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        match bounded::parse(body) {
            Ok((Value::Object(values), packages)) => {
                let part = |(path, text): bounded::Package<'_>| (path, body.slice_ref(text.as_bytes()));
                Ok(Self { values, packages: packages.into_iter().map(part).collect(), share: None })
            }
            Ok((other, _)) => Err(bad(format!("The body must be a JSON object, not {}", kind(&other)))),
            Err(error) => Err(bad(not_json(&error))),
        }
    }

    /// A field's value; `None` where it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        asked(name, "any");
        self.values.get(name).filter(|value| !value.is_null())
    }

    fn take(&mut self, name: &str, kind: &'static str) -> Option<Value> {
        asked(name, kind);
        self.values.get_mut(name).map(Value::take).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.take(name, "text") {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a text", &other)),
        }
    }

    /// A text that may be large: it is no copy, but a part of the body.
    pub(super) fn package(&mut self, name: &str) -> Result<Option<Encoded>, Fault> {
        let text = match self.packages.iter().position(|(path, _)| *path == name) {
            Some(place) => {
                asked(name, "text");
                Some(self.packages.swap_remove(place).1)
            }
            None => self.text(name)?.map(Bytes::from),
        };
        let held = || self.share.clone().map(|share| share as _);
        Ok(text.map(|text| Encoded { text, held: held() }))
    }

    fn packages_inside(&mut self, name: &str) -> Vec<(&'static str, Bytes)> {
        let inside = |(path, _): &(&'static str, Bytes)| path.split_once('.').is_some_and(|(above, _)| above == name);
        let (inside, others) = std::mem::take(&mut self.packages).into_iter().partition(inside);
        self.packages = others;
        let below = |(path, text): (&'static str, Bytes)| Some((path.split_once('.')?.1, text));
        Vec::into_iter(inside).filter_map(below).collect()
    }

    /// A whole number; the text of one counts, as old clients send it.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(value) = self.take(name, "integer") else { return Ok(None) };
        let number = match &value {
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| wrong(name, "a whole number", &value))
    }

    /// True or false; the texts of them count.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        match self.take(name, "flag") {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
            Some(other) => Err(wrong(name, "true or false", &other)),
        }
    }

    /// An object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Fault> {
        match self.take(name, "object") {
            None => Ok(None),
            Some(Value::Object(values)) => {
                Ok(Some(Self { values, packages: self.packages_inside(name), share: self.share.clone() }))
            }
            Some(other) => Err(wrong(name, "an object", &other)),
        }
    }

    /// A list of texts; `None` where it is absent or null.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let items = match self.take(name, "texts") {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(wrong(name, "a list of texts", &other)),
        };
        let text = |(index, item)| match item {
            Value::String(text) => Ok(text),
            other => Err(wrong(&format!("{name}[{index}]"), "a text", &other)),
        };
        items.into_iter().enumerate().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// An object of texts under names of the client's choice.
    pub(super) fn text_map(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Fault> {
        let Some(Self { values: entries, .. }) = self.object(name)? else { return Ok(None) };
        let wrong_one = entries.iter().find(|(_, value)| !value.is_string());
        match wrong_one {
            Some((key, value)) => Err(wrong(&format!("{name}.{key}"), "a text", value)),
            None => Ok(Some(entries)),
        }
    }

    /// Runs `read` on each object of a list, whose own errors then name it: `cron_configs[1].count`.
    pub(super) fn each<T>(
        &mut self,
        name: &str,
        read: impl Fn(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        #[cfg(test)]
        asked::within(&format!("{name}[]"), || drop(read(&mut Self::default())));
        let items = match self.take(name, "objects") {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(wrong(name, "a list", &other)),
        };
        let read = |(index, item)| match item {
            Value::Object(values) => read(&mut Self { values, ..Self::default() })
                .map_err(|fault| inside(&fault, &format!("{name}[{index}]"))),
            other => Err(wrong(&format!("{name}[{index}]"), "an object", &other)),
        };
        items.into_iter().enumerate().map(read).collect()
    }

    /// Runs `read` on each name of an object that is a map, in order. A name without a value is a fault.
    pub(super) fn entries<T>(
        &mut self,
        read: impl Fn(&mut Self, &str) -> Result<Option<T>, Fault>,
    ) -> Result<Vec<(String, T)>, Fault> {
        #[cfg(test)]
        drop(read(&mut Self::default(), "*"));
        let names: Vec<String> = self.values.keys().cloned().collect();
        let entry = |name: String| match read(self, &name)? {
            Some(value) => Ok((name, value)),
            None => Err(bad(format!("The field '{name}' is null: leave it out, or give it a value"))),
        };
        names.into_iter().map(entry).collect()
    }

    /// The object itself.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.values)
    }

    /// Runs `read` on the fields of an object, whose own errors then name it: `strategy_config.concurrency`.
    pub(super) fn inside<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let Some(mut object) = self.object(name)? else {
            #[cfg(test)]
            asked::within(name, || drop(read(&mut Self::default())));
            return Ok(None);
        };
        read(&mut object).map(Some).map_err(|fault| inside(&fault, name))
    }
}

/// Tells a test that listens what a reader asks for.
#[cfg_attr(not(test), expect(unused_variables, reason = "only tests listen"))]
fn asked(name: &str, kind: &'static str) {
    #[cfg(test)]
    asked::note(name, kind);
}

/// The fault of a field, named by the path to it.
fn inside(fault: &Fault, name: &str) -> Fault {
    Fault::new(fault.code, fault.message.replacen('\'', &format!("'{name}."), 1))
}

fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked, and a fraction is refused")]
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

fn wrong(name: &str, expected: &str, found: &Value) -> Fault {
    bad(format!("The field '{name}' must be {expected}, not {}", kind(found)))
}

fn bad(message: String) -> Fault {
    Fault::new(ErrorCode::BadParameter, message)
}

/// What a value is, in words; numbers and flags are shown, texts are not, since they may be secrets.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn not_json(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        Category::Eof => format!("The body is not JSON: it ends too early, at {place}"),
        Category::Data => format!("The body cannot be taken: {} ({place})", bounded::MESSAGE),
        Category::Syntax | Category::Io => format!("The body is not JSON: see {place}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::memory::{Memory, Seat};

    fn fields(text: &str) -> Fields {
        Fields::parse(text.as_bytes()).expect(text)
    }

    fn message<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
        let fault = result.expect_err("a fault");
        assert_eq!(fault.code, ErrorCode::BadParameter);
        fault.message
    }

    #[tokio::test(start_paused = true)]
    async fn a_package_keeps_the_share_of_its_body_though_the_client_has_left() {
        let memory = Memory::of_bodies(2, 2 * BIG);
        let seat = Seat { memory: &memory, account: "a", is_public: false };
        for length in [8, 2 * BIG] {
            let share = seat.take(2 * BIG).await.expect("all of its half");
            let body = format!(r#"{{"func_code":{{"file":"{}"}}}}"#, "A".repeat(length));
            let mut fields = Fields::read_package(body.into(), Some(share)).await.expect("an object");
            let package = fields.inside("func_code", |code| code.package("file")).expect("a text");
            drop(fields);
            assert!(seat.take(1).await.is_err(), "somebody works on it");
            drop(package);
            drop(seat.take(2 * BIG).await.expect("nobody has it any more"));
        }
    }

    #[test]
    fn bodies_that_are_no_objects_are_refused_with_the_place() {
        assert_eq!(message(Fields::parse(b"{\n  \"a\": x}")), "The body is not JSON: see line 2, column 8");
        assert_eq!(message(Fields::parse(b"{\"a\":")), "The body is not JSON: it ends too early, at line 1, column 5");
        assert_eq!(message(Fields::parse(b"[1]")), "The body must be a JSON object, not a list");
        assert_eq!(message(Fields::parse(b"7")), "The body must be a JSON object, not the number 7");
        assert!(message(Fields::parse(b"{} {}")).contains("column 4"));
        assert!(message(Fields::parse(&b"[".repeat(100_000))).contains("not JSON"));
        assert!(Fields::parse(b" ").expect("empty is allowed").get("a").is_none());
    }

    #[test]
    fn numbers_come_as_text_too() {
        for (text, expected) in [("3", 3), ("\"128\"", 128), ("-1", -1), ("5.0", 5), ("\" 7 \"", 7)] {
            assert_eq!(fields(&format!("{{\"n\":{text}}}")).integer("n"), Ok(Some(expected)), "{text}");
        }
        for text in ["1.5", "\"x\"", "true", "[]", "1e300", "99999999999999999999"] {
            assert!(
                message(fields(&format!("{{\"n\":{text}}}")).integer("n"))
                    .starts_with("The field 'n' must be a whole number")
            );
        }
    }

    #[test]
    fn wrong_types_name_the_field() {
        let mut all = fields(r#"{"t":5,"b":1,"o":"x","s":{"n":"y"},"null":null,"d":1,"d":2}"#);
        assert_eq!(message(all.text("t")), "The field 't' must be a text, not the number 5");
        assert_eq!(message(all.boolean("b")), "The field 'b' must be true or false, not the number 1");
        assert_eq!(message(all.object("o")), "The field 'o' must be an object, not a text");
        assert_eq!(
            message(all.inside("s", |inner| inner.integer("n"))),
            "The field 's.n' must be a whole number, not a text"
        );
        assert_eq!(all.text("null"), Ok(None));
        assert_eq!(all.text("absent"), Ok(None));
        assert_eq!(all.integer("d"), Ok(Some(2)));
    }

    proptest! {
        #[test]
        fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a0 .eE+-]*") {
            let _ = Fields::parse(&body);
            let _ = Fields::parse(text.as_bytes());
        }
    }
}
