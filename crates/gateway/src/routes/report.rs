//! What the server is doing, for `fungraph top`.

use fungraph_engine::Engine;
use fungraph_model::Caller;

use crate::{
    answer::{self, Response},
    shape::report::report,
};

/// The report, with the names of the caller's functions.
pub(crate) fn show(engine: &Engine, caller: &Caller) -> Response {
    answer::json(&report(&engine.report(caller)))
}
