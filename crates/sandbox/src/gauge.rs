//! The peak of a sandbox's memory, readable and resettable by a server without privilege.
//!
//! The spawner opens the cgroup's file and hands the descriptor over; from then on a reading is one `pread` and a reset one `pwrite`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

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
}

/// Batches in which the kernel charges memory to a cgroup: 64 pages of 4 KB (`MEMCG_CHARGE_BATCH`).
const GRAIN: u64 = 64 * 4096;

impl MemoryGauge {
    pub(crate) fn new(kind: Option<GaugeKind>, descriptor: Option<OwnedFd>) -> MemoryGauge {
        MemoryGauge { file: kind.zip(descriptor.map(File::from)), start: AtomicU64::new(0) }
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
        if peak > self.start.load(Ordering::Relaxed) + GRAIN {
            self.reset();
            self.start.store(self.peak_bytes(), Ordering::Relaxed);
        }
        peak
    }

    fn reset(&self) {
        if let Some((GaugeKind::Peak, file)) = &self.file {
            // It can only fail when the cgroup is gone, and then there is nothing to measure.
            let _gone = file.write_at(b"0", 0);
        }
    }
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
    fn without_a_controller_it_says_zero() {
        assert_eq!(MemoryGauge::new(None, None).peak_bytes(), 0);
        assert_eq!(parse_bytes(b""), 0);
    }
}
