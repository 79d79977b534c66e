//! What the server says of itself: log lines on the standard error, numbers for Prometheus.

use std::io::{self, IsTerminal};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::environment::variable;

/// Upper bounds of the histograms, in seconds: from a warm call to the longest synchronous one.
const SECONDS: [f64; 16] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0, 300.0, 900.0];

/// What is said by the spawner: libcontainer warns at each start about things that are as they should be.
pub(crate) const SPAWNER: &str = "warn,libcontainer=off,libcgroups=off";

/// How often the exporter folds its buffers together; without it they grow between two scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts the log. `filter` is a checked setting; the variable `RUST_LOG` wins where it can be read.
pub(crate) fn start_log(filter: &str) {
    let wanted = variable("RUST_LOG").and_then(|text| text.parse().ok());
    let filter: Targets = wanted.or_else(|| filter.parse().ok()).unwrap_or_default();
    let colours = io::stderr().is_terminal() && variable("NO_COLOR").is_none();
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(colours).with_target(false).with_filter(filter);
    // A second start in one process changes nothing; there is none.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// Installs the recorder that all parts count with.
///
/// # Errors
/// Another recorder is there.
pub(crate) fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    Ok(PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()?)
}

/// Keeps the recorder small, for as long as the runtime lives.
pub(crate) async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}
