//! Busy polling: while one event follows another within microseconds, a thread looks for the next one instead of going to sleep.
//!
//! Of what a warm call takes while nothing else is going on, more than half is the waking of processors: one that sleeps gets to its work
//! 20 to 50 us later, with cold caches, and whoever waits for each answer before the next call pays that at each step. So a thread of the
//! runtime stays awake for [`WINDOW`] after an event, but only where the last [`ENOUGH`] events came that close: an idle server sleeps,
//! one whose functions take milliseconds does too, and one that is short of processors finds its events further apart and stops
//! (decision 0004, "Staying awake").

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::yield_now};
use tokio_util::sync::CancellationToken;

/// How long the thread looks for the next event: twice what passes from one to the next with a fast function. Functions with a program
/// of their own take longer, and on two processors they would only miss the one that is kept awake.
const WINDOW: Duration = Duration::from_micros(200);

/// Events in a row within the window that make it worth to look: eight calls.
const ENOUGH: u32 = 16;

/// Most calls under way with which it is worth to look. With more of them the threads have work, and nothing is counted.
const FEW: u32 = 4;

/// Who stays awake, and for how long. Its events are arrivals and answers of calls whose caller is proven: what strangers send keeps
/// nobody awake.
///
/// Its numbers are hints: two threads that count at once may miss an event, and nothing but some microseconds hangs on it.
pub(crate) struct BusyPoll {
    begun: Instant,
    /// Nanoseconds from `begun` to the last event.
    last: AtomicU64,
    /// Events in a row within the window.
    close: AtomicU32,
    /// Calls under way.
    calls: AtomicU32,
    is_awake: AtomicBool,
    wanted: Notify,
}

/// A call under way.
pub(crate) struct UnderWay<'a>(&'a BusyPoll);

impl BusyPoll {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            close: AtomicU32::new(0),
            calls: AtomicU32::new(0),
            is_awake: AtomicBool::new(false),
            wanted: Notify::new(),
        }
    }

    /// A call has arrived.
    pub(crate) fn arrived(&self, now: Instant) -> UnderWay<'_> {
        if self.calls.fetch_add(1, Relaxed) < FEW {
            self.event(now);
        }
        UnderWay(self)
    }

    /// Stays awake when that is worth it, until `shutdown`.
    pub(crate) async fn run(&self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.wanted.notified()).await.is_some() {
            while self.is_worth_it(Instant::now()) {
                // Everybody else's turn, and then the runtime looks at its sockets without waiting for them.
                yield_now().await;
            }
            self.is_awake.store(false, Relaxed);
        }
    }

    fn event(&self, now: Instant) {
        if self.since_last(now) > WINDOW {
            self.close.store(0, Relaxed);
        } else if self.close.load(Relaxed) < ENOUGH {
            self.close.fetch_add(1, Relaxed);
        }
        self.last.store(self.nanos(now), Relaxed);
        if self.is_worth_it(now) && !self.is_awake.load(Relaxed) && !self.is_awake.swap(true, Relaxed) {
            self.wanted.notify_one();
        }
    }

    fn is_worth_it(&self, now: Instant) -> bool {
        self.close.load(Relaxed) >= ENOUGH && self.calls.load(Relaxed) <= FEW && self.since_last(now) <= WINDOW
    }

    fn since_last(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.nanos(now).saturating_sub(self.last.load(Relaxed)))
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl UnderWay<'_> {
    /// It has its answer.
    pub(crate) fn answered(self) {
        self.answered_at(Instant::now);
    }

    fn answered_at(self, now: impl FnOnce() -> Instant) {
        if self.0.calls.load(Relaxed) <= FEW {
            self.0.event(now());
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSE: Duration = Duration::from_micros(80);

    /// Calls one after the other, each event so long after the last one. Gives the time of the last.
    fn calls(poll: &BusyPoll, mut now: Instant, many: u32, gap: Duration) -> Instant {
        for _ in 0..many {
            let call = poll.arrived(now + gap);
            now += 2 * gap;
            call.answered_at(|| now);
        }
        now
    }

    #[test]
    fn it_is_worth_it_once_events_have_come_closely_and_for_a_window_after_the_last() {
        let poll = BusyPoll::new();
        let now = calls(&poll, poll.begun, ENOUGH / 2 - 1, CLOSE);
        assert!(!poll.is_worth_it(now), "too few");
        let now = calls(&poll, now, 1, CLOSE);
        assert!(poll.is_worth_it(now + WINDOW));
        assert!(!poll.is_worth_it(now + WINDOW + Duration::from_nanos(1)), "nobody came");
    }

    #[test]
    fn functions_that_take_longer_keep_nobody_awake() {
        let poll = BusyPoll::new();
        let now = calls(&poll, poll.begun, 100, WINDOW + CLOSE);
        assert!(!poll.is_worth_it(now));
        let now = calls(&poll, now, 100, CLOSE);
        let slow = poll.arrived(now + CLOSE);
        slow.answered_at(|| now + WINDOW + 2 * CLOSE);
        assert!(!poll.is_worth_it(now + WINDOW + 2 * CLOSE), "one slow call begins the count anew");
    }

    #[test]
    fn calls_beside_each_other_keep_the_threads_busy_themselves() {
        let poll = BusyPoll::new();
        let now = calls(&poll, poll.begun, 100, CLOSE);
        let mut many: Vec<_> = (0..=FEW).map(|_| poll.arrived(now)).collect();
        assert!(!poll.is_worth_it(now));
        many.pop();
        assert!(poll.is_worth_it(now));
    }

    #[tokio::test]
    async fn whoever_stays_awake_goes_to_sleep_when_nobody_comes_and_ends_with_the_server() {
        let poll = BusyPoll::new();
        let shutdown = CancellationToken::new();
        let end = shutdown.clone();
        let others = async {
            for _ in 0..2 {
                // However slow this machine is: the time is told, not read.
                calls(&poll, Instant::now(), ENOUGH, CLOSE);
                assert!(poll.is_awake.load(Relaxed));
                while poll.is_awake.load(Relaxed) {
                    yield_now().await;
                }
            }
            shutdown.cancel();
        };
        tokio::join!(poll.run(end), others);
    }
}
