//! Settings of the pool.

use std::time::Duration;

/// What an operator may change about instances.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long an unused instance is kept.
    pub idle: Duration,
    /// How long a call may wait in line.
    pub wait: Duration,
    /// Calls that may wait for one function.
    pub queue_per_function: usize,
    /// Instances of all functions together.
    pub most_instances: usize,
    /// Memory limits of all instances together, in bytes.
    pub memory_bytes: u64,
    /// Processors of the host.
    pub processors: usize,
    /// From launch to loaded function.
    pub start: Duration,
    /// Bytes of log that one call may keep.
    pub log_bytes_per_call: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            wait: Duration::from_secs(10),
            queue_per_function: 1000,
            most_instances: 1000,
            memory_bytes: 4 << 30,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            start: Duration::from_secs(30),
            log_bytes_per_call: 1 << 20,
        }
    }
}
