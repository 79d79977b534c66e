//! Requests to the function's server.
//!
//! Everything here is polled by the call that it is done for: a connection has no task of its own, so that nothing of it outlives the call, but
//! for one that is kept for the next.

use std::{
    future::poll_fn,
    io,
    net::Ipv4Addr,
    os::fd::{AsFd as _, OwnedFd},
    pin::{Pin, pin},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use http_body_util::Full;
use hyper::{
    body::{Body as _, Incoming},
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

use super::metered::{Meter, Metered};
use crate::programs::{
    Answers,
    body::{self, BadBody},
};

/// Where the server has to listen.
pub(super) const PORT: u16 = 8000;
/// Room for what is read of an answer: its status and headers must fit.
const BUFFER: usize = 256 << 10;
/// How long an unused connection is kept: less than any server waits for another request.
const KEPT: Duration = Duration::from_secs(1);
/// Bytes of a request that every server reads at once, so that it has either the whole of it or nothing. Of a longer one that is broken
/// off nobody can tell whether it has begun to run: it gets a new connection, on which nothing is ever sent again.
const READ_AT_ONCE: usize = 4096;

type Cause = dyn std::error::Error + Send + Sync;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// There is no socket for it: a fault of ours.
    #[error("the platform could not connect to the function's server")]
    NoWay(#[source] io::Error),
    /// Nothing listens.
    #[error("port {PORT} of the function takes no connection: {0}")]
    Refused(io::Error),
    /// The connection ended too early, or what came was no HTTP.
    #[error("the function's server broke off the request: {}", because(.0.as_ref()))]
    Broken(Box<Cause>),
    /// Status and headers have more bytes than there is room for.
    #[error("the headers of the function's answer are too large")]
    LargeHead,
    /// The body has more bytes than are allowed.
    #[error("the answer is too large")]
    TooLarge,
}

/// The way to the server. From one request to the next it keeps the connection, where requests come one after the other: most of what a
/// small request takes is the server's work with a new one. A server that serves one connection at a time would never get to a second
/// one, hence not where several come at once.
pub(super) struct Port {
    /// Whose sockets reach it.
    answers: Answers,
    number: u16,
    keeps: AtomicBool,
    kept: Mutex<Option<Open>>,
}

impl Port {
    /// Of a function that gets so many calls at once.
    pub(super) fn new(answers: Answers, number: u16, calls_at_once: u32) -> Self {
        Self { answers, number, keeps: AtomicBool::new(calls_at_once == 1), kept: Mutex::default() }
    }

    /// Sends a request and lets `take` have the answer; the connection lives at least as long as that takes.
    pub(super) async fn exchange<T, F>(
        &self,
        mut request: Request<Full<Bytes>>,
        take: impl FnOnce(Response<Incoming>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let kept = self.take_kept().await.filter(|_| is_short(&request));
        let keeps = self.keeps.load(Ordering::Relaxed);
        if !keeps {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let (mut open, answer) = match kept {
            Some(mut open) => match open.ask(request.clone()).await {
                Err(error) if open.was_unread(&error) => self.ask_anew(request).await?,
                answer => (open, answer.map_err(broken)?),
            },
            None => self.ask_anew(request).await?,
        };
        let stays = keeps && !says_close(&answer);
        let taken = open.beside(take(answer)).await?;
        if stays {
            self.keep(open);
        }
        Ok(taken)
    }

    /// The connection of the request before, if it can have another. A server that closes one without having said so does it again: its
    /// connections are not kept any more, since the next request might be under way just then.
    async fn take_kept(&self) -> Option<Open> {
        let mut open = self.lock().take().filter(|open| open.since.elapsed() < KEPT)?;
        let is_open = open.is_open().await;
        if !is_open {
            self.keeps.store(false, Ordering::Relaxed);
        }
        is_open.then_some(open).filter(|open| open.sender.is_ready())
    }

    fn keep(&self, mut open: Open) {
        (open.since, open.is_used) = (Instant::now(), true);
        let mut kept = self.lock();
        // Not one of a process that has ended meanwhile.
        if self.keeps.load(Ordering::Relaxed) && open.socket.is_some() {
            *kept = Some(open);
        }
    }

    async fn ask_anew(&self, request: Request<Full<Bytes>>) -> Result<(Open, Response<Incoming>), Error> {
        let stream = self.connect().await?;
        let mut open = Open::new(stream, self.keeps.load(Ordering::Relaxed)).await?;
        let answer = open.ask(request).await.map_err(broken)?;
        Ok((open, answer))
    }

    async fn connect(&self) -> Result<TcpStream, Error> {
        let socket = self.answers.tcp_socket().await.map_err(Error::NoWay)?;
        socket.connect((Ipv4Addr::LOCALHOST, self.number).into()).await.map_err(Error::Refused)
    }

    /// Keeps no connection any more: one that is left open keeps the network of a process that has ended.
    pub(super) fn close(&self) {
        let mut kept = self.lock();
        self.keeps.store(false, Ordering::Relaxed);
        kept.take();
    }

    #[cfg(test)]
    pub(super) fn keeps_one(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same as [`Self::exchange`], with the whole answer, whose body has at most `limit` bytes.
    pub(super) async fn whole(&self, request: Request<Full<Bytes>>, limit: usize) -> Result<Response<Bytes>, Error> {
        self.exchange(request, async |answer: Response<Incoming>| {
            let (head, body) = answer.into_parts();
            match body::whole(body, limit).await {
                Ok(whole) => Ok(Response::from_parts(head, whole)),
                Err(BadBody::TooLarge) => Err(Error::TooLarge),
                Err(BadBody::Broken(error)) => Err(broken(error)),
            }
        })
        .await
    }
}

/// An open connection.
#[derive(Debug)]
struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    connection: Option<Connection<TokioIo<Metered>, Full<Bytes>>>,
    meter: Meter,
    /// The socket again, to look at; only of one that may be kept.
    socket: Option<OwnedFd>,
    /// When its last answer was complete.
    since: Instant,
    /// It has had a request before this one.
    is_used: bool,
}

impl Open {
    async fn new(stream: TcpStream, may_be_kept: bool) -> Result<Self, Error> {
        // Only a delay is lost where it is refused.
        let _slower = stream.set_nodelay(true);
        let socket = may_be_kept.then(|| stream.as_fd().try_clone_to_owned()).transpose().map_err(Error::NoWay)?;
        let (stream, meter) = Metered::new(stream);
        let mut http = http1::Builder::new();
        http.title_case_headers(true).max_buf_size(BUFFER);
        let (sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        Ok(Self { sender, connection: Some(connection), meter, socket, since: Instant::now(), is_used: false })
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let answer = self.sender.send_request(request);
        self.beside(answer).await
    }

    /// Waits for what this connection brings, and lets it work meanwhile.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| match work.as_mut().poll(context) {
            // It may have brought what is waited for, and its end is told by the answer, if there is one.
            Poll::Pending => {
                self.turn(context);
                work.as_mut().poll(context)
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
        } else if self.is_used {
            self.acknowledges_at_once();
        }
    }

    /// The kernel takes a connection with requests and answers for a conversation, and keeps acknowledgements back until there is something to
    /// say: 40 ms where a server sends the head of its answer first and, as is usual, the body once that has arrived. It forgets what it was
    /// told with the next thing it sends.
    fn acknowledges_at_once(&self) {
        if let Some(socket) = &self.socket {
            // Only time is lost where it is refused.
            let _slower = sockopt::set_tcp_quickack(socket, true);
        }
    }

    /// Whether the server has left it open until now, and silent. The kernel is asked too: it may know of an end before the runtime does.
    async fn is_open(&mut self) -> bool {
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
    fn was_unread(&self, error: &hyper::Error) -> bool {
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

/// Whether a request is read at once.
fn is_short(request: &Request<Full<Bytes>>) -> bool {
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let line = request.uri().path_and_query().map_or(0, |path| path.as_str().len()) + 32;
    request.body().size_hint().lower() + (headers + line) as u64 <= READ_AT_ONCE as u64
}

/// Whether the server lets the connection go after this answer.
fn says_close(answer: &Response<Incoming>) -> bool {
    let is_close = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
    answer.version() != Version::HTTP_11 || answer.headers().get(header::CONNECTION).is_some_and(is_close)
}

pub(super) fn broken(error: hyper::Error) -> Error {
    if error.is_parse_too_large() { Error::LargeHead } else { Error::Broken(error.into()) }
}

/// The innermost cause says most.
fn because(error: &Cause) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::programs::fake::Fake;

    /// What a server does with its first connection once it has answered there; every other one is served well.
    #[derive(Clone, Copy)]
    enum Then {
        GoOn,
        Close,
        CloseUnread,
        CloseHalfRead,
        CloseRead,
    }

    struct Server {
        port: Port,
        connections: Arc<AtomicUsize>,
        requests: Arc<AtomicUsize>,
    }

    impl Server {
        async fn start(calls_at_once: u32, answer: &'static str, then: Then) -> Self {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let number = listener.local_addr().expect("an address").port();
            let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (opened, read) = (Arc::clone(&connections), Arc::clone(&requests));
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    let then = if opened.fetch_add(1, Ordering::SeqCst) == 0 { then } else { Then::GoOn };
                    tokio::spawn(serve(stream, answer, then, Arc::clone(&read)));
                }
            });
            Self { port: Port::new(Fake::start().answers, number, calls_at_once), connections, requests }
        }

        async fn ask(&self) -> Result<Bytes, Error> {
            self.send(2).await
        }

        async fn send(&self, bytes: usize) -> Result<Bytes, Error> {
            let mut request = Request::new(Full::new(vec![b' '; bytes].into()));
            request.headers_mut().insert(header::HOST, HeaderValue::from_static("test"));
            self.port.whole(request, 100).await.map(Response::into_body)
        }

        #[track_caller]
        fn check(&self, connections: usize, requests: usize) {
            let seen = (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst));
            assert_eq!(seen, (connections, requests), "connections and requests");
        }
    }

    async fn serve(mut stream: TcpStream, answer: &'static str, then: Then, requests: Arc<AtomicUsize>) {
        let mut buffer = [0; 1024];
        for number in 0.. {
            if number == 1 && matches!(then, Then::CloseUnread) {
                let _there = stream.peek(&mut buffer).await;
                return;
            }
            if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
            if !buffer.starts_with(b"GET ") {
                continue;
            }
            requests.fetch_add(1, Ordering::SeqCst);
            if number == 1 && matches!(then, Then::CloseRead | Then::CloseHalfRead) {
                return;
            }
            stream.write_all(answer.as_bytes()).await.expect("it is read");
            if matches!(then, Then::Close) {
                return;
            }
        }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    const OK_AND_CLOSE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    const OK_OF_OLD: &str = "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok";

    #[tokio::test]
    async fn requests_one_after_the_other_share_a_connection() {
        let server = Server::start(1, OK, Then::GoOn).await;
        for _ in 0..3 {
            assert_eq!(server.ask().await.expect("an answer"), "ok");
        }
        server.check(1, 3);
    }

    #[tokio::test]
    async fn a_kept_connection_keeps_no_acknowledgement_back() {
        let server = Server::start(1, OK, Then::GoOn).await;
        for _ in 0..10 {
            server.ask().await.expect("an answer");
        }
        let kept = server.port.lock().take().expect("it is kept");
        let socket = kept.socket.expect("it can be looked at");
        assert!(
            sockopt::tcp_quickack(&socket).expect("it is TCP"),
            "a server may wait for it before it sends the rest"
        );
    }

    #[tokio::test]
    async fn requests_that_may_come_at_once_have_their_own() {
        let server = Server::start(2, OK, Then::GoOn).await;
        for _ in 0..3 {
            server.ask().await.expect("an answer");
        }
        server.check(3, 3);
    }

    #[tokio::test]
    async fn a_server_that_says_close_is_taken_at_its_word() {
        for answer in [OK_AND_CLOSE, OK_OF_OLD] {
            let server = Server::start(1, answer, Then::Close).await;
            for _ in 0..3 {
                server.ask().await.expect("an answer");
            }
            server.check(3, 3);
            assert!(server.port.keeps.load(Ordering::Relaxed), "it said so, and may say otherwise next time");
        }
    }

    #[tokio::test]
    async fn a_server_that_closes_without_a_word_gets_a_connection_for_each_request() {
        let server = Server::start(1, OK, Then::Close).await;
        server.ask().await.expect("an answer");
        let mut kept = server.port.lock().take().expect("it was kept");
        while kept.is_open().await {
            tokio::task::yield_now().await;
        }
        *server.port.lock() = Some(kept);
        for _ in 0..3 {
            server.ask().await.expect("an answer");
        }
        server.check(4, 4);
    }

    #[tokio::test]
    async fn a_request_that_the_server_did_not_read_is_sent_again() {
        let server = Server::start(1, OK, Then::CloseUnread).await;
        for _ in 0..3 {
            assert_eq!(server.ask().await.expect("an answer"), "ok");
        }
        server.check(2, 3);
    }

    #[tokio::test]
    async fn a_request_whose_begin_the_server_read_is_not_sent_again() {
        let server = Server::start(1, OK, Then::CloseHalfRead).await;
        server.ask().await.expect("an answer");
        assert_eq!(server.send(2 * READ_AT_ONCE).await.expect("it does not go where the server closes"), "ok");
        server.check(2, 2);
    }

    #[tokio::test]
    async fn a_request_that_the_server_read_is_not_sent_again() {
        let server = Server::start(1, OK, Then::CloseRead).await;
        server.ask().await.expect("an answer");
        let error = server.ask().await.expect_err("it was broken off");
        assert!(matches!(error, Error::Broken(_)), "{error}");
        server.check(1, 2);
    }

    #[tokio::test]
    async fn an_answer_that_is_too_large_ends_its_connection() {
        let long = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
        let server = Server::start(1, long, Then::GoOn).await;
        for _ in 0..2 {
            assert!(matches!(server.ask().await, Err(Error::TooLarge)));
        }
        server.check(2, 2);
    }
}
