//! Programs of the user's own: web servers, programs that ask for their events, and those of Go.
//!
//! The native bootstrap (`runtimes/native`) starts such a program inside the sandbox, watches it, and ends as it ends. What is said to it, over
//! sockets of its network that it never holds ([`Process::tcp_socket`](crate::Process::tcp_socket)), is said from here: a bootstrap between would cost each call two
//! wake-ups. A program may send what it likes and when it likes, so everything taken from it is bounded, and no thread ever waits for it.

mod answers;
mod body;
mod busy;
mod custom;
mod failure;
mod fault;
mod go;
mod http;

#[cfg(test)]
mod fake;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_model::Failure;

pub use self::go::rpc;
pub(crate) use self::{
    answers::Answers,
    custom::Custom,
    go::{Lines, Run},
};
use self::{go::Go, http::Http};
use crate::{AnswerSink, Listener, Plan, instance::Asked};

/// One call; of an initializer, the event is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its number in this instance.
    pub(crate) number: u32,
    /// Its request id.
    pub(crate) id: String,
    /// The alias that its caller used, if any.
    pub(crate) alias: Option<String>,
    /// The event, as the caller sent it.
    pub(crate) event: Bytes,
    /// Whether it came by the queue, so that nobody waits for the answer.
    pub(crate) is_async: bool,
}

/// A running program that is ready for calls. Cheap to share.
#[derive(Clone)]
pub(crate) enum Program {
    /// It asks for its events over HTTP.
    Custom(Arc<Custom>),
    /// It is a web server.
    Http(Http),
    /// It serves Go's `net/rpc`.
    Go(Arc<Go>),
}

/// What a start may still take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// All of it.
    pub(crate) limit: Duration,
    /// When it is over.
    pub(crate) until: Instant,
}

impl Patience {
    /// It begins now.
    pub(crate) fn of(limit: Duration) -> Self {
        Self { limit, until: Instant::now() + limit }
    }

    /// The limit in words: whoever waited for most of the last second waited for it.
    pub(crate) fn seconds(self) -> u128 {
        self.limit.as_millis().div_ceil(1000)
    }
}

impl Program {
    /// Reaches the program that the bootstrap has started for a function, with what LOADED said of it; none where the bootstrap
    /// runs the calls itself.
    pub(crate) async fn reach(
        plan: &Plan,
        loaded: &Bytes,
        patience: Patience,
        answers: Answers,
    ) -> Result<Option<Self>, Failure<Bytes>> {
        let spec = &plan.version.spec;
        Ok(match spec.runtime.name() {
            "http" | "Custom Image" => Some(Self::Http(Http::new(plan, answers))),
            "Go1.x" => {
                let go = Go::reach(&spec.handler, spec.strategy.concurrent_num, loaded, patience, answers).await?;
                Some(Self::Go(Arc::new(go)))
            }
            _ => None,
        })
    }

    /// Takes a call. It is answered when this is done, or later; whoever drops this is not interested any more.
    pub(crate) async fn take(&self, number: u32, id: &str, asked: Asked<'_>, listener: Listener<'_>) {
        let (is_async, sink) = match listener {
            Listener::Whole => (false, None),
            Listener::Pieces(sink) => (false, Some(sink)),
            Listener::Nobody => (true, None),
        };
        let call = |alias: &str, event: &Bytes| Call {
            number,
            id: id.to_owned(),
            alias: Some(alias).filter(|alias| !alias.is_empty()).map(str::to_owned),
            event: event.clone(),
            is_async,
        };
        match asked {
            Asked::Initialize => self.initialize(call("", &Bytes::new())).await,
            Asked::Call { alias, event } => self.call(call(alias, event), sink).await,
        }
    }

    async fn initialize(&self, call: Call) {
        match self {
            Self::Custom(custom) => custom.initialize(call.number),
            Self::Http(http) => http.initialize(call).await,
            Self::Go(go) => go.initialize(call.number),
        }
    }

    async fn call(&self, call: Call, sink: Option<&AnswerSink>) {
        match self {
            Self::Custom(custom) => custom.call(call),
            Self::Http(http) => http.call(call, sink).await,
            Self::Go(go) => go.call(&call).await,
        }
    }

    /// The process has ended: takes what the program said before, which may still lie in a socket.
    pub(crate) async fn ended(&self) {
        match self {
            Self::Custom(custom) => custom.ended().await,
            Self::Http(http) => http.ended().await,
            Self::Go(go) => go.ended().await,
        }
    }

    /// Closes what is open between two calls: a socket keeps the network of a process that is gone.
    pub(crate) fn close(&self) {
        match self {
            Self::Custom(custom) => custom.close(),
            Self::Http(http) => http.close(),
            Self::Go(go) => go.close(),
        }
    }
}
