//! The asynchronous queue of a function, for `fungraph async`: what the API has no operation for.

use std::sync::Arc;

use fungraph_engine::Engine;
use fungraph_model::{Caller, FunctionRef};
use serde_json::json;

use crate::{
    answer::{self, Refusal, Response},
    shape,
};

/// How many of its calls wait, run and have ended.
pub(crate) async fn counts(engine: &Engine, caller: &Caller, function: &str) -> Result<Response, Refusal> {
    let counts = engine.async_counts(caller, &FunctionRef::parse(function)?).await?;
    Ok(answer::json(&shape::async_counts(&counts)))
}

/// Lets its calls wait, or run again. What is accepted meanwhile is kept.
pub(crate) async fn pause(
    engine: &Engine,
    caller: &Caller,
    function: &str,
    is_paused: bool,
) -> Result<Response, Refusal> {
    engine.pause_async(caller, &FunctionRef::parse(function)?, is_paused).await?;
    Ok(answer::no_content())
}

/// Throws away all that wait and do not run.
pub(crate) async fn purge(engine: &Arc<Engine>, caller: &Caller, function: &str) -> Result<Response, Refusal> {
    let purged = engine.purge_async(caller, &FunctionRef::parse(function)?).await?;
    Ok(answer::json(&json!({ "purged": purged })))
}

/// All that is known of one call.
pub(crate) async fn show(engine: &Engine, caller: &Caller, function: &str, request: &str) -> Result<Response, Refusal> {
    let request = shape::request_id("request_id", request)?;
    let record = engine.async_record(caller, &FunctionRef::parse(function)?, request).await?;
    Ok(answer::json(&shape::async_call(&record)))
}

/// Calls again with the recorded event of a call that has ended: a new call with an id of its own.
pub(crate) async fn retry(
    engine: &Arc<Engine>,
    caller: &Caller,
    function: &str,
    request: &str,
) -> Result<Response, Refusal> {
    let request = shape::request_id("request_id", request)?;
    let run = engine.retry_async(caller, &FunctionRef::parse(function)?, request).await?;
    Ok(answer::accepted(run))
}
