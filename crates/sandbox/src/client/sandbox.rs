//! One running instance, as the server holds it.

use tokio::sync::{mpsc, watch};

use super::send_kill;
use super::tasks::Parcel;
use crate::exit::Exit;
use crate::gauge::MemoryGauge;
use crate::refusals::Refusals;

/// One running sandbox. Dropping it kills everything in it.
#[derive(Debug)]
pub struct Sandbox {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) pid: u32,
    pub(super) gauge: MemoryGauge,
    pub(super) refusals: Refusals,
    pub(super) exit: watch::Receiver<Option<Exit>>,
    pub(super) outgoing: mpsc::UnboundedSender<Parcel>,
}

impl Sandbox {
    /// The id it was launched with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The host's process id of its first process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills everything in it, at once and without waiting; more than once is no harm.
    pub fn kill(&self) {
        if self.exit.borrow().is_none() {
            send_kill(&self.outgoing, self.number);
        }
    }

    /// Resolves when it is dead and its cgroup was read; may be awaited again and by several tasks.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        ended.unwrap_or(super::board::LOST)
    }

    /// The gauge of its memory.
    pub fn memory(&self) -> &MemoryGauge {
        &self.gauge
    }

    /// How many packets and connections the walls around its network refused since this was last asked: to addresses that are closed
    /// to it, or to any where it has no network. A few dozen microseconds, so for after a failure. Always 0 on the host's network,
    /// and once it has ended.
    pub fn refused_connections(&self) -> u64 {
        self.refusals.take()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.kill();
    }
}
