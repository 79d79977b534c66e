//! Aliases.

use std::sync::Arc;

use fungraph_engine::Engine;

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// CreateVersionAlias.
pub(crate) async fn create(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let (name, draft) = shape::alias_create(Fields::read(call.body).await?)?;
    let (key, alias) = engine.create_alias(&call.caller, &function, name, draft).await?;
    Ok(answer::json(&shape::alias(&key, &alias, engine.region())))
}

/// UpdateVersionAlias.
pub(crate) async fn update(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let (function, name) = (call.route.function()?, call.route.alias()?);
    let draft = shape::alias_update(Fields::read(call.body).await?)?;
    let (key, alias) = engine.update_alias(&call.caller, &function, &name, draft).await?;
    Ok(answer::json(&shape::alias(&key, &alias, engine.region())))
}

/// ShowVersionAlias.
pub(crate) async fn show(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (key, alias) = engine.alias(&call.caller, &call.route.function()?, &call.route.alias()?).await?;
    Ok(answer::json(&shape::alias(&key, &alias, engine.region())))
}

/// ListVersionAliases.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (key, all) = engine.aliases(&call.caller, &call.route.function()?).await?;
    Ok(answer::json(&shape::aliases(&key, &all, engine.region())))
}

/// DeleteVersionAlias.
pub(crate) async fn delete(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    engine.delete_alias(&call.caller, &call.route.function()?, &call.route.alias()?).await?;
    Ok(answer::no_content())
}
