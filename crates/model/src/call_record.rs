//! What is kept of a call beside its log.

use crate::{Phases, StartKind};

/// Numbers of one call, served or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Where its time went.
    pub phases: Phases,
    /// How its instance came to be, also of one that did not start; `None` where there was none.
    pub start: Option<StartKind>,
    /// How it ended.
    pub end: Ending,
    /// Peak of the instance's memory in bytes.
    pub memory_used: u64,
    /// Configured memory in MB.
    pub memory_mb: u32,
    /// What its function had when the wait was over, where there was one worth a word.
    pub line: Option<Line>,
    /// Whether it returned the answer of an http function's server with a status of 500 or more: metrics count it as failed. Not kept.
    pub is_server_error: bool,
}

/// How a call ended, as a number or a word that outlives the code that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The function returned: 0.
    Returned,
    /// The number of [`crate::FailureCode`].
    Failed(u32),
    /// It never ran: a word for the reason, of small letters and dashes.
    Refused(String),
}

/// A function's instances, from the point of view of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Instances of this revision, loaded and starting.
    pub instances: u32,
    /// How many it may have; `None` for no limit.
    pub most: Option<u32>,
    /// Whether the host had room for another one.
    pub room: bool,
}

impl Line {
    /// Whether the function's own limit kept it from having more.
    #[must_use]
    pub fn is_at_limit(&self) -> bool {
        self.most.is_some_and(|most| self.instances >= most)
    }
}
