//! Finds the number of calls at once at which most of them end, by trying: it is told rates and says sizes. Pure.
//!
//! At first the size doubles as long as that ends more calls per second, later one nearby is tried now and then. A larger one has to be worth
//! it and a smaller one only must not be slower: calls at once cost memory and processor time, also where they gain nothing.
//!
//! Rates are noisy, by more than sizes differ that are near one another. So what seems to gain little is measured against the old size once
//! more before it is kept, and what seems to gain nothing while the size doubles is measured twice: single slow periods left a queue at a
//! few calls, and lucky ones made it wander (`simulation.rs` holds both to account).

/// What twice the size must add to the rate, what a quarter more must, and what a quarter less may cost.
const WORTH_TWICE: f64 = 1.03;
const WORTH: f64 = 1.02;
const SPARED: f64 = 0.99;
/// What needs no second look.
const SURE: f64 = 1.10;
/// Periods until another size is tried: what held it up may be over. More of them where none was better.
const PATIENCE: [u32; 2] = [4, 32];

/// How the size is being found out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Calls per second of the size that others are compared with; 0 where none was measured.
    rate: f64,
    course: Course,
    /// Whether the next size to be tried is a smaller one.
    shrinks: bool,
    patience: u32,
}

/// Where it stands.
#[derive(Clone, Copy, Debug)]
enum Course {
    /// The size doubles; `from` is the last one that was worth it. `doubted`: the rate of this one, which was not.
    Opens { from: usize, doubted: Option<f64> },
    /// It has been what it is for so many periods.
    Stays { periods: u32 },
    /// It is another one than `from` for one measurement.
    Tries { from: usize },
    /// It is the old one again, to be compared with the one that was `tried` and had that rate.
    Checks { tried: usize, rate: f64 },
}

impl Search {
    /// One that begins with a size.
    pub(super) fn from(size: usize) -> Self {
        let course = Course::Opens { from: size, doubted: None };
        Self { rate: 0.0, course, shrinks: true, patience: PATIENCE[0] }
    }

    /// The same, with what is known of the function.
    pub(super) fn again(&self, size: usize) -> Self {
        Self { shrinks: self.shrinks, patience: self.patience, ..Self::from(size) }
    }

    /// Whether nothing is known of larger sizes yet.
    pub(super) fn opens(&self) -> bool {
        matches!(self.course, Course::Opens { .. })
    }

    /// Whether sizes that are near one another are being compared.
    pub(super) fn compares(&self) -> bool {
        matches!(self.course, Course::Tries { .. } | Course::Checks { .. })
    }

    /// A size had this rate; gives the size to go on with, of `most` at most.
    pub(super) fn judge(&mut self, size: usize, rate: f64, most: usize) -> usize {
        match self.course {
            Course::Opens { .. } if rate > self.rate * WORTH_TWICE => {
                self.rate = rate;
                self.double(size, most)
            }
            Course::Opens { from, doubted: None } => {
                self.course = Course::Opens { from, doubted: Some(rate) };
                size
            }
            // What is too large shrinks again; what was left too small grows slowly.
            Course::Opens { from, doubted: Some(before) } => {
                self.stay(if rate.max(before) < self.rate * SPARED { from } else { size })
            }
            Course::Stays { periods } => {
                self.learn(rate);
                self.course = Course::Stays { periods: periods + 1 };
                if periods + 1 >= self.patience { self.try_beside(size, most) } else { size }
            }
            Course::Tries { .. } if rate >= self.rate * SURE => self.keep(size, rate, most),
            Course::Tries { from } if rate >= self.rate * least(from, size) => {
                self.course = Course::Checks { tried: size, rate };
                from
            }
            Course::Tries { from } => self.reject(from),
            Course::Checks { tried, rate: of_tried } if of_tried >= rate * least(size, tried) => {
                self.keep(tried, of_tried, most)
            }
            Course::Checks { .. } => {
                self.learn(rate);
                self.reject(size)
            }
        }
    }

    /// What a function can do drifts, and single periods are noise.
    fn learn(&mut self, rate: f64) {
        self.rate += (rate - self.rate) / 4.0;
    }

    fn double(&mut self, size: usize, most: usize) -> usize {
        let twice = (size * 2).min(most.max(1));
        if twice <= size {
            return self.stay(size);
        }
        self.course = Course::Opens { from: size, doubted: None };
        twice
    }

    fn stay(&mut self, size: usize) -> usize {
        self.course = Course::Stays { periods: 0 };
        size
    }

    /// The size that was tried is better, and the next one may be better still.
    fn keep(&mut self, size: usize, rate: f64, most: usize) -> usize {
        self.rate = rate;
        self.patience = PATIENCE[0];
        self.try_beside(size, most)
    }

    fn reject(&mut self, from: usize) -> usize {
        self.shrinks = !self.shrinks;
        self.patience = (self.patience * 2).min(PATIENCE[1]);
        self.stay(from)
    }

    /// Tries a size a quarter away, the other way round where there is none.
    fn try_beside(&mut self, from: usize, most: usize) -> usize {
        let step = (from / 4).max(1);
        let size = if self.shrinks { from - step } else { from + step };
        let size = size.clamp(1, most.max(1));
        if size == from {
            self.shrinks = !self.shrinks;
            return self.stay(size);
        }
        self.course = Course::Tries { from };
        size
    }
}

/// What a size must have of another one's rate to take its place.
fn least(from: usize, to: usize) -> f64 {
    if to > from { WORTH } else { SPARED }
}
