//! What operators can count. A call only adds to numbers that are there; what is shown is made of them when somebody asks.

mod histogram;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use fungraph_model::{CallRecord, Ending, Phase, StartKind};
use fungraph_pool::Census;
use metrics::{counter, describe_counter, describe_gauge, gauge};

use self::histogram::Histogram;
pub use self::histogram::Snapshot;

/// Name of the histograms of phases.
const SECONDS: &str = "fungraph_invocation_seconds";
/// The phase that is all of them.
const TOTAL: &str = "total";

/// The engine's numbers.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    returned: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    starts: [AtomicU64; StartKind::ALL.len()],
    phases: [Histogram; Phase::ALL.len()],
    total: Histogram,
}

/// The numbers at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Calls whose function returned.
    pub returned: u64,
    /// Calls whose function failed.
    pub failed: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Calls by how their instance came to be, in the order of [`StartKind::ALL`].
    pub starts: [(StartKind, u64); StartKind::ALL.len()],
    /// Times of calls by phase, `total` being the last.
    pub phases: Vec<(&'static str, Snapshot)>,
}

impl Telemetry {
    pub(crate) fn register() -> Self {
        describe_counter!("fungraph_invocations_total", "Calls of functions by their end");
        describe_counter!(
            "fungraph_starts_total",
            "Calls by the start of their instance: warm (loaded before), blank (started before, without code), new"
        );
        describe_counter!(
            "fungraph_notices_total",
            "Ends of asynchronous calls for destinations, by kind and end: delivered, given_up, impossible"
        );
        describe_counter!(
            "fungraph_recorded_events_total",
            "Events that were to be recorded, by whether they are kept"
        );
        describe_gauge!("fungraph_reserved_instances", "Reserved instances that are ready, idle or busy");
        describe_gauge!("fungraph_instances", "Instances of all functions by state, and those that have no code yet");
        describe_gauge!("fungraph_blank_instances", "Instances that have no code yet, by interpreter");
        describe_gauge!("fungraph_instance_memory_bytes", "Memory limits of all instances together");
        describe_gauge!("fungraph_instance_memory_limit_bytes", "Most memory that instances may be promised together");
        describe_gauge!("fungraph_waiting_calls", "Calls in line for an instance, of all functions");
        describe_gauge!(
            "fungraph_waiting_functions",
            "Functions in line for room for an instance, each memory size for itself"
        );
        crate::queue::describe_metrics();
        Self::default()
    }

    /// A call has ended; what did not happen is not recorded.
    pub(crate) fn ended(&self, record: &CallRecord) {
        match record.end {
            Ending::Returned if record.is_server_error => add(&self.failed),
            Ending::Returned => add(&self.returned),
            Ending::Failed(_) => add(&self.failed),
            // Being quick at refusing is no merit that should show in the times.
            Ending::Refused(_) => return add(&self.refused),
        }
        if let Some(kind) = record.start {
            add(&self.starts[kind as usize]);
        }
        let cold = record.start.is_some_and(|kind| kind != StartKind::Warm);
        for (phase, us) in record.phases.iter() {
            let happened = match phase {
                Phase::Accept | Phase::Authenticate | Phase::Resolve | Phase::Wait => true,
                Phase::Start | Phase::Load => cold,
                Phase::Initialize | Phase::Run | Phase::Answer => us > 0,
            };
            if happened {
                self.phases[phase as usize].record(us);
            }
        }
        self.total.record(record.phases.total());
    }

    /// A request for a call was refused before it was known which function it was for.
    pub(crate) fn refused(&self) {
        add(&self.refused);
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let phases = Phase::ALL.map(|phase| (phase.name(), self.phases[phase as usize].snapshot()));
        Counts {
            returned: read(&self.returned),
            failed: read(&self.failed),
            refused: read(&self.refused),
            starts: StartKind::ALL.map(|kind| (kind, read(&self.starts[kind as usize]))),
            phases: phases.into_iter().chain([(TOTAL, self.total.snapshot())]).collect(),
        }
    }
}

