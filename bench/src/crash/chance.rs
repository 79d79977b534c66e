//! Moments that nobody chose, and that can be had again.

/// SplitMix64: small, and good enough for moments.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `most`, 0 where that is 0.
    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    /// Seconds that a clock is set by: an hour, either way.
    pub(super) fn step(&mut self) -> i64 {
        if self.below(2) == 0 { -3600 } else { 3600 }
    }
}

/// A number to begin with.
pub(super) fn seed() -> u64 {
    jiff::Timestamp::now().as_microsecond().cast_unsigned()
}
