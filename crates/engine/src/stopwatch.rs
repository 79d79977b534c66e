//! Measures the phases of one call.

use std::time::{Duration, Instant};

use fungraph_instance::StartTimes;
use fungraph_model::{Phase, Phases};

/// Runs from the first byte of a request to its answer. Each lap is given to a phase, so the phases add up to the whole: what is
/// between two of them belongs to one of them. A lap costs one look at the clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    begun: Instant,
    /// Microseconds at the end of the last lap.
    at_us: u64,
    phases: Phases,
}

impl Stopwatch {
    /// Has been running since `begun`.
    #[must_use]
    pub fn since(begun: Instant) -> Self {
        Self { begun, at_us: 0, phases: Phases::default() }
    }

    /// Gives the time since the last lap to `phase`.
    pub fn lap(&mut self, phase: Phase) {
        self.lap_at(phase, Instant::now());
    }

    /// The same of a lap that ended at `now`.
    pub fn lap_at(&mut self, phase: Phase, now: Instant) {
        let us = self.next(now);
        self.phases.add(phase, us);
    }

    /// A call has, or will not get, an instance. Of the time since the last lap the end belongs to the instance's start, as far as
    /// the call was there already; the rest it stood in line.
    pub(crate) fn lap_wait(&mut self, start: Option<StartTimes>) {
        let all = self.next(Instant::now());
        let load = start.map_or(0, |start| micros(start.load)).min(all);
        let launch = start.map_or(0, |start| micros(start.launch)).min(all - load);
        self.phases.add(Phase::Load, load);
        self.phases.add(Phase::Start, launch);
        self.phases.add(Phase::Wait, all - load - launch);
    }

    /// The function answered after `took`; that we heard of it later is part of our answer.
    pub(crate) fn lap_run(&mut self, took: Duration) {
        let all = self.next(Instant::now());
        let run = micros(took).min(all);
        self.phases.add(Phase::Run, run);
        self.phases.add(Phase::Answer, all - run);
    }

    /// What was measured so far.
    pub(crate) fn phases(&self) -> &Phases {
        &self.phases
    }

    fn next(&mut self, now: Instant) -> u64 {
        let now = micros(now.saturating_duration_since(self.begun));
        let us = now.saturating_sub(self.at_us);
        self.at_us = now;
        us
    }
}

/// As [`Duration::as_micros`], but without a division of 128 bits, eight times a call.
fn micros(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000).saturating_add(time.subsec_micros().into())
}

#[cfg(test)]
mod tests {
    use fungraph_model::StartKind;

    use super::*;

    fn begun(ms_ago: u64) -> Stopwatch {
        Stopwatch::since(Instant::now() - Duration::from_millis(ms_ago))
    }

    fn start(launch_ms: u64, load_ms: u64) -> Option<StartTimes> {
        let (launch, load) = (Duration::from_millis(launch_ms), Duration::from_millis(load_ms));
        Some(StartTimes { kind: StartKind::New, launch, load })
    }

    /// Milliseconds of wait, start and load; what the test itself takes is in the first of them that is not bounded.
    fn waited(watch: &Stopwatch) -> [u64; 3] {
        [Phase::Wait, Phase::Start, Phase::Load].map(|phase| watch.phases().get(phase) / 1000)
    }

    #[test]
    fn of_a_start_counts_what_the_call_waited_for() {
        let mut watch = begun(1_000_000);
        watch.lap_wait(start(300_000, 200_000));
        assert_eq!(waited(&watch)[1..], [300_000, 200_000]);
        assert!(waited(&watch)[0] >= 500_000);

        let mut late = begun(0);
        late.lap_wait(start(300_000, 200_000));
        assert_eq!(waited(&late)[..2], [0, 0], "it came at the very end of the start: {late:?}");

        let mut warm = begun(70_000);
        warm.lap_wait(None);
        assert_eq!(waited(&warm)[1..], [0, 0]);
    }

    #[test]
    fn nothing_is_lost_between_laps() {
        let mut watch = begun(5000);
        watch.lap(Phase::Accept);
        watch.lap_wait(None);
        watch.lap_run(Duration::MAX);
        watch.lap(Phase::Answer);
        assert_eq!(watch.phases().total(), watch.at_us);
    }
}
