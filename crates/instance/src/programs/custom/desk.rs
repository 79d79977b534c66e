//! Where events are handed out and answers come in: the calls behind a lock, and who waits for them.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use super::{
    super::{
        Call,
        busy::{Busy, Task},
    },
    calls::{Calls, Match},
};

/// Cheap to share.
#[derive(Clone, Debug, Default)]
pub(super) struct Desk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Calls>,
    /// Somebody has asked for an event.
    asked: Notify,
    /// An answer has come, or broken off: whoever brings one for the same call looks again.
    arrived: Notify,
    /// Answers that arrive.
    taking: Busy,
}

/// Somebody's question for an event. Dropping it loses none: one that came just then goes to somebody else.
pub(super) struct Poll {
    desk: Desk,
    event: oneshot::Receiver<Call>,
}

/// An answer that arrives; the only one of its call. Dropping it lets another one arrive, unless this one counted.
pub(super) struct Arriving {
    desk: Desk,
    pub(super) number: u32,
    _task: Task,
}

/// Why an answer is not wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unwanted {
    /// Another one came before.
    Second,
    /// No such call runs.
    Unknown,
}

impl Desk {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call; `false` if nobody asks any more.
    pub(super) fn arrive(&self, call: Call) -> bool {
        self.calls().arrive(call)
    }

    /// Somebody asks over a connection.
    pub(super) fn ask(&self, seat: u64) -> Poll {
        let event = self.calls().ask(seat);
        self.shared.asked.notify_one();
        Poll { desk: self.clone(), event }
    }

    /// Whoever asks over this connection gets nothing.
    pub(super) fn dismiss(&self, seat: u64) {
        self.calls().dismiss(seat);
    }

    pub(super) fn put_back(&self, number: u32) {
        self.calls().put_back(number);
    }

    /// An answer for a request id begins to arrive. While another one does, this waits for what becomes of that.
    pub(super) async fn begin(&self, id: &str) -> Result<Arriving, Unwanted> {
        loop {
            let mut arrived = pin!(self.shared.arrived.notified());
            // Before the look, so that nothing that happens after it is missed.
            arrived.as_mut().enable();
            let found = self.calls().begin(id);
            match found {
                Match::Call(number) => {
                    return Ok(Arriving { desk: self.clone(), number, _task: self.shared.taking.begin() });
                }
                Match::Waits => arrived.await,
                Match::Second => return Err(Unwanted::Second),
                Match::Unknown => return Err(Unwanted::Unknown),
            }
        }
    }

    /// Nobody asks any more: gives the calls whose events nobody has.
    pub(super) fn close(&self) -> Vec<u32> {
        self.calls().close()
    }

    /// Waits until no answer is arriving.
    pub(super) async fn all_taken(&self) {
        self.shared.taking.done().await;
    }

    /// Waits until somebody has asked.
    pub(super) async fn asked(&self) {
        self.shared.asked.notified().await;
    }
}

impl Poll {
    /// Waits for an event; `None` if there will be none.
    pub(super) async fn event(&mut self) -> Option<Call> {
        (&mut self.event).await.ok()
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.event.close();
        if let Ok(call) = self.event.try_recv() {
            self.desk.put_back(call.number);
        }
    }
}

impl Arriving {
    /// It is whole, or as bad as it can be: it ends its call.
    pub(super) fn counts(&self) {
        self.desk.calls().answer(self.number);
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.desk.calls().broke_off(self.number);
        self.desk.shared.arrived.notify_waiters();
    }
}
