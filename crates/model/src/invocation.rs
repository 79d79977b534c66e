//! What the caller learns about a run beside its result.

use crate::limits::LOG_TAIL_BYTES;

/// Numbers of one run, for `X-Cff-Invoke-Summary` and the Finish line of the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Microseconds the handler took, with the initializer's on the call that ran it.
    pub duration_us: u64,
    /// Billed milliseconds.
    pub billing_ms: u64,
    /// Configured memory in MB.
    pub memory_mb: u32,
    /// Peak of the instance's memory in bytes.
    pub memory_used: u64,
}

impl Summary {
    /// Rounds a duration up to the next billing step, at least one step.
    ///
    /// `step_ms` is 100 by default, 1 by a setting (SETTLED.md, "Calls").
    #[must_use]
    pub fn billed(duration_us: u64, step_ms: u64) -> u64 {
        duration_us.div_ceil(step_ms * 1000).max(1) * step_ms
    }
}

/// The last bytes of a log, cut at a character (invocation.md, "Log tail").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTail(String);

impl LogTail {
    /// Takes the tail of a log that may hold anything; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn of(log: &[u8]) -> Self {
        let mut start = log.len().saturating_sub(LOG_TAIL_BYTES);
        while start < log.len() && start > 0 && log[start] & 0xC0 == 0x80 {
            start += 1;
        }
        let text = String::from_utf8_lossy(&log[start..]).into_owned();
        Self(shorten(text))
    }

    /// The text, at most 4,096 bytes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Replacement characters are longer than what they replace, so the text may have grown past the limit.
fn shorten(text: String) -> String {
    if text.len() <= LOG_TAIL_BYTES {
        return text;
    }
    let mut start = text.len() - LOG_TAIL_BYTES;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn billing_rounds_up_to_the_step() {
        for (duration_us, step, expected) in
            [(1913, 100, 100), (0, 100, 100), (100_000, 100, 100), (100_001, 100, 200), (2049, 1, 3), (0, 1, 1)]
        {
            assert_eq!(Summary::billed(duration_us, step), expected, "{duration_us} us in steps of {step} ms");
        }
    }

    #[test]
    fn tail_is_cut_at_a_character() {
        assert_eq!(LogTail::of(b"short\n").as_str(), "short\n");
        let log = "ž".repeat(3000);
        let tail = LogTail::of(&log.as_bytes()[1..]);
        assert!(tail.as_str().len() <= LOG_TAIL_BYTES && tail.as_str().chars().all(|c| c == 'ž'));
        let odd = [b"x".as_slice(), "ž".repeat(2048).as_bytes()].concat();
        assert_eq!(LogTail::of(&odd[..odd.len()]).as_str().len(), 4096);
        assert!(LogTail::of(&[0xFF; 9000]).as_str().len() <= LOG_TAIL_BYTES);
    }
}
