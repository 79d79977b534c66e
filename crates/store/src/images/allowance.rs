//! What of an image may still come: bytes, entries, and room on this disk.

use super::ImageLimits;
use super::layer::LayerError;
use super::room::Pull;

/// Room is asked for in steps of this size.
const STEP: u64 = 16 << 20;
/// What a file takes at least, and every other entry.
const BLOCK: u64 = 4096;

/// What may still come, over all layers of an image.
pub(super) struct Allowance<'a> {
    bytes: u64,
    entries: u64,
    limits: ImageLimits,
    pull: &'a Pull,
    /// Room that was taken and is not used yet.
    ahead: u64,
    /// What all of it takes on disk.
    disk: u64,
}

impl<'a> Allowance<'a> {
    pub(super) fn new(limits: ImageLimits, pull: &'a Pull) -> Self {
        Self { bytes: limits.unpacked_bytes, entries: limits.entries, limits, pull, ahead: 0, disk: 0 }
    }

    /// Bytes of archives that may still be read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Entries that may still come.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// What was unpacked takes so much on disk.
    pub(super) fn disk(&self) -> u64 {
        self.disk
    }

    /// One more entry comes, with so many bytes.
    pub(super) fn entry(&mut self, size: u64) -> Result<(), LayerError> {
        let left = self.entries.checked_sub(1);
        self.entries = left.ok_or_else(|| LayerError::TooLarge(format!("{} entries", self.limits.entries)))?;
        let takes = size.max(1).next_multiple_of(BLOCK);
        if takes > self.ahead {
            let more = takes.max(STEP);
            self.pull.take(more).map_err(LayerError::NoRoom)?;
            self.ahead += more;
        }
        self.ahead -= takes;
        self.disk += takes;
        Ok(())
    }

    /// A layer is at its end, after so many bytes.
    pub(super) fn passed(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// There are more bytes than there may be.
    pub(super) fn exceeded(&self) -> LayerError {
        LayerError::TooLarge(format!("{} MB", self.limits.unpacked_bytes >> 20))
    }
}
