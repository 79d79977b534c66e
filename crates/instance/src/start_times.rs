//! What the start of an instance took.

use std::time::{Duration, Instant};

use fungraph_model::StartKind;

/// How an instance came to be, and what that took.
#[derive(Clone, Copy, Debug)]
pub struct StartTimes {
    /// Blank or new.
    pub kind: StartKind,
    /// From when it was wanted until its process had all that its function has: a new one's sandbox and bootstrap are in it, of a blank
    /// one only code and limits.
    pub launch: Duration,
    /// From there to the loaded function.
    pub load: Duration,
}

/// A start under way.
#[derive(Clone, Copy, Debug)]
pub struct Starting {
    /// Blank or new.
    pub kind: StartKind,
    /// When the instance was wanted.
    pub begun: Instant,
}

impl StartTimes {
    /// Of one whose process never came to be, or never spoke: all of its time is the launch.
    pub const NEVER_LAUNCHED: Self = Self { kind: StartKind::New, launch: Duration::MAX, load: Duration::ZERO };
}

impl Starting {
    /// It was ready to load its function at `fitted`, and has loaded it, or failed to, now.
    pub(crate) fn loaded(self, fitted: Instant) -> StartTimes {
        StartTimes { kind: self.kind, launch: fitted - self.begun, load: fitted.elapsed() }
    }
}
