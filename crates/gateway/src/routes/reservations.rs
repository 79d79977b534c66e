//! Reserved instances, and the most instances of a function.

use std::sync::Arc;

use fungraph_engine::Engine;
use fungraph_model::Qualifier;

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// UpdateFunctionReservedInstancesCount.
pub(crate) async fn update(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let draft = shape::reservation_update(Fields::read(call.body).await?)?;
    let reservation = engine.reserve(&call.caller, &function, draft).await?;
    Ok(answer::json(&shape::reservation(&reservation)))
}

/// ListReservedInstanceConfigs.
pub(crate) async fn list_configs(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let query = shape::reservation_query(call.head.uri.query().unwrap_or(""), "function_urn")?;
    let list = engine.reservations(&call.caller, query).await?;
    Ok(answer::json(&shape::reservation_configs(&list, engine.region())))
}

/// ListFunctionReservedInstances.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let query = shape::reservation_query(call.head.uri.query().unwrap_or(""), "urn")?;
    let list = engine.reservations(&call.caller, query).await?;
    Ok(answer::json(&shape::reserved_instances(&list, engine.region())))
}

/// UpdateFunctionMaxInstanceConfig.
pub(crate) async fn set_most_instances(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let most = shape::most_instances(Fields::read(call.body).await?)?;
    let version = engine.set_most_instances(&call.caller, &function, most).await?;
    let reservation = engine.reservation(&version.key, &Qualifier::Latest).await?;
    Ok(answer::json(&shape::config(&version, reservation.as_ref(), engine.region())))
}
