//! What the platform is doing, for `fungraph top` and for Prometheus.

use std::cmp::Reverse;
use std::time::Duration;

use fungraph_model::Caller;
use fungraph_pool::{Census, FunctionCensus};
use uuid::Uuid;

use crate::{
    Engine,
    telemetry::{self, Counts},
};

/// Functions a report names: what fits on a screen, whatever their number.
const BUSIEST: usize = 20;

/// Everything at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// Random, and the server's until its end: reports of two servers are not to be subtracted.
    pub run: Uuid,
    /// Since the start of the server.
    pub up: Duration,
    /// What the pool has; its list of functions is empty.
    pub census: Census,
    /// What happened since the start of the server.
    pub counts: Counts,
    /// The caller's functions that have most to do, the longest line first: at most 20.
    pub busiest: Vec<FunctionCensus>,
}

impl Engine {
    /// What is going on, with the names of the caller's own functions only.
    #[must_use]
    pub fn report(&self, caller: &Caller) -> Report {
        let mut census = self.pool.census();
        let functions = std::mem::take(&mut census.functions);
        let own = functions.into_iter().filter(|one| one.function.project == caller.project).collect();
        Report {
            run: self.run,
            up: self.started.elapsed(),
            census,
            counts: self.telemetry.counts(),
            busiest: busiest(own),
        }
    }

    /// Brings the recorder's numbers up to date, and gives those it does not keep, in the Prometheus text format.
    #[must_use]
    pub fn publish_metrics(&self) -> String {
        let counts = self.telemetry.counts();
        telemetry::publish(&counts, &self.pool.census());
        self.queue.publish_metrics();
        telemetry::expose(&counts)
    }
}

fn busiest(mut functions: Vec<FunctionCensus>) -> Vec<FunctionCensus> {
    functions.sort_by_key(|one| {
        (Reverse((one.waiting, one.last_second, one.running)), one.function.clone(), one.version.clone())
    });
    functions.truncate(BUSIEST);
    functions
}

#[cfg(test)]
mod tests {
    use fungraph_model::{FunctionKey, ProjectId};

    use super::*;

    #[test]
    fn the_longest_line_comes_first_and_few_are_named() {
        let one = |name: &str, waiting, last_second| FunctionCensus {
            function: FunctionKey { project: ProjectId("p".into()), package: "default".into(), name: name.into() },
            version: "latest".into(),
            instances: 1,
            running: 1,
            waiting,
            last_second,
        };
        let mut all = vec![one("b", 0, 5), one("idle", 0, 0), one("line", 9, 1), one("a", 0, 5)];
        all.extend((0..100).map(|n| one(&format!("other-{n}"), 0, 0)));
        let names: Vec<String> = busiest(all).into_iter().map(|one| one.function.name).collect();
        assert_eq!((names.len(), &names[..4]), (20, &["line", "a", "b", "idle"].map(String::from)[..]));
    }
}
