//! Reserved instances: kept although nobody calls. How many are missing, and how long a function that fails is left alone, as pure
//! functions; `group/reserve.rs` does it.

use std::{fmt, sync::Arc, time::Duration};

use fungraph_instance::StartError;
use tokio::time::Instant;

use crate::Lease;

/// Called whenever a reserved instance needs somebody: to run its initializer under the lease, which is then given back, or to
/// note why there is none. Never called with a lock held, and not to block.
pub type Prepare = Arc<dyn Fn(Result<Lease, StartError>) + Send + Sync>;

/// Failures in a row after which the next try waits (contract: runtimes.md section 4, "up to 3 times").
const TRIES: u32 = 3;
/// The first such pause; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// An instance that lived this long ends a row of failures.
const STEADY: Duration = Duration::from_secs(10);

/// What there is of a group's instances, and what should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Reserved instances wanted.
    pub(crate) wanted: usize,
    /// Most instances of the function; `None` for no limit.
    pub(crate) most_instances: Option<usize>,
    /// Instances, busy or not.
    pub(crate) ready: usize,
    /// Instances being started.
    pub(crate) starting: usize,
    /// Processors of the host.
    pub(crate) processors: usize,
    /// Whether starts failed so often that it is left alone for now.
    pub(crate) resting: bool,
}

/// How many to start now: no more at once than there are processors, since calls want them too.
pub(crate) fn missing(holding: &Holding) -> usize {
    if holding.resting {
        return 0;
    }
    let target = holding.most_instances.map_or(holding.wanted, |most| most.min(holding.wanted));
    let idle_processors = holding.processors.saturating_sub(holding.starting);
    target.saturating_sub(holding.ready + holding.starting).min(idle_processors)
}

/// How long the next try waits after so many failures in a row.
pub(crate) fn pause(failures: u32) -> Duration {
    match failures.checked_sub(TRIES) {
        None => Duration::ZERO,
        Some(more) => FIRST_PAUSE.saturating_mul(1 << more.min(16)).min(LONGEST_PAUSE),
    }
}

/// A group's part of it.
#[derive(Default)]
pub(crate) struct Reserve {
    pub(crate) wanted: usize,
    pub(crate) prepare: Option<Prepare>,
    /// There is no room for all of them, and the log says so.
    pub(crate) told_overbooked: bool,
    failures: u32,
    /// Since when an instance is ready, where none has failed since.
    ready_since: Option<Instant>,
    rests_until: Option<Instant>,
}

impl Reserve {
    /// A start, an initializer, or a young idle instance failed.
    pub(crate) fn failed(&mut self, now: Instant) {
        if self.ready_since.take().is_some_and(|since| now.saturating_duration_since(since) >= STEADY) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.rests_until = Some(now + pause(self.failures));
    }

    /// One is ready.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        self.ready_since.get_or_insert(now);
    }

    pub(crate) fn is_resting(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// Whether an idle instance of this age that died counts as a failure.
    pub(crate) fn died_young(age: Duration) -> bool {
        age < STEADY
    }
}

impl fmt::Debug for Reserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve")
            .field("wanted", &self.wanted)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Holding =
        Holding { wanted: 3, most_instances: Some(400), ready: 0, starting: 0, processors: 2, resting: false };

    #[test]
    fn what_is_missing_is_started_by_and_by() {
        for (holding, expected) in [
            (NONE, 2),
            (Holding { starting: 1, ..NONE }, 1),
            (Holding { starting: 2, ..NONE }, 0),
            (Holding { ready: 2, ..NONE }, 1),
            (Holding { ready: 3, ..NONE }, 0),
            (Holding { ready: 9, ..NONE }, 0),
            (Holding { wanted: 0, ..NONE }, 0),
            (Holding { resting: true, ..NONE }, 0),
            // The function's own limit is over all its instances.
            (Holding { most_instances: Some(1), ..NONE }, 1),
            (Holding { most_instances: Some(1), ready: 1, ..NONE }, 0),
            (Holding { most_instances: Some(0), ..NONE }, 0),
            (Holding { most_instances: None, ..NONE }, 2),
        ] {
            assert_eq!(missing(&holding), expected, "{holding:?}");
        }
    }

    #[test]
    fn pauses_grow_after_three_failures() {
        let seconds: Vec<u64> = [0, 1, 2, 3, 4, 5, 8, 9, 10, u32::MAX].map(|failures| pause(failures).as_secs()).into();
        assert_eq!(seconds, [0, 0, 0, 5, 10, 20, 160, 300, 300, 300]);
    }

    #[test]
    fn only_an_instance_that_lives_ends_a_row_of_failures() {
        let (mut reserve, begin) = (Reserve::default(), Instant::now());
        for second in 0..3 {
            reserve.failed(begin + Duration::from_secs(second));
        }
        assert!(
            reserve.is_resting(begin + Duration::from_secs(6)) && !reserve.is_resting(begin + Duration::from_secs(7))
        );
        let later = begin + Duration::from_secs(20);
        reserve.succeeded(later);
        reserve.failed(later + Duration::from_secs(1));
        assert!(reserve.is_resting(later + Duration::from_secs(10)), "it died at once");
        reserve.succeeded(later);
        reserve.failed(later + STEADY);
        assert!(!reserve.is_resting(later + STEADY), "the row is over");
    }
}
