//! The code of a function.

use std::sync::Arc;

use fungraph_engine::{Engine, FunctionCode};
use jiff::Timestamp;

use super::download::Links;
use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape,
};

/// ShowFunctionCode.
pub(crate) async fn show(engine: &Engine, links: &Links, call: Call<'_>) -> Result<Response, Refusal> {
    let code = engine.function_code(&call.caller, &call.route.function()?).await?;
    Ok(answer(engine, links, &call, &code))
}

/// UpdateFunctionCode.
pub(crate) async fn update(engine: &Arc<Engine>, links: &Links, mut call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let (draft, attached) = shape::code_update(call.package().await?)?;
    let version = engine.update_code(&call.caller, &function, draft, attached).await?;
    // The client has the source, it just sent it.
    Ok(answer(engine, links, &call, &FunctionCode { version, inline: None }))
}

fn answer(engine: &Engine, links: &Links, call: &Call<'_>, code: &FunctionCode) -> Response {
    // An image is its registry's to give.
    let is_image = code.version.image.is_some();
    let link = if is_image { String::new() } else { links.make(&code.version, Timestamp::now(), &call.base()) };
    answer::json(&shape::code(code, &link, engine.region()))
}
