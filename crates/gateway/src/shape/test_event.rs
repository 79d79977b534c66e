//! Test events in requests and answers (contract: schemas.json, `CreateEventRequestBody` and its kin).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use fungraph_engine::TestEventDraft;
use fungraph_model::{Fault, TestEvent};
use serde_json::{Value, json};

use super::fields::Fields;

/// CreateEvent and UpdateEvent.
pub(crate) fn test_event_draft(mut fields: Fields) -> Result<TestEventDraft, Fault> {
    Ok(TestEventDraft { name: fields.text("name")?, content: fields.text("content")? })
}

/// All of a function. They come on one page, so there is no next one.
pub(crate) fn test_events(events: &[TestEvent]) -> Value {
    let entry = |event: &TestEvent| json!({ "id": event.id, "name": event.name, "last_modified": seconds(event) });
    json!({ "events": events.iter().map(entry).collect::<Vec<_>>(), "count": events.len(), "next_marker": 0 })
}

/// One with its content.
pub(crate) fn test_event(event: &TestEvent) -> Value {
    let content = BASE64.encode(&event.content);
    json!({ "id": event.id, "name": event.name, "content": content, "last_modified": seconds(event) })
}

/// One as create and update answer it.
pub(crate) fn test_event_named(event: &TestEvent) -> Value {
    json!({ "id": event.id, "name": event.name })
}

/// Seconds with their fraction (conventions.md, "Times").
fn seconds(event: &TestEvent) -> f64 {
    event.last_modified.as_millisecond() as f64 / 1000.0
}
