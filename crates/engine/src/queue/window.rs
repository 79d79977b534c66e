//! How many calls of one function the queue runs at once. Pure: the time is an argument.
//!
//! Nobody says what a function can bear, so it is found out: at first the window doubles as long as more calls at once end more calls per
//! second, later a size nearby is tried now and then. A larger one has to be worth it and a smaller one only must not be slower: calls at
//! once cost memory and processor time, also where they gain nothing. It halves when the pool has nothing to give. Where calls take so long that none ends, it grows to
//! as many as there are processors, and beyond that while some are idle: calls that wait for something else go on together, and calls that
//! compute do not slow one another down until they run into their time limits.
//!
//! What counts are ends on disk. Calls that run faster than their ends can be written take processors from who writes them: measured
//! where they stop running, each growth seemed worth it, and each made the queue slower.

use std::time::{Duration, Instant};

/// A rate is measured over at least this long, and over twice that where sizes are near one another.
const PERIOD: Duration = Duration::from_millis(200);
/// Calls take long where none of a full window ended for so long.
const SILENCE: Duration = Duration::from_millis(250);
/// What twice the window must add to the rate, what a quarter more must, and what a quarter less may cost.
const WORTH_TWICE: f64 = 1.03;
const WORTH: f64 = 1.02;
const SPARED: f64 = 0.99;
/// Periods until another size is tried: what held it up may be over. More of them where none was better.
const PATIENCE: [u32; 2] = [4, 32];
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
    /// Calls that have ended, and whose end is not on disk.
    ending: usize,
    period: Period,
    /// Calls per second of the size that others are compared with; 0 where none was measured.
    rate: f64,
    course: Course,
    /// Whether the next size to be tried is a smaller one.
    shrinks: bool,
    patience: u32,
    /// Nothing is begun before then.
    rest_until: Option<Instant>,
    rest: Duration,
}

/// How its size is being found out.
#[derive(Clone, Copy, Debug)]
enum Course {
    /// It doubles; `from` is the last size that was worth it.
    Opens { from: usize },
    /// It has been what it is for so many periods.
    Stays { periods: u32 },
    /// It is another one than `from` for one measurement.
    Tries { from: usize },
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

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            size: 1,
            out: 0,
            begun: 0,
            ending: 0,
            period: Period::new(now, 0),
            rate: 0.0,
            course: Course::Opens { from: 1 },
            shrinks: true,
            patience: PATIENCE[0],
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
        if matches!(self.course, Course::Opens { .. }) {
            self.size = self.size.max(size);
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
            self.judge(rate, most);
        }
    }

    /// How long a rate is measured.
    fn least(&self) -> Duration {
        if matches!(self.course, Course::Tries { .. }) { 2 * PERIOD } else { PERIOD }
    }

    /// A period is over in which there was enough to do.
    fn judge(&mut self, rate: f64, most: usize) {
        match self.course {
            Course::Opens { .. } if rate > self.rate * WORTH_TWICE => {
                self.rate = rate;
                self.double(most);
            }
            // What is too large shrinks again; what was left too small by one slow period grows slowly.
            Course::Opens { from } if rate < self.rate * SPARED => self.back_to(from),
            Course::Opens { .. } => self.back_to(self.size),
            Course::Stays { periods } => {
                // What a function can do drifts, and single periods are noise.
                self.rate += (rate - self.rate) / 4.0;
                self.course = Course::Stays { periods: periods + 1 };
                if periods + 1 >= self.patience {
                    self.try_another(most);
                }
            }
            Course::Tries { from } if self.is_better(from, rate) => {
                self.rate = rate;
                self.patience = PATIENCE[0];
                self.try_another(most);
            }
            Course::Tries { from } => {
                self.shrinks = !self.shrinks;
                self.patience = (self.patience * 2).min(PATIENCE[1]);
                self.back_to(from);
            }
        }
    }

    fn is_better(&self, from: usize, rate: f64) -> bool {
        rate >= self.rate * if self.size > from { WORTH } else { SPARED }
    }

    fn double(&mut self, most: usize) {
        let from = self.size;
        self.resize(self.size * 2, most);
        self.course = if self.size > from { Course::Opens { from } } else { Course::Stays { periods: 0 } };
    }

    fn back_to(&mut self, size: usize) {
        self.resize(size, size);
        self.course = Course::Stays { periods: 0 };
    }

    /// Tries a size a quarter away, the other way round where there is none.
    fn try_another(&mut self, most: usize) {
        let (from, step) = (self.size, (self.size / 4).max(1));
        let size = if self.shrinks { from - step } else { from + step };
        self.resize(size, most);
        if self.size == from {
            self.shrinks = !self.shrinks;
            self.course = Course::Stays { periods: 0 };
        } else {
            self.course = Course::Tries { from };
        }
    }

    fn resize(&mut self, size: usize, most: usize) {
        self.size = size.clamp(1, most.max(1));
        self.period.others = self.out + self.ending;
    }

    /// Called from time to time: grows where all calls take long and the host has processors to spare.
    pub(super) fn look(&mut self, host: Host, most: usize, now: Instant) {
        let silent = now.saturating_duration_since(self.period.last) >= SILENCE;
        let spare = host.is_idle || self.size < host.processors;
        if silent && spare && self.out >= self.size && self.begun == self.out {
            self.resize(self.size + (self.size / 4).max(1), most);
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
        self.rate = 0.0;
        self.course = Course::Opens { from: self.size };
        self.rest = (self.rest * 2).clamp(REST[0], REST[1]);
        self.rest_until = Some(now + self.rest.mul_f64(0.75 + chance.clamp(0.0, 1.0) / 2.0));
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests;
