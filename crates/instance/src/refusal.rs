//! When an instance is asked whether its walls refused a connection: what that means is told to the function's author once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::Process;

/// How often it is asked after calls that succeeded: a function may have caught the error, and the look costs more than a warm call
/// may.
const PERIOD: Duration = Duration::from_secs(1);
/// It was told.
const NEVER: u64 = u64::MAX;

/// The next time to look.
#[derive(Debug)]
pub(crate) struct Looks {
    begun: Instant,
    /// Milliseconds after `begun`.
    next_ms: AtomicU64,
}

impl Looks {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), next_ms: AtomicU64::new(0) }
    }

    /// What to tell after a call that ended at `now`, if anything.
    pub(crate) fn look(&self, process: &dyn Process, failed: bool, now: Instant) -> Option<&'static str> {
        let now_ms = u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(NEVER - 1);
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        if next_ms == NEVER || (now_ms < next_ms && !failed) {
            return None;
        }
        let refused = process.refused_connection();
        let next_ms = if refused.is_some() { NEVER } else { now_ms + PERIOD.as_millis() as u64 };
        // Of two calls that end together one tells.
        let before = self.next_ms.swap(next_ms, Ordering::Relaxed);
        refused.filter(|_| before != NEVER)
    }
}
