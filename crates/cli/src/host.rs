//! What this host has: processors and memory.

use std::fs::{self, File};
use std::io::Read as _;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use fungraph_gateway::IdleLatency;

/// Processors that we may use.
pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// What keeps idle processors awake when it is asked to, or why nothing does. For root.
///
/// # Errors
/// A sentence for the operator.
pub(crate) fn idle_latency() -> Result<IdleLatency, String> {
    const DRIVER: &str = "/sys/devices/system/cpu/cpuidle/current_driver";
    const DEVICE: &str = "/dev/cpu_dma_latency";
    let driver = fs::read_to_string(DRIVER).unwrap_or_default();
    let driver = driver.trim();
    if matches!(driver, "" | "none") {
        return Err("this kernel has no driver for idle processors".to_owned());
    }
    let device = File::options().write(true).open(DEVICE).map_err(|error| format!("cannot open {DEVICE}: {error}"))?;
    // Hardware wakes within 2 us from its lightest sleep, which costs less than a loop. In a virtual machine each sleep is a way to the
    // host and back, whatever the driver says of it.
    let most = if driver == "haltpoll" || is_virtual() { Duration::ZERO } else { Duration::from_micros(2) };
    Ok(IdleLatency::new(device, most))
}

/// Whether another system lends us these processors, as far as they say.
fn is_virtual() -> bool {
    // Enough for the first processor: with hundreds of them the file is long, and slow to read.
    let mut text = String::new();
    let read = File::open("/proc/cpuinfo").and_then(|file| file.take(8192).read_to_string(&mut text));
    read.is_ok() && text.split_whitespace().any(|word| word == "hypervisor")
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
