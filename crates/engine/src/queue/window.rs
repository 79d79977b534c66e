//! How many calls of one function the queue runs at once. Pure: the time is an argument.
//!
//! Nobody says what a function can bear, so it is found out ([`search`]). The window halves when the pool has nothing to give, and does not
//! come back to what was refused for a while. Where calls take so long that none ends, it grows to as many as there are processors, and
//! beyond that while some are idle: calls that wait for something else go on together, and calls that compute do not slow one another down
//! until they run into their time limits.
//!
//! What counts are ends on disk. Calls that run faster than their ends can be written take processors from who writes them: measured
//! where they stop running, each growth seemed worth it, and each made the queue slower.

mod search;

use std::time::{Duration, Instant};

use search::Search;

/// A rate is measured over at least this long, and over three times that where sizes are near one another.
const PERIOD: Duration = Duration::from_millis(200);
/// Calls take long where none of a full window ended for so long.
const SILENCE: Duration = Duration::from_millis(250);
/// The shortest and the longest rest after a refusal.
const REST: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];
/// The shortest and the longest time for which a size that was refused is not tried again; twice as long each time.
const BARRED: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(32)];

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
    /// Calls that have ended, and whose end is not on disk.
    ending: usize,
    period: Period,
    search: Search,
    bar: Bar,
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
    /// Ends still to come of calls that another size has let begin.
    others: usize,
    ended: usize,
    /// Those of them at which further calls waited.
    pressed: usize,
}

impl Period {
    fn new(now: Instant, others: usize) -> Self {
        Self { since: now, last: now, others, ended: 0, pressed: 0 }
    }
}

/// So many calls at once the pool could bear when it refused more. Without it the window would double into the next refusal at once, and a
/// function whose instances are all busy would run half of them.
#[derive(Clone, Copy, Debug)]
struct Bar {
    most: usize,
    until: Option<Instant>,
    length: Duration,
}

impl Bar {
    const NONE: Self = Self { most: usize::MAX, until: None, length: Duration::ZERO };

    fn raise(&mut self, most: usize, now: Instant) {
        let length = (self.length * 2).clamp(BARRED[0], BARRED[1]);
        *self = Self { most, until: Some(now + length), length };
    }

    /// The calls at once that may be tried, of `most` in all.
    fn under(&self, most: usize, now: Instant) -> usize {
        if self.until.is_some_and(|until| until > now) { most.min(self.most) } else { most }
    }
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            size: 1,
            out: 0,
            begun: 0,
            ending: 0,
            period: Period::new(now, 0),
            search: Search::from(1),
            bar: Bar::NONE,
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

    /// Instances that are idle need no trying out, unless it was found out already what is best.
    pub(super) fn is_at_least(&mut self, size: usize) {
        if self.search.opens() && size > self.size {
            self.size = size;
            if size > self.bar.most {
                self.bar = Bar::NONE;
            }
        }
    }

    /// A call is given out.
    pub(super) fn take(&mut self, now: Instant) {
        if self.out + self.ending == 0 {
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
    pub(super) fn end(&mut self, begun: bool, now: Instant) {
        self.give_back(begun);
        if begun {
            self.rest = Duration::ZERO;
            self.period.last = now;
        }
    }

    fn give_back(&mut self, begun: bool) {
        self.out = self.out.saturating_sub(1);
        self.begun = self.begun.saturating_sub(usize::from(begun));
        self.ending += usize::from(begun);
        // What did not begin has no end to come.
        self.period.others = self.period.others.min(self.out + self.ending);
    }

    /// The end of a call that had begun is on disk; `pressed`: others wait to begin.
    pub(super) fn stored(&mut self, pressed: bool, most: usize, now: Instant) {
        self.ending = self.ending.saturating_sub(1);
        let (least, period) = (self.least(), &mut self.period);
        period.last = now;
        if period.others > 0 {
            period.others -= 1;
            period.since = now;
            return;
        }
        period.ended += 1;
        period.pressed += usize::from(pressed);
        let took = now.saturating_duration_since(period.since);
        if took < least || period.ended < self.size {
            return;
        }
        let rate = period.ended as f64 / took.as_secs_f64();
        let is_pressed = period.pressed * 2 >= period.ended;
        self.period = Period::new(now, 0);
        if is_pressed {
            self.judge(rate, most, now);
        }
    }

    /// How long a rate is measured.
    fn least(&self) -> Duration {
        if self.search.compares() { 3 * PERIOD } else { PERIOD }
    }

    /// A period is over in which there was enough to do.
    fn judge(&mut self, rate: f64, most: usize, now: Instant) {
        if self.size > self.bar.most {
            // What was refused once is borne now.
            self.bar = Bar::NONE;
        }
        let size = self.search.judge(self.size, rate, self.bar.under(most, now));
        if size != self.size {
            self.resize(size, now);
        }
    }

    /// Calls that the size before has let begin say nothing of this one.
    fn resize(&mut self, size: usize, now: Instant) {
        self.size = size.max(1);
        self.period = Period::new(now, self.out + self.ending);
    }

    /// Called from time to time: grows where all calls take long and the host has processors to spare.
    pub(super) fn look(&mut self, host: Host, most: usize, now: Instant) {
        let silent = now.saturating_duration_since(self.period.last) >= SILENCE;
        let spare = host.is_idle || self.size < host.processors;
        if silent && spare && self.out >= self.size && self.begun == self.out {
            let size = self.size + (self.size / 4).max(1);
            self.resize(size.min(self.bar.under(most, now)), now);
        }
    }

    /// The pool had no instance for a call, or failed to give one; or what it gave broke, where it had begun. `chance` is between 0 and 1:
    /// functions that were refused together shall not come back together.
    pub(super) fn refuse(&mut self, begun: bool, chance: f64, now: Instant) {
        self.give_back(begun);
        if self.rests_until(now).is_some() {
            // One refusal of many at once counts: the others were under way when it was told. Together they say how many it bears.
            if !begun {
                self.bar.most = self.bar.most.min(self.out.max(self.size));
            }
            return;
        }
        let size = (self.size / 2).max(1);
        if !begun {
            self.bar.raise(self.out.clamp(size, (self.size - 1).max(size)), now);
        }
        self.resize(size, now);
        self.search = self.search.again(size);
        self.rest = (self.rest * 2).clamp(REST[0], REST[1]);
        self.rest_until = Some(now + self.rest.mul_f64(0.75 + chance.clamp(0.0, 1.0) / 2.0));
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests;
