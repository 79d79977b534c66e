//! Our end of the socket to a bootstrap.
//!
//! It is watched for what comes in only. Whoever watches a Unix socket for room as well is woken each time the other side has read what
//! was sent: once for every frame, for nothing, and on the processor that the interpreter is about to be busy on. Frames nearly always fit into the
//! socket, so room is waited for only by whoever has found none. tokio's sockets are watched for both; the ends of its pipes
//! for one, and they read and write whatever descriptor they are given.

use std::{
    io::{self, IoSlice},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, Shutdown, recv, shutdown},
};
use tokio::{io::AsyncWriteExt, net::unix::pipe};

/// Our end of the socket to a bootstrap, in both directions.
#[derive(Debug)]
pub struct Socket {
    pub(crate) incoming: pipe::Receiver,
    pub(crate) outgoing: Outgoing,
}

/// The sending end; the other side reads the end of the stream once this is dropped.
#[derive(Debug)]
pub(crate) struct Outgoing(OwnedFd);

impl Socket {
    /// With the end of the other side, which is in blocking mode.
    ///
    /// # Errors
    /// Of the system: no descriptor is left, or nothing more can be watched.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn pair() -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = OwnedFd::from(ours);
        let outgoing = Outgoing(ours.try_clone()?);
        Ok((Self { incoming: pipe::Receiver::from_owned_fd_unchecked(ours)?, outgoing }, theirs))
    }
}

impl Outgoing {
    /// Writes all of it.
    pub(crate) async fn write_all(&mut self, mut rest: &mut [IoSlice<'_>]) -> io::Result<()> {
        match rustix::io::writev(&self.0, rest) {
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if rest.iter().all(|slice| slice.is_empty()) {
            return Ok(());
        }
        let mut watched = pipe::Sender::from_owned_fd_unchecked(self.0.try_clone()?)?;
        for slice in rest {
            watched.write_all(slice).await?;
        }
        Ok(())
    }

    /// A look without taking anything: an idle bootstrap says nothing, so anything but "nothing yet" is the end or garbage.
    pub(crate) fn is_open(&self) -> bool {
        let mut byte = [0u8; 1];
        match recv(&self.0, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => false,
            // Log lines of a background thread, perhaps; the reader will see.
            Ok(_) => true,
            Err(error) => error == Errno::AGAIN,
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // The receiving end keeps the socket open. One that is closed already needs no end.
        let _ = shutdown(&self.0, Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn pair() -> (Socket, tokio::net::UnixStream) {
        let (ours, theirs) = Socket::pair().expect("a runtime");
        theirs.set_nonblocking(true).expect("it is open");
        (ours, tokio::net::UnixStream::from_std(theirs).expect("a runtime"))
    }

    #[tokio::test]
    async fn a_frame_larger_than_the_socket_arrives_whole() {
        let (Socket { mut outgoing, incoming: _incoming }, mut theirs) = pair();
        let large: Vec<u8> = (0..4_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let (head, tail) = large.split_at(7);
        let mut slices = [head, &[], tail].map(IoSlice::new);
        let mut read = vec![0; large.len()];
        let (written, whole) = tokio::join!(outgoing.write_all(&mut slices), theirs.read_exact(&mut read));
        written.expect("there was room at last");
        whole.expect("all of it");
        assert!(read == large);
    }

    #[tokio::test]
    async fn nothing_is_written_of_nothing() {
        let (Socket { mut outgoing, incoming: _incoming }, theirs) = pair();
        outgoing.write_all(&mut [IoSlice::new(&[])]).await.expect("no error");
        assert_eq!(theirs.try_read(&mut [0]).expect_err("nothing came").kind(), io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn a_dropped_sending_end_is_the_end_of_the_stream() {
        let (Socket { mut incoming, outgoing }, mut theirs) = pair();
        assert!(outgoing.is_open());
        drop(outgoing);
        assert_eq!(theirs.read(&mut [0]).await.expect("the end"), 0);
        theirs.try_write(b"x").expect("the other way is open");
        assert_eq!(incoming.read_u8().await.expect("it comes"), b'x');
    }

    #[tokio::test]
    async fn a_socket_that_was_closed_is_not_open() {
        let (Socket { mut outgoing, incoming: _incoming }, theirs) = pair();
        drop(theirs);
        assert!(!outgoing.is_open());
        assert!(outgoing.write_all(&mut [IoSlice::new(b"x")]).await.is_err());
    }
}
