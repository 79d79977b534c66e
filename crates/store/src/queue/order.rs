//! What the writer is asked to do, and the groups it makes of that.

use std::collections::HashSet;

use fungraph_model::CallSeq;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::change::Change;
use super::{Accepted, End, NewCall, QueueError, QueueTime};

pub(super) type Answer<T> = oneshot::Sender<Result<T, QueueError>>;

/// One of them.
#[derive(Debug)]
pub(super) enum Order {
    Accept(Accept),
    Begin(Begin),
    Again(Again),
    End(Ending),
    Change(Change, Asker),
    /// Finish what came before, and leave.
    Close(oneshot::Sender<()>),
}

/// Who asked for a change.
#[derive(Debug)]
pub(super) enum Asker {
    Waits(Answer<u64>),
    /// Nobody who waits. The change has a share of what may be on its way, and is dropped where the disk refuses.
    Left(OwnedSemaphorePermit),
}

impl Asker {
    pub(super) fn answer(self, answer: Result<u64, QueueError>) {
        match self {
            Self::Waits(asker) => drop(asker.send(answer)),
            Self::Left(room) => drop(room),
        }
    }
}

#[derive(Debug)]
pub(super) struct Accept {
    pub(super) call: NewCall,
    pub(super) answer: Answer<Accepted>,
    /// Its share of what may be on its way, given back with the answer.
    pub(super) _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(super) struct Begin {
    pub(super) seq: CallSeq,
    pub(super) at: Timestamp,
}

#[derive(Debug)]
pub(super) struct Again {
    pub(super) seq: CallSeq,
    pub(super) due: QueueTime,
    pub(super) consumed: bool,
    pub(super) code: u32,
    pub(super) message: String,
    pub(super) answer: Answer<()>,
}

#[derive(Debug)]
pub(super) struct Ending {
    pub(super) end: End,
    pub(super) answer: Answer<Vec<Accepted>>,
}

/// What becomes one commit. Within it, begins come first and acceptances last; no two orders of a group ask for the same of one call.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) accepts: Vec<Accept>,
    pub(super) begins: Vec<Begin>,
    pub(super) agains: Vec<Again>,
    pub(super) ends: Vec<Ending>,
    /// Ends of calls that `ends` has already: nothing is left for them to change, and they are answered with those.
    pub(super) late: Vec<Ending>,
    pub(super) changes: Vec<(Change, Asker)>,
    ending: HashSet<CallSeq>,
    bytes: usize,
}

/// A commit of more would keep the next one waiting for too long.
const MOST_ORDERS: usize = 1024;
const MOST_BYTES: usize = 8 << 20;

impl Order {
    /// Tells those of which somebody can ask again that the disk refuses; the others are handed back.
    pub(super) fn refuse(self) -> Option<Self> {
        match self {
            Self::Accept(accept) => drop(accept.answer.send(Err(QueueError::DiskFull))),
            Self::Change(change, asker) if !change.must_be() => asker.answer(Err(QueueError::DiskFull)),
            kept => return Some(kept),
        }
        None
    }
}

impl Group {
    /// Takes an order.
    pub(super) fn push(&mut self, order: Order) {
        match order {
            Order::Accept(accept) => {
                self.bytes += accept.call.body.len();
                self.accepts.push(accept);
            }
            Order::Begin(begin) => self.begins.push(begin),
            Order::Again(again) => self.agains.push(again),
            Order::End(ending) if self.ending.insert(ending.end.seq) => self.ends.push(ending),
            Order::End(ending) => self.late.push(ending),
            Order::Change(change, asker) => self.changes.push((change, asker)),
            Order::Close(left) => drop(left.send(())),
        }
    }

    pub(super) fn len(&self) -> usize {
        let ends = self.ends.len() + self.late.len();
        self.accepts.len() + self.begins.len() + self.agains.len() + ends + self.changes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= MOST_ORDERS || self.bytes >= MOST_BYTES
    }

    /// Its orders, in the order in which they are written.
    pub(super) fn into_orders(self) -> impl Iterator<Item = Order> {
        (self.begins.into_iter().map(Order::Begin))
            .chain(self.agains.into_iter().map(Order::Again))
            .chain(self.ends.into_iter().chain(self.late).map(Order::End))
            .chain(self.accepts.into_iter().map(Order::Accept))
            .chain(self.changes.into_iter().map(|(change, asker)| Order::Change(change, asker)))
    }

    /// Its orders, each in a group of its own.
    pub(super) fn split(self) -> impl Iterator<Item = Self> {
        self.into_orders().map(|order| {
            let mut group = Self::default();
            group.push(order);
            group
        })
    }

    /// Tells whoever gave its only order that it failed.
    pub(super) fn fail(self, source: sqlx::Error) {
        let error = QueueError::Database { action: "change the queue", source };
        match self.into_orders().next() {
            Some(Order::Accept(accept)) => drop(accept.answer.send(Err(error))),
            Some(Order::Again(again)) => drop(again.answer.send(Err(error))),
            Some(Order::End(ending)) => drop(ending.answer.send(Err(error))),
            Some(Order::Change(_, asker)) => asker.answer(Err(error)),
            Some(Order::Begin(_) | Order::Close(_)) | None => {}
        }
    }

    /// What must be written later, now that the disk refuses.
    pub(super) fn refuse(self) -> Self {
        let mut kept = Self::default();
        self.into_orders().filter_map(Order::refuse).for_each(|order| kept.push(order));
        kept
    }
}
