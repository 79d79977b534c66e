//! How many calls of one function the queue runs at once. Pure: the time is an argument.
//!
//! Nobody says what a function can bear, so it is found out: a full window grows as long as more calls at once end more calls per second,
//! and halves when the pool has nothing to give. Where calls take so long that none ends, it grows to as many as there are processors, and beyond
//! that while some are idle: calls that wait for something else go on together, and calls that compute do not slow one another down until they
//! run into their time limits.

use std::time::{Duration, Instant};

/// A rate is measured over at least this long.
const PERIOD: Duration = Duration::from_millis(200);
/// Calls take long where none of a full window ended for so long.
const SILENCE: Duration = Duration::from_millis(250);
/// What a larger window must add to the rate to grow on.
const WORTH: f64 = 1.05;
/// Full periods without growth after which one more call is tried: what held it up may be over.
const PATIENCE: u32 = 32;
/// The shortest and the longest rest after a refusal.
const REST: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// What calls that take long have to go on with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub(super) processors: usize,
    /// Whether some of them have had nothing to do.
    pub(super) is_idle: bool,
}

/// The calls at once of one function.
#[derive(Clone, Debug)]
pub(super) struct Window {
    size: usize,
    /// Calls that were given out and have not ended, those that wait for an instance included.
    out: usize,
    /// Those of them that have their instance.
    begun: usize,
    period: Period,
    /// Calls per second before it grew last.
    before: f64,
    /// Full periods since it grew last.
    held: u32,
    /// Nothing is begun before then.
    rest_until: Option<Instant>,
    rest: Duration,
}

/// What is being measured.
#[derive(Clone, Copy, Debug)]
struct Period {
    since: Instant,
    /// When a call ended last, or the window grew.
    last: Instant,
    ended: usize,
    /// Those of them that ended while the window was full.
    ended_full: usize,
}

