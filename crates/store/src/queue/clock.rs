//! The queue's clock: the clock on the wall when the server started, and the steady one from there.
//!
//! Within a run, somebody who sets the clock changes neither when a call is due nor how old it is.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A moment of the queue's clock, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueTime(pub i64);

impl QueueTime {
    /// A moment later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long ago a moment was; zero for one that is still to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Where a queue has its time from.
#[derive(Clone, Debug)]
pub struct Clock {
    start: i64,
    since: Instant,
    /// Tests set the clock on the wall.
    wall: fn() -> Timestamp,
    /// By how much it is set, in seconds.
    step: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::of(Timestamp::now)
    }
}

impl Clock {
    pub(super) fn of(wall: fn() -> Timestamp) -> Self {
        Self { start: wall().as_microsecond(), since: Instant::now(), wall, step: 0 }
    }

    /// The clock of a host whose clock is wrong by so many seconds.
    #[must_use]
    pub fn set_by(step: i64) -> Self {
        let mut clock = Self { step, ..Self::default() };
        clock.start = clock.wall().as_microsecond();
        clock
    }

    pub(super) fn now(&self) -> QueueTime {
        QueueTime(self.start).after(self.since.elapsed())
    }

    /// What people see. Steps of it show.
    pub(super) fn wall(&self) -> Timestamp {
        let now = (self.wall)();
        now.checked_add(SignedDuration::from_secs(self.step)).unwrap_or(now)
    }
}
