//! How many blank instances are worth having, from how many were wanted. Pure: the clock is an argument.

/// Seconds that are remembered.
const WINDOW: u64 = 60;

/// How many were wanted in each second of the last minute.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    seconds: [u32; WINDOW as usize],
    /// The second that was counted last.
    last: u64,
}

impl Default for Demand {
    fn default() -> Self {
        Self { seconds: [0; WINDOW as usize], last: 0 }
    }
}

impl Demand {
    /// One was wanted, whether there was one or not.
    pub(super) fn add(&mut self, second: u64) {
        self.turn(second);
        self.seconds[(second % WINDOW) as usize] += 1;
    }

    /// The most that were wanted within one second: what comes at once is what a stock is for. What comes one after the other is
    /// replaced in between.
    pub(super) fn most(&mut self, second: u64) -> usize {
        self.turn(second);
        self.seconds.iter().max().map_or(0, |most| *most as usize)
    }

    fn turn(&mut self, second: u64) {
        for passed in self.last + 1..=second.min(self.last + WINDOW) {
            self.seconds[(passed % WINDOW) as usize] = 0;
        }
        self.last = self.last.max(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (seconds at which one was wanted, second of the question, answer)
    #[track_caller]
    fn check(wanted: &[u64], asked: u64, expected: usize) {
        let mut demand = Demand::default();
        wanted.iter().for_each(|second| demand.add(*second));
        assert_eq!(demand.most(asked), expected, "{wanted:?} asked at {asked}");
    }

    #[test]
    fn largest_burst_of_the_last_minute_counts() {
        check(&[], 5, 0);
        check(&[1, 2, 3, 4], 5, 1);
        check(&[1, 3, 3, 3, 4], 5, 3);
        check(&[3, 3, 3, 60], 62, 3);
        check(&[3, 3, 3, 60], 63, 1);
        check(&[3, 3, 3], 1000, 0);
        check(&[0, 0, 60], 60, 1);
    }
}
