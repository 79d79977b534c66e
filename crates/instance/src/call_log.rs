//! The log of one call while it runs: bounded, so that endless output costs neither memory nor disk.

use bytes::{Bytes, BytesMut};

/// Lines of one call, in the order they arrived.
#[derive(Debug)]
pub(crate) struct CallLog {
    text: BytesMut,
    limit: usize,
    /// The last bytes beyond the limit, so that the tail stays the end of the log.
    overflow: BytesMut,
    dropped: u64,
}

/// Bytes of the end that are kept once a log is over its limit; the log tail needs 4,096.
const KEPT_END: usize = 8192;

impl CallLog {
    pub(crate) fn new(limit: usize) -> Self {
        Self { text: BytesMut::new(), limit, overflow: BytesMut::new(), dropped: 0 }
    }

    /// Adds output as it came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.text.len());
        let (fits, rest) = bytes.split_at(bytes.len().min(room));
        self.text.extend_from_slice(fits);
        if !rest.is_empty() {
            self.push_over(rest);
        }
    }

    fn push_over(&mut self, rest: &[u8]) {
        self.overflow.extend_from_slice(rest);
        if self.overflow.len() > 2 * KEPT_END {
            let surplus = self.overflow.len() - KEPT_END;
            self.dropped += surplus as u64;
            let kept = BytesMut::from(&self.overflow[surplus..]);
            self.overflow = kept;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The whole log, ending in a line feed, with a note where lines are missing.
    pub(crate) fn finish(mut self) -> Bytes {
        if self.dropped > 0 {
            let note =
                format!("\n[{} bytes of output are left out here: the log of a call is limited]\n", self.dropped);
            self.text.extend_from_slice(note.as_bytes());
        }
        self.text.unsplit(self.overflow);
        if self.text.last().is_some_and(|last| *last != b'\n') {
            self.text.extend_from_slice(b"\n");
        }
        self.text.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_beginning_and_the_end() {
        let mut log = CallLog::new(10);
        log.push(b"beginning");
        for n in 0..100_000 {
            log.push(format!("line {n}\n").as_bytes());
        }
        let text = String::from_utf8(log.finish().to_vec()).expect("ASCII went in");
        assert!(text.starts_with("beginningl") && text.ends_with("line 99999\n"));
        assert!(text.contains("bytes of output are left out here") && text.len() < 10 + 3 * KEPT_END);
    }

    #[test]
    fn ends_in_a_line_feed() {
        let mut log = CallLog::new(100);
        assert!(log.is_empty());
        log.push(b"half a line");
        assert_eq!(log.finish(), "half a line\n");
    }
}
