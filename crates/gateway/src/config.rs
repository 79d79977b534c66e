//! Settings of the gateway; cli reads and checks them.

use std::time::Duration;

use crate::awake::StayAwake;

/// Whether requests must prove who sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Every call needs a valid signature.
    On,
    /// Every call is the first project's administrator; for loopback only, which cli enforces.
    Off,
}

/// HTTP status of an answer to a call whose function failed by its own fault, for each form of the answer.
///
/// No public source settles it (invocation.md, "Failures"), so an operator may choose. A number that is no status acts as the default.
#[derive(Clone, Copy, Debug)]
pub struct UserFailureStatus {
    /// Form `v0`; 500.
    pub v0: u16,
    /// Form `v1`; 200.
    pub v1: u16,
}

/// What an operator may change about the HTTP server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Signatures on or off.
    pub auth: Auth,
    /// Bytes of a management body; 72 MB, since a package of 50 MB travels as 67 MB of base64.
    pub management_body_bytes: usize,
    /// How far `X-Sdk-Date` may be from our clock, either side; 15 minutes.
    pub clock_skew: Duration,
    /// Statuses of failed functions.
    pub user_failure_status: UserFailureStatus,
    /// Time for the headers of a request to arrive, the wait on an idle connection included; 75 s.
    pub header_read_timeout: Duration,
    /// Time a sender may pause in the middle of a body; 30 s.
    pub body_pause_timeout: Duration,
    /// Time for a whole body to arrive; 15 minutes.
    pub body_read_timeout: Duration,
    /// Time a client may take nothing of an answer that waits for it; 60 s.
    pub answer_pause_timeout: Duration,
    /// How processors stay awake between calls that follow each other closely; not at all.
    pub stay_awake: StayAwake,
    /// Host name by which nothing but HTTP APIs is served, so that their pages have an origin of their own; none.
    pub api_host: Option<String>,
    /// How long a download link of a code package works; 10 minutes.
    pub link_lifetime: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            auth: Auth::On,
            management_body_bytes: 72 << 20,
            clock_skew: Duration::from_secs(15 * 60),
            user_failure_status: UserFailureStatus { v0: 500, v1: 200 },
            header_read_timeout: Duration::from_secs(75),
            body_pause_timeout: Duration::from_secs(30),
            body_read_timeout: Duration::from_secs(15 * 60),
            answer_pause_timeout: Duration::from_secs(60),
            stay_awake: StayAwake::No,
            api_host: None,
            link_lifetime: Duration::from_secs(10 * 60),
        }
    }
}
