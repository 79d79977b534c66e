//! The two tasks on the socket. They end with the spawner; the writer also ends, and with it the spawner, when nobody holds a handle.

use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;

use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

use super::Socket;
use super::board::Board;
use super::sandbox::Sandbox;
use crate::channel::{self, ChannelError};
use crate::error::Error;
use crate::gauge::MemoryGauge;
use crate::message::Reply;
use crate::refusals::Refusals;

/// An encoded message on its way out with the descriptors it carries.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

pub(super) async fn write(socket: Socket, mut parcels: mpsc::UnboundedReceiver<Parcel>) {
    while let Some(parcel) = parcels.recv().await {
        if let Err(error) = write_one(&socket, &parcel).await {
            // The reader sees the same end and tells everyone.
            tracing::debug!(%error, "cannot write to the spawner");
            return;
        }
    }
    // Nobody can ask for anything any more: the spawner reads this as the end of its work.
    let _gone = rustix::net::shutdown(socket.get_ref(), rustix::net::Shutdown::Write);
}

async fn write_one(socket: &AsyncFd<OwnedFd>, parcel: &Parcel) -> Result<(), ChannelError> {
    loop {
        let mut ready = socket.writable().await.map_err(ChannelError::Socket)?;
        match parcel.send(socket.get_ref()) {
            Err(error) if error.would_block() => ready.clear_ready(),
            done => return done,
        }
    }
}

pub(super) async fn read(
    socket: Socket,
    pidfd: AsyncFd<OwnedFd>,
    mut child: Child,
    board: Arc<Board>,
    outgoing: mpsc::WeakUnboundedSender<Parcel>,
    lost: watch::Sender<bool>,
) {
    let mut buffer = Vec::new();
    loop {
        // The process is watched beside its socket: a descriptor that leaked into a child could keep the socket open.
        let message = tokio::select! {
            biased;
            message = read_one(&socket, &mut buffer) => message,
            _ = pidfd.readable() => Ok(None),
        };
        match message {
            Ok(Some((reply, descriptors))) => handle(&board, &outgoing, reply, descriptors),
            Ok(None) => break,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot read from the spawner");
                break;
            }
        }
    }
    // Closing our side first makes even a spawner that talks nonsense end; only then is there something to wait for.
    let _gone = rustix::net::shutdown(socket.get_ref(), rustix::net::Shutdown::Both);
    board.lost();
    let _ended = pidfd.readable().await;
    match child.wait() {
        Ok(status) => tracing::debug!(%status, "the spawner ended"),
        Err(error) => tracing::warn!(%error, "cannot collect the spawner"),
    }
    lost.send_replace(true);
}

async fn read_one(
    socket: &AsyncFd<OwnedFd>,
    buffer: &mut Vec<u8>,
) -> Result<Option<(Reply, Vec<OwnedFd>)>, ChannelError> {
    loop {
        let mut ready = socket.readable().await.map_err(ChannelError::Socket)?;
        match channel::receive(socket.get_ref(), buffer) {
            Err(error) if error.would_block() => ready.clear_ready(),
            done => return done,
        }
    }
}

fn handle(
    board: &Arc<Board>,
    outgoing: &mpsc::WeakUnboundedSender<Parcel>,
    reply: Reply,
    mut descriptors: Vec<OwnedFd>,
) {
    match reply {
        Reply::Launched { number, pid, gauge, counters } => {
            let exit = board.running(number);
            let refusals = Refusals::new(if counters { descriptors.pop() } else { None });
            let gauge = MemoryGauge::new(gauge, descriptors.pop());
            let (Some((id, answer)), Some(outgoing)) = (board.take(number), outgoing.upgrade()) else {
                // Nobody holds a handle, so the spawner is about to end everything.
                return;
            };
            let sandbox = Sandbox { id, number, pid, gauge, refusals, exit, outgoing, board: Arc::clone(board) };
            // If the caller no longer waits, the sandbox is dropped here, and so killed.
            drop(answer.send(Ok(sandbox)));
        }
        Reply::LaunchFailed { number, reason } => {
            if let Some((id, answer)) = board.take(number) {
                let _unheard = answer.send(Err(Error::Launch { id, reason }));
            }
        }
        Reply::Fitted { number, failure } => {
            if let Some(answer) = board.take_fit(number) {
                let _unheard = answer.send(failure);
            }
        }
        Reply::Socket { number, failure } => {
            if let Some(answer) = board.take_socket(number) {
                // None came along where this process has no room for one more.
                let socket =
                    descriptors.pop().ok_or_else(|| failure.unwrap_or_else(|| "too many open files".to_owned()));
                let _unheard = answer.send(socket);
            }
        }
        Reply::Exited { number, exit } => board.ended(number, exit),
        Reply::Ready { .. } | Reply::Failed { .. } => tracing::warn!(?reply, "the spawner spoke out of turn"),
    }
}
