//! Requests to the function's server.
//!
//! Everything here is polled by the call that it is done for: a connection has no task of its own, so that nothing of it outlives the call, but
//! for one that is kept for the next.

mod kept;
mod open;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::Ipv4Addr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use tokio::{net::TcpStream, time::timeout};

use self::{
    kept::{Kept, Waiting},
    open::Open,
};
use crate::programs::{
    Answers,
    body::{self, BadBody},
};

/// Where the server has to listen.
pub(super) const PORT: u16 = 8000;
/// How long a request on a new connection may be unanswered until those that are unused are closed: the server may be busy with them.
const PATIENCE: Duration = Duration::from_millis(20);
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

/// The way to the server. It keeps connections from one request to the next: most of what a small request takes is the server's work with a new one.
pub(super) struct Port {
    /// Whose sockets reach it.
    answers: Answers,
    number: u16,
    /// Requests may come at once.
    is_shared: bool,
    kept: Arc<Mutex<Kept>>,
}

impl Port {
    /// Of a function that gets so many calls at once.
    pub(super) fn new(answers: Answers, number: u16, calls_at_once: u32) -> Self {
        let kept = Arc::new(Mutex::new(Kept::new(calls_at_once)));
        Self { answers, number, is_shared: calls_at_once > 1, kept }
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
        // Some servers send a body with the answer to a HEAD, which would be taken for the next answer.
        let keeps = self.lock().keeps() && request.method() != Method::HEAD;
        if !keeps {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let (mut open, answer) = match kept {
            Some(mut open) => match open.ask(request.clone()).await {
                Err(error) if open.was_unread(&error) => self.ask_anew(request, keeps).await?,
                answer => (open, answer.map_err(broken)?),
            },
            None => self.ask_anew(request, keeps).await?,
        };
        let stays = keeps && !says_close(&answer);
        let taken = open.beside(take(answer)).await;
        self.make_spare();
        if stays && taken.is_ok() {
            open.rests();
            self.lock().keep(open, Instant::now());
        }
        taken
    }

    /// The connection of a request before, if it can have another. A server that closes one without having said so does it again: its
    /// connections are not kept any more, since the next request might be under way just then.
    async fn take_kept(&self) -> Option<Open> {
        let mut open = self.lock().take(Instant::now())?;
        let is_open = open.is_open().await;
        if !is_open {
            self.lock().keep_none();
        }
        is_open.then_some(open).filter(Open::is_ready)
    }

    async fn ask_anew(
        &self,
        request: Request<Full<Bytes>>,
        may_be_kept: bool,
    ) -> Result<(Open, Response<Incoming>), Error> {
        let mut waiting = Waiting::begin(&self.kept);
        let stream = self.connect().await?;
        let mut open = Open::new(stream, may_be_kept).await?;
        let answer = {
            let mut answer = pin!(open.ask(request));
            let patience = if self.is_shared && may_be_kept { PATIENCE } else { Duration::MAX };
            match timeout(patience, &mut answer).await {
                Ok(answer) => answer,
                Err(_) => {
                    waiting.is_late(Instant::now());
                    answer.await
                }
            }
        };
        Ok((open, answer.map_err(broken)?))
    }

    async fn connect(&self) -> Result<TcpStream, Error> {
        let spare = self.lock().take_spare();
        let socket = match spare {
            Some(spare) => spare,
            None => self.answers.tcp_socket().await.map_err(Error::NoWay)?,
        };
        socket.connect((Ipv4Addr::LOCALHOST, self.number).into()).await.map_err(Error::Refused)
    }

    /// Sees to it that there is a socket for the next connection: the spawner, which makes them, is asked for it when a call is over, and not in the next.
    fn make_spare(&self) {
        if !self.lock().wants_spare() {
            return;
        }
        let (answers, kept) = (self.answers.clone(), Arc::clone(&self.kept));
        // It ends soon: the spawner answers, or the instance ends.
        tokio::spawn(async move {
            let made = answers.tcp_socket().await.ok();
            kept.lock().unwrap_or_else(PoisonError::into_inner).has_spare(made);
        });
    }

    /// Keeps no connection any more: one that is left open keeps the network of a process that has ended.
    pub(super) fn close(&self) {
        self.lock().close();
    }

    #[cfg(test)]
    pub(super) fn keeps_one(&self) -> bool {
        self.lock().count() > 0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
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
