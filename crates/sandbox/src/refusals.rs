//! How often a sandbox tried to reach what is closed to it, readable by a server without privilege.
//!
//! What is closed has no route in the sandbox, with or without a way out, and the kernel counts each attempt to send there (`OutNoRoutes`).
//! The spawner opens the process's folder of counters and hands the descriptor over. The folder does not keep the network
//! namespace alive, as an open file of it would, and it ends with the process, whose number may then be another's.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags, openat};

/// The counter of one sandbox.
#[derive(Debug)]
pub(crate) struct Refusals {
    /// `/proc/PID/net`.
    folder: Option<OwnedFd>,
    seen: AtomicU64,
}

impl Refusals {
    pub(crate) fn new(folder: Option<OwnedFd>) -> Refusals {
        Refusals { folder, seen: AtomicU64::new(0) }
    }

    /// How many there were since it was last asked. Costs a few dozen microseconds.
    pub(crate) fn take(&self) -> u64 {
        let now = self.read().unwrap_or(0);
        now.saturating_sub(self.seen.fetch_max(now, Ordering::Relaxed))
    }

    fn read(&self) -> Option<u64> {
        let file = openat(self.folder.as_ref()?, "snmp", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut text = String::new();
        File::from(file).read_to_string(&mut text).ok()?;
        no_routes(&text)
    }
}

/// Two lines for each protocol: names, then numbers.
fn no_routes(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with("Ip:"));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut pairs = names.split(' ').zip(numbers.split(' '));
    pairs.find(|(name, _)| *name == "OutNoRoutes")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_by_its_name() {
        let text = "Ip: Forwarding OutDiscards OutNoRoutes ReasmTimeout\nIp: 1 5 7 0\nIcmp: OutNoRoutes\nIcmp: 9\n";
        assert_eq!(no_routes(text), Some(7));
        assert_eq!(no_routes("Ip: Forwarding\nIp: 1\n"), None);
        assert_eq!(no_routes(""), None);
    }

    #[test]
    fn without_a_counter_nothing_was_refused() {
        assert_eq!(Refusals::new(None).take(), 0);
        let own = File::open("/proc/self/net").expect("it is there");
        let refusals = Refusals::new(Some(own.into()));
        refusals.take();
        // The kernel's own counter only grows, and its difference starts anew.
        assert!(refusals.seen.load(Ordering::Relaxed) >= refusals.take());
    }
}