fn add(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}

/// Hands everything but the histograms to the recorder.
pub(crate) fn publish(counts: &Counts, census: &Census) {
    for (end, count) in [("returned", counts.returned), ("failed", counts.failed), ("refused", counts.refused)] {
        counter!("fungraph_invocations_total", "end" => end).absolute(count);
    }
    for (kind, count) in counts.starts {
        counter!("fungraph_starts_total", "kind" => kind.name()).absolute(count);
    }
    let blanks = census.blanks.iter().map(|stock| stock.ready).sum();
    gauge!("fungraph_reserved_instances").set(census.reserved as f64);
    let states = [("idle", census.idle), ("busy", census.busy), ("starting", census.starting), ("blank", blanks)];
    for (state, count) in states {
        // Far below the numbers that a float cannot hold.
        gauge!("fungraph_instances", "state" => state).set(count as f64);
    }
    for stock in &census.blanks {
        gauge!("fungraph_blank_instances", "interpreter" => stock.interpreter.clone()).set(stock.ready as f64);
    }
    gauge!("fungraph_instance_memory_bytes").set(census.memory.promised as f64);
    gauge!("fungraph_instance_memory_limit_bytes").set(census.memory.most as f64);
    gauge!("fungraph_waiting_calls").set(census.waiting as f64);
    gauge!("fungraph_waiting_functions").set(census.wanting_room as f64);
}

/// The histograms as the Prometheus text format has them.
pub(crate) fn expose(counts: &Counts) -> String {
    let mut text = format!(
        "# HELP {SECONDS} Time of calls that were not refused, by phase: those that happened follow one another, and total is all of them\n\
         # TYPE {SECONDS} histogram\n"
    );
    for (phase, snapshot) in &counts.phases {
        let mut label = String::new();
        write!(label, "phase=\"{phase}\"")
            .and_then(|()| snapshot.expose(&mut text, SECONDS, &label))
            .expect("a String takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use fungraph_model::Phases;

    use super::*;

    fn record(start: Option<StartKind>, end: Ending, us: [u64; 9]) -> CallRecord {
        let mut phases = Phases::default();
        Phase::ALL.into_iter().zip(us).for_each(|(phase, us)| phases.add(phase, us));
        CallRecord { phases, start, end, memory_used: 0, memory_mb: 128, line: None, is_server_error: false }
    }

    #[test]
    fn only_what_happened_is_counted() {
        let telemetry = Telemetry::default();
        let refused = Ending::Refused("disabled".to_owned());
        telemetry.ended(&record(Some(StartKind::Warm), Ending::Returned, [1, 2, 0, 0, 0, 0, 0, 80, 9]));
        telemetry.ended(&record(Some(StartKind::Blank), Ending::Returned, [1, 2, 0, 0, 0, 900, 0, 80, 9]));
        telemetry.ended(&record(Some(StartKind::New), Ending::Failed(4009), [1, 2, 0, 0, 7000, 900, 50, 0, 9]));
        telemetry.ended(&record(None, refused, [1, 2, 0, 0, 0, 0, 0, 0, 0]));
        telemetry.refused();
        let counts = telemetry.counts();
        assert_eq!((counts.returned, counts.failed, counts.refused), (2, 1, 2));
        assert_eq!(counts.starts.map(|(_, count)| count), [1, 1, 1]);
        let times: Vec<_> = counts.phases.iter().map(|(name, times)| (*name, times.count())).collect();
        assert_eq!(
            times,
            [
                ("accept", 3),
                ("authenticate", 3),
                ("resolve", 3),
                ("wait", 3),
                ("start", 2),
                ("load", 2),
                ("initialize", 1),
                ("run", 2),
                ("answer", 3),
                ("total", 3),
            ]
        );
        let text = expose(&counts);
        assert!(text.contains("fungraph_invocation_seconds_sum{phase=\"load\"} 0.0018\n"), "{text}");
        assert_eq!(text.matches("# TYPE ").count(), 1);
    }
}
