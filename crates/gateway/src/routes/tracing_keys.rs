//! Tracing keys and pins of functions.

use fungraph_engine::Engine;
use fungraph_model::{ErrorCode, Fault};
use serde_json::json;

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// ShowTracing. The owner gets the secret back, as the contract's answer has it.
pub(crate) async fn show(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let keys = engine.tracing_keys(&call.caller, &call.route.function()?).await?;
    Ok(answer::json(&json!({ "tracing_ak": keys.access, "tracing_sk": keys.secret.reveal() })))
}

/// UpdateTracing.
pub(crate) async fn update(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let draft = shape::tracing_draft(Fields::read(call.body).await?)?;
    engine.set_tracing_keys(&call.caller, &function, draft).await?;
    Ok(answer::json(&json!({})))
}

/// UpdateFunctionCollectState.
pub(crate) async fn pin(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (function, state) = (call.route.function()?, call.route.other(0, "state")?);
    let pinned = match state.as_str() {
        "true" => true,
        "false" => false,
        _ => {
            let message = "The last part of the path must be true, to pin the function, or false";
            return Err(Fault::new(ErrorCode::BadParameter, message).into());
        }
    };
    engine.pin_function(&call.caller, &function, pinned).await?;
    Ok(answer::json(&json!({})))
}
