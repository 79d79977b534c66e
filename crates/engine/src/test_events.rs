//! Test events of a function: named events to call it with by hand. They are the function's, whatever version a URN names.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fungraph_model::{Caller, ErrorCode, Fault, FunctionRef, TestEvent, TestEventChange, limits};
use fungraph_store::Error as StoreError;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::{Engine, Error, functions};

/// CreateEvent and UpdateEvent.
#[derive(Clone, Debug, Default)]
pub struct TestEventDraft {
    /// `name`; an update may leave it out.
    pub name: Option<String>,
    /// `content`: base64 of a JSON text.
    pub content: Option<String>,
}

impl Engine {
    /// The test events of a function, in the order in which they were made.
    ///
    /// # Errors
    /// FSS.1051 where the function is missing.
    pub async fn test_events(&self, caller: &Caller, function: &FunctionRef) -> Result<Vec<TestEvent>, Error> {
        let key = self.existing(caller, function).await?;
        self.store.test_events(&key).await.map_err(|source| Error::internal("list test events", source))
    }

    /// One test event of a function.
    ///
    /// # Errors
    /// FSS.1051 where the function is missing, FSS.1070 where the event is.
    pub async fn test_event(&self, caller: &Caller, function: &FunctionRef, id: &str) -> Result<TestEvent, Error> {
        let key = self.existing(caller, function).await?;
        let found = self.store.test_event(&key, id).await;
        found.map_err(|source| Error::internal("read a test event", source))?.ok_or_else(|| missing(id).into())
    }

    /// Keeps a new test event.
    ///
    /// # Errors
    /// FSS.1074 naming the field, FSS.1069 where it is too large, FSS.1073 where the name is taken, FSS.1068 where there are too many.
    pub async fn create_test_event(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        draft: TestEventDraft,
    ) -> Result<TestEvent, Error> {
        let key = self.existing(caller, function).await?;
        let event = new(draft)?;
        match self.store.add_test_event(&key, &event, limits::TEST_EVENTS).await {
            Ok(()) => Ok(event),
            Err(StoreError::Full { most }) => Err(Fault::new(
                ErrorCode::TooManyTestEvents,
                format!(
                    "The function has {most} test events, the most it may have. Delete one, or replace its content"
                ),
            )
            .into()),
            Err(StoreError::Taken { .. }) => Err(taken(&event.name)),
            Err(error) => Err(self.refused(&key, "store a test event", error)),
        }
    }

    /// Replaces the content of a test event, and its name where one is given.
    ///
    /// # Errors
    /// FSS.1070 where it is missing; else as [`Self::create_test_event`].
    pub async fn update_test_event(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        id: &str,
        draft: TestEventDraft,
    ) -> Result<TestEvent, Error> {
        let old = self.test_event(caller, function, id).await?;
        let key = functions::key(caller, function)?;
        let name = draft.name.map(check_name).transpose()?;
        let change = TestEventChange { name, content: content(draft.content)?, last_modified: Timestamp::now() };
        match self.store.update_test_event(&key, id, &change).await {
            // Somebody may have renamed it meanwhile.
            Ok(Some(name)) => {
                Ok(TestEvent { id: old.id, name, content: change.content, last_modified: change.last_modified })
            }
            Ok(None) => Err(missing(id).into()),
            Err(StoreError::Taken { .. }) => Err(taken(change.name.as_deref().unwrap_or(&old.name))),
            Err(error) => Err(self.refused(&key, "update a test event", error)),
        }
    }

    /// Removes a test event.
    ///
    /// # Errors
    /// FSS.1051 where the function is missing, FSS.1070 where the event is.
    pub async fn delete_test_event(&self, caller: &Caller, function: &FunctionRef, id: &str) -> Result<(), Error> {
        let key = functions::key(caller, function)?;
        match self.store.delete_test_event(&key, id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(missing(id).into()),
            Err(error) => Err(self.refused(&key, "delete a test event", error)),
        }
    }
}

