//! Test events of functions.

use fungraph_engine::Engine;

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// ListEvents.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let events = engine.test_events(&call.caller, &call.route.function()?).await?;
    Ok(answer::json(&shape::test_events(&events)))
}

/// CreateEvent.
pub(crate) async fn create(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let draft = shape::test_event_draft(Fields::read(call.body).await?)?;
    let event = engine.create_test_event(&call.caller, &function, draft).await?;
    Ok(answer::json(&shape::test_event_named(&event)))
}

/// ShowEvent.
pub(crate) async fn show(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (function, id) = (call.route.function()?, call.route.other(0, "event_id")?);
    Ok(answer::json(&shape::test_event(&engine.test_event(&call.caller, &function, &id).await?)))
}

/// UpdateEvent.
pub(crate) async fn update(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (function, id) = (call.route.function()?, call.route.other(0, "event_id")?);
    let draft = shape::test_event_draft(Fields::read(call.body).await?)?;
    let event = engine.update_test_event(&call.caller, &function, &id, draft).await?;
    Ok(answer::json(&shape::test_event_named(&event)))
}

/// DeleteEvent.
pub(crate) async fn delete(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (function, id) = (call.route.function()?, call.route.other(0, "event_id")?);
    engine.delete_test_event(&call.caller, &function, &id).await?;
    Ok(answer::no_content())
}
