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
    /// Calls that may wait for all functions of one project.
    pub queue_per_project: usize,
    /// Calls that may wait for all functions.
    pub queue: usize,
    /// Instances of all functions together, blank ones included.
    pub most_instances: usize,
    /// Instances of all functions of one project.
    pub most_instances_per_project: usize,
    /// Memory limits of all instances together, blank ones included, in bytes.
    pub memory_bytes: u64,
    /// Memory limits of all instances of one project, in bytes.
    pub memory_bytes_per_project: u64,
    /// Blank instances that are kept ready of each kind for which there are functions, however rarely they are called.
    pub blanks_least: usize,
    /// Blank instances of one kind at most, however many are wanted at once.
    pub blanks_most: usize,
    /// Processors of the host.
    pub processors: usize,
    /// Whether more instances are started for short calls in line while processors are idle.
    pub grows_into_idle_processors: bool,
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
            queue_per_project: usize::MAX,
            queue: 10_000,
            most_instances: 1000,
            most_instances_per_project: usize::MAX,
            memory_bytes: 4 << 30,
            memory_bytes_per_project: u64::MAX,
            blanks_least: 1,
            blanks_most: 16,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            grows_into_idle_processors: true,
            start: Duration::from_secs(30),
            log_bytes_per_call: 1 << 20,
        }
    }
}
