//! The peak of a sandbox's memory, readable and resettable by a server without privilege.
//!
//! The spawner opens the cgroup's file and hands the descriptor over; from then on a reading is one `pread` and a reset one `pwrite`.
//! A reading is 1 us of the processor, a fortieth of a whole call, so a run that was too short to use much memory is not worth its own.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What the file behind a gauge can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GaugeKind {
    /// The largest use since the last write: cgroup v1 `memory.max_usage_in_bytes`, cgroup v2 `memory.peak` since Linux 6.12,
    /// where each open file has a mark of its own.
    Peak,
    /// Only the use of this moment: cgroup v2 `memory.current` on older kernels.
    Current,
}

/// Memory use of one sandbox: all its processes and their page cache, in bytes.
#[derive(Debug)]
pub struct MemoryGauge {
    file: Option<(GaugeKind, File)>,
    /// Where the peak that is being measured started.
    start: AtomicU64,
    /// What a look would have seen right after the last one.
    left: AtomicU64,
    /// Microseconds from `born` to the last look at a run; 0 before the first.
    looked: AtomicU64,
    born: Instant,
}

/// Batches in which the kernel charges memory to a cgroup: 64 pages of 4 KB (`MEMCG_CHARGE_BATCH`).
const GRAIN: u64 = 64 * 4096;

/// A run within this cannot have touched more than a few MB: each page that it is the first to touch costs it a fault, half a microsecond.
const SHORT: Duration = Duration::from_micros(200);
/// How often short runs are looked at: what one of them has used is told of the next that is.
const SELDOM: Duration = Duration::from_millis(1);

impl MemoryGauge {
    pub(crate) fn new(kind: Option<GaugeKind>, descriptor: Option<OwnedFd>) -> MemoryGauge {
        let zero = AtomicU64::default;
        let file = kind.zip(descriptor.map(File::from));
        MemoryGauge { file, start: zero(), left: zero(), looked: zero(), born: Instant::now() }
    }

    /// The peak since it was last taken, or the current use where the kernel cannot reset a peak. 0 where the host
    /// has no memory controller.
    pub fn peak_bytes(&self) -> u64 {
        let Some((_, file)) = &self.file else { return 0 };
        let mut text = [0; 32];
        // A cgroup that is gone cannot be read; nothing is used there.
        let length = file.read_at(&mut text, 0).unwrap_or(0);
        parse_bytes(&text[..length])
    }

    /// The peak since the last look, and a new start for what runs next.
    ///
    /// A peak within 256 KB of where it started is left standing: the kernel charges memory in batches that large, so it could
    /// not tell a lower one from it, and a write into a cgroup costs as much as the reading.
    pub fn take_peak(&self) -> u64 {
        let peak = self.peak_bytes();
        let mut left = peak;
        if peak > self.start.load(Ordering::Relaxed) + GRAIN {
            self.reset();
            left = self.peak_bytes();
            self.start.store(left, Ordering::Relaxed);
        }
        self.left.store(left, Ordering::Relaxed);
        peak
    }

    /// The same for a run that took so long and ended at `now`. Of one that was short, soon after another look, what that look left
    /// is taken for its peak.
    pub fn take_peak_of(&self, took: Duration, now: Instant) -> u64 {
        let since_born = micros(now.saturating_duration_since(self.born)).max(1);
        let looked = self.looked.load(Ordering::Acquire);
        if took <= SHORT && looked > 0 && since_born.saturating_sub(looked) < micros(SELDOM) {
            return self.left.load(Ordering::Relaxed);
        }
        let peak = self.take_peak();
        // Afterwards: who sees this sees what the look left.
        self.looked.store(since_born, Ordering::Release);
        peak
    }

    fn reset(&self) {
        if let Some((GaugeKind::Peak, file)) = &self.file {
            // It can only fail when the cgroup is gone, and then there is nothing to measure.
            let _gone = file.write_at(b"0", 0);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn parse_bytes(text: &[u8]) -> u64 {
    text.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_reads_the_number_in_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.max_usage_in_bytes");
        std::fs::write(&path, "43544576\n").expect("it is written");
        let file = File::options().read(true).write(true).open(&path).expect("it is there");
        let gauge = MemoryGauge::new(Some(GaugeKind::Peak), Some(file.into()));
        assert_eq!(gauge.take_peak(), 43_544_576);
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "03544576\n", "it was told to start anew");
    }

    #[test]
    fn a_peak_that_hardly_rose_is_left_standing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.max_usage_in_bytes");
        std::fs::write(&path, "1000\n").expect("it is written");
        let file = File::options().read(true).write(true).open(&path).expect("it is there");
        let gauge = MemoryGauge::new(Some(GaugeKind::Peak), Some(file.into()));
        assert_eq!(gauge.take_peak(), 1000);
        assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "1000\n");
    }

    #[test]
    fn short_runs_are_looked_at_seldom_and_long_ones_always() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("memory.max_usage_in_bytes");
        let holds = |bytes: u64| std::fs::write(&path, format!("{bytes:09}\n")).expect("it is written");
        holds(100_000_000);
        let file = File::options().read(true).write(true).open(&path).expect("it is there");
        let gauge = MemoryGauge::new(Some(GaugeKind::Peak), Some(file.into()));
        let (long, mut now) = (SHORT + Duration::from_micros(1), gauge.born);
        assert_eq!(gauge.take_peak_of(SHORT, now), 100_000_000, "the first");
        // The reset has written a digit over the first one: this is what was left, and nobody's peak.
        assert_eq!(gauge.take_peak_of(SHORT, now), 0, "what the first run used is not told of the second");
        holds(200_000_000);
        now += SELDOM - Duration::from_micros(1);
        assert_eq!(gauge.take_peak_of(SHORT, now), 0);
        assert_eq!(gauge.take_peak_of(long, now), 200_000_000);
        holds(300_000_000);
        now += SELDOM;
        assert_eq!(gauge.take_peak_of(SHORT, now), 300_000_000, "it was time again");
    }

    #[test]
    fn without_a_controller_it_says_zero() {
        assert_eq!(MemoryGauge::new(None, None).peak_bytes(), 0);
        assert_eq!(parse_bytes(b""), 0);
    }
}
