//! Triggers of functions.

use std::sync::Arc;

use fungraph_engine::Engine;

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// CreateFunctionTrigger.
pub(crate) async fn create(engine: &Arc<Engine>, mut call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let draft = shape::trigger_create(Fields::read(std::mem::take(&mut call.body)).await?)?;
    let trigger = engine.create_trigger(&call.caller, &function, draft).await?;
    Ok(answer::created(&shape::trigger(engine, &trigger, &call.base())))
}

/// ListFunctionTriggers.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let triggers = engine.triggers(&call.caller, &call.route.function()?).await?;
    Ok(answer::json(&shape::triggers(engine, &triggers, &call.base())))
}

/// ShowFunctionTrigger.
pub(crate) async fn show(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (function, (kind, id)) = (call.route.function()?, call.route.trigger()?);
    let trigger = engine.trigger(&call.caller, &function, &kind, &id).await?;
    Ok(answer::json(&shape::trigger(engine, &trigger, &call.base())))
}

/// UpdateTrigger.
pub(crate) async fn update(engine: &Arc<Engine>, mut call: Call<'_>) -> Result<Response, Refusal> {
    let (function, (kind, id)) = (call.route.function()?, call.route.trigger()?);
    let change = shape::trigger_update(Fields::read(std::mem::take(&mut call.body)).await?)?;
    let trigger = engine.update_trigger(&call.caller, &function, (&kind, &id), change).await?;
    Ok(answer::json(&shape::trigger(engine, &trigger, &call.base())))
}

/// DeleteFunctionTrigger.
pub(crate) async fn delete(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let (function, (kind, id)) = (call.route.function()?, call.route.trigger()?);
    engine.delete_trigger(&call.caller, &function, &kind, &id).await?;
    Ok(answer::no_content())
}

/// BatchDeleteFunctionTriggers.
pub(crate) async fn delete_all(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    engine.delete_triggers(&call.caller, &call.route.function()?).await?;
    Ok(answer::no_content())
}

/// The triggers of a project, which no document has but Terraform asks for.
pub(crate) async fn list_all(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let filter = shape::trigger_query(call.head.uri.query().unwrap_or(""))?;
    let list = engine.project_triggers(&call.caller, filter).await?;
    Ok(answer::json(&shape::trigger_list(engine, &list, &call.base())))
}

/// The types of triggers, for Terraform too.
pub(crate) fn list_types() -> Response {
    answer::json(&shape::trigger_types())
}
