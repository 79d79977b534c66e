//! Tags of functions. Their paths have no `fgs`.

use fungraph_engine::Engine;
use fungraph_model::{ErrorCode, Fault};

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, Fields},
};

/// CreateTags.
pub(crate) async fn create(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let tags = shape::tag_drafts(Fields::read(call.body).await?, "create")?;
    engine.put_tags(&call.caller, &function, tags).await?;
    Ok(answer::no_content())
}

/// DeleteTags, with a body.
pub(crate) async fn delete(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let tags = shape::tag_drafts(Fields::read(call.body).await?, "delete")?;
    engine.remove_tags(&call.caller, &function, tags).await?;
    Ok(answer::no_content())
}

/// ListFunctionTags.
pub(crate) async fn list(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    Ok(answer::json(&shape::tags(&engine.tags(&call.caller, &call.route.function()?).await?)))
}

/// ShowProjectTagsList.
pub(crate) async fn list_of_project(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    Ok(answer::json(&shape::project_tags(&engine.project_tags(&call.caller).await?)))
}

/// ShowResInstanceInfo: `filter` gives the functions, `count` only their number.
pub(crate) async fn find(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let action = call.route.other(0, "action")?;
    let filter = shape::resource_filter(Fields::read(call.body).await?)?;
    let list = engine.resources(&call.caller, filter).await?;
    match action.as_str() {
        "filter" => Ok(answer::json(&shape::resources(&list, engine.region()))),
        "count" => Ok(answer::json(&shape::resource_count(&list))),
        _ => {
            let message = "The last part of the path must be filter, for the functions, or count, for their number";
            Err(Fault::new(ErrorCode::BadParameter, message).into())
        }
    }
}
