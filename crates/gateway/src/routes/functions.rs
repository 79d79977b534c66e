//! Functions and their configuration.

use std::sync::Arc;

use fungraph_engine::Engine;
use fungraph_model::{Fault, Qualifier};

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// CreateFunction.
pub(crate) async fn create(engine: &Arc<Engine>, mut call: Call<'_>) -> Result<Response, Refusal> {
    let draft = shape::create(call.package().await?)?;
    let version = engine.create_function(&call.caller, draft).await?;
    Ok(answer::json(&shape::config(&version, None, engine.region())))
}

/// ListFunctions.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let query: Result<_, Fault> = shape::query(call.head.uri.query().unwrap_or(""));
    let list = engine.functions(&call.caller, query?).await?;
    Ok(answer::json(&shape::list_page(&list, engine.region())))
}

/// ShowFunctionConfig.
pub(crate) async fn show(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let version = engine.function(&call.caller, &function).await?;
    let reservation = engine.reservation(&version.key, &function.version()).await?;
    Ok(answer::json(&shape::config(&version, reservation.as_ref(), engine.region())))
}

/// UpdateFunctionConfig.
pub(crate) async fn update(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let (name, draft, attached) = shape::spec_update(Fields::read(call.body).await?)?;
    let version = engine.update_spec(&call.caller, &function, name, draft, attached).await?;
    let reservation = engine.reservation(&version.key, &Qualifier::Latest).await?;
    Ok(answer::json(&shape::config(&version, reservation.as_ref(), engine.region())))
}

/// DeleteFunction.
pub(crate) async fn delete(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    engine.delete_function(&call.caller, &call.route.function()?).await?;
    Ok(answer::no_content())
}
