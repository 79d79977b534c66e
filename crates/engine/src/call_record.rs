//! What is kept of a call, put together when its answer is ready and written behind it.

use std::{
    fmt,
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use fungraph_model::{CallRecord, FunctionVersion, Phase, RequestId};
use fungraph_pool::Refusal;
use fungraph_store::logs::{LogEntry, LogText};
use jiff::Timestamp;

use crate::{
    Engine,
    statistics::{RunEnd, RunningCall},
    stopwatch::Stopwatch,
};

/// Refused calls of one function that are kept in a second. More would say no more, and would push the logs of calls that ran out
/// of the function's share of the disk.
const REFUSALS_PER_SECOND: u32 = 10;

/// The record of a call that has ended but is not answered yet. Dropping it ends the last phase and hands the record over, so
/// whoever answers keeps it until the response is made.
pub struct OpenRecord {
    engine: Arc<Engine>,
    watch: Stopwatch,
    running: RunningCall,
    end: RunEnd,
    /// `None` only while it is dropped.
    entry: Option<(CallRecord, LogEntry)>,
}

impl OpenRecord {
    pub(crate) fn new(
        engine: Arc<Engine>,
        watch: Stopwatch,
        counted: (RunningCall, RunEnd),
        call: CallRecord,
        entry: LogEntry,
    ) -> Self {
        let (running, end) = counted;
        Self { engine, watch, running, end, entry: Some((call, entry)) }
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        let Some((mut call, mut entry)) = self.entry.take() else { return };
        self.watch.lap(Phase::Answer);
        call.phases = *self.watch.phases();
        self.engine.telemetry.ended(&call);
        self.running.ended(&self.end);
        entry.call = Some(call);
        self.engine.logs.append(entry);
    }
}

impl fmt::Debug for OpenRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenRecord").field("entry", &self.entry).finish_non_exhaustive()
    }
}

/// The log of a call that was refused: one line.
#[derive(Debug)]
pub(crate) struct RefusedLog {
    pub(crate) request: RequestId,
    pub(crate) function: Arc<FunctionVersion>,
    pub(crate) started: Timestamp,
    pub(crate) message: String,
}

impl LogText for RefusedLog {
    fn size(&self) -> usize {
        self.message.len() + 100
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Self { request, function, started, message } = self;
        let second = Timestamp::new(started.as_second(), 0).unwrap_or(*started);
        // Writing into memory cannot fail.
        let _ = writeln!(out, "{second} Refuse invoke request '{request}', version: {}: {message}", function.version);
    }
}

/// The word that a record has for a refusal; `fungraph why` knows them.
pub(crate) fn word(why: Refusal) -> &'static str {
    match why {
        Refusal::Disabled => "disabled",
        Refusal::QueueFull => "line-full",
        Refusal::WaitedTooLong => "waited-too-long",
        Refusal::NeverFits => "never-fits",
        Refusal::Stopping => "stopping",
    }
}

/// Lets a few through in each second.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<(i64, u32)>);

impl Throttle {
    /// Whether one more may be kept in this second.
    pub(crate) fn allows(&self, second: i64) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 != second {
            *state = (second, 0);
        }
        state.1 += 1;
        state.1 <= REFUSALS_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_leaves_few_records() {
        let throttle = Throttle::default();
        assert_eq!((0..1000).filter(|_| throttle.allows(7)).count(), 10);
        assert!(throttle.allows(8));
    }
}
