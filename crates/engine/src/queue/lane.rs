//! The waiting calls of one function: those in memory, in the order in which they run, and what is known of those that are only on disk.
//! Pure.
//!
//! A function may have a million waiting calls, so most stay on disk and are read when their turn comes near. A call that was just
//! accepted need not be read where everything before it is in memory already. But answers of the disk come in any order: what was put
//! here without reading is remembered until a reading went past it, so that no call is here twice.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use fungraph_model::CallSeq;
use fungraph_store::queue::{FunctionNo, QueueFunction, QueueTime, WaitingCall};

use super::{out::Out, shelves::Part, window::Window};

/// Calls of one function that are in memory at most, before they run.
const SHELF: usize = 256;
/// Due calls that are read at once: how large they are is not known before.
const DUE: usize = 16;
/// Bytes of events that are read at once: several readings are under way before any of them is counted.
const LOAD_BYTES: usize = 4 << 20;
/// What a call takes beside its event, roughly.
const OVERHEAD: usize = 512;
/// Who has given out nothing for so long leaves its room to others where there is none.
pub(super) const STUCK: Duration = Duration::from_secs(1);
/// Calls that were put here without reading, after which is read all the same.
const UNREAD: usize = 1024;

/// A call in memory.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) call: WaitingCall,
    /// How often the platform failed it, as far as this server knows.
    pub(super) stumbled: u32,
}

impl Ready {
    pub(super) fn weight(&self) -> usize {
        self.call.body.len() + OVERHEAD
    }
}

/// What is to be read from disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Calls that were never tried, in order, of so many bytes.
    Fresh { function: FunctionNo, after: CallSeq, most: usize, bytes: usize },
    /// Calls whose next attempt is due.
    Due { function: FunctionNo, calls: Vec<(CallSeq, u32)> },
    /// Which calls of a function that is not read otherwise are too old, but for those that were given out.
    Old { function: FunctionNo, out: HashSet<CallSeq> },
}

/// One function with calls.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) function: Arc<QueueFunction>,
    pub(super) window: Window,
    /// Calls at once that its instances can take.
    pub(super) most: usize,
    paused: bool,
    /// When it gave a call out last.
    pub(super) gave: Instant,
    /// When it is looked at next what of it is too old, while it is not read otherwise.
    look_at: QueueTime,
    /// Whether that is now.
    looks: bool,
    /// By how many it is ended on disk what waits; nothing begins meanwhile.
    pub(super) held: usize,
    /// Calls up to here may have been here, or have been ended on disk, and nobody knows any more: whoever comes with one now is told to wait
    /// for the next reading.
    passed: CallSeq,
    /// Calls that were given out and whose end, or next attempt, is not on disk yet.
    pub(super) out: HashMap<CallSeq, Arc<Out>>,
    pub(super) idle_since: Instant,
    ready: VecDeque<Ready>,
    weight: usize,
    /// Calls whose next attempt waits for its time.
    pub(super) delayed: usize,
    /// Calls whose next attempt is due and that are only on disk.
    due: VecDeque<(CallSeq, u32)>,
    /// Every waiting call up to here has been here.
    read_to: CallSeq,
    /// Calls beyond that which have been here.
    unread: BTreeSet<CallSeq>,
    /// Whether there may be calls beyond it on disk that have not been here.
    more: bool,
    /// The end of what a reading under way will have seen in any case.
    loading: Option<CallSeq>,
    /// Calls that were cancelled while they waited: a reading under way may still bring them.
    struck: HashSet<CallSeq>,
    /// Whether a reading under way may bring calls that have been ended since.
    stale: bool,
    /// Whether due calls were read last, so that it is the turn of fresh ones.
    due_last: bool,
}

impl Lane {
    pub(super) fn new(function: Arc<QueueFunction>, most: usize, now: Instant) -> Self {
        Self {
            function,
            window: Window::new(now),
            most,
            paused: false,
            gave: now,
            look_at: QueueTime(0),
            looks: false,
            held: 0,
            passed: CallSeq(0),
            out: HashMap::new(),
            idle_since: now,
            ready: VecDeque::new(),
            weight: 0,
            delayed: 0,
            due: VecDeque::new(),
            read_to: CallSeq(0),
            unread: BTreeSet::new(),
            more: false,
            loading: None,
            struck: HashSet::new(),
            stale: false,
            due_last: false,
        }
    }

    /// Bytes that its calls take in memory.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn part(&self) -> Part {
        Part { weight: self.weight, is_one: self.ready.len() == 1, gave: self.gave }
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn ready(&self) -> impl Iterator<Item = &Ready> {
        self.ready.iter()
    }

    /// Whether nothing of it begins.
    pub(super) fn rests(&self) -> bool {
        self.paused || self.held > 0
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether a call of it could begin, as far as it alone is concerned.
    pub(super) fn may_begin(&self, now: Instant) -> bool {
        !self.rests() && self.window.rests_until(now).is_none() && self.window.has_room(self.most)
    }

    /// Its calls wait for somebody's word, or do so no longer. Meanwhile they are on disk: memory is for those that can run.
    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.looks = false;
        self.look_at = QueueTime(0);
        if paused {
            self.shrink(0);
            // What a reading under way brings is not wanted now.
            self.stale |= self.loading.is_some();
            self.more |= self.stale;
        }
    }

