//! Why an instance is gone, and what its calls are told.

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode};
use serde_json::Value;

use crate::Ended;

/// The end of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Death {
    /// Its process ended by itself, or was ended from outside.
    Ended(Ended),
    /// It closed its connection and did not end, so we ended it.
    Lingered,
    /// It sent bytes that are no frame, or a frame out of order.
    Garbage(String),
    /// We ended it because another call took too long.
    SiblingTimedOut,
    /// We ended it because a call in it was cancelled.
    Cancelled,
    /// We ended it in order.
    Retired,
}

impl Death {
    /// Whether the process left by itself: a call that nothing of it has seen goes to another instance then. What we ended ourselves is never
    /// tried again, but for one that had closed its end before.
    pub(crate) fn is_its_own(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Lingered)
    }

    /// What a call that was running is told.
    #[must_use]
    pub fn failure(&self) -> Failure<Bytes> {
        match self {
            Self::Ended(ended) if ended.out_of_memory => failure(
                FailureCode::OutOfMemory,
                "OutOfMemory",
                "runtime memory limit exceeded: raise memory_size, or use less memory",
            ),
            Self::Ended(ended) => failure(FailureCode::HandlerFailed, "FunctionCrashed", &crashed(&ended_how(*ended))),
            Self::Lingered => failure(FailureCode::HandlerFailed, "FunctionCrashed", &crashed(LINGERED)),
            Self::Garbage(what) => failure(
                FailureCode::HandlerFailed,
                "FunctionCrashed",
                &format!(
                    "function invocation exception, error: the process broke the connection to the platform ({what})"
                ),
            ),
            Self::SiblingTimedOut => failure(
                FailureCode::Cancelled,
                "FunctionCancelled",
                "function invocation canceled: another call in the same instance ran into its time limit",
            ),
            Self::Cancelled => failure(
                FailureCode::Cancelled,
                "FunctionCancelled",
                "function invocation canceled: it, or another call in the same instance, was cancelled",
            ),
            Self::Retired => failure(
                FailureCode::Cancelled,
                "FunctionCancelled",
                "function invocation canceled: the server is stopping",
            ),
        }
    }

    /// What a call is told whose instance died while it started (4201, or 4205).
    #[must_use]
    pub fn start_failure(&self) -> Failure<Bytes> {
        match self {
            Self::Ended(ended) if ended.out_of_memory => self.failure(),
            Self::Ended(ended) => {
                failure(FailureCode::StartFailed, "FunctionStartError", &not_loaded(&ended_how(*ended)))
            }
            Self::Lingered => failure(FailureCode::StartFailed, "FunctionStartError", &not_loaded(LINGERED)),
            Self::Garbage(what) => failure(
                FailureCode::StartFailed,
                "FunctionStartError",
                &format!("function entry exception, error: the process broke the connection to the platform ({what})"),
            ),
            Self::SiblingTimedOut | Self::Cancelled | Self::Retired => self.failure(),
        }
    }
}

/// A failure the bootstrap could not tell itself, in the shape of runtimes.md 5.3.
#[must_use]
pub fn failure(code: FailureCode, error_type: &str, message: &str) -> Failure<Bytes> {
    let (message, error_type) = (Value::from(message), Value::from(error_type));
    // Four blanks, as the bootstraps write theirs (contract: SETTLED.md, "Own failure of a function").
    let object = format!("{{\n    \"errorMessage\": {message},\n    \"errorType\": {error_type}\n}}");
    Failure { code, object: object.into() }
}

/// A handler that lets its process go on after it closed the platform's connection: a fork, or a close of all descriptors.
const LINGERED: &str = "the function's process closed its connection to the platform, did not exit within two seconds, and was \
                        killed by the platform,";

fn crashed(how: &str) -> String {
    format!("function invocation exception, error: {how} during the call")
}

fn not_loaded(how: &str) -> String {
    format!("function entry exception, error: {how} before the function was loaded")
}

fn ended_how(ended: Ended) -> String {
    format!("the function's process {}", ended.how())
}

/// The signal that the kernel kills with for want of memory.
const KILL: i32 = 9;

impl Ended {
    /// How, as a part of a sentence: "it ...".
    pub(crate) fn how(self) -> String {
        match (self.code, self.signal) {
            (Some(code), _) => format!("exited with code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        }
    }

    /// Whether somebody killed it, perhaps for want of memory.
    pub(crate) fn is_killed(self) -> bool {
        (self.code, self.signal) == (None, Some(KILL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_number() {
        let exit = Ended { code: Some(3), signal: None, out_of_memory: false };
        for (death, number) in [
            (Death::Ended(exit), 4002),
            (Death::Ended(Ended { out_of_memory: true, ..exit }), 4205),
            (Death::Garbage("x".into()), 4002),
            (Death::Lingered, 4002),
            (Death::SiblingTimedOut, 4208),
            (Death::Cancelled, 4208),
        ] {
            assert_eq!(death.failure().code.number(), number, "{death:?}");
        }
        for death in [Death::Ended(exit), Death::Lingered] {
            assert_eq!(death.start_failure().code.number(), 4201, "{death:?}");
        }
    }

    #[test]
    fn our_error_objects_look_like_those_of_the_bootstraps() {
        let object = failure(FailureCode::TimedOut, "FunctionTimeout", "a \"b\"").object;
        assert_eq!(object, "{\n    \"errorMessage\": \"a \\\"b\\\"\",\n    \"errorType\": \"FunctionTimeout\"\n}");
    }
}
