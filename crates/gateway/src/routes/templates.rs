//! Templates of functions.

use fungraph_engine::Engine;

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape,
};

/// ListFunctionTemplate.
pub(crate) async fn list(engine: &Engine, call: &Call<'_>) -> Result<Response, Refusal> {
    let filter = shape::template_query(call.head.uri.query().unwrap_or(""))?;
    Ok(answer::json(&shape::templates(&engine.templates(&filter).await)))
}

/// ShowFunctionTemplate.
pub(crate) async fn show(engine: &Engine, call: &Call<'_>) -> Result<Response, Refusal> {
    Ok(answer::json(&shape::template(&engine.template(&call.route.other(0, "template_id")?).await?)))
}
