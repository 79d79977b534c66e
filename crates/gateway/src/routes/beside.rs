//! `/fungraph/<project_id>/…`: paths of ours for a project, beside the API and signed like it. What each asks of its caller stands in its
//! row and is checked before anything else is done.

use std::sync::Arc;

use fungraph_engine::Engine;
use fungraph_model::{Caller, Right};

use super::{own::Row, queue, recorded, report};
use crate::answer::{Refusal, Response};

/// What all its paths begin with.
pub(crate) const PREFIX: &str = "/fungraph/";

/// What a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Report,
    CountCalls,
    PauseCalls,
    ResumeCalls,
    PurgeCalls,
    ShowCall,
    RetryCall,
    ShowEvent,
}

pub(crate) static ROWS: [Row<(Asked, Right)>; 9] = [
    ("GET", "/fungraph/{project}/report", (Asked::Report, Right::Read)),
    ("HEAD", "/fungraph/{project}/report", (Asked::Report, Right::Read)),
    ("GET", "/fungraph/{project}/functions/{function}/async", (Asked::CountCalls, Right::Read)),
    ("POST", "/fungraph/{project}/functions/{function}/async/pause", (Asked::PauseCalls, Right::Change)),
    ("POST", "/fungraph/{project}/functions/{function}/async/resume", (Asked::ResumeCalls, Right::Change)),
    ("POST", "/fungraph/{project}/functions/{function}/async/purge", (Asked::PurgeCalls, Right::Change)),
    ("GET", "/fungraph/{project}/functions/{function}/async/{request_id}", (Asked::ShowCall, Right::Read)),
    ("POST", "/fungraph/{project}/functions/{function}/async/{request_id}/retry", (Asked::RetryCall, Right::Invoke)),
    // What customers sent: whoever may only look, or only call, has no need of it.
    ("GET", "/fungraph/{project}/events/{request_id}", (Asked::ShowEvent, Right::Change)),
];

/// Answers a caller of the project. `names` are the parameters of the path behind it.
///
/// # Errors
/// What the engine refuses.
pub(crate) async fn answer(
    engine: &Arc<Engine>,
    asked: Asked,
    caller: &Caller,
    names: &[String],
) -> Result<Response, Refusal> {
    let name = |position: usize| names.get(position).map_or("", String::as_str);
    match asked {
        Asked::Report => Ok(report::show(engine, caller)),
        Asked::CountCalls => queue::counts(engine, caller, name(0)).await,
        Asked::PauseCalls => queue::pause(engine, caller, name(0), true).await,
        Asked::ResumeCalls => queue::pause(engine, caller, name(0), false).await,
        Asked::PurgeCalls => queue::purge(engine, caller, name(0)).await,
        Asked::ShowCall => queue::show(engine, caller, name(0), name(1)).await,
        Asked::RetryCall => queue::retry(engine, caller, name(0), name(1)).await,
        Asked::ShowEvent => recorded::show(engine, caller, name(0)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::own, *};

    #[test]
    fn paths_name_a_project_and_a_function() {
        let check = |method: &str, path: &str, expected: Option<(Asked, &[&str])>| {
            let found = own::find(&ROWS, &method.parse().expect("a method"), path);
            let found = found.ok().map(|((asked, _), names)| (asked, names));
            let expected =
                expected.map(|(asked, names)| (asked, names.iter().map(|name| (*name).to_owned()).collect()));
            assert_eq!(found, expected, "{method} {path}");
        };
        check("GET", "/fungraph/p/report", Some((Asked::Report, &["p"])));
        check("GET", "/fungraph/p/functions/f%3Av1/async", Some((Asked::CountCalls, &["p", "f:v1"])));
        check("POST", "/fungraph/p/functions/f/async/pause", Some((Asked::PauseCalls, &["p", "f"])));
        check("GET", "/fungraph/p/functions/f/async/7", Some((Asked::ShowCall, &["p", "f", "7"])));
        check("POST", "/fungraph/p/functions/f/async/7/retry", Some((Asked::RetryCall, &["p", "f", "7"])));
        check("GET", "/fungraph/p/events/7", Some((Asked::ShowEvent, &["p", "7"])));
        for path in ["/fungraph/report", "/fungraph//report", "/fungraph/a/b/report", "/fungraph/p", "/v2/p/report"] {
            check("GET", path, None);
        }
        check("POST", "/fungraph/p/functions/f/async/7", None);
    }
}
