//! Settings of asynchronous calls.

use std::sync::Arc;

use fungraph_engine::Engine;

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// ShowFunctionAsyncInvokeConfig.
pub(crate) async fn show(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let (key, config) = engine.async_config(&call.caller, &function).await?;
    Ok(answer::json(&shape::async_config(&key, &function.version(), &config, engine.region())))
}

/// UpdateFunctionAsyncInvokeConfig; some clients say POST (contract: clients.md, 3).
pub(crate) async fn update(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let draft = shape::async_draft(Fields::read(call.body).await?)?;
    let (key, config) = engine.set_async_config(&call.caller, &function, draft).await?;
    Ok(answer::json(&shape::async_config(&key, &function.version(), &config, engine.region())))
}

/// DeleteFunctionAsyncInvokeConfig.
pub(crate) async fn delete(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    engine.delete_async_config(&call.caller, &call.route.function()?).await?;
    Ok(answer::no_content())
}

/// ListFunctionAsyncInvokeConfig.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (marker, limit) = shape::async_query(call.head.uri.query().unwrap_or(""))?;
    let list = engine.async_configs(&call.caller, &call.route.function()?, marker, limit).await?;
    Ok(answer::json(&shape::async_configs(&list, engine.region())))
}
