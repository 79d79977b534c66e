//! A sandbox's share of memory and CPU: the kernel's numbers, and how a running one gets others.

use std::io;

use super::{Cgroups, Controller, Version, write};
use crate::fit::Fit;

/// Period of a CPU quota in microseconds.
pub(crate) const PERIOD_US: u64 = 100_000;

/// Shares of cgroup v1: 1024 are one CPU. The kernel's least is 2.
pub(crate) fn shares(millicores: u32) -> u64 {
    (u64::from(millicores) * 1024 / 1000).max(2)
}

/// Microseconds of a period. The kernel takes no quota below a millisecond.
pub(crate) fn quota_us(millicores: u32) -> u64 {
    (u64::from(millicores) * PERIOD_US / 1000).max(1000)
}

/// The weight of cgroup v2 that libcontainer makes of shares, and runc and crun do: 1024 shares are the default weight, 100.
fn weight(shares: u64) -> u64 {
    let log = (shares.clamp(2, 262_144) as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    // Between 1 and 10,000 by the formula.
    10f64.powf(exponent).ceil() as u64
}

impl Cgroups {
    /// Gives a running sandbox another share, in what of it the host can give.
    pub(crate) fn set(&self, id: &str, fit: &Fit) -> io::Result<()> {
        if self.has(Controller::Memory) {
            self.set_memory(id, fit.memory_bytes)?;
        }
        if self.has(Controller::Cpu) {
            self.set_cpu(id, fit.cpu_millicores, fit.cpu_quota)?;
        }
        Ok(())
    }

    fn set_memory(&self, id: &str, bytes: u64) -> io::Result<()> {
        let folder = self.folder(Controller::Memory, id);
        let (bytes, limit) = (bytes.to_string(), |name: &str| folder.join(name));
        match self.version {
            // Swap was forbidden at the launch and stays so.
            Version::V2 => write(&limit("memory.max"), &bytes),
            Version::V1 if !self.counts_swap() => write(&limit("memory.limit_in_bytes"), &bytes),
            Version::V1 => {
                // Memory with swap may never be less than memory alone, so the order depends on which way it goes.
                let (both, alone) = (limit("memory.memsw.limit_in_bytes"), limit("memory.limit_in_bytes"));
                match write(&both, &bytes) {
                    Ok(()) => write(&alone, &bytes),
                    Err(_) => write(&alone, &bytes).and_then(|()| write(&both, &bytes)),
                }
            }
        }
    }

    fn set_cpu(&self, id: &str, millicores: u32, hard: bool) -> io::Result<()> {
        let folder = self.folder(Controller::Cpu, id);
        let shares = shares(millicores);
        match self.version {
            Version::V1 => {
                write(&folder.join("cpu.shares"), &shares.to_string())?;
                let quota = || write(&folder.join("cpu.cfs_quota_us"), &quota_us(millicores).to_string());
                if hard { quota() } else { Ok(()) }
            }
            Version::V2 => {
                write(&folder.join("cpu.weight"), &weight(shares).to_string())?;
                let quota = || format!("{} {}", quota_us(millicores), PERIOD_US);
                if hard { write(&folder.join("cpu.max"), &quota()) } else { Ok(()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fit(memory_bytes: u64, cpu_millicores: u32, cpu_quota: bool) -> Fit {
        Fit { source: "/code".into(), mounts: Vec::new(), memory_bytes, cpu_millicores, cpu_quota }
    }

    #[test]
    fn weights_are_those_of_other_oci_programs() {
        for (shares, expected) in [(2, 1), (102, 17), (1024, 100), (262_144, 10_000)] {
            assert_eq!(weight(shares), expected, "{shares}");
        }
    }

    #[test]
    fn v2_gets_all_in_one_folder() {
        let root = tempfile::tempdir().expect("a folder");
        let group = root.path().join("fungraph-x/a");
        fs::create_dir_all(&group).expect("it is made");
        fs::write(root.path().join("cgroup.controllers"), "cpu memory pids").expect("it is written");
        for name in ["memory.max", "cpu.weight", "cpu.max"] {
            fs::write(group.join(name), "").expect("it is written");
        }
        Cgroups::new(root.path(), "x").set("a", &fit(5 << 20, 500, true)).expect("the files are there");
        let read = |name: &str| fs::read_to_string(group.join(name)).expect("it is there");
        assert_eq!([read("memory.max"), read("cpu.weight"), read("cpu.max")], ["5242880", "59", "50000 100000"]);
    }

    #[test]
    fn a_host_without_controllers_has_nothing_to_set() {
        let root = tempfile::tempdir().expect("a folder");
        Cgroups::new(root.path(), "x").set("a", &fit(5 << 20, 500, true)).expect("there is nothing to do");
    }
}
