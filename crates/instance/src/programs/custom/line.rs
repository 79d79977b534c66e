//! One connection of a client, and whether it took the event that was written to it.
//!
//! Clients poll with time limits of their own, and one may leave at the very moment its event comes. What it leaves unread shows: a
//! socket that is closed with unread bytes answers with a reset, and one that was closed before can be seen before anything is
//! written. In both cases the event goes to whoever asks next.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::ioctl_fionread,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{desk::Desk, door::Seat};

/// No event was written.
const NONE: u32 = 0;

/// The connection as HTTP reads and writes it.
pub(super) struct Line {
    client: Client,
}

/// The same connection as those see it who answer.
#[derive(Clone)]
pub(super) struct Client {
    stream: Arc<TcpStream>,
    desk: Desk,
    seat: Arc<Seat>,
    /// Number of the call whose event was written last, until the client is seen to have read it.
    event: Arc<AtomicU32>,
    /// Bytes that it had sent before that, unread: no sign that it has read anything.
    ahead: Arc<AtomicU64>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, desk: Desk, seat: Arc<Seat>) -> (Self, Client) {
        let (event, ahead) = (Arc::new(AtomicU32::new(NONE)), Arc::default());
        let client = Client { stream: Arc::new(stream), desk, seat, event, ahead };
        (Self { client: client.clone() }, client)
    }
}

impl Client {
    /// Whether it has closed the connection, whatever it had sent before.
    pub(super) fn has_left(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&*self.stream, PollFlags::RDHUP)], Some(&now)) != Ok(0)
    }

    /// The event of this call is about to be written. Until all of it is, its place is nobody else's.
    pub(super) fn gets(&self, number: u32) {
        self.ahead.store(ioctl_fionread(&*self.stream).unwrap_or(0), Ordering::Relaxed);
        self.event.store(number, Ordering::Relaxed);
        self.seat.gets_an_event(true);
    }

    /// It sent more, so it has read what it had asked for.
    fn goes_on(&self, bytes: u64) {
        let ahead = self.ahead.load(Ordering::Relaxed);
        self.ahead.store(ahead.saturating_sub(bytes), Ordering::Relaxed);
        if bytes > ahead {
            self.event.store(NONE, Ordering::Relaxed);
        }
    }

    fn is_lost(&self) {
        let number = self.event.swap(NONE, Ordering::Relaxed);
        if number != NONE {
            self.desk.put_back(number);
        }
    }

    fn done<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|_| self.is_lost())
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Client { stream, .. } = &self.client;
        loop {
            self.client.done(ready!(stream.poll_read_ready(context)))?;
            match stream.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(length) => {
                    self.client.goes_on(length as u64);
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(self.client.done(Err(error))),
            }
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Client { stream, .. } = &self.client;
        loop {
            self.client.done(ready!(stream.poll_write_ready(context)))?;
            match stream.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(self.client.done(written)),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Asked for when all that there was to write has been written.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.client.seat.gets_an_event(false);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A client that has left already needs no farewell.
        let _left = rustix::net::shutdown(&*self.client.stream, rustix::net::Shutdown::Write);
        Poll::Ready(Ok(()))
    }
}
