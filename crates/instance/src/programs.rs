//! Programs of the user's own: web servers, programs that ask for their events, and those of Go.
//!
//! The native bootstrap (`runtimes/native`) starts such a program inside the sandbox, watches it, and ends as it ends. What is said to it, over
//! sockets of its network that it never holds ([`Process::tcp_socket`](crate::Process::tcp_socket)), is said from here: a bootstrap between would cost each call two
//! wake-ups. A program may send what it likes and when it likes, so everything taken from it is bounded, and no thread ever waits for it.

mod answers;
mod failure;
mod go;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_model::{Failure, FunctionVersion};

pub(crate) use self::answers::Answers;
use self::go::Go;
pub(crate) use self::go::{Lines, Run};
use crate::{instance::Asked, protocol::ASYNCHRONOUS};

/// A running program that is ready for calls. Cheap to share.
#[derive(Clone)]
pub(crate) enum Program {
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
        version: &FunctionVersion,
        loaded: &Bytes,
        patience: Patience,
        answers: Answers,
    ) -> Result<Option<Self>, Failure<Bytes>> {
        let spec = &version.spec;
        match spec.runtime.name() {
            "Go1.x" => {
                let go = Go::reach(&spec.handler, spec.strategy.concurrent_num, loaded, patience, answers).await?;
                Ok(Some(Self::Go(Arc::new(go))))
            }
            _ => Ok(None),
        }
    }

    /// Takes a call. It is answered when this is done, or later; whoever drops this is not interested any more.
    pub(crate) async fn take(&self, number: u32, id: &str, asked: Asked<'_>, form: u8) {
        match self {
            Self::Go(go) => go.take(number, id, asked, form == ASYNCHRONOUS).await,
        }
    }

    /// The process has ended: takes what the program said before, which may still lie in a socket.
    pub(crate) async fn ended(&self) {
        match self {
            Self::Go(go) => go.ended().await,
        }
    }
    /// Lets go of all that belongs to the program. Nothing more is taken from it.
    pub(crate) fn close(&self) {
        match self {
            Self::Go(go) => go.close(),
        }
    }
}
