//! Where events are handed out and answers come in: the calls behind a lock, and who waits for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::calls::{Calls, Match};
use crate::{
    busy::{Busy, Task},
    frame::Call,
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
    /// A call was answered.
    answered: Notify,
    /// Answers that arrive.
    taking: Busy,
}

/// Somebody's question for an event. Dropping it loses none: one that came just then goes to somebody else.
pub(super) struct Poll {
    desk: Desk,
    event: oneshot::Receiver<Call>,
}

impl Desk {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn arrive(&self, call: Call) {
        self.calls().arrive(call);
    }

    pub(super) fn ask(&self) -> Poll {
        self.shared.asked.notify_one();
        Poll { desk: self.clone(), event: self.calls().ask() }
    }

    pub(super) fn put_back(&self, number: u32) {
        self.calls().put_back(number);
    }

    pub(super) fn answer(&self, id: &str) -> Match {
        let found = self.calls().answer(id);
        if matches!(found, Match::Call(_)) {
            self.shared.answered.notify_one();
        }
        found
    }

    pub(super) fn not_begun(&self) -> Vec<u32> {
        self.calls().not_begun()
    }

    /// An answer begins to arrive.
    pub(super) fn takes(&self) -> Task {
        self.shared.taking.begin()
    }

    /// Waits until no answer is arriving.
    pub(super) async fn all_taken(&self) {
        self.shared.taking.done().await;
    }

    /// Waits until somebody has asked.
    pub(super) async fn asked(&self) {
        self.shared.asked.notified().await;
    }

    /// Waits until nobody has an event.
    pub(super) async fn all_answered(&self) {
        while self.calls().is_answer_due() {
            self.shared.answered.notified().await;
        }
    }
}

impl Poll {
    /// Waits for an event.
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
