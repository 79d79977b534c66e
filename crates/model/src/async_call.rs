//! Asynchronous calls: how they are numbered, and what is known of one (contract: async.md sections 4 and 8).

use jiff::Timestamp;

use crate::{Qualifier, RequestId};

/// Place of an asynchronous call in the order of acceptance: milliseconds since 1970 in the upper bits, a counter in the lower twelve.
/// Never negative, and below 2^60.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallSeq(pub i64);

/// Bits of the counter.
const COUNTER_BITS: u32 = 12;

impl CallSeq {
    /// The largest there can be.
    pub const MAX: Self = Self((1 << 60) - 1);

    /// The first one of a moment; times before 1970 and far away ones are brought to the nearest that has one.
    #[must_use]
    pub fn first_at(time: Timestamp) -> Self {
        let milliseconds = time.as_millisecond().clamp(0, Self::MAX.0 >> COUNTER_BITS);
        Self(milliseconds << COUNTER_BITS)
    }

    /// The millisecond that it stands for.
    #[must_use]
    pub fn millisecond(self) -> i64 {
        self.0 >> COUNTER_BITS
    }

    /// The next one, at a moment: never one that was before.
    #[must_use]
    pub fn next_at(self, time: Timestamp) -> Self {
        Self(self.0 + 1).max(Self::first_at(time)).min(Self::MAX)
    }
}

/// State of an asynchronous call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AsyncStatus {
    /// In the queue, for its first attempt or another one.
    Wait,
    /// In an instance, or on its way there.
    Running,
    /// The function returned.
    Success,
    /// The function failed for the last time, or the call was cancelled while it ran.
    Fail,
    /// Thrown away while it waited: too old, cancelled, or its function is gone.
    Discard,
}

impl AsyncStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Wait, Self::Running, Self::Success, Self::Fail, Self::Discard];

    /// The API's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "WAIT",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Fail => "FAIL",
            Self::Discard => "DISCARD",
        }
    }

    /// Reads the API's word, letter for letter.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing more happens to the call.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Success | Self::Fail | Self::Discard)
    }
}

/// What is known of an asynchronous call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncRecord {
    /// The call, the same in each of its attempts.
    pub request: RequestId,
    /// Where it stands.
    pub status: AsyncStatus,
    /// Number of the last failure; 0 for none.
    pub code: u32,
    /// Its text; empty for none.
    pub message: String,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// When its first attempt began.
    pub start: Option<Timestamp>,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// Attempts that were begun.
    pub begun: u32,
    /// The version that it runs, fixed when it was accepted.
    pub version: String,
    /// What the caller asked for.
    pub qualifier: Qualifier,
    /// The call whose destination or further attempt it is.
    pub parent: Option<RequestId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_only_grows() {
        let at = |ms| Timestamp::from_millisecond(ms).expect("in range");
        let check = |last: i64, ms, expected: i64| assert_eq!(CallSeq(last).next_at(at(ms)), CallSeq(expected));
        check(0, 5, 5 << 12);
        check(5 << 12, 5, (5 << 12) + 1);
        check((5 << 12) + 4095, 5, 6 << 12);
        check(9 << 12, 5, (9 << 12) + 1);
        check(0, -7, 1);
        check(CallSeq::MAX.0, 5, CallSeq::MAX.0);
        assert!(CallSeq::first_at(Timestamp::MAX) < CallSeq::MAX);
    }

    #[test]
    fn states_have_the_words_of_the_api() {
        for status in AsyncStatus::ALL {
            assert_eq!(AsyncStatus::parse(status.name()), Some(status));
        }
        assert_eq!(AsyncStatus::parse("wait"), None);
        assert!(AsyncStatus::Discard.is_end() && !AsyncStatus::Running.is_end());
    }
}
