//! The waiting calls of one function: those in memory, in the order in which they run, and what is known of those that are only on disk.
//! Pure.
//!
//! A function may have a million waiting calls, so most stay on disk and are read when their turn comes near. A call that was just
//! accepted need not be read where everything before it is in memory already. But answers of the disk come in any order: what was put
//! here without reading is remembered until a reading went past it, so that no call is here twice.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use fungraph_model::CallSeq;
use fungraph_store::queue::{FunctionNo, QueueFunction, WaitingCall};

use super::{out::Out, window::Window};

/// Calls of one function that are in memory at most, before they run.
const SHELF: usize = 256;
/// Due calls that are read at once: how large they are is not known before.
const DUE: usize = 64;
/// What a call takes beside its event, roughly.
const OVERHEAD: usize = 512;
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
    /// Calls that were never tried, in order.
    Fresh { function: FunctionNo, after: CallSeq, most: usize },
    /// Calls whose next attempt is due.
    Due { function: FunctionNo, calls: Vec<(CallSeq, u32)> },
}

/// One function with calls.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) function: Arc<QueueFunction>,
    pub(super) window: Window,
    /// Calls at once that its instances can take.
    pub(super) most: usize,
    pub(super) paused: bool,
    /// By how many it is ended on disk what waits; nothing begins meanwhile.
    pub(super) held: usize,
    /// All that was accepted up to here, and has not been here, was ended on disk.
    ended_to: CallSeq,
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
    unread: HashSet<CallSeq>,
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
            held: 0,
            ended_to: CallSeq(0),
            out: HashMap::new(),
            idle_since: now,
            ready: VecDeque::new(),
            weight: 0,
            delayed: 0,
            due: VecDeque::new(),
            read_to: CallSeq(0),
            unread: HashSet::new(),
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

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn ready(&self) -> impl Iterator<Item = &Ready> {
        self.ready.iter()
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
        if call.seq <= self.read_to.max(self.ended_to) || self.unread.contains(&call.seq) {
            // A reading was quicker than the answer, or somebody who emptied the queue or cancelled the call.
            return;
        }
        if self.more || self.loading.is_some() || !has_room || self.ready.len() >= SHELF || self.unread.len() >= UNREAD
        {
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

    /// Takes the calls away that `which` chooses.
    pub(super) fn take(&mut self, mut which: impl FnMut(&WaitingCall) -> bool) -> Vec<Ready> {
        let (taken, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.ready).into_iter().partition(|ready| which(&ready.call));
        self.ready = kept;
        self.weight = self.ready.iter().map(Ready::weight).sum();
        taken.into()
    }

    /// Whether something on disk is wanted, if there is room.
    pub(super) fn is_hungry(&self) -> bool {
        self.loading.is_none() && self.ready.len() <= SHELF / 2 && (self.more || !self.due.is_empty())
    }

    /// What is to be read now: due calls and fresh ones take turns, so that many that fail do not stand before those that never ran.
    pub(super) fn wants(&mut self, function: FunctionNo, has_room: bool) -> Option<Load> {
        if !self.is_hungry() || !(has_room || self.ready.is_empty()) {
            return None;
        }
        let known = self.unread.iter().copied().max().unwrap_or(self.read_to);
        self.loading = Some(known.max(self.read_to));
        // Without room one is enough to go on.
        let most = if has_room { SHELF - self.ready.len() } else { 1 };
        let most_due = most.min(DUE);
        self.due_last = !(self.due.is_empty() || self.due_last && self.more);
        if !self.due_last {
            self.more = false;
            return Some(Load::Fresh { function, after: self.read_to, most });
        }
        let calls = self.due.drain(..most_due.min(self.due.len())).collect();
        Some(Load::Due { function, calls })
    }

    /// Calls that were never tried, as they were read; `all` where there are no more.
    pub(super) fn loaded(&mut self, calls: Vec<WaitingCall>, all: bool) {
        let seen = self.loading.take().unwrap_or(self.read_to);
        if std::mem::take(&mut self.stale) {
            return;
        }
        self.more |= !all;
        let last = calls.last().map_or(self.read_to, |call| call.seq);
        let read_to = if all { last.max(seen) } else { last };
        for call in calls {
            if !self.unread.contains(&call.seq) && !self.struck.contains(&call.seq) {
                self.push(Ready { call, stumbled: 0 });
            }
        }
        self.read_to = self.read_to.max(read_to);
        self.unread.retain(|seq| *seq > read_to);
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
        self.forget_struck();
    }

    /// What waits is something else now: all of it is read again, but for what was given out. Up to `ended_to` there is nothing but that and
    /// what has been here.
    pub(super) fn begin_again(&mut self, ended_to: CallSeq) {
        self.ended_to = self.ended_to.max(ended_to);
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

    /// The end of a call is on disk.
    pub(super) fn ended(&mut self, seq: CallSeq) {
        self.out.remove(&seq);
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
mod tests {
    use super::{super::sample, *};

    fn lane() -> Lane {
        Lane::new(sample::function("f"), 100, Instant::now())
    }

    fn calls(seqs: std::ops::Range<i64>) -> Vec<WaitingCall> {
        seqs.map(sample::call).collect()
    }

    fn drain(lane: &mut Lane) -> Vec<i64> {
        std::iter::from_fn(|| lane.pop()).map(|ready| ready.call.seq.0).collect()
    }

    fn fresh(lane: &mut Lane) -> (i64, usize) {
        match lane.wants(FunctionNo(1), true) {
            Some(Load::Fresh { after, most, .. }) => (after.0, most),
            other => panic!("{other:?} instead of fresh ones"),
        }
    }

    #[test]
    fn a_call_is_not_read_where_all_before_it_are_here() {
        let mut lane = lane();
        lane.accept(sample::call(5), true);
        lane.accept(sample::call(4), true);
        assert_eq!((lane.wants(FunctionNo(1), true), drain(&mut lane)), (None, vec![5, 4]));
        assert_eq!(lane.weight(), 0);
    }

    #[test]
    fn no_call_is_here_twice_whatever_the_order_of_the_answers() {
        let mut lane = lane();
        lane.accept(sample::call(2), true);
        lane.has_more();
        assert_eq!(fresh(&mut lane).0, 0);
        // 1 was stored with 2 and its answer is late; 3 was stored before the reading, and its answer is late too.
        lane.loaded(calls(1..4), true);
        lane.accept(sample::call(1), true);
        lane.accept(sample::call(3), true);
        lane.accept(sample::call(4), true);
        assert_eq!(drain(&mut lane), [2, 1, 3, 4]);
    }

    #[test]
    fn what_came_during_a_reading_is_read_next() {
        let mut lane = lane();
        lane.has_more();
        fresh(&mut lane);
        lane.accept(sample::call(9), true);
        lane.loaded(calls(1..3), true);
        assert_eq!(fresh(&mut lane).0, 2);
        lane.loaded(calls(9..10), true);
        assert_eq!(drain(&mut lane), [1, 2, 9]);
        assert_eq!(lane.wants(FunctionNo(1), true), None);
    }

    #[test]
    fn a_million_calls_stay_on_disk() {
        let mut lane = lane();
        lane.has_more();
        fresh(&mut lane);
        lane.loaded(calls(1..257), false);
        lane.accept(sample::call(1_000_000), true);
        assert_eq!(lane.wants(FunctionNo(1), true), None, "there are enough");
        (0..128).for_each(|_| drop(lane.pop()));
        assert_eq!(fresh(&mut lane), (256, 128));
        assert_eq!(lane.wants(FunctionNo(1), true), None, "one reading at a time");
    }

    #[test]
    fn without_room_a_function_gets_one_call_so_that_it_goes_on() {
        let mut lane = lane();
        lane.has_more();
        assert!(matches!(lane.wants(FunctionNo(1), false), Some(Load::Fresh { most: 1, .. })));
        lane.loaded(calls(1..2), false);
        assert_eq!(lane.wants(FunctionNo(1), false), None);
    }

    #[test]
    fn who_emptied_the_queue_may_be_quicker_than_an_answer() {
        let mut lane = lane();
        lane.begin_again(CallSeq(5));
        lane.begin_again(CallSeq(3));
        fresh(&mut lane);
        lane.loaded(calls(6..7), true);
        lane.accept(sample::call(5), true);
        lane.accept(sample::call(6), true);
        lane.accept(sample::call(7), true);
        assert_eq!(drain(&mut lane), [6, 7], "5 has ended, 6 was read");
    }

    #[test]
    fn due_calls_and_fresh_ones_take_turns() {
        let mut lane = lane();
        lane.has_more();
        lane.is_due(CallSeq(7), 2);
        let load = Load::Due { function: FunctionNo(1), calls: vec![(CallSeq(7), 2)] };
        assert_eq!(lane.wants(FunctionNo(1), true), Some(load.clone()));
        lane.load_failed(load.clone());
        assert_eq!(lane.wants(FunctionNo(1), true), Some(load));
        lane.loaded_due(vec![Ready { call: sample::call(7), stumbled: 2 }]);
        lane.is_due(CallSeq(8), 0);
        assert_eq!(fresh(&mut lane).0, 0);
        lane.loaded(calls(1..8), true);
        assert_eq!(drain(&mut lane), [7, 1, 2, 3, 4, 5, 6], "7 runs, which a reading shows as never tried");
    }

    #[test]
    fn a_call_that_was_cancelled_before_it_came_here_does_not_come() {
        let mut lane = lane();
        lane.strike(CallSeq(2));
        lane.ended(CallSeq(2));
        lane.accept(sample::call(2), true);
        lane.accept(sample::call(3), true);
        assert_eq!(drain(&mut lane), [3], "its answer came after its end");
        lane.has_more();
        fresh(&mut lane);
        lane.loaded(vec![], true);
        lane.accept(sample::call(2), true);
        assert_eq!(drain(&mut lane), Vec::<i64>::new(), "a reading has passed it");
        assert!(lane.unread.is_empty() && lane.struck.is_empty());
    }

    #[test]
    fn a_cancelled_call_that_waited_for_its_next_attempt_does_not_come_when_that_is_due() {
        let mut lane = lane();
        lane.out.insert(CallSeq(2), Arc::default());
        lane.strike(CallSeq(2));
        // Its end is on its way to the disk.
        lane.is_due(CallSeq(2), 0);
        assert!(matches!(lane.wants(FunctionNo(1), true), Some(Load::Due { .. })));
        lane.loaded_due(vec![Ready { call: sample::call(2), stumbled: 0 }]);
        lane.ended(CallSeq(2));
        assert_eq!((drain(&mut lane), lane.is_empty()), (vec![], true));
    }

    #[test]
    fn a_cancelled_call_does_not_come_back_from_disk() {
        let mut lane = lane();
        lane.has_more();
        fresh(&mut lane);
        lane.out.insert(CallSeq(2), Arc::default());
        lane.strike(CallSeq(2));
        lane.ended(CallSeq(2));
        lane.loaded(calls(1..4), true);
        assert_eq!(drain(&mut lane), [1, 3]);
        assert!(lane.struck.is_empty());
    }
}
