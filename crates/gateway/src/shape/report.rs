//! The report as JSON. Times are microseconds; counts are since the start of the server, so that a reader takes differences, of reports of the
//! same `run` only.

use fungraph_engine::Report;
use serde_json::{Value, json};

/// The whole object.
pub(crate) fn report(report: &Report) -> Value {
    let Report { run, up, census, counts, busiest } = report;
    let blanks: usize = census.blanks.iter().map(|stock| stock.ready).sum();
    let stock: Vec<Value> =
        census.blanks.iter().map(|stock| json!({ "interpreter": stock.interpreter, "ready": stock.ready })).collect();
    let starts: serde_json::Map<String, Value> =
        counts.starts.iter().map(|(kind, count)| (kind.name().to_owned(), Value::from(*count))).collect();
    let phases: serde_json::Map<String, Value> = counts
        .phases
        .iter()
        .map(|(phase, times)| ((*phase).to_owned(), json!({ "sum_us": times.sum_us, "below_us": times.buckets })))
        .collect();
    let functions: Vec<Value> = busiest
        .iter()
        .map(|one| {
            json!({
                "package": one.function.package,
                "name": one.function.name,
                "version": one.version,
                "instances": one.instances,
                "running": one.running,
                "waiting": one.waiting,
                "calls_last_second": one.last_second,
            })
        })
        .collect();
    json!({
        "run": run.to_string(),
        "up_us": u64::try_from(up.as_micros()).unwrap_or(u64::MAX),
        "instances": {
            "idle": census.idle, "busy": census.busy, "starting": census.starting, "blank": blanks,
        },
        "blank_stock": stock,
        "memory_bytes": { "promised": census.memory.promised, "most": census.memory.most },
        "waiting": census.waiting,
        "invocations": { "returned": counts.returned, "failed": counts.failed, "refused": counts.refused },
        "starts": starts,
        "phases": phases,
        "functions": functions,
    })
}
