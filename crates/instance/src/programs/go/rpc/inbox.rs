//! Bytes that were read and not used yet.

use std::ops::Range;

/// Room for an answer of the usual kind.
const USUAL_BYTES: usize = 16 << 10;
/// What is kept after a large answer.
const KEPT_BYTES: usize = 64 << 10;

/// A buffer that is read into at its end and used from its front.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes from `start` that the message under way needs.
    expected: usize,
}

impl Inbox {
    /// Room behind what is there. What was used is forgotten.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.make_room();
        &mut self.buffer[self.end..]
    }

    fn make_room(&mut self) {
        let length = self.end - self.start;
        if length == 0 {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > KEPT_BYTES {
                self.buffer = Vec::new();
            }
        }
        let wanted = self.expected.max(USUAL_BYTES).max(length + 1);
        if self.start + wanted <= self.buffer.len() {
            return;
        }
        if self.start > 0 {
            // Once for each message, and not for each read: a program may send a large one byte by byte.
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, length);
        }
        if self.end == self.buffer.len() || self.buffer.is_empty() {
            // Twice what has come, not what was announced: whoever announces megabytes has to send them.
            let size = wanted.min((length * 2).max(USUAL_BYTES));
            self.buffer.resize(size.max(length + 1), 0);
        }
    }

    pub(super) fn filled(&mut self, bytes: usize) {
        self.end = (self.end + bytes).min(self.buffer.len());
    }

    /// A message of so many bytes begins at the front.
    pub(super) fn expect(&mut self, bytes: usize) {
        self.expected = bytes;
    }

    /// All that is there.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Uses bytes up; gives where they lie. They stay there until there is asked for room.
    pub(super) fn drop_front(&mut self, bytes: usize) -> usize {
        let front = self.start;
        self.start = (self.start + bytes).min(self.end);
        self.expected = 0;
        front
    }

    /// Bytes by where they lie.
    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }
}
