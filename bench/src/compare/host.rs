//! What the kernel says about processes and about this machine.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;

/// Megabytes of memory that a process holds, shared pages included.
pub(crate) fn resident_mb(pid: u32) -> f64 {
    field_kb(&format!("/proc/{pid}/status"), "VmRSS:") / 1024.0
}

/// The most that it has held, in megabytes, since it began or since [`forget_peak`].
pub(crate) fn peak_mb(pid: u32) -> f64 {
    field_kb(&format!("/proc/{pid}/status"), "VmHWM:") / 1024.0
}

/// From here on the most counts anew.
pub(crate) fn forget_peak(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// Megabytes that would be free if the process were gone.
pub(crate) fn own_mb(pid: u32) -> f64 {
    let file = format!("/proc/{pid}/smaps_rollup");
    (field_kb(&file, "Private_Clean:") + field_kb(&file, "Private_Dirty:")) / 1024.0
}

fn field_kb(file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

/// All processes below one, each with the name of its program.
pub(crate) fn descendants(of: u32) -> Vec<(u32, String)> {
    let all: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, parent(pid)?)))
        .collect();
    let mut found = vec![of];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|(_, above)| *above == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.into_iter().skip(1).map(|pid| (pid, program(pid))).collect()
}

/// Seconds of processor time that a process has had.
pub(crate) fn processor_seconds(pid: u32) -> f64 {
    /// `CLK_TCK` of every Linux we run on.
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(11).take(2)).into_iter().flatten();
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// The fourth field of `stat`; the second may hold blanks and ends in the last bracket.
fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn program(pid: u32) -> String {
    let link = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    link.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// "2 processors, 23 GB"
pub(crate) fn name() -> String {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = field_kb("/proc/meminfo", "MemTotal:") / (1024.0 * 1024.0);
    format!("{processors} processors, {memory:.0} GB")
}

pub(crate) fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim())
}

/// No processor sleeps while what this gives is open.
pub(crate) fn keep_awake() -> anyhow::Result<File> {
    const DEVICE: &str = "/dev/cpu_dma_latency";
    let mut device = File::options().write(true).open(DEVICE).context(DEVICE)?;
    device.write_all(&0_i32.to_ne_bytes()).context(DEVICE)?;
    Ok(device)
}

/// Whether a program has been installed for the comparison.
pub(crate) fn installed(path: &Path) -> bool {
    path.exists()
}
