//! Functions as archives.

use std::sync::Arc;

use bytes::Bytes;
use fungraph_engine::{Archive, Engine, Error, ExportFile};
use http::{HeaderValue, header::CONTENT_TYPE};

use super::download;
use crate::{
    answer::{self, FileContent, Refusal, Response},
    service::Call,
    shape::{self, Fields, Wanted},
};

/// ExportFunction.
pub(crate) async fn export(engine: &Engine, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let ExportFile { name, file, turn } = match shape::export_query(call.head.uri.query().unwrap_or(""))? {
        Wanted::Code => engine.export_code(&call.caller, &function).await?,
        wanted @ (Wanted::Config | Wanted::All) => {
            let with_code = wanted == Wanted::All;
            let exported = engine.export(&call.caller, &function).await?;
            let description = Bytes::from(format!("{:#}\n", shape::description(&exported, with_code)));
            engine.export_archive(&exported, description, with_code).await?
        }
    };
    let length = file.metadata().await.map_err(|source| Error::internal("measure an archive", source))?.len();
    let mut response = download::file(FileContent::new(file, length).with(turn), &name);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    Ok(response)
}

/// ImportFunction.
pub(crate) async fn import(engine: &Arc<Engine>, mut call: Call<'_>) -> Result<Response, Refusal> {
    let request = shape::import_request(call.package().await?)?;
    let (file, names) = request.into_parts();
    let Archive { description, code, turn: _turn } = engine.open_archive(&call.caller, file).await?;
    let draft = shape::import_draft(Fields::read(description).await, code, names)?;
    let version = engine.import_function(&call.caller, draft).await?;
    Ok(answer::json(&shape::config(&version, None, engine.region())))
}
