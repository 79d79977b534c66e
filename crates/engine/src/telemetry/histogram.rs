//! How long things took, in buckets of fixed size: two additions per value, no allocation, and differences that can be read as often
//! as one likes. The exporter's own histograms cost five times as much (docs/decisions/0009), and cannot be read back.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets for each doubling: a value is known to a quarter of its size.
const STEPS: usize = 4;
/// From 1 microsecond to 36 minutes; what is longer is in the last.
const BUCKETS: usize = 120;
/// Doublings that are shown to Prometheus: from 4 microseconds to 18 minutes.
const SHOWN: std::ops::RangeInclusive<u32> = 2..=30;

/// Counts values in microseconds.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Sum of all values in microseconds.
    pub sum_us: u64,
    /// Buckets that hold something: all values are below the first number, in microseconds, and not below that of the one before
    /// by more than a quarter.
    pub buckets: Vec<(u64, u64)>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), sum_us: AtomicU64::new(0) }
    }
}

impl Histogram {
    pub(crate) fn record(&self, us: u64) {
        self.buckets[bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).enumerate();
        Snapshot {
            sum_us: self.sum_us.load(Ordering::Relaxed),
            buckets: counts.filter(|(_, count)| *count > 0).map(|(index, count)| (end(index), count)).collect(),
        }
    }
}

impl Snapshot {
    /// Values so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Adds the lines of the Prometheus text format, in seconds; `label` is `name="value"`.
    pub(crate) fn expose(&self, out: &mut String, name: &str, label: &str) -> fmt::Result {
        for doubling in SHOWN {
            let most = 1_u64 << doubling;
            let count: u64 = self.buckets.iter().filter(|(end, _)| *end <= most).map(|(_, count)| count).sum();
            writeln!(out, "{name}_bucket{{{label},le=\"{}\"}} {count}", most as f64 / 1e6)?;
        }
        let count = self.count();
        writeln!(out, "{name}_bucket{{{label},le=\"+Inf\"}} {count}")?;
        writeln!(out, "{name}_sum{{{label}}} {}", self.sum_us as f64 / 1e6)?;
        writeln!(out, "{name}_count{{{label}}} {count}")
    }
}

/// The bucket of a value: one each below [`STEPS`], then as many for each doubling.
fn bucket(us: u64) -> usize {
    let Some(shift) = us.checked_ilog2().and_then(|doubling| doubling.checked_sub(STEPS.ilog2())) else {
        return us as usize;
    };
    let step = (us >> shift) as usize % STEPS;
    (STEPS * (shift as usize + 1) + step).min(BUCKETS - 1)
}

/// What all values of a bucket are below.
fn end(bucket: usize) -> u64 {
    let (rows, step) = (bucket / STEPS, bucket % STEPS);
    match rows.checked_sub(1) {
        None => step as u64 + 1,
        Some(shift) => ((STEPS + step + 1) as u64) << shift,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_their_buckets() {
        for us in (0..5000).chain([1 << 20, (1 << 31) - 1]) {
            let index = bucket(us);
            let begin = if index == 0 { 0 } else { end(index - 1) };
            assert!((begin..end(index)).contains(&us), "{us} in {begin}..{}", end(index));
            assert!((end(index) - begin) * 4 <= us.max(4), "{us} is known to a quarter");
        }
        assert_eq!((bucket(u64::MAX), end(BUCKETS - 1)), (BUCKETS - 1, 1 << 31));
    }

    #[test]
    fn prometheus_reads_sums_of_buckets() {
        let histogram = Histogram::default();
        for us in [0, 3, 4, 1000, 1_500_000, 4_000_000_000] {
            histogram.record(us);
        }
        let mut text = String::new();
        histogram.snapshot().expose(&mut text, "x_seconds", "phase=\"run\"").expect("a String takes all");
        for line in [
            "x_seconds_bucket{phase=\"run\",le=\"0.000004\"} 2\n",
            "x_seconds_bucket{phase=\"run\",le=\"0.000008\"} 3\n",
            "x_seconds_bucket{phase=\"run\",le=\"0.001024\"} 4\n",
            "x_seconds_bucket{phase=\"run\",le=\"1.048576\"} 4\n",
            "x_seconds_bucket{phase=\"run\",le=\"1073.741824\"} 5\n",
            "x_seconds_bucket{phase=\"run\",le=\"+Inf\"} 6\n",
            "x_seconds_sum{phase=\"run\"} 4001.501007\n",
            "x_seconds_count{phase=\"run\"} 6\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
