//! Staying awake: while one call follows another within microseconds, processors do not go to sleep in between.
//!
//! Of what a warm call takes while nothing else is going on, more than half is the waking of processors: one that sleeps gets to its work
//! 20 to 50 us later, with cold caches, and whoever waits for each answer before the next call pays that at each step. So they are kept
//! awake for a while after an event, but only where the last [`ENOUGH`] events came closely: an idle server lets them sleep, and so does
//! one whose functions take longer (decision 0004, "Staying awake").
//!
//! Best is to ask the kernel ([`IdleLatency`]), which then lets idle processors wait in a loop: whoever wants to run need not be waited
//! for, on any of them. Where that is not to be had, a thread of ours looks at its sockets all the time: it alone is awake then, and
//! takes a processor that others may want.

mod latency;

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::yield_now, time::sleep};
use tokio_util::sync::CancellationToken;

pub use latency::IdleLatency;

/// Events in a row within the window that make it worth to stay awake: eight calls.
const ENOUGH: u32 = 16;

/// How long the kernel is held to what it was asked, before a look whether that is still worth it: to ask wakes every processor.
const HELD: Duration = Duration::from_millis(5);

/// How processors are kept from going to sleep between calls that follow each other closely.
#[derive(Clone, Debug)]
pub enum StayAwake {
    /// Not at all.
    No,
    /// A thread goes on looking at its sockets. There must be more than one processor.
    BusyPoll,
    /// The kernel is asked for it.
    Kernel(IdleLatency),
}

/// Decides when to stay awake, and does. Its events are arrivals and answers of calls whose caller is proven: what strangers send keeps
/// nobody awake.
///
/// Its numbers are hints: two threads that count at once may miss an event, and nothing but some microseconds hangs on it.
pub(crate) struct Awake {
    how: StayAwake,
    /// How close events must be, and how long the wait for the next one is.
    window: Duration,
    /// Most calls under way with which it is worth it. With more of them nothing is counted.
    most: u32,
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
pub(crate) struct UnderWay<'a>(&'a Awake);

impl Awake {
    pub(crate) fn new(how: StayAwake) -> Self {
        let (window, most) = match how {
            StayAwake::No => (Duration::ZERO, 0),
            // Twice what passes from one event to the next with a fast function: those with a program of their own take longer, and on
            // two processors would only miss the one that is kept awake. With more calls than these the threads have work.
            StayAwake::BusyPoll => (Duration::from_micros(200), 4),
            // It takes nothing from anybody, so all calls count that are much longer for it.
            StayAwake::Kernel(_) => (Duration::from_millis(1), u32::MAX),
        };
        Self {
            how,
            window,
            most,
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
        if self.calls.fetch_add(1, Relaxed) < self.most {
            self.event(now);
        }
        UnderWay(self)
    }

    /// Stays awake when that is worth it, until `shutdown`.
    pub(crate) async fn run(&self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.wanted.notified()).await.is_some() {
            match &self.how {
                StayAwake::No => {}
                StayAwake::BusyPoll => self.poll_busily().await,
                StayAwake::Kernel(latency) => self.ask(latency).await,
            }
            self.is_awake.store(false, Relaxed);
        }
    }

    async fn poll_busily(&self) {
        while self.is_worth_it(Instant::now()) {
            // Everybody else's turn, and then the runtime looks at its sockets without waiting for them.
            yield_now().await;
        }
    }

    async fn ask(&self, latency: &IdleLatency) {
        let asked = latency.ask();
        if let Err(error) = &asked {
            tracing::debug!(error = %error, "the kernel does not keep processors awake");
        }
        while self.is_worth_it(Instant::now()) {
            sleep(HELD).await;
        }
    }

