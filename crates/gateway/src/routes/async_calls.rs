//! Asynchronous calls: accepted, listed, cancelled.

use std::sync::Arc;

use fungraph_engine::{AsyncRequest, Engine};
use jiff::Timestamp;
use serde_json::json;

use super::invocations::{Sent, memory};
use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// AsyncInvokeFunction. The id in the answer is the run's, which outlives this request.
pub(crate) async fn invoke(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let headers = &call.head.headers;
    let request = AsyncRequest {
        function: call.route.function()?,
        event: call.body,
        memory: memory(headers),
        headers: &Sent(headers),
        parent: None,
    };
    Ok(answer::accepted(engine.invoke_async(&call.caller, request).await?))
}

/// ListAsyncInvocations.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let query = shape::async_call_query(call.head.uri.query().unwrap_or(""), Timestamp::now())?;
    let page = engine.async_records(&call.caller, &call.route.function()?, query).await?;
    Ok(answer::json(&shape::async_calls(&page)))
}

/// ListActiveAsyncInvocations.
pub(crate) async fn list_active(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let query = shape::active_async_call_query(call.head.uri.query().unwrap_or(""), Timestamp::now())?;
    let page = engine.async_records(&call.caller, &call.route.function()?, query).await?;
    Ok(answer::json(&shape::async_calls(&page)))
}

/// CancelAsyncInvocation.
pub(crate) async fn cancel(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let (request, kind) = shape::async_call_cancel(Fields::read(call.body).await?)?;
    engine.cancel_async(&call.caller, &function, request, kind).await?;
    Ok(answer::json(&json!({})))
}
