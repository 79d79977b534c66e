//! `/fungraph/<project_id>/report`: what the server is doing, for `fungraph top`. A path of ours beside the API, signed like the API.

use fungraph_engine::Engine;
use fungraph_model::Caller;

use crate::{
    answer::{self, Response},
    shape::report::report,
};

/// The project of its path, as sent; `None` for any other path.
pub(crate) fn project(path: &str) -> Option<&str> {
    let project = path.strip_prefix("/fungraph/")?.strip_suffix("/report")?;
    (!project.is_empty() && !project.contains('/')).then_some(project)
}

/// The report, with the names of the caller's functions.
pub(crate) fn show(engine: &Engine, caller: &Caller) -> Response {
    answer::json(&report(&engine.report(caller)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_a_project() {
        assert_eq!(project("/fungraph/p/report"), Some("p"));
        for path in ["/fungraph/report", "/fungraph//report", "/fungraph/a/b/report", "/fungraph/p", "/v2/p/report"] {
            assert_eq!(project(path), None, "{path}");
        }
    }
}