impl Period {
    fn new(now: Instant) -> Self {
        Self { since: now, last: now, ended: 0, ended_full: 0 }
    }
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            size: 1,
            out: 0,
            begun: 0,
            period: Period::new(now),
            before: 0.0,
            held: 0,
            rest_until: None,
            rest: Duration::ZERO,
        }
    }

    /// Whether one more may begin, where there may be `most` in all.
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.out < self.size.min(most)
    }

    /// Until when nothing begins.
    pub(super) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.rest_until.filter(|until| *until > now)
    }

    /// Instances that are idle need no trying out.
    pub(super) fn is_at_least(&mut self, size: usize) {
        self.size = self.size.max(size);
    }

    /// A call is given out.
    pub(super) fn take(&mut self, now: Instant) {
        if self.out == 0 {
            // The time in which nothing ran says nothing.
            self.period.since += now.saturating_duration_since(self.period.last.max(self.period.since));
            self.period.last = now;
        }
        self.out += 1;
    }

    /// A call has its instance.
    pub(super) fn begin(&mut self) {
        self.begun += 1;
    }

    /// A call has ended, or will not begin for a reason of its own; `begun` says which.
    pub(super) fn end(&mut self, begun: bool, most: usize, now: Instant) {
        let full = self.out >= self.size;
        self.give_back(begun);
        if !begun {
            return;
        }
        self.rest = Duration::ZERO;
        self.period.last = now;
        self.period.ended += 1;
        self.period.ended_full += usize::from(full);
        let took = now.saturating_duration_since(self.period.since);
        if took >= PERIOD && self.period.ended >= self.size {
            self.judge(took, most);
            self.period = Period::new(now);
        }
    }

    fn give_back(&mut self, begun: bool) {
        self.out = self.out.saturating_sub(1);
        self.begun = self.begun.saturating_sub(usize::from(begun));
    }

    /// A period is over: was the last growth worth it?
    fn judge(&mut self, took: Duration, most: usize) {
        let Period { ended, ended_full, .. } = self.period;
        if ended_full * 2 < ended {
            return;
        }
        let rate = ended as f64 / took.as_secs_f64();
        if rate > self.before * WORTH {
            self.before = rate;
            self.grow(ended_full.min(self.size), most);
            return;
        }
        // What a function can do drifts, and single periods are noise.
        self.before += (rate - self.before) / 8.0;
        self.held += 1;
        if self.held >= PATIENCE {
            self.grow(1, most);
        }
    }

    fn grow(&mut self, by: usize, most: usize) {
        self.size = (self.size + by).min(most.max(1));
        self.held = 0;
    }

    /// Called from time to time: grows where all calls take long and the host has processors to spare.
    pub(super) fn look(&mut self, host: Host, most: usize, now: Instant) {
        let silent = now.saturating_duration_since(self.period.last) >= SILENCE;
        let spare = host.is_idle || self.size < host.processors;
        if silent && spare && self.out >= self.size && self.begun == self.out {
            self.grow((self.size / 4).max(1), most);
            self.period.last = now;
        }
    }

    /// The pool had no instance for a call, or failed to give one. `chance` is between 0 and 1: functions that were refused together
    /// shall not come back together.
    pub(super) fn refuse(&mut self, begun: bool, chance: f64, now: Instant) {
        self.give_back(begun);
        if self.rests_until(now).is_some() {
            // One refusal of many at once counts: the others were under way when it was told.
            return;
        }
        self.size = (self.size / 2).max(1);
        self.before = 0.0;
        self.rest = (self.rest * 2).clamp(REST[0], REST[1]);
        self.rest_until = Some(now + self.rest.mul_f64(0.75 + chance.clamp(0.0, 1.0) / 2.0));
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Keeps the window full for a while: `ends(n)` is how many calls per second end with `n` at once.
    fn run(window: &mut Window, now: &mut Instant, most: usize, millis: u32, ends: impl Fn(usize) -> f64) {
        let mut owed = 0.0;
        for _ in 0..millis {
            while window.has_room(most) {
                window.take(*now);
                window.begin();
            }
            *now += MS;
            owed += ends(window.out) / 1000.0;
            while owed >= 1.0 && window.out > 0 {
                owed -= 1.0;
                window.end(true, most, *now);
                window.take(*now);
                window.begin();
            }
        }
    }

    #[test]
    fn it_grows_while_more_at_once_end_more() {
        let mut now = Instant::now();
        let mut window = Window::new(now);
        run(&mut window, &mut now, 100, 5000, |at_once| at_once as f64 * 20.0);
        assert_eq!(window.size(), 100, "calls that wait for something else: all that there may be");
    }

    #[test]
    fn it_stops_where_the_host_has_no_more_to_give() {
        let mut now = Instant::now();
        let mut window = Window::new(now);
        run(&mut window, &mut now, 100, 5000, |at_once| at_once.min(2) as f64 * 100.0);
        assert!((2..=8).contains(&window.size()), "{} at once for two processors", window.size());
    }

    #[test]
    fn calls_that_take_long_do_not_wait_for_one_another_while_processors_are_idle() {
        let mut now = Instant::now();
        let mut window = Window::new(now);
        let host = |is_idle| Host { processors: 2, is_idle };
        for idle in [true, false] {
            for _ in 0..100 {
                while window.has_room(50) {
                    window.take(now);
                    window.begin();
                }
                now += SILENCE;
                window.look(host(idle), 50, now);
            }
            assert_eq!(window.size(), 50);
        }
        let mut busy = Window::new(now);
        for _ in 0..100 {
            while busy.has_room(50) {
                busy.take(now);
                busy.begin();
            }
            now += SILENCE;
            busy.look(host(false), 50, now);
        }
        assert_eq!(busy.size(), 2, "one for each processor does no harm");
        let mut starting = Window::new(now);
        starting.take(now);
        starting.look(host(true), 50, now + SILENCE);
        assert_eq!(starting.size(), 1, "a call that waits for its instance says nothing");
    }

    #[test]
    fn refusals_halve_it_once_and_make_it_rest_longer_each_time() {
        let now = Instant::now();
        let mut window = Window::new(now);
        window.is_at_least(16);
        (0..16).for_each(|_| window.take(now));
        (0..16).for_each(|_| window.refuse(false, 0.5, now));
        assert_eq!((window.size(), window.rests_until(now)), (8, Some(now + REST[0])));
        let mut later = now;
        for expected in [100, 200, 400, 800, 1000, 1000] {
            later += REST[1];
            assert_eq!(window.rests_until(later), None);
            window.take(later);
            window.refuse(false, 0.5, later);
            assert_eq!(window.rests_until(later), Some(later + expected * MS));
        }
        assert_eq!(window.size(), 1);
        later += REST[1];
        window.take(later);
        window.begin();
        window.end(true, 100, later);
        window.take(later);
        window.refuse(false, 0.5, later);
        assert_eq!(window.rests_until(later), Some(later + REST[0]), "what ended well shortens the rest");
    }
}
