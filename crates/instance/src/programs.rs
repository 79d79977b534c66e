//! Programs of the user's own: web servers, programs that ask for their events, and those of Go.
//!
//! The native bootstrap (`runtimes/native`) starts such a program inside the sandbox, watches it, and ends as it ends. What is said to it, over
//! sockets of its network that it never holds ([`Process::tcp_socket`](crate::Process::tcp_socket)), is said from here: a bootstrap between would cost each call two
//! wake-ups. A program may send what it likes and when it likes, so everything taken from it is bounded, and no thread ever waits for it.

mod answers;

use bytes::Bytes;
use fungraph_model::{Failure, FunctionVersion};

pub(crate) use self::answers::Answers;
use crate::{
    instance::Asked,
    protocol::{ASYNCHRONOUS, STREAMED},
};

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
    /// Whether the answer is wanted in pieces.
    pub(crate) streamed: bool,
    /// Whether it came by the queue, so that nobody waits for the answer.
    pub(crate) is_async: bool,
}

/// A running program that is ready for calls. Cheap to share.
#[derive(Clone)]
pub(crate) enum Program {}

impl Program {
    /// Reaches the program that the bootstrap has started for a function, with what LOADED said of it; none where the bootstrap
    /// runs the calls itself.
    pub(crate) async fn reach(
        _version: &FunctionVersion,
        _loaded: &Bytes,
        _answers: Answers,
    ) -> Result<Option<Self>, Failure<Bytes>> {
        Ok(None)
    }

    /// Takes a call. It is answered when this is done, or later; whoever drops this is not interested any more.
    pub(crate) async fn take(&self, number: u32, id: &str, asked: Asked<'_>, form: u8) {
        let (streamed, is_async) = (form == STREAMED, form == ASYNCHRONOUS);
        let call = |alias: &str, event: &[u8]| Call {
            number,
            id: id.to_owned(),
            alias: Some(alias).filter(|alias| !alias.is_empty()).map(str::to_owned),
            event: Bytes::copy_from_slice(event),
            streamed,
            is_async,
        };
        match asked {
            Asked::Initialize => self.initialize(call("", &[])).await,
            Asked::Call { alias, event } => self.call(call(alias, event)).await,
        }
    }

    async fn initialize(&self, _call: Call) {
        match *self {}
    }

    async fn call(&self, _call: Call) {
        match *self {}
    }

    /// The process has ended: takes what the program said before, which may still lie in a socket.
    pub(crate) async fn ended(&self) {
        match *self {}
    }
}
