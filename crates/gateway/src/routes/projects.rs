//! What is set for a project, and what a project may ask about this server.

use fungraph_engine::Engine;
use fungraph_model::LogKind;
use serde_json::json;

use super::unsupported;
use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// A word for what clients may use, and an operation that is there with it.
const FEATURES: [(&str, &str); 14] = [
    ("versions", "CreateFunctionVersion"),
    ("aliases", "CreateVersionAlias"),
    ("triggers", "CreateFunctionTrigger"),
    ("async_invocation", "AsyncInvokeFunction"),
    ("dependencies", "CreateDependencyVersion"),
    ("reserved_instances", "UpdateFunctionReservedInstancesCount"),
    ("test_events", "CreateEvent"),
    ("tags", "CreateTags"),
    ("templates", "ListFunctionTemplate"),
    ("import_export", "ImportFunction"),
    ("metrics", "ShowFunctionMetrics"),
    ("snapshots", "UpdateFuncSnapshot"),
    ("applications", "CreateFunctionApp"),
    ("workflows", "CreateWorkflow"),
];

/// ListQuotas.
pub(crate) async fn quotas(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    Ok(answer::json(&shape::quotas(&engine.quotas(&call.caller).await?)))
}

/// What this server has, by the operations that it answers with more than 501.
pub(crate) fn features() -> Response {
    let features: serde_json::Map<_, _> = FEATURES
        .iter()
        .map(|(word, operation)| ((*word).to_owned(), json!(unsupported::is_built(operation))))
        .collect();
    answer::json(&features)
}

/// The runtimes that functions can have here.
pub(crate) fn runtimes(engine: &Engine) -> Response {
    answer::json(&shape::runtimes(&engine.runtimes()))
}

/// There are no agencies here.
pub(crate) fn agencies() -> Response {
    answer::json(&json!([]))
}

/// CreateVpcEndpoint. The address is the one the client reached us at: there is no other way to the functions.
pub(crate) async fn create_vpc_endpoint(engine: &Engine, mut call: Call<'_>) -> Result<Response, Refusal> {
    let draft = shape::vpc_endpoint_draft(Fields::read(std::mem::take(&mut call.body)).await?)?;
    engine.create_vpc_endpoint(&call.caller, draft).await?;
    let base = call.base();
    let address = base.split_once("://").map_or(base.as_str(), |(_, address)| address);
    Ok(answer::json(&json!({ "endpoints": [call.local().ip()], "address": address })))
}

/// DeleteVpcEndpoint.
pub(crate) async fn delete_vpc_endpoint(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let (vpc_id, subnet_id) = (call.route.other(0, "vpc_id")?, call.route.other(1, "subnet_id")?);
    engine.delete_vpc_endpoint(&call.caller, &vpc_id, &subnet_id).await?;
    Ok(answer::no_content())
}

/// EnableLtsLogs and EnableAsyncStatusLog.
pub(crate) async fn enable_logs(engine: &Engine, call: Call<'_>, kind: LogKind) -> Result<Response, Refusal> {
    engine.enable_logs(&call.caller, kind).await?;
    Ok(answer::json(&json!({})))
}

/// ShowProjectAsyncStatusLogInfo.
pub(crate) async fn show_async_log(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    Ok(answer::json(&shape::log_place(&engine.log_place(&call.caller, LogKind::AsyncStates).await?)))
}

/// Switches the log of asynchronous states off; in no public document, but clients ask it.
pub(crate) async fn disable_async_log(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    engine.disable_logs(&call.caller, LogKind::AsyncStates).await?;
    Ok(answer::no_content())
}

/// ShowLtsLogDetails.
pub(crate) async fn show_function_log(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    Ok(answer::json(&shape::log_place(&engine.function_log_place(&call.caller, &call.route.function()?).await?)))
}
