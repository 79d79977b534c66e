//! One connection to the function's server.

use std::{
    future::poll_fn,
    io,
    os::fd::{AsFd as _, OwnedFd},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustix::{
    io::Errno,
    net::{
        RecvFlags, recv,
        sockopt::{self, socket_error},
    },
};
use tokio::net::TcpStream;

use super::{
    super::metered::{Meter, Metered},
    Error, broken,
};

/// Room for what is read of an answer: its status and headers must fit.
const BUFFER: usize = 256 << 10;

/// An open connection.
#[derive(Debug)]
pub(super) struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    connection: Option<Connection<TokioIo<Metered>, Full<Bytes>>>,
    meter: Meter,
    /// The socket again, to look at; only of one that may be kept.
    pub(super) socket: Option<OwnedFd>,
    /// When its last answer was complete.
    pub(super) since: Instant,
    /// It has had a request before this one.
    is_used: bool,
}

impl Open {
    pub(super) async fn new(stream: TcpStream, may_be_kept: bool) -> Result<Self, Error> {
        // Only a delay is lost where it is refused.
        let _slower = stream.set_nodelay(true);
        let socket = may_be_kept.then(|| stream.as_fd().try_clone_to_owned()).transpose().map_err(Error::NoWay)?;
        let (stream, meter) = Metered::new(stream);
        let mut http = http1::Builder::new();
        http.title_case_headers(true).max_buf_size(BUFFER);
        let (sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        Ok(Self { sender, connection: Some(connection), meter, socket, since: Instant::now(), is_used: false })
    }

    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        // What was not acknowledged yet is by what is sent now.
        self.meter.forget_read();
        let answer = self.sender.send_request(request);
        self.beside(answer).await
    }

    /// Waits for what this connection brings, and lets it work meanwhile.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            // It may have brought what is waited for, and its end is told by the answer, if there is one.
            Poll::Pending => {
                self.turn(context);
                let polled = work.as_mut().poll(context);
                if polled.is_pending() {
                    self.acknowledge();
                }
                polled
            }
            polled => polled,
        })
        .await
    }

    /// Lets it work.
    fn turn(&mut self, context: &mut Context<'_>) {
        let Some(connection) = &mut self.connection else { return };
        self.meter.turn();
        if Pin::new(connection).poll(context).is_ready() {
            self.connection = None;
        }
    }

    /// Lets the server know that a part of its answer has come. The kernel takes a connection with requests and answers for a conversation, and keeps
    /// acknowledgements back until there is something to say: 40 ms where a server sends the head of its answer first and, as is usual, the
    /// body once that has arrived. Of a whole answer the next request tells it, without a packet of its own. A new connection need not be told.
    fn acknowledge(&self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.is_used && self.meter.forget_read()) {
            // Only time is lost where it is refused.
            let _slower = sockopt::set_tcp_quickack(socket, true);
        }
    }

    /// Its answer is complete.
    pub(super) fn rests(&mut self) {
        (self.since, self.is_used) = (Instant::now(), true);
    }

    /// Whether it takes a request.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether the server has left it open until now, and silent. The kernel is asked too: it may know of an end before the runtime does.
    pub(super) async fn is_open(&mut self) -> bool {
        poll_fn(|context| {
            self.turn(context);
            Poll::Ready(())
        })
        .await;
        let mut byte = [0; 1];
        let mut is_silent =
            |socket| recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) == Err(Errno::WOULDBLOCK);
        self.connection.is_some() && self.socket.as_ref().is_some_and(&mut is_silent)
    }

    /// Whether a short request that failed cannot have been read: it was not sent, or the kernel says that the other end was closed with
    /// bytes unread, or before they came.
    pub(super) fn was_unread(&self, error: &hyper::Error) -> bool {
        let is_reset = |cause: &(dyn std::error::Error + 'static)| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
        };
        error.is_canceled()
            || std::iter::successors(std::error::Error::source(error), |cause| cause.source()).any(is_reset)
            || self
                .socket
                .as_ref()
                .map(socket_error)
                .is_some_and(|asked| matches!(asked, Ok(Err(Errno::CONNRESET | Errno::PIPE))))
    }
}
