//! Dependencies of functions.

use std::sync::Arc;

use fungraph_engine::{DependencyList, Engine};
use fungraph_model::Dependency;
use jiff::Timestamp;

use super::download::Links;
use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape,
};

/// CreateDependencyVersion.
pub(crate) async fn create(engine: &Arc<Engine>, links: &Links, mut call: Call<'_>) -> Result<Response, Refusal> {
    let draft = shape::dependency_create(call.package().await?)?;
    let dependency = engine.create_dependency(&call.caller, draft).await?;
    Ok(answer(links, &call, &dependency))
}

/// ListDependencies.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let query = call.head.uri.query().unwrap_or("");
    let filter = shape::dependency_query(query, None)?;
    if shape::asks_for_public(query)? {
        return Ok(answer::json(&shape::dependencies(&DependencyList::default())));
    }
    Ok(answer::json(&shape::dependencies(&engine.dependencies(&call.caller, filter).await?)))
}

/// ListDependencyVersion.
pub(crate) async fn list_versions(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let dependency = call.route.dependency()?;
    let filter = shape::dependency_query(call.head.uri.query().unwrap_or(""), Some(dependency))?;
    Ok(answer::json(&shape::dependencies(&engine.dependencies(&call.caller, filter).await?)))
}

/// ShowDependencyVersion.
pub(crate) async fn show(engine: &Engine, links: &Links, call: Call<'_>) -> Result<Response, Refusal> {
    let (dependency, version) = (call.route.dependency()?, call.route.version()?);
    let dependency = engine.dependency(&call.caller, &dependency, &version).await?;
    Ok(answer(links, &call, &dependency))
}

/// DeleteDependencyVersion.
pub(crate) async fn delete(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (dependency, version) = (call.route.dependency()?, call.route.version()?);
    engine.delete_dependency(&call.caller, &dependency, &version).await?;
    Ok(answer::no_content())
}

fn answer(links: &Links, call: &Call<'_>, dependency: &Dependency) -> Response {
    let link = links.to_package(&dependency.package(), Timestamp::now(), &call.base());
    answer::json(&shape::dependency(dependency, &link))
}
