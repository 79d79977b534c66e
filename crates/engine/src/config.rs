//! Settings of the engine; cli reads and checks them.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::{AsyncLimits, MountNames};

/// What an operator may change about the platform itself.
#[derive(Clone, Debug)]
pub struct Config {
    /// Region in URNs; `local` by default.
    pub region: String,
    /// Billing step in milliseconds: 100 or 1.
    pub billing_step_ms: u64,
    /// Ceiling of a synchronous run, even where `timeout` is longer; 900 s.
    pub sync_ceiling: Duration,
    /// Functions a project may hold; 400.
    pub functions_per_project: u64,
    /// Bytes of code a project may hold; 10,240 MB.
    pub code_bytes_per_project: u64,
    /// Versions of dependencies that a project may hold; 1000.
    pub dependencies_per_project: u64,
    /// Reserved instances an account may have; 90.
    pub reserved_instances: u32,
    /// Refuse a runtime that no installed interpreter matches exactly.
    pub strict_runtimes: bool,
    /// How long a request waits for the image it names; 300 s.
    pub image_pull: Duration,
    /// Folders that functions may mount.
    pub mounts: MountNames,
    /// Asynchronous calls.
    pub queue: AsyncLimits,
    /// Time zone of timers that name none; UTC.
    pub time_zone: TimeZone,
    /// Largest event that is recorded; 256 KB.
    pub recorded_event_bytes: usize,
    /// Days for which numbers of calls are kept by the minute; 30.
    pub statistics_days: u32,
    /// Most rows of them, of functions and again of projects; a million.
    pub statistics_rows: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: "local".to_owned(),
            billing_step_ms: 100,
            sync_ceiling: Duration::from_secs(900),
            functions_per_project: 400,
            code_bytes_per_project: 10_240 << 20,
            dependencies_per_project: 1000,
            reserved_instances: 90,
            strict_runtimes: false,
            image_pull: Duration::from_secs(300),
            time_zone: TimeZone::UTC,
            recorded_event_bytes: 256 << 10,
            statistics_days: 30,
            statistics_rows: 1_000_000,
            mounts: MountNames::default(),
            queue: AsyncLimits::default(),
        }
    }
}
