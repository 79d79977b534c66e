//! What goes into the queue and comes out of it.

use bytes::Bytes;
use fungraph_model::{AsyncStatus, CallSeq, DomainId, FunctionKey, Qualifier, RequestId};
use jiff::Timestamp;

use super::QueueTime;

/// Number of a function within one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionNo(pub i64);

/// Whose call it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFunction {
    /// Its name.
    pub key: FunctionKey,
    /// Its id, which no other function ever has.
    pub func_id: String,
    /// Owning account.
    pub domain: DomainId,
}

/// A call to be accepted.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// Whose.
    pub function: QueueFunction,
    /// What the caller asked for.
    pub qualifier: Qualifier,
    /// The version that it is.
    pub version: String,
    /// The alias that led there.
    pub alias: Option<String>,
    /// Memory asked for, where the function has dynamic memory.
    pub memory_mb: Option<u32>,
    /// The event.
    pub body: Bytes,
    /// The asynchronous call whose destination, or further attempt by hand, it is.
    pub parent: Option<RequestId>,
    /// Destinations between it and a call of a client; 0 for that one.
    pub hops: u32,
}

/// A call that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub request: RequestId,
    /// Its place; the id has it too.
    pub seq: CallSeq,
    /// Whose.
    pub function: FunctionNo,
    /// When, by the queue's clock.
    pub at: QueueTime,
}

/// A call as it waits.
#[derive(Clone, Debug)]
pub struct WaitingCall {
    /// Its id.
    pub request: RequestId,
    /// Its place; the id has it too.
    pub seq: CallSeq,
    /// Whose.
    pub function: FunctionNo,
    /// What the caller asked for.
    pub qualifier: Qualifier,
    /// The version that it is.
    pub version: String,
    /// The alias that led there.
    pub alias: Option<String>,
    /// Memory asked for.
    pub memory_mb: Option<u32>,
    /// When it was accepted, as people see it.
    pub accepted: Timestamp,
    /// When it was accepted, for its age; never later than now.
    pub since: QueueTime,
    /// When it may run; `None` where it waits for its first attempt.
    pub due: Option<QueueTime>,
    /// Attempts that were begun, those that count and those that do not.
    pub begun: u32,
    /// Attempts that count and failed.
    pub failed: u32,
    /// How many servers in a row died while it ran.
    pub deaths: u32,
    /// Number of the last failure; 0 for none.
    pub last_code: u32,
    /// Its text.
    pub last_message: String,
    /// When its first attempt began.
    pub first_start: Option<Timestamp>,
    /// The call whose destination it is.
    pub parent: Option<RequestId>,
    /// Destinations between it and a call of a client.
    pub hops: u32,
    /// The event.
    pub body: Bytes,
}

impl NewCall {
    /// As it would be read from disk right after it was accepted, at `wall` by the clock on the wall.
    #[must_use]
    pub fn waiting(self, accepted: &Accepted, wall: Timestamp) -> WaitingCall {
        WaitingCall {
            request: accepted.request,
            seq: accepted.seq,
            function: accepted.function,
            qualifier: self.qualifier,
            version: self.version,
            alias: self.alias,
            memory_mb: self.memory_mb,
            accepted: wall,
            since: accepted.at,
            due: None,
            begun: 0,
            failed: 0,
            deaths: 0,
            last_code: 0,
            last_message: String::new(),
            first_start: None,
            parent: self.parent,
            hops: self.hops,
            body: self.body,
        }
    }
}

/// The end of a call.
#[derive(Clone, Debug)]
pub struct End {
    /// The call.
    pub seq: CallSeq,
    /// One of the three ends.
    pub status: AsyncStatus,
    /// Number of the failure; 0 for none.
    pub code: u32,
    /// Its text; empty for none.
    pub message: String,
    /// When its first attempt began; `None` leaves what was stored at [`super::Queue::begin`].
    pub start: Option<Timestamp>,
    /// When it ended.
    pub end: Timestamp,
    /// What follows from it, stored in the same commit.
    pub owed: Vec<Owed>,
}

/// What follows from an end.
#[derive(Clone, Debug)]
pub enum Owed {
    /// Another call, of the function that is the destination.
    Call(NewCall),
    /// A message to something that is no function.
    Notice {
        /// The API's word for the kind of target.
        kind: String,
        /// The target, as the setting has it.
        param: String,
        /// The message.
        payload: Bytes,
    },
}

/// Numbers of a function's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Calls that have not ended, those that run among them.
    pub waiting: u64,
    /// Bytes of their events, and of what destinations are still owed.
    pub bytes: u64,
    /// Calls that returned, since the function's first one.
    pub succeeded: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that were thrown away.
    pub discarded: u64,
    /// Whether it is paused.
    pub paused: bool,
}