    /// Whether it has given out nothing for a while.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        now.duration_since(self.gave) >= STUCK
    }

    /// While it is paused, or there is no room for it, nobody reads its calls, and some may get too old.
    pub(super) fn look(&mut self, clock: QueueTime, now: Instant) {
        let waits = self.ready.is_empty() && (self.more || !self.due.is_empty());
        self.looks = waits && (self.paused || self.is_stuck(now)) && self.look_at <= clock;
    }

    pub(super) fn looks(&self) -> bool {
        self.looks
    }

    /// That was looked at; `again`: at once, since there may be more.
    pub(super) fn looked(&mut self, next: QueueTime, again: bool) {
        self.loading = None;
        self.stale = false;
        self.look_at = next;
        self.looks = again;
        self.forget_struck();
    }

    /// Those of the calls that were read that have not been here.
    pub(super) fn unknown(&self, mut calls: Vec<WaitingCall>) -> Vec<WaitingCall> {
        calls.retain(|WaitingCall { seq, .. }| {
            !(self.unread.contains(seq) || self.struck.contains(seq) || self.out.contains_key(seq))
        });
        calls
    }

    /// Whether something of it is being read.
    pub(super) fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Whether nothing is known of any call.
    pub(super) fn is_empty(&self) -> bool {
        let here = !(self.ready.is_empty() && self.due.is_empty() && self.out.is_empty());
        !here && self.delayed == 0 && !self.more && self.loading.is_none()
    }

    /// There may be calls on disk that have not been here.
    pub(super) fn has_more(&mut self) {
        self.more = true;
    }

    /// A call that has just been accepted. It stays on disk where others before it are, or there is no room.
    pub(super) fn accept(&mut self, call: WaitingCall, has_room: bool) {
        if call.seq <= self.read_to || self.unread.contains(&call.seq) {
            // A reading was quicker than the answer, or somebody who cancelled the call.
            return;
        }
        let is_first = !self.more && self.loading.is_none() && call.seq > self.passed;
        if !is_first || !has_room || self.ready.len() >= SHELF || self.unread.len() >= UNREAD {
            self.more = true;
            return;
        }
        self.unread.insert(call.seq);
        self.push(Ready { call, stumbled: 0 });
    }

    /// The next attempt of a call is due.
    pub(super) fn is_due(&mut self, seq: CallSeq, stumbled: u32) {
        self.due.push_back((seq, stumbled));
    }

    fn push(&mut self, ready: Ready) {
        self.weight += ready.weight();
        self.ready.push_back(ready);
    }

    /// A call that could not begin: it is the next one.
    pub(super) fn push_front(&mut self, ready: Ready) {
        self.weight += ready.weight();
        self.ready.push_front(ready);
    }

    pub(super) fn pop(&mut self) -> Option<Ready> {
        let ready = self.ready.pop_front()?;
        self.weight -= ready.weight();
        Some(ready)
    }

    /// Lets go of what lies behind the first so many bytes, but for the first call, unless nothing is to be kept: it is on disk, and is read
    /// again when there is room.
    pub(super) fn shrink(&mut self, most: usize) {
        let mut kept = 0;
        let beyond = self.ready.iter().position(|ready| {
            let is_first = kept == 0;
            kept += ready.weight();
            kept > most && !(is_first && most > 0)
        });
        let Some(beyond) = beyond else { return };
        let gone = self.ready.split_off(beyond);
        self.weight -= gone.iter().map(Ready::weight).sum::<usize>();
        for ready in gone.iter().rev().filter(|ready| ready.call.due.is_some()) {
            self.due.push_front((ready.call.seq, ready.stumbled));
        }
        let first = gone.iter().filter(|ready| ready.call.due.is_none()).map(|ready| ready.call.seq).min();
        if let Some(first) = first {
            self.passed = self.passed.max(self.read_to);
            self.read_to = self.read_to.min(CallSeq(first.0 - 1));
        }
        // A reading under way began elsewhere, and what it brings is read again.
        self.stale |= self.loading.is_some();
        self.more |= first.is_some() || self.stale;
        for ready in &gone {
            self.unread.remove(&ready.call.seq);
        }
        let here = self.ready.iter().map(|ready| ready.call.seq).chain(self.out.keys().copied());
        self.unread.extend(here.filter(|seq| *seq > self.read_to));
    }

    /// Takes the calls away that `which` chooses.
    fn take(&mut self, mut which: impl FnMut(&WaitingCall) -> bool) -> Vec<Ready> {
        let (taken, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.ready).into_iter().partition(|ready| which(&ready.call));
        self.ready = kept;
        self.weight = self.ready.iter().map(Ready::weight).sum();
        taken.into()
    }

    /// Whether something on disk is wanted, if there is room.
    pub(super) fn is_hungry(&self) -> bool {
        if self.loading.is_some() || self.held > 0 {
            return false;
        }
        if self.paused || self.looks {
            return self.looks;
        }
        self.ready.len() <= SHELF / 2 && (self.more || !self.due.is_empty())
    }

    /// What is to be read now, of no more than `room` bytes: due calls and fresh ones take turns, so that many that fail do not stand before
    /// those that never ran.
    pub(super) fn wants(&mut self, function: FunctionNo, room: usize) -> Option<Load> {
        // What is here is looked at here.
        self.looks &= self.ready.is_empty();
        if !self.is_hungry() || (room == 0 && !self.ready.is_empty()) {
            return None;
        }
        let known = self.unread.last().copied().unwrap_or(self.read_to);
        self.loading = Some(known.max(self.read_to));
        if std::mem::take(&mut self.looks) {
            return Some(Load::Old { function, out: self.out.keys().copied().collect() });
        }
        // Without room one is enough to go on.
        let most = if room > 0 { SHELF - self.ready.len() } else { 1 };
        let most_due = most.min(DUE);
        self.due_last = !(self.due.is_empty() || self.due_last && self.more);
        if !self.due_last {
            self.more = false;
            let bytes = room.min(LOAD_BYTES);
            return Some(Load::Fresh { function, after: self.read_to, most, bytes });
        }
        let calls = self.due.drain(..most_due.min(self.due.len())).collect();
        Some(Load::Due { function, calls })
    }

    /// Calls that were never tried, as they were read up to `last`; `all` where there are no more.
    pub(super) fn loaded(&mut self, calls: Vec<WaitingCall>, last: Option<CallSeq>, all: bool) {
        let seen = self.loading.take().unwrap_or(self.read_to);
        if std::mem::take(&mut self.stale) {
            return;
        }
        self.more |= !all;
        let last = last.unwrap_or(self.read_to);
        let read_to = if all { last.max(seen) } else { last };
        for call in calls {
            if !self.unread.contains(&call.seq) && !self.struck.contains(&call.seq) {
                self.push(Ready { call, stumbled: 0 });
            }
        }
        self.read_to = self.read_to.max(read_to);
        self.unread = self.unread.split_off(&CallSeq(self.read_to.0 + 1));
        self.forget_struck();
    }

    /// The same of calls that were due.
    pub(super) fn loaded_due(&mut self, calls: Vec<Ready>) {
        self.loading = None;
        if std::mem::take(&mut self.stale) {
            self.due.extend(calls.iter().map(|ready| (ready.call.seq, ready.stumbled)));
            return;
        }
        for ready in calls {
            if ready.call.seq > self.read_to {
                // Once it runs it looks on disk as if it had never been tried.
                self.unread.insert(ready.call.seq);
            }
            if !self.struck.contains(&ready.call.seq) {
                self.push(ready);
            }
        }
        // A reading that passes by clears it: nothing else would, where nothing new comes.
        self.more |= self.unread.len() >= UNREAD;
        self.forget_struck();
    }

    /// What waits is something else now: all of it is read again, but for what was given out. Up to `ended_to` there is nothing but that and
    /// what has been here.
    pub(super) fn begin_again(&mut self, ended_to: CallSeq) {
        let known = self.unread.last().copied().unwrap_or(self.read_to);
        self.passed = self.passed.max(ended_to).max(known).max(self.read_to);
        let due = self.take(|call| call.due.is_some());
        self.due.extend(due.iter().map(|ready| (ready.call.seq, ready.stumbled)));
        self.take(|_| true);
        self.read_to = CallSeq(0);
        self.unread = self.out.keys().copied().collect();
        self.more = true;
        self.stale = self.loading.is_some();
    }

    /// Nothing could be read: it will be tried again.
    pub(super) fn load_failed(&mut self, load: Load) {
        self.loading = None;
        self.stale = false;
        match load {
            Load::Fresh { .. } => self.more = true,
            Load::Due { calls, .. } => {
                self.due.extend(calls);
                self.due_last = false;
            }
            Load::Old { .. } => self.looks = true,
        }
    }

    /// A call was cancelled while it waited: it must not run any more, wherever it is.
    pub(super) fn strike(&mut self, seq: CallSeq) {
        self.take(|call| call.seq == seq);
        self.due.retain(|(due, _)| *due != seq);
        self.struck.insert(seq);
        if seq > self.read_to {
            // Whoever accepted it may come with it only now.
            self.unread.insert(seq);
        }
    }

    /// The end of a call, or that it has a further attempt, is on disk.
    pub(super) fn ended(&mut self, seq: CallSeq, now: Instant) {
        if self.out.remove(&seq).is_some_and(|out| out.has_begun()) {
            let others_wait = self.has_ready() || self.more || !self.due.is_empty();
            self.window.stored(others_wait, self.most, now);
        }
        if self.loading.is_none() {
            self.struck.remove(&seq);
        }
    }

    /// A reading that begins from now on does not find those whose end is on disk.
    fn forget_struck(&mut self) {
        let out = &self.out;
        self.struck.retain(|seq| out.contains_key(seq));
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests;