    fn event(&self, now: Instant) {
        if self.since_last(now) > self.window {
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
        self.close.load(Relaxed) >= ENOUGH
            && self.calls.load(Relaxed) <= self.most
            && self.since_last(now) <= self.window
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
        if self.0.calls.load(Relaxed) <= self.0.most {
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
    use std::{fs, io::Read as _};

    use super::*;

    const CLOSE: Duration = Duration::from_micros(80);

    /// Calls one after the other, each event so long after the last one. Gives the time of the last.
    fn calls(awake: &Awake, mut now: Instant, many: u32, gap: Duration) -> Instant {
        for _ in 0..many {
            let call = awake.arrived(now + gap);
            now += 2 * gap;
            call.answered_at(|| now);
        }
        now
    }

    fn asking() -> (Awake, fs::File) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let device = fs::File::options().append(true).open(file.path()).expect("what was made");
        let awake = Awake::new(StayAwake::Kernel(IdleLatency::new(device, Duration::ZERO)));
        (awake, file.into_file())
    }

    #[test]
    fn it_is_worth_it_once_events_have_come_closely_and_for_a_window_after_the_last() {
        for awake in [Awake::new(StayAwake::BusyPoll), asking().0] {
            let now = calls(&awake, awake.begun, ENOUGH / 2 - 1, CLOSE);
            assert!(!awake.is_worth_it(now), "too few");
            let now = calls(&awake, now, 1, CLOSE);
            assert!(awake.is_worth_it(now + awake.window));
            assert!(!awake.is_worth_it(now + awake.window + Duration::from_nanos(1)), "nobody came");
        }
    }

    #[test]
    fn functions_that_take_longer_keep_nobody_awake() {
        for awake in [Awake::new(StayAwake::BusyPoll), asking().0] {
            let now = calls(&awake, awake.begun, 100, awake.window + CLOSE);
            assert!(!awake.is_worth_it(now));
            let now = calls(&awake, now, 100, CLOSE);
            let slow = awake.arrived(now + CLOSE);
            slow.answered_at(|| now + awake.window + 2 * CLOSE);
            assert!(!awake.is_worth_it(now + awake.window + 2 * CLOSE), "one slow call begins the count anew");
        }
    }

    #[test]
    fn calls_beside_each_other_keep_the_threads_busy_themselves_and_the_kernel_is_asked_all_the_same() {
        for (awake, expected) in [(Awake::new(StayAwake::BusyPoll), false), (asking().0, true)] {
            let now = calls(&awake, awake.begun, 100, CLOSE);
            let mut many: Vec<_> = (0..=4).map(|_| awake.arrived(now)).collect();
            assert_eq!(awake.is_worth_it(now), expected);
            many.pop();
            assert!(awake.is_worth_it(now));
        }
    }

    #[test]
    fn nobody_stays_awake_who_was_not_told_to() {
        let awake = Awake::new(StayAwake::No);
        calls(&awake, awake.begun, 100, Duration::ZERO);
        assert!(!awake.is_awake.load(Relaxed));
    }

    #[tokio::test]
    async fn whoever_stays_awake_goes_to_sleep_when_nobody_comes_and_ends_with_the_server() {
        let (asking, mut asked) = asking();
        for awake in [Awake::new(StayAwake::BusyPoll), asking] {
            let shutdown = CancellationToken::new();
            let end = shutdown.clone();
            let others = async {
                for _ in 0..2 {
                    // However slow this machine is: the time is told, not read.
                    calls(&awake, Instant::now(), ENOUGH, CLOSE);
                    assert!(awake.is_awake.load(Relaxed));
                    while awake.is_awake.load(Relaxed) {
                        yield_now().await;
                    }
                }
                shutdown.cancel();
            };
            tokio::join!(awake.run(end), others);
        }
        let mut written = Vec::new();
        asked.read_to_end(&mut written).expect("what was asked");
        let values: Vec<_> = written.chunks(4).map(|value| i32::from_ne_bytes(value.try_into().expect("4"))).collect();
        assert_eq!(values, [0, latency::ANY, 0, latency::ANY], "asked, and taken back");
    }
}
