//! One running instance, as the server holds it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::board::Board;
use super::send_kill;
use super::tasks::Parcel;
use crate::channel;
use crate::error::Error;
use crate::exit::Exit;
use crate::fit::Fit;
use crate::gauge::MemoryGauge;
use crate::message::{Request, Unfit};
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
    pub(super) board: Arc<Board>,
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

    /// Gives it what was left open at its launch: the contents of its late folder and its mount points, and its part of memory and CPU. Once. The
    /// running process sees all of it when this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what cannot be right, [`Error::Fit`] if the host refuses or it has ended: it is then of no use,
    /// [`Error::Lost`] if there is no spawner any more.
    pub async fn fit(&self, fit: Fit) -> Result<(), Error> {
        fit.check().map_err(|source| Error::Invalid { id: self.id.clone(), source })?;
        let failed = |reason| Error::Fit { id: self.id.clone(), reason, told: None };
        let request = Request::Fit { number: self.number, fit };
        let bytes = channel::encode(&request).map_err(|error| failed(error.to_string()))?;
        let (answer, answered) = oneshot::channel();
        self.board.expect_fit(self.number, answer);
        self.outgoing.send(Parcel { bytes, descriptors: Vec::new() }).map_err(|_| Error::Lost)?;
        match answered.await {
            Ok(None) => Ok(()),
            Ok(Some(Unfit { reason, told })) => Err(Error::Fit { id: self.id.clone(), reason, told }),
            Err(_) => Err(failed("it has ended".to_owned())),
        }
    }

    /// A TCP socket (IPv4) of its network, neither bound nor connected, in non-blocking mode: whoever connects or listens with it does
    /// so as a process of the sandbox would. Nothing inside ever holds it, so nothing inside can change how it behaves. It keeps the
    /// network of the sandbox alive, so it is to be closed once that has ended.
    ///
    /// # Errors
    /// [`Error::Socket`] if the host refuses or the sandbox has ended, [`Error::Lost`] if there is no spawner any more.
    pub async fn tcp_socket(&self) -> Result<OwnedFd, Error> {
        let failed = |reason| Error::Socket { id: self.id.clone(), reason };
        let bytes = channel::encode(&Request::Socket { number: self.number });
        let bytes = bytes.map_err(|error| failed(error.to_string()))?;
        let (answer, answered) = oneshot::channel();
        self.board.expect_socket(self.number, answer);
        self.outgoing.send(Parcel { bytes, descriptors: Vec::new() }).map_err(|_| Error::Lost)?;
        answered.await.unwrap_or_else(|_| Err("it has ended".to_owned())).map_err(failed)
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
