//! What the server says of itself: log lines on the standard error, numbers for Prometheus.

use std::io::{self, IsTerminal};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::environment::variable;

/// What is said by the spawner: libcontainer warns at each start about things that are as they should be.
pub(crate) const SPAWNER: &str = "warn,libcontainer=off,libcgroups=off";

/// Starts the log. `filter` is a checked setting; the variable `RUST_LOG` wins where it can be read.
pub(crate) fn start_log(filter: &str) {
    let wanted = variable("RUST_LOG").and_then(|text| text.parse().ok());
    let filter: Targets = wanted.or_else(|| filter.parse().ok()).unwrap_or_default();
    let colours = io::stderr().is_terminal() && variable("NO_COLOR").is_none();
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(colours).with_target(false).with_filter(filter);
    // A second start in one process changes nothing; there is none.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// Installs the recorder that all parts count with. Nobody keeps histograms in it: those would need upkeep.
///
/// # Errors
/// Another recorder is there.
pub(crate) fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    Ok(PrometheusBuilder::new().install_recorder()?)
}
