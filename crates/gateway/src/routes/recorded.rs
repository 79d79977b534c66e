//! `/fungraph/<project_id>/events/<request_id>`: the recorded event of a call, for `fungraph replay`.

use fungraph_engine::Engine;
use fungraph_model::Caller;

use crate::{
    answer::{self, Refusal, Response},
    shape,
};

/// The event, and which code it was for.
pub(crate) async fn show(engine: &Engine, caller: &Caller, request: &str) -> Result<Response, Refusal> {
    let request = shape::request_id("request_id", request)?;
    let recorded = engine.recorded_event(caller, request).await?;
    Ok(answer::json(&shape::recorded(&recorded, engine.region())))
}
