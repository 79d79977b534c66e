//! What a running sandbox gets after its start: the contents of its late folder, the operator's folders, and its part of the host.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::launch::{InvalidLaunch, check_memory_and_cpu, check_source};
use crate::share::Mount;

/// Everything that is set late. Travels to the spawner as a message, once per sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fit {
    /// A folder of the host, shown read-only at the launch's [`late`](crate::Launch::late) place. It and what it holds must be
    /// readable by all.
    pub source: PathBuf,
    /// What its mount points show; one that none is for stays empty.
    pub mounts: Vec<Mount>,
    /// Memory of all its processes, page cache included, in bytes; swap is off.
    pub memory_bytes: u64,
    /// Thousandths of a CPU.
    pub cpu_millicores: u32,
    /// Whether `cpu_millicores` is a hard limit too, not just a weight.
    pub cpu_quota: bool,
}

impl Fit {
    pub(crate) fn check(&self) -> Result<(), InvalidLaunch> {
        check_source(&self.source)?;
        self.mounts.iter().try_for_each(Mount::check)?;
        check_memory_and_cpu(self.memory_bytes, self.cpu_millicores)
    }
}
