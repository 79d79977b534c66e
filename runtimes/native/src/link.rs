//! The socket to the platform, descriptor 3.
//!
//! It is watched for what comes in only, as the platform watches its end (`fungraph-instance`, `socket.rs`): a Unix socket that is watched for
//! room as well wakes its owner each time the other side has read.

use std::{
    io::{self, IoSlice},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use bytes::BytesMut;
use rustix::io::Errno;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
};

use crate::{
    failure::Failure,
    frame::{self, Kind, Order},
    leave,
};

/// Room for frames; most fit many times over.
const BUFFER: usize = 8 << 10;
/// Characters of a line of the log; longer ones are cut.
const LINE: usize = 90 * 1024;

/// Sends frames.
#[derive(Debug)]
pub(crate) struct Link {
    socket: OwnedFd,
}

/// Takes frames.
#[derive(Debug)]
pub(crate) struct Orders {
    socket: pipe::Receiver,
    buffer: BytesMut,
}

/// Both ends of the socket.
pub(crate) fn open(socket: UnixStream) -> io::Result<(Link, Orders)> {
    socket.set_nonblocking(true)?;
    let socket = OwnedFd::from(socket);
    let link = Link { socket: socket.try_clone()? };
    // tokio's sockets are watched for both; the ends of its pipes for one, and they read whatever they are given.
    let socket = pipe::Receiver::from_owned_fd_unchecked(socket)?;
    Ok((link, Orders { socket, buffer: BytesMut::with_capacity(BUFFER) }))
}

impl Link {
    /// Sends a frame. Whoever drops this while it waits may leave half of it behind: nobody does.
    pub(crate) async fn say(&mut self, kind: Kind, payload: &[u8]) {
        self.send(kind, 0, payload).await;
    }

    /// The start failed: the object goes to the log first.
    pub(crate) async fn failed(&mut self, failure: &Failure) {
        self.send(Kind::Log, 0, lines(&failure.object).as_bytes()).await;
        self.send(Kind::Failed, failure.code, failure.object.as_bytes()).await;
    }

    async fn send(&mut self, kind: Kind, code: u16, payload: &[u8]) {
        let header = frame::header(kind, code, payload.len());
        if write_all(&self.socket, &header, payload).await.is_err() {
            // The platform is gone, and with it every reason to go on.
            leave::with(1);
        }
    }
}

async fn write_all(socket: &OwnedFd, header: &[u8], payload: &[u8]) -> io::Result<()> {
    let mut slices = [IoSlice::new(header), IoSlice::new(payload)];
    let mut rest = slices.as_mut_slice();
    match rustix::io::writev(socket, rest) {
        Ok(written) => IoSlice::advance_slices(&mut rest, written),
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    if rest.iter().all(|slice| slice.is_empty()) {
        return Ok(());
    }
    let mut watched = pipe::Sender::from_owned_fd_unchecked(socket.try_clone()?)?;
    for slice in rest {
        watched.write_all(slice).await?;
    }
    Ok(())
}

impl Orders {
    /// The next frame; `None` at the end of the socket. It may be dropped while it waits, and nothing is lost.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Order>> {
        loop {
            if let Some(order) = frame::take(&mut self.buffer).map_err(io::Error::other)? {
                return Ok(Some(order));
            }
            self.buffer.reserve(BUFFER);
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// Whole lines, none of them too long.
fn lines(text: &str) -> String {
    let mut all = String::with_capacity(text.len() + 1);
    for line in text.lines() {
        let mut length = 0;
        for character in line.chars() {
            if length == LINE {
                all.push('\n');
                length = 0;
            }
            all.push(character);
            length += 1;
        }
        all.push('\n');
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_not_too_long() {
        assert_eq!(lines("a\nb"), "a\nb\n");
        assert_eq!(lines(""), "");
        let cut = lines(&"ž".repeat(2 * LINE + 1));
        let lengths: Vec<usize> = cut.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lengths, [LINE, LINE, 1]);
    }
}
