//! A connection that yields: what is read in one go is bounded.
//!
//! hyper reads on while there is something, and a server may send interim answers (100) for as long as it likes, which are read and forgotten
//! without an end. So a thread of ours would be busy with one function for as long as tokio lets it, which is long where reads are large.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Bytes that are read in one go.
const TURN: usize = 128 << 10;

/// The connection, as hyper reads and writes it.
#[derive(Debug)]
pub(super) struct Metered {
    stream: TcpStream,
    left: Meter,
}

/// What is left of a turn, for whoever gives turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<State>);

#[derive(Debug, Default)]
struct State {
    left: AtomicUsize,
    /// Something was read.
    has_read: AtomicBool,
}

impl Meter {
    /// A turn begins.
    pub(super) fn turn(&self) {
        self.0.left.store(TURN, Ordering::Relaxed);
    }

    /// Whether something was read since this was asked last.
    pub(super) fn forget_read(&self) -> bool {
        self.0.has_read.swap(false, Ordering::Relaxed)
    }
}

impl Metered {
    pub(super) fn new(stream: TcpStream) -> (Self, Meter) {
        let left = Meter::default();
        (Self { stream, left: left.clone() }, left)
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.left.0.left.load(Ordering::Relaxed);
        if left == 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.left.0.left.store(left.saturating_sub(read), Ordering::Relaxed);
            self.left.0.has_read.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn a_sender_that_never_ends_is_read_in_turns() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            while stream.write_all(&[0; 64 << 10]).await.is_ok() {}
        });
        let (mut metered, meter) = Metered::new(TcpStream::connect(address).await.expect("it listens"));
        let mut room = vec![0; 64 << 10];
        for _ in 0..3 {
            meter.turn();
            let mut read = 0;
            while read < TURN {
                let bytes = std::future::poll_fn(|context| {
                    let mut buffer = ReadBuf::new(&mut room);
                    Pin::new(&mut metered).poll_read(context, &mut buffer).map_ok(|()| buffer.filled().len())
                });
                read += bytes.await.expect("more comes");
            }
            let mut context = Context::from_waker(std::task::Waker::noop());
            let polled = Pin::new(&mut metered).poll_read(&mut context, &mut ReadBuf::new(&mut room));
            assert!(polled.is_pending(), "its turn is over");
        }
    }
}
