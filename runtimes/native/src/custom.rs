//! Custom functions: `bootstrap` asks the platform itself for its events, at `RUNTIME_API_ADDR` (contract: custom-runtime.md section 1).

use crate::{
    child::{self, Program},
    failure::Failure,
    load::Load,
};

/// Starts `bootstrap`. Whether it is ready shows where it asks.
pub(crate) fn start(load: &Load) -> Result<Program, Failure> {
    let path = load.code_root().join("bootstrap");
    child::check_file(&path, true)?;
    let mut command = child::command(&path, load);
    command.env("RUNTIME_API_ADDR", load.runtime_api_addr.as_deref().unwrap_or_default());
    Program::start(command).map_err(|error| child::explain(&path, &error))
}
