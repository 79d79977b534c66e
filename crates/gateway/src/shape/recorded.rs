//! Recorded events in answers of ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fungraph_engine::Recorded;
use serde_json::{Value, json};

use super::function::time;

/// One of them. An event may be any bytes.
pub(crate) fn recorded(recorded: &Recorded, region: &str) -> Value {
    json!({
        "request_id": recorded.request.to_string(),
        "func_urn": recorded.key.urn(region, &recorded.version),
        "package": recorded.key.package,
        "func_name": recorded.key.name,
        "version": recorded.version,
        "digest": recorded.digest,
        "alias": recorded.alias,
        "memory_mb": recorded.memory_mb,
        "created_time": time(recorded.created),
        "event": STANDARD.encode(&recorded.body),
    })
}
