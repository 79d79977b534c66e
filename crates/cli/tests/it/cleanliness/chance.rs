//! Random moments that can be had again: the seed is told where something fails.

use std::fmt;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A stream of numbers from a seed: of the clock's, or `FUNGRAPH_TEST_SEED`.
pub(super) struct Chance {
    seed: u64,
    state: u64,
    round: usize,
}

impl Chance {
    pub(super) fn new() -> Self {
        let given = std::env::var("FUNGRAPH_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("we are behind 1970");
        let seed: u64 = given.unwrap_or_else(|| u64::from(now.subsec_nanos()) + 1);
        Self { seed, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, round: 0 }
    }

    pub(super) fn note(&mut self, round: usize) {
        self.round = round;
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let high = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % end
    }

    /// Waits no longer than this.
    pub(super) fn pause(&mut self, most: Duration) {
        let most = usize::try_from(most.as_micros()).expect("a short time");
        thread::sleep(Duration::from_micros(self.below(most) as u64));
    }

    pub(super) fn done(&self, took: Duration) {
        let _ = writeln!(std::io::stderr(), "all rounds with seed {}: {took:?}", self.seed);
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round {} with FUNGRAPH_TEST_SEED={}", self.round, self.seed)
    }
}
