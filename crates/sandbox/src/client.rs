//! The server's side: ask the spawner, and hold what it started.

mod board;
mod sandbox;
mod tasks;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::sandbox::Sandbox;

use self::board::Board;
use self::tasks::Parcel;
use crate::channel;
use crate::error::Error;
use crate::launch::Launch;
use crate::message::Request;
use crate::start::SpawnerProcess;

/// A handle to the spawner; clones are the same handle. When the last one and every [`Sandbox`] are dropped, the spawner ends.
#[derive(Clone, Debug)]
pub struct Spawner {
    outgoing: mpsc::UnboundedSender<Parcel>,
    board: Arc<Board>,
    lost: watch::Receiver<bool>,
}

impl Spawner {
    /// Takes over the socket of a ready spawner. Called inside a tokio runtime, on which two tasks then run.
    ///
    /// # Errors
    /// [`Error::System`] if the socket cannot be watched.
    pub fn connect(process: SpawnerProcess) -> Result<Spawner, Error> {
        let SpawnerProcess { child, socket, .. } = process;
        let watched = |source| Error::System { step: "watch the spawner's socket", source };
        rustix::io::ioctl_fionbio(&socket, true).map_err(|errno| watched(errno.into()))?;
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| watched(errno.into()))?;
        let socket = Arc::new(watch_descriptor(socket, Interest::READABLE | Interest::WRITABLE).map_err(watched)?);
        let pidfd = watch_descriptor(pidfd, Interest::READABLE).map_err(watched)?;
        let (outgoing, parcels) = mpsc::unbounded_channel();
        let (tell_lost, lost) = watch::channel(false);
        let board = Arc::new(Board::default());
        tokio::spawn(tasks::write(socket.clone(), parcels));
        tokio::spawn(tasks::read(socket, pidfd, child, board.clone(), outgoing.downgrade(), tell_lost));
        Ok(Spawner { outgoing, board, lost })
    }

    /// Starts one process behind walls. `socket` becomes its descriptor 3, `output` its 1 and 2; 0 is `/dev/null`.
    ///
    /// It returns when the program runs: a missing interpreter is an error here, not an early exit. Dropping the future ends the attempt.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a request that cannot be right, [`Error::Launch`] if the host or the program refuses,
    /// [`Error::Lost`] if there is no spawner any more.
    pub async fn launch(&self, launch: Launch, socket: OwnedFd, output: OwnedFd) -> Result<Sandbox, Error> {
        let id = launch.id.clone();
        let invalid = |source| Error::Invalid { id: id.clone(), source };
        launch.check().map_err(invalid)?;
        let (answer, answered) = oneshot::channel();
        let number = self.board.expect(id.clone(), answer).ok_or(Error::Lost)?;
        let request = Request::Launch { number, launch: Box::new(launch) };
        let sent = channel::encode(&request).map(|bytes| Parcel { bytes, descriptors: vec![socket, output] });
        match sent {
            Ok(parcel) => self.outgoing.send(parcel).map_err(|_| Error::Lost)?,
            Err(error) => {
                self.board.forget(number);
                return Err(Error::Launch { id, reason: error.to_string() });
            }
        }
        answered.await.unwrap_or(Err(Error::Lost))
    }

    /// Resolves when the spawner is gone, and with it every sandbox. The server then ends too, with a code of its own.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // The sender is dropped only by the task that says so first, or with the runtime.
        let _said = lost.wait_for(|lost| *lost).await;
    }

    /// Orderly end: every sandbox is killed and cleaned up, and the spawner has left, when this resolves.
    pub async fn shutdown(&self) {
        send(&self.outgoing, &Request::Shutdown);
        self.lost().await;
    }
}

#[allow(unsafe_code)]
fn watch_descriptor(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd stays open, and the same descriptor, as long as the AsyncFd owns it; nobody replaces or closes it.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}

/// A socket in non-blocking mode, readable by one task and writable by another.
pub(crate) type Socket = Arc<AsyncFd<OwnedFd>>;

/// Sends a kill; it is queued, so this never waits.
pub(crate) fn send_kill(outgoing: &mpsc::UnboundedSender<Parcel>, number: u64) {
    send(outgoing, &Request::Kill { number });
}

/// Queues a message without descriptors; a spawner that is gone needs none.
fn send(outgoing: &mpsc::UnboundedSender<Parcel>, request: &Request) {
    if let Ok(bytes) = channel::encode(request) {
        let _gone = outgoing.send(Parcel { bytes, descriptors: Vec::new() });
    }
}

impl Parcel {
    pub(crate) fn send(&self, socket: &OwnedFd) -> Result<(), channel::ChannelError> {
        let descriptors: Vec<_> = self.descriptors.iter().map(AsFd::as_fd).collect();
        channel::send_encoded(socket, &self.bytes, &descriptors)
    }
}
