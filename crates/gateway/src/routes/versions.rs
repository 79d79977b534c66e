//! Published versions.

use std::sync::Arc;

use fungraph_engine::Engine;

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// CreateFunctionVersion.
pub(crate) async fn publish(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let draft = shape::version_create(Fields::read(call.body).await?)?;
    let version = engine.publish(&call.caller, &function, draft).await?;
    Ok(answer::json(&shape::config(&version, None, engine.region())))
}

/// ListFunctionVersions.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let (marker, limit) = shape::version_query(call.head.uri.query().unwrap_or(""))?;
    let list = engine.versions(&call.caller, &function, marker, limit).await?;
    Ok(answer::json(&shape::versions(&list, engine.region())))
}