/// Test events that a function is created with.
///
/// # Errors
/// As [`Engine::create_test_event`], naming the event by its place.
pub(crate) fn drafted(drafts: Vec<TestEventDraft>) -> Result<Vec<TestEvent>, Fault> {
    let mut events: Vec<TestEvent> = Vec::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        let named = |fault: Fault| Fault::new(fault.code, format!("events[{index}]: {}", fault.message));
        let event = new(draft).map_err(named)?;
        if events.iter().any(|other| other.name == event.name) {
            let message = format!("events[{index}]: there are two of the name '{}'", event.name);
            return Err(Fault::new(ErrorCode::TestEventExists, message));
        }
        events.push(event);
    }
    Ok(events)
}

fn new(draft: TestEventDraft) -> Result<TestEvent, Fault> {
    let name = check_name(draft.name.ok_or_else(|| bad("name is missing. Give the test event a name"))?)?;
    let content = content(draft.content)?;
    Ok(TestEvent { id: Uuid::new_v4().to_string(), name, content, last_modified: Timestamp::now() })
}

fn taken(name: &str) -> Error {
    Fault::new(
        ErrorCode::TestEventExists,
        format!("The function has a test event '{name}' already. Update it, or choose another name"),
    )
    .into()
}

fn missing(id: &str) -> Fault {
    let id: String = id.chars().take(80).collect();
    Fault::new(
        ErrorCode::TestEventNotFound,
        format!("The function has no test event with the id '{id}'. ListEvents shows their ids"),
    )
}

fn bad(message: &str) -> Fault {
    Fault::new(ErrorCode::BadTestEvent, message)
}

fn check_name(name: String) -> Result<String, Fault> {
    let bytes = name.as_bytes();
    let good = bytes.len() <= limits::TEST_EVENT_NAME_CHARS
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    good.then_some(name).ok_or_else(|| {
        bad("name must have 1 to 25 letters, digits, '-' or '_', start with a letter and end with a letter or digit")
    })
}

/// The JSON behind base64; any JSON, since functions take any.
fn content(text: Option<String>) -> Result<Vec<u8>, Fault> {
    let most = limits::TEST_EVENT_BYTES;
    let too_large =
        || Fault::new(ErrorCode::TestEventTooLarge, format!("content has more than {most} bytes. Send less"));
    let text = text
        .filter(|text| !text.is_empty())
        .ok_or_else(|| bad("content is missing. Send the event's JSON as base64"))?;
    if text.len() > most * 2 {
        return Err(too_large());
    }
    let content = STANDARD
        .decode(text.replace(['\n', '\r'], ""))
        .map_err(|_| bad("content is not base64. Encode the event's JSON as base64"))?;
    if content.len() > most {
        return Err(too_large());
    }
    serde_json::from_slice::<IgnoredAny>(&content).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        bad(&format!(
            "content is not the base64 of a JSON text: see {place} of the text. Send JSON such as {{\"key\":\"value\"}}"
        ))
    })?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, fine) in [
            ("a", true),
            ("Test_event-25-characters9", true),
            ("Test_event-26-characters99", false),
            ("", false),
            ("9a", false),
            ("a-", false),
            ("a b", false),
            ("ž", false),
        ] {
            assert_eq!(check_name(name.to_owned()).is_ok(), fine, "{name}");
        }
    }

    #[test]
    fn contents() {
        let check = |json: &str, expected: Result<(), ErrorCode>| {
            let got = content(Some(STANDARD.encode(json))).map(|_| ()).map_err(|fault| fault.code);
            assert_eq!(got, expected, "{}", &json[..json.len().min(40)]);
        };
        check("{\"a\":[1,\"ž\"]}", Ok(()));
        check("7", Ok(()));
        check(&format!("\"{}\"", "x".repeat(4094)), Ok(()));
        check(&format!("\"{}\"", "x".repeat(4095)), Err(ErrorCode::TestEventTooLarge));
        check(&"x".repeat(100_000), Err(ErrorCode::TestEventTooLarge));
        check("{", Err(ErrorCode::BadTestEvent));
        check("{} {}", Err(ErrorCode::BadTestEvent));
        assert_eq!(content(None).expect_err("missing").code, ErrorCode::BadTestEvent);
        assert_eq!(content(Some("{}".to_owned())).expect_err("no base64").code, ErrorCode::BadTestEvent);
    }
}
