//! Events that are kept, so that a call can be made again: of functions whose `extend_config` has `"record_events": true`.
//!
//! They are kept behind the call and dropped where the disk does not keep up: a call is worth more than its repetition.

use bytes::Bytes;
use fungraph_model::{Caller, ErrorCode, Fault, FunctionSpec, FunctionVersion, RequestId};
use jiff::Timestamp;
use metrics::counter;
use serde_json::Value;

use crate::{Engine, Error};

/// An event as it came, with what it takes to make the same call.
pub use fungraph_store::queue::RecordedEvent as Recorded;

/// Whether a function asks for its events to be kept. `extend_config` is a text of the user's, JSON if it is ours to understand.
pub(crate) fn is_wanted(spec: &FunctionSpec) -> bool {
    // Nearly all functions have none: not one parses anything.
    if !spec.passive.contains("record_events") {
        return false;
    }
    let passive: Value = serde_json::from_str(&spec.passive).unwrap_or_default();
    let config = passive.get("extend_config").and_then(Value::as_str).unwrap_or_default();
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    config.get("record_events") == Some(&Value::Bool(true))
}

impl Engine {
    /// Keeps the event of a call that was let in, of a function that is known to want it, with the alias that led there and the memory that
    /// was asked for.
    pub(crate) fn keep_event(
        &self,
        version: &FunctionVersion,
        request: RequestId,
        event: &Bytes,
        (alias, memory_mb): (Option<String>, Option<u32>),
    ) {
        let is_kept = event.len() <= self.config.recorded_event_bytes
            && self.queue.store.record_event(
                self.store.secrets(),
                Recorded {
                    request,
                    key: version.key.clone(),
                    func_id: version.func_id.clone(),
                    version: version.version.clone(),
                    digest: version.code.digest.0.clone(),
                    alias,
                    memory_mb,
                    created: Timestamp::now(),
                    body: event.clone(),
                },
            );
        counter!("fungraph_recorded_events_total", "kept" => if is_kept { "yes" } else { "no" }).increment(1);
    }

    /// The event of a call of the caller's project.
    ///
    /// # Errors
    /// FSS.0404 where it was not kept, or the function is gone or another one.
    pub async fn recorded_event(&self, caller: &Caller, request: RequestId) -> Result<Recorded, Error> {
        let found = self.queue.store.recorded(self.store.secrets(), request).await;
        let found = found.map_err(|source| Error::internal("read a recorded event", source))?;
        // Of another project as if there were none: ids are not secret.
        let recorded = found.filter(|recorded| recorded.key.project == caller.project).ok_or_else(not_kept)?;
        match self.read(&recorded.key).await? {
            Some(latest) if latest.func_id == recorded.func_id => Ok(recorded),
            _ => Err(not_kept()),
        }
    }
}

fn not_kept() -> Error {
    Fault::new(
        ErrorCode::NotFound,
        "No event of that call is kept. Events are recorded of functions whose extend_config has \"record_events\": true, from then on, \
         up to a size and for some days",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use fungraph_model::sample;

    use super::*;

    #[test]
    fn only_the_word_itself_asks_for_events_to_be_kept() {
        for (passive, expected) in [
            ("{}", false),
            ("x record_events", false),
            (r#"{"extend_config":"{\"record_events\": true}"}"#, true),
            (r#"{"extend_config":"{\"other\":1,\"record_events\":true}"}"#, true),
            (r#"{"extend_config":"{\"record_events\": false}"}"#, false),
            (r#"{"extend_config":"{\"record_events\": \"true\"}"}"#, false),
            (r#"{"extend_config":"record_events"}"#, false),
            (r#"{"xrole":"record_events"}"#, false),
            (r#"{"record_events":true}"#, false),
        ] {
            let mut spec = sample::function("f").spec;
            passive.clone_into(&mut spec.passive);
            assert_eq!(is_wanted(&spec), expected, "{passive}");
        }
    }
}
