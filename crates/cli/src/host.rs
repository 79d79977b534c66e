//! What this host has: processors and memory.

use std::fs;
use std::num::NonZero;
use std::thread::available_parallelism;

/// Processors that we may use.
pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Bytes of memory that we may use: the host's, or what a container around us was given.
pub(crate) fn memory_bytes() -> u64 {
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok()).min();
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text)).unwrap_or(1 << 30);
    limit.map_or(total, |limit: u64| limit.min(total))
}

/// `MemTotal:       24683524 kB`
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kb| kb * 1024)
}

/// Release of the kernel.
pub(crate) fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// How cgroups are mounted here.
pub(crate) fn cgroup_mode() -> &'static str {
    let there = |path: &str| fs::exists(path).unwrap_or(false);
    if there("/sys/fs/cgroup/cgroup.controllers") {
        "v2"
    } else if there("/sys/fs/cgroup/unified/cgroup.controllers") {
        "hybrid (v1 controllers)"
    } else if there("/sys/fs/cgroup/memory") {
        "v1"
    } else {
        "not mounted"
    }
}
