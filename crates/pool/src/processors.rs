//! Whether the host has processors to spare: more calls at once help then.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What the kernel counted when it was asked last.
#[derive(Debug, Default)]
pub struct Processors {
    last: Option<Times>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    idle: u64,
    all: u64,
}

impl Processors {
    /// The part of their time that they were idle since the last look. Where nobody can say, none: it is only about being quicker.
    pub fn idle_part(&mut self) -> f64 {
        let now = std::fs::read_to_string("/proc/stat").ok().as_deref().and_then(Times::read);
        let last = std::mem::replace(&mut self.last, now);
        now.zip(last).map_or(0.0, |(now, last)| now.idle_since(last))
    }
}

impl Times {
    /// The first line of `/proc/stat`: user, nice, system, idle, iowait and others, which are parts of those before.
    fn read(text: &str) -> Option<Self> {
        let numbers: Vec<u64> =
            text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8).flat_map(str::parse).collect();
        let [_, _, _, idle, waiting, ..] = numbers[..] else { return None };
        Some(Self { idle: idle + waiting, all: numbers.iter().sum() })
    }

    fn idle_since(self, last: Self) -> f64 {
        let (idle, all) = (self.idle.saturating_sub(last.idle), self.all.saturating_sub(last.all));
        idle as f64 / all.max(1) as f64
    }
}

/// How often they are looked at: the kernel counts hundredths of a second.
const PERIOD: Duration = Duration::from_millis(100);
/// Between looks further apart there was no line for a while, and processors had nothing to do.
const STALE: Duration = Duration::from_millis(150);
/// What calls leave idle between each other where processors are all that they need is less than this.
const SPARE: f64 = 0.25;
/// Periods in a row: one may have begun before the line did.
const ENOUGH_PERIODS: u32 = 2;

/// Whether processors have time to spare, for calls in line: looked at only while there are some.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Looked>);

#[derive(Debug, Default)]
struct Looked {
    processors: Processors,
    at: Option<Instant>,
    /// Periods in a row in which they had some.
    periods: u32,
}

impl Spare {
    pub(crate) fn is_some(&self, now: Instant) -> bool {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = looked.at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        if age >= PERIOD {
            let part = looked.processors.idle_part();
            looked.count(age < STALE && part > SPARE);
            looked.at = Some(now);
        }
        looked.periods >= ENOUGH_PERIODS
    }
}

impl Looked {
    fn count(&mut self, had_some: bool) {
        self.periods = if had_some { self.periods.saturating_add(1) } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_what_the_kernel_counts_as_idle() {
        let times = |idle: u64| Times::read(&format!("cpu  100 0 50 {idle} 7 1 2 0 0 0\ncpu0 1 2 3 4 5\n"));
        let first = times(1000).expect("a line as the kernel writes it");
        assert_eq!(first, Times { idle: 1007, all: 1160 });
        assert!((times(1100).expect("the same").idle_since(first) - 1.0).abs() < 1e-9);
        assert!(first.idle_since(first) < 1e-9);
        assert_eq!(Times::read("cpu 1 2"), None);
        assert_eq!(Times::read(""), None);
    }

    #[test]
    fn idle_time_before_the_line_does_not_count() {
        let mut looked = Looked::default();
        for (had_some, expected) in
            [(true, false), (false, false), (true, false), (true, true), (true, true), (false, false)]
        {
            looked.count(had_some);
            assert_eq!(looked.periods >= ENOUGH_PERIODS, expected);
        }
    }

    #[test]
    fn looks_far_apart_have_nothing_to_compare() {
        let (spare, now) = (Spare::default(), Instant::now());
        assert!(!spare.is_some(now));
        spare.0.lock().expect("nobody panics").periods = ENOUGH_PERIODS;
        assert!(spare.is_some(now + PERIOD / 2), "it is not looked at again");
        assert!(!spare.is_some(now + 2 * STALE));
    }
}
