//! Where exactly a notice goes: worked out when the call ends, kept with the notice, so that a delivery needs to know nothing else.

use fungraph_model::{Destination, DestinationKind, limits};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::payload::Finished;

/// Longest name of an object, in bytes of UTF-8, that stores take.
const OBJECT_NAME_BYTES: usize = 1024;

/// The place of one notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Address {
    /// An object. The same notice has the same name each time, so that a repeated delivery changes nothing.
    Object {
        /// Its bucket.
        bucket: String,
        /// Its name in there.
        name: String,
        /// Days after which it may go; 0 keeps it.
        expires_days: u32,
    },
    /// A message to the subscriber of a topic.
    Topic {
        /// The topic.
        urn: String,
        /// Tells repeated deliveries from new messages.
        message: String,
        /// What people see first.
        subject: String,
    },
    /// A message of a stream.
    Stream {
        /// Its subject, which names project and stream.
        subject: String,
        /// Tells repeated deliveries from new messages.
        message: String,
    },
}

impl Address {
    /// That of a call's notice; `None` for a function, which is called instead. The settings were checked when they were made.
    pub(crate) fn of(destination: &Destination, call: &Finished<'_>) -> Option<Self> {
        let param: Map<String, Value> = serde_json::from_str(&destination.param).unwrap_or_default();
        let text = |name: &str| param.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let message = call.request.to_string();
        match destination.kind {
            DestinationKind::Obs => {
                let name = object_name(&text("prefix"), call);
                Some(Self::Object { bucket: text("bucket"), name, expires_days: days(param.get("expires")) })
            }
            DestinationKind::Smn => {
                let how = if call.end.is_success() { "succeeded" } else { "failed" };
                let subject = format!("Function {} {how}", call.key.name);
                Some(Self::Topic { urn: text("topic_urn"), message, subject })
            }
            DestinationKind::Dis => {
                let subject = format!("dis.{}.{}", call.key.project, text("stream_name"));
                Some(Self::Stream { subject, message })
            }
            DestinationKind::Function => None,
        }
    }

    /// As it is kept.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers have a JSON form")
    }

    /// Reads it back.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The word of the API for its kind.
    pub(crate) fn kind(&self) -> DestinationKind {
        match self {
            Self::Object { .. } => DestinationKind::Obs,
            Self::Topic { .. } => DestinationKind::Smn,
            Self::Stream { .. } => DestinationKind::Dis,
        }
    }
}

/// `<prefix>/<function>/<yyyy/mm/dd>/<request_id>.json`.
fn object_name(prefix: &str, call: &Finished<'_>) -> String {
    let day = call.started.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
    let own = format!("{}/{day}/{}.json", call.key.name, call.request);
    let mut prefix = prefix.trim_matches('/');
    // A prefix may have 1024 characters, and leave no room.
    while prefix.len() + 1 + own.len() > OBJECT_NAME_BYTES {
        prefix = prefix.split_at(prefix.floor_char_boundary(prefix.len() - 1)).0;
    }
    if prefix.is_empty() { own } else { format!("{prefix}/{own}") }
}

fn days(expires: Option<&Value>) -> u32 {
    let days = match expires {
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64().and_then(|days| u32::try_from(days).ok()),
        None => None,
    };
    days.filter(|days| limits::OBS_EXPIRES_DAYS.contains(days)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use fungraph_model::{FunctionKey, ProjectId, RequestId};

    use super::super::payload::CallEnd;
    use super::*;

    fn of(kind: DestinationKind, param: &str) -> Option<Address> {
        let key =
            FunctionKey { project: ProjectId("p".to_owned()), package: "default".to_owned(), name: "f".to_owned() };
        let call = Finished {
            request: RequestId::parse("6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10").expect("an id"),
            key: &key,
            version: "latest",
            started: "2026-01-09T23:59:59Z".parse().expect("a time"),
            attempts: 1,
            event: b"{}",
            end: CallEnd::Returned(b""),
        };
        Address::of(&Destination { kind, param: param.to_owned() }, &call)
    }

    #[test]
    fn each_kind_has_its_place() {
        let own = "f/2026/01/09/6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10.json";
        for (param, name, expires_days) in [
            (r#"{"bucket":"b"}"#, own.to_owned(), 0),
            (r#"{"bucket":"b","prefix":"/a/b/","expires":"30"}"#, format!("a/b/{own}"), 30),
            (r#"{"bucket":"b","prefix":"","expires":7}"#, own.to_owned(), 7),
        ] {
            let expected = Address::Object { bucket: "b".to_owned(), name, expires_days };
            assert_eq!(of(DestinationKind::Obs, param), Some(expected));
        }
        let Some(Address::Topic { urn, subject, .. }) = of(DestinationKind::Smn, r#"{"topic_urn":"t"}"#) else {
            panic!("a topic")
        };
        assert_eq!((urn.as_str(), subject.as_str()), ("t", "Function f succeeded"));
        let Some(Address::Stream { subject, .. }) = of(DestinationKind::Dis, r#"{"stream_name":"s"}"#) else {
            panic!("a stream")
        };
        assert_eq!(subject, "dis.p.s");
        assert_eq!(of(DestinationKind::Function, r#"{"func_urn":"g"}"#), None);
    }

    #[test]
    fn a_long_prefix_is_cut_to_what_stores_take() {
        let param = serde_json::json!({ "bucket": "b", "prefix": "ä".repeat(1024) }).to_string();
        let Some(Address::Object { name, .. }) = of(DestinationKind::Obs, &param) else { panic!("an object") };
        assert!(name.len() <= OBJECT_NAME_BYTES && name.ends_with(".json") && name.starts_with('ä'), "{}", name.len());
    }

    #[test]
    fn what_is_kept_is_read_back() {
        for (kind, param) in [
            (DestinationKind::Obs, r#"{"bucket":"b","prefix":"p"}"#),
            (DestinationKind::Smn, r#"{"topic_urn":"t"}"#),
            (DestinationKind::Dis, r#"{"stream_name":"s"}"#),
        ] {
            let address = of(kind, param).expect("a place");
            assert_eq!(Address::from_text(&address.to_text()), Some(address.clone()));
            assert_eq!(address.kind(), kind);
        }
        assert_eq!(Address::from_text("{}"), None);
    }
}
