//! A call that was given out: how others reach it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio_util::sync::CancellationToken;

/// A call from the moment it is given out until its end, or its next attempt, is on disk.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// The sign for its instance to end.
    pub(super) stop: CancellationToken,
    /// The sign to wait for an instance no longer.
    pub(super) give_up: CancellationToken,
    last: AtomicBool,
    begun: AtomicBool,
    ran: AtomicBool,
}

impl Out {
    /// One that waits no longer for an instance once the queue stops.
    pub(super) fn new(queue: &CancellationToken) -> Arc<Self> {
        Arc::new(Self { give_up: queue.child_token(), ..Self::default() })
    }

    /// One that is taken from where it waits by somebody who ends it.
    pub(super) fn struck() -> Arc<Self> {
        Arc::new(Self { last: AtomicBool::new(true), ..Self::default() })
    }

    /// It gets no further attempt, and does not begin where it has not yet; gives whether that was so before.
    pub(super) fn make_last(&self) -> bool {
        let before = self.last.swap(true, Ordering::AcqRel);
        self.give_up.cancel();
        before
    }

    /// Whether somebody cancelled it.
    pub(super) fn is_cancelled(&self) -> bool {
        self.last.load(Ordering::Acquire)
    }

    /// It has its instance.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// It runs no more; its end, or its next attempt, is on its way to the disk.
    pub(super) fn end(&self) {
        self.ran.store(true, Ordering::Release);
    }

    /// Whether it runs no more.
    pub(super) fn has_run(&self) -> bool {
        self.ran.load(Ordering::Acquire)
    }

    /// Whether it has had an instance.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }
}
