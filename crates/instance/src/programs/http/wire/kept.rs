//! Connections between two requests. Pure but for the clock that it is told: it does no I/O.
//!
//! A server that serves one connection at a time, or a few, waits for the next request on those that it has, and gets to no other meanwhile: where
//! requests come at once, one would wait for ever on a new connection beside one that is kept for nothing. Nothing tells such a server from a
//! slow one. So whoever has waited for a while has all that are unused closed, and for a time no connection is kept while a request
//! waits on a new one, as if none were ever kept: each that is answered leaves room for the next.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::net::TcpSocket;

use super::open::Open;

/// How long an unused connection is kept: less than any server waits for another request.
const KEPT: Duration = Duration::from_secs(1);
/// Most of one instance: each takes two descriptors of the server.
const MOST: usize = 16;
/// How long connections make way for requests that wait, at first and at most. It doubles each time.
const MAKES_WAY: Duration = Duration::from_secs(1);
const MAKES_WAY_MOST: Duration = Duration::from_secs(64);

/// Unused connections, and who waits for an answer on a new one.
pub(super) struct Kept {
    /// The last used last.
    idle: Vec<Open>,
    most: usize,
    /// Requests on new connections without an answer, and those of them that have waited for long.
    waiting: usize,
    late: usize,
    /// Until then, and for how long then.
    makes_way: Option<Instant>,
    next: Duration,
    /// The server has closed one without a word, or the instance has ended.
    keeps: bool,
    is_closed: bool,
    spare: Option<TcpSocket>,
    is_making_spare: bool,
}

/// A request that waits for its answer on a new connection.
pub(super) struct Waiting {
    kept: Arc<Mutex<Kept>>,
    is_late: bool,
}

impl Kept {
    /// Of a server that gets so many requests at once.
    pub(super) fn new(at_once: u32) -> Self {
        Self {
            idle: Vec::new(),
            most: MOST.min(at_once as usize).max(1),
            waiting: 0,
            late: 0,
            makes_way: None,
            next: MAKES_WAY,
            keeps: true,
            is_closed: false,
            spare: None,
            is_making_spare: false,
        }
    }

    /// Whether connections are kept at all.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// The one that was used last, so that others get old.
    pub(super) fn take(&mut self, now: Instant) -> Option<Open> {
        self.forget_old(now);
        self.idle.pop()
    }

    /// Keeps one that has answered, unless it is in the way.
    pub(super) fn keep(&mut self, open: Open, now: Instant) {
        self.forget_old(now);
        // Not one of a process that has ended meanwhile.
        if self.keeps && open.socket.is_some() && !self.is_in_the_way(now) && self.idle.len() < self.most {
            self.idle.push(open);
        }
    }

    fn is_in_the_way(&self, now: Instant) -> bool {
        self.late > 0 || self.waiting > 0 && self.makes_way.is_some_and(|until| now < until)
    }

    fn forget_old(&mut self, now: Instant) {
        self.idle.retain(|open| now.saturating_duration_since(open.since) < KEPT);
    }

    /// Keeps none any more.
    pub(super) fn keep_none(&mut self) {
        self.keeps = false;
        self.idle.clear();
    }

    /// The instance has ended.
    pub(super) fn close(&mut self) {
        self.keep_none();
        self.is_closed = true;
        self.spare = None;
    }

    /// A socket that is not connected yet.
    pub(super) fn take_spare(&mut self) -> Option<TcpSocket> {
        self.spare.take()
    }

    /// Whether one is to be made; whoever asked says what came of it.
    pub(super) fn wants_spare(&mut self) -> bool {
        let wants = self.spare.is_none() && !self.is_closed && !self.is_making_spare;
        self.is_making_spare |= wants;
        wants
    }

    pub(super) fn has_spare(&mut self, made: Option<TcpSocket>) {
        self.is_making_spare = false;
        self.spare = made.filter(|_| !self.is_closed);
    }

    /// How many are unused.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.idle.len()
    }

    #[cfg(test)]
    pub(super) fn has_one_to_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Takes the last one out, whatever its age.
    #[cfg(test)]
    pub(super) fn pop(&mut self) -> Option<Open> {
        self.idle.pop()
    }
}

impl Waiting {
    pub(super) fn begin(kept: &Arc<Mutex<Kept>>) -> Self {
        let begun = Self { kept: Arc::clone(kept), is_late: false };
        begun.change(|kept| kept.waiting += 1);
        begun
    }

    /// It has waited for long: those that are unused are closed, and so is each that gets unused while it goes on.
    pub(super) fn is_late(&mut self, now: Instant) {
        self.is_late = true;
        self.change(|kept| {
            kept.late += 1;
            kept.idle.clear();
            if kept.makes_way.is_none_or(|until| until < now) {
                kept.makes_way = Some(now + kept.next);
                kept.next = (kept.next * 2).min(MAKES_WAY_MOST);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Kept)) {
        change(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.change(|kept| {
            kept.waiting -= 1;
            kept.late -= usize::from(self.is_late);
        });
    }
}
