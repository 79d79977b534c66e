//! What operators can count. Handles are registered once, so that a call only adds to them.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// Handles of the engine's metrics.
pub(crate) struct Telemetry {
    returned: Counter,
    failed: Counter,
    refused: Counter,
    instances: Gauge,
    authenticate: Histogram,
    run: Histogram,
    wait: Histogram,
    total: Histogram,
}

impl Telemetry {
    pub(crate) fn register() -> Self {
        describe_counter!("fungraph_invocations_total", "Calls of functions by their end");
        describe_histogram!(
            "fungraph_invocation_seconds",
            "Time of calls by phase: authenticate, wait for an instance, run, total"
        );
        describe_gauge!("fungraph_instances", "Instances of all functions, loaded and starting");
        let phase = |phase: &'static str| histogram!("fungraph_invocation_seconds", "phase" => phase);
        let end = |end: &'static str| counter!("fungraph_invocations_total", "end" => end);
        Self {
            returned: end("returned"),
            failed: end("failed"),
            refused: end("refused"),
            instances: gauge!("fungraph_instances"),
            authenticate: phase("authenticate"),
            run: phase("run"),
            wait: phase("wait"),
            total: phase("total"),
        }
    }

    pub(crate) fn ended(&self, returned: bool, wait: Duration, run: Duration, total: Duration) {
        if returned { &self.returned } else { &self.failed }.increment(1);
        self.wait.record(wait.as_secs_f64());
        self.run.record(run.as_secs_f64());
        self.total.record(total.as_secs_f64());
    }

    pub(crate) fn authenticated(&self, took: Duration) {
        self.authenticate.record(took.as_secs_f64());
    }

    pub(crate) fn instances(&self, count: usize) {
        // Far below the numbers that a float cannot hold.
        self.instances.set(count as f64);
    }

    pub(crate) fn refused(&self) {
        self.refused.increment(1);
    }
}
