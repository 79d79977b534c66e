//! All that the queue knows in memory: what waits near its turn, what runs, whose turn it is. Plain methods under one lock; nothing here
//! reads a disk or a clock.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use fungraph_model::{CallSeq, FunctionKey, Qualifier};
use fungraph_store::queue::{FunctionNo, QueueFunction, QueueTime, WaitingCall};

use tokio_util::sync::CancellationToken;

use super::{
    lane::{Lane, Load, Ready},
    out::Out,
    rota::Rota,
    shelves::Shelves,
    turns::Turns,
    window::Host,
};

/// Calls whose end is on its way to the disk: as many as two commits take, one at the disk and one that gathers. More mean that the disk does
/// not keep up, and nothing new begins: it would only take processors from whoever writes.
const ENDING: usize = 1024;
/// Readings under way at most.
const LOADS: usize = 8;
/// Functions that are asked in one look whether they want something read: without room most of them cannot have it.
const ASKED: usize = 256;
/// Calls that become due in one look: a start may find a million.
const WOKEN: usize = 4096;
/// So long a function without calls is remembered: answers of the disk may be late.
const KEPT: Duration = Duration::from_secs(60);

/// What an operator may change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) running: usize,
    pub(super) of_function: usize,
    pub(super) of_project: usize,
}

/// A call whose next attempt waits for its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Delayed {
    due: QueueTime,
    seq: CallSeq,
    function: FunctionNo,
    stumbled: u32,
}

/// A call to run.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) function: FunctionNo,
    pub(super) of: Arc<QueueFunction>,
    pub(super) ready: Ready,
    pub(super) out: Arc<Out>,
}

/// What is to be done now.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) loads: Vec<Load>,
    pub(super) starts: Vec<Start>,
    /// When to look again, if nothing happens before.
    pub(super) wait: Option<Duration>,
}

/// Where a call is that somebody wants to cancel.
#[derive(Debug)]
pub(super) enum Place {
    /// It was given out; `again`: somebody has cancelled it already.
    Out { out: Arc<Out>, again: bool },
    /// It waits, and will not run.
    Struck,
}

/// How far a call has come that was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not ended.
    Running,
    /// It runs no more, and what becomes of it is not on disk.
    Ending,
    /// It is given out no more, or again.
    Gone,
}

/// The state of the queue.
#[derive(Debug)]
pub(super) struct Board {
    lanes: HashMap<FunctionNo, Lane>,
    rota: Rota,
    /// Functions that want something read.
    hungry: Turns,
    delayed: BinaryHeap<Reverse<Delayed>>,
    limits: Limits,
    /// Bytes of calls in memory.
    shelves: Shelves,
    /// Calls that run no more and whose end is not on disk yet.
    ending: usize,
    loading: usize,
    /// The sign that nothing more is given out.
    stop: CancellationToken,
}

impl Board {
    pub(super) fn new(limits: Limits, stop: CancellationToken) -> Self {
        Self {
            lanes: HashMap::new(),
            rota: Rota::new(limits.running, limits.of_project),
            hungry: Turns::default(),
            delayed: BinaryHeap::new(),
            limits,
            shelves: Shelves::default(),
            ending: 0,
            loading: 0,
            stop,
        }
    }

    /// A function of which calls were found at the start.
    pub(super) fn restore(&mut self, no: FunctionNo, function: &Arc<QueueFunction>, paused: bool, now: Instant) {
        self.lane(no, function, now).pause(paused);
        self.with(no, |lane, _| lane.has_more());
    }

    /// A call waits for its next attempt.
    pub(super) fn delay(&mut self, due: QueueTime, seq: CallSeq, function: FunctionNo, stumbled: u32) {
        if self.change(function, |lane, _| lane.delayed += 1).is_some() {
            self.delayed.push(Reverse(Delayed { due, seq, function, stumbled }));
        }
    }

    fn lane(&mut self, no: FunctionNo, function: &Arc<QueueFunction>, now: Instant) -> &mut Lane {
        let most = self.limits.of_function;
        self.lanes.entry(no).or_insert_with(|| Lane::new(Arc::clone(function), most, now))
    }

    /// Changes a lane, and keeps the sum of what lanes hold.
    fn change<T>(&mut self, no: FunctionNo, change: impl FnOnce(&mut Lane, &mut Rota) -> T) -> Option<T> {
        let lane = self.lanes.get_mut(&no)?;
        let before = lane.part();
        let done = change(lane, &mut self.rota);
        self.shelves.moved(&lane.function.key.project, no, before, lane.part());
        if lane.is_hungry() {
            self.hungry.join(&lane.function.key.project, no);
        }
        Some(done)
    }

    /// The same, after which the function may have a turn.
    fn with<T>(&mut self, no: FunctionNo, change: impl FnOnce(&mut Lane, &mut Rota) -> T) -> Option<T> {
        let done = self.change(no, change)?;
        if let Some(lane) = self.lanes.get(&no).filter(|lane| lane.has_ready()) {
            self.rota.join(&lane.function.key.project, no);
        }
        Some(done)
    }

    /// Bytes that a function may take beside what it has.
    fn room(&self, no: FunctionNo, now: Instant) -> usize {
        let Some(lane) = self.lanes.get(&no) else { return 0 };
        self.shelves.room(&lane.function.key.project, lane.weight(), lane.is_stuck(now))
    }

    /// For a function that asks: whoever has more than its share, or gives nothing out, leaves that to others.
    fn make_room(&mut self, asks: FunctionNo, now: Instant) {
        let Some(asks) = self.lanes.get(&asks).map(|lane| Arc::clone(&lane.function)) else { return };
        for (no, most) in self.shelves.over(&asks.key.project, now) {
            self.change(no, |lane, _| lane.shrink(most));
        }
        for no in self.shelves.beyond(&asks.key.project) {
            self.change(no, |lane, _| lane.shrink(0));
        }
    }

    /// A call was accepted.
    pub(super) fn accepted(&mut self, function: &Arc<QueueFunction>, call: WaitingCall, now: Instant) {
        let no = call.function;
        self.lane(no, function, now);
        let has_room = self.room(no, now) > 0;
        self.with(no, |lane, _| {
            lane.idle_since = now;
            let has_room = has_room && !lane.rests();
            lane.accept(call, has_room);
        });
    }

    /// A call came to be on disk by an end of another one.
    pub(super) fn followed(&mut self, no: FunctionNo, function: &Arc<QueueFunction>, now: Instant) {
        self.lane(no, function, now);
        self.with(no, |lane, _| lane.has_more());
    }

    /// What to do now. Nothing is begun while the disk cannot be written. What is put into `plan` is out of the board's hands at once.
    pub(super) fn plan(&mut self, plan: &mut Plan, is_writable: bool, clock: QueueTime, now: Instant) {
        self.wake(clock);
        if is_writable {
            self.starts(&mut plan.starts, now);
            self.loads(&mut plan.loads, now);
        }
        plan.wait = self.wait(clock, now);
    }

    fn wake(&mut self, clock: QueueTime) {
        for _ in 0..WOKEN {
            let next = self.delayed.peek().copied().filter(|Reverse(delayed)| delayed.due <= clock);
            let Some(Reverse(delayed)) = next else { return };
            self.delayed.pop();
            self.change(delayed.function, |lane, _| {
                lane.delayed -= 1;
                lane.is_due(delayed.seq, delayed.stumbled);
            });
        }
    }

    fn starts(&mut self, starts: &mut Vec<Start>, now: Instant) {
        while self.ending < ENDING {
            let Some(no) = self.rota.next(now) else { break };
            // Whoever could not begin gets his next turn by what stood in his way, and leaves this one to another one of his project.
            let out = Out::new(&self.stop);
            let Some(start) = self.change(no, |lane, rota| start(no, lane, rota, out, now)).flatten() else { continue };
            starts.push(start);
            self.with(no, |_, _| ());
        }
    }

    fn loads(&mut self, loads: &mut Vec<Load>, now: Instant) {
        let mut made_room = false;
        for _ in 0..ASKED.min(self.hungry.len()) {
            if self.loading >= LOADS {
                break;
            }
            let Some(no) = self.hungry.next() else { break };
            if self.shelves.is_full() && !std::mem::replace(&mut made_room, true) {
                self.make_room(no, now);
            }
            let room = self.room(no, now);
            // Who wants something and cannot have it stands in line again.
            if let Some(load) = self.change(no, |lane, rota| wants(no, lane, rota, room, now)).flatten() {
                self.loading += 1;
                loads.push(load);
            }
        }
    }

    fn wait(&self, clock: QueueTime, now: Instant) -> Option<Duration> {
        let due = self.delayed.peek().map(|Reverse(delayed)| delayed.due.since(clock));
        // Who has rested and has no turn yet waits for something else, which nudges.
        let rested = self.rota.next_rested().filter(|until| *until > now).map(|until| until - now);
        due.into_iter().chain(rested).min()
    }

    /// Those of the calls that were read that the board has not had before.
    pub(super) fn unknown(&self, no: FunctionNo, calls: Vec<WaitingCall>) -> Vec<WaitingCall> {
        match self.lanes.get(&no) {
            Some(lane) => lane.unknown(calls),
            None => calls,
        }
    }

    /// Calls were read from disk, up to `last`.
    pub(super) fn loaded(&mut self, no: FunctionNo, calls: Vec<WaitingCall>, last: Option<CallSeq>, all: bool) {
        self.loading -= 1;
        self.with(no, |lane, _| lane.loaded(calls, last, all));
    }

    /// The same of calls that were due.
    pub(super) fn loaded_due(&mut self, no: FunctionNo, calls: Vec<Ready>) {
        self.loading -= 1;
        self.with(no, |lane, _| lane.loaded_due(calls));
    }

    /// What is too old of a function that is paused was ended.
    pub(super) fn looked(&mut self, no: FunctionNo, next: QueueTime, again: bool) {
        self.loading -= 1;
        self.with(no, |lane, _| lane.looked(next, again));
    }

    /// Nothing could be read.
    pub(super) fn load_failed(&mut self, load: Load) {
        let (Load::Fresh { function, .. } | Load::Due { function, .. } | Load::Old { function, .. }) = load;
        // Where what was read had come here already, it was no reading any more.
        self.loading -= usize::from(self.lanes.get(&function).is_some_and(Lane::is_loading));
        self.with(function, |lane, _| lane.load_failed(load));
    }

    /// How many calls at once the instances of a function can take.
    pub(super) fn bears(&mut self, no: FunctionNo, most: usize, idle: usize) {
        let most = most.clamp(1, self.limits.of_function);
        self.with(no, |lane, rota| {
            lane.most = most;
            lane.window.is_at_least(idle.min(most));
            rota.join(&lane.function.key.project, no);
        });
    }

    /// A call has its instance.
    pub(super) fn began(&mut self, no: FunctionNo, out: &Out) {
        out.begin();
        self.with(no, |lane, _| lane.window.begin());
    }

    /// A call could not begin, since nothing was free. It is the next one of its function, unless somebody has cancelled it
    /// meanwhile: then it is given back.
    pub(super) fn put_back(&mut self, no: FunctionNo, ready: Ready, chance: f64, now: Instant) -> Option<Ready> {
        self.with(no, |lane, rota| {
            let seq = ready.call.seq;
            if lane.out.get(&seq).is_some_and(|out| out.is_cancelled()) {
                return Some(ready);
            }
            lane.out.remove(&seq);
            lane.window.refuse(false, chance, now);
            rota.give_back(&lane.function.key.project);
            lane.push_front(ready);
            if lane.is_paused() {
                lane.shrink(0);
            }
            None
        })
        .flatten()
    }

    /// A call runs no more; its end is on its way to the disk. `stumbled`: the platform failed it, and may fail others.
    pub(super) fn ran(&mut self, no: FunctionNo, out: &Out, stumbled: Option<f64>, now: Instant) {
        self.ending += 1;
        out.end();
        self.with(no, |lane, rota| {
            match stumbled {
                Some(chance) => lane.window.refuse(out.has_begun(), chance, now),
                None => lane.window.end(out.has_begun(), now),
            }
            rota.give_back(&lane.function.key.project);
        });
    }

    /// Its end is on disk; or could not be stored before the server ends, and the next one finds it waiting.
    /// Whoever says so a second time says nothing.
    pub(super) fn ended(&mut self, no: FunctionNo, seq: CallSeq, now: Instant) {
        let was_out = self.with(no, |lane, _| {
            let was_out = lane.out.contains_key(&seq);
            lane.ended(seq, now);
            lane.idle_since = now;
            was_out
        });
        self.ending -= usize::from(was_out == Some(true));
    }

    /// How far an attempt has come of which nothing else is known.
    pub(super) fn stage(&self, no: FunctionNo, seq: CallSeq, out: &Arc<Out>) -> Stage {
        let known = self.lanes.get(&no).and_then(|lane| lane.out.get(&seq));
        match known.is_some_and(|known| Arc::ptr_eq(known, out)) {
            true if out.has_run() => Stage::Ending,
            true => Stage::Running,
            false => Stage::Gone,
        }
    }

    /// An attempt holds nothing any more, wherever it stood.
    pub(super) fn let_go(&mut self, no: FunctionNo, seq: CallSeq, out: &Arc<Out>, now: Instant) {
        let stage = self.stage(no, seq, out);
        if stage == Stage::Running {
            self.ran(no, out, None, now);
        }
        if stage != Stage::Gone {
            self.ended(no, seq, now);
        }
    }

    /// Its next attempt is on disk; `false` where it was cancelled meanwhile and is to be ended instead.
    pub(super) fn put_off(
        &mut self,
        no: FunctionNo,
        seq: CallSeq,
        (due, stumbled): (QueueTime, u32),
        now: Instant,
    ) -> bool {
        let cancelled = self.with(no, |lane, _| {
            let cancelled = lane.out.get(&seq).is_some_and(|out| out.is_cancelled());
            if !cancelled {
                lane.ended(seq, now);
            }
            cancelled
        });
        if cancelled == Some(true) {
            return false;
        }
        self.ending -= 1;
        self.delay(due, seq, no, stumbled);
        true
    }

    /// A call is cancelled. One that waits is given out to whoever cancels it, who ends it.
    pub(super) fn cancel(
        &mut self,
        function: &Arc<QueueFunction>,
        no: FunctionNo,
        seq: CallSeq,
        now: Instant,
    ) -> Place {
        self.lane(no, function, now);
        let out = self.with(no, |lane, _| {
            let out = lane.out.get(&seq).map(Arc::clone);
            let again = out.as_ref().is_some_and(|out| out.make_last());
            if out.is_none() {
                lane.strike(seq);
                lane.out.insert(seq, Out::struck());
            }
            out.map(|out| (out, again))
        });
        match out.flatten() {
            Some((out, again)) => Place::Out { out, again },
            None => {
                self.ending += 1;
                Place::Struck
            }
        }
    }

    /// Takes those of these calls that wait, for somebody who ends them; gives them and those that were given out.
    pub(super) fn strike_waiting(
        &mut self,
        function: &Arc<QueueFunction>,
        no: FunctionNo,
        seqs: &[CallSeq],
        now: Instant,
    ) -> (Vec<CallSeq>, Vec<CallSeq>) {
        let (out, here): (Vec<_>, Vec<_>) = seqs.iter().partition(|seq| self.is_out(no, **seq));
        for seq in &here {
            self.cancel(function, no, *seq, now);
        }
        (here, out)
    }

    /// Whose calls, and called by which qualifier, wait in memory for longer than `age`.
    pub(super) fn kinds_waiting(
        &self,
        clock: QueueTime,
        age: Duration,
    ) -> Vec<(FunctionNo, Arc<QueueFunction>, Qualifier)> {
        let mut kinds: Vec<(FunctionNo, Arc<QueueFunction>, Qualifier)> = Vec::new();
        for (no, lane) in &self.lanes {
            let first = kinds.len();
            for call in lane.ready().map(|ready| &ready.call).filter(|call| clock.since(call.since) >= age) {
                if kinds[first..].iter().all(|(_, _, qualifier)| *qualifier != call.qualifier) {
                    kinds.push((*no, Arc::clone(&lane.function), call.qualifier.clone()));
                }
            }
        }
        kinds
    }

    /// Functions of which `which` finds a call let go of what they have in memory: it is read again, and looked at then.
    pub(super) fn forget(&mut self, mut which: impl FnMut(FunctionNo, &WaitingCall) -> bool) {
        let found = self.lanes.iter().filter(|(no, lane)| lane.ready().any(|ready| which(**no, &ready.call)));
        let found: Vec<_> = found.map(|(no, _)| *no).collect();
        for no in found {
            self.change(no, |lane, _| lane.shrink(0));
        }
    }

    /// Functions of which nothing is in memory are to be looked at where something of them may be too old by now.
    pub(super) fn look(&mut self, clock: QueueTime, now: Instant) {
        let empty: Vec<_> = self.lanes.iter().filter(|(_, lane)| !lane.has_ready()).map(|(no, _)| *no).collect();
        for no in empty {
            self.change(no, |lane, _| lane.look(clock, now));
        }
    }

    /// Nothing of a function begins while what waits of it is ended on disk; gives the calls that were given out already.
    pub(super) fn hold(&mut self, no: FunctionNo, function: &Arc<QueueFunction>, now: Instant) -> HashSet<CallSeq> {
        self.lane(no, function, now);
        let held = self.with(no, |lane, _| {
            lane.held += 1;
            lane.out.keys().copied().collect()
        });
        held.unwrap_or_default()
    }

    /// What waited of a function has been ended on disk, up to a place; it goes on with what came meanwhile, unless somebody else holds it.
    pub(super) fn release(&mut self, no: FunctionNo, ended_to: CallSeq) {
        self.with(no, |lane, _| {
            lane.held = lane.held.saturating_sub(1);
            lane.begin_again(ended_to);
        });
    }

    /// A function is paused, or goes on.
    pub(super) fn pause(&mut self, no: FunctionNo, function: &Arc<QueueFunction>, paused: bool, now: Instant) {
        self.lane(no, function, now);
        self.with(no, |lane, _| lane.pause(paused));
    }

    /// A function has changed: what made it rest may be over.
    pub(super) fn changed(&mut self, key: &FunctionKey) {
        let (most, rota) = (self.limits.of_function, &mut self.rota);
        for (no, lane) in self.lanes.iter_mut().filter(|(_, lane)| lane.function.key == *key) {
            lane.most = most;
            rota.join(&lane.function.key.project, *no);
        }
    }

    /// Called from time to time: windows of calls that take long grow, and what has had no calls for a while is forgotten.
    pub(super) fn tend(&mut self, host: Host, now: Instant) {
        for (no, lane) in &mut self.lanes {
            lane.window.look(host, lane.most, now);
            if lane.has_ready() && lane.window.has_room(lane.most) {
                self.rota.join(&lane.function.key.project, *no);
            }
        }
        self.lanes.retain(|_, lane| lane.rests() || !lane.is_empty() || now.duration_since(lane.idle_since) < KEPT);
    }

    /// Whether no function has calls, nor lately had some.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Whether a call was given out, or is being ended.
    pub(super) fn is_out(&self, no: FunctionNo, seq: CallSeq) -> bool {
        self.lanes.get(&no).is_some_and(|lane| lane.out.contains_key(&seq))
    }

    /// Calls of a function that have their instance now.
    pub(super) fn running_of(&self, no: FunctionNo) -> HashSet<CallSeq> {
        let out = self.lanes.get(&no).into_iter().flat_map(|lane| &lane.out);
        out.filter(|(_, out)| out.has_begun()).map(|(seq, _)| *seq).collect()
    }

    /// Whether each place that was taken came back.
    #[cfg(test)]
    pub(super) fn holds_nothing(&self) -> bool {
        let is_empty = |lane: &Lane| lane.out.is_empty() && lane.held == 0 && !lane.is_loading();
        self.running() + self.ending + self.loading == 0 && self.lanes.values().all(is_empty)
    }

    /// Calls that run, those that wait for an instance included.
    pub(super) fn running(&self) -> usize {
        self.rota.running()
    }
}

/// The next call of a function whose turn it is.
fn start(no: FunctionNo, lane: &mut Lane, rota: &mut Rota, out: Arc<Out>, now: Instant) -> Option<Start> {
    let of = Arc::clone(&lane.function);
    let project = &of.key.project;
    if let Some(until) = lane.window.rests_until(now).filter(|_| lane.has_ready() && !lane.rests()) {
        rota.rest(project, no, until);
    }
    if !lane.may_begin(now) || !lane.has_ready() {
        rota.pass(project);
        return None;
    }
    rota.take(project);
    let ready = lane.pop()?;
    lane.window.take(now);
    lane.gave = now;
    lane.out.insert(ready.call.seq, Arc::clone(&out));
    Some(Start { function: no, of, ready, out })
}

/// What a function reads. Without room it is one call, and only where that can begin: else nothing is gained by it.
fn wants(no: FunctionNo, lane: &mut Lane, rota: &Rota, room: usize, now: Instant) -> Option<Load> {
    let goes_on = || lane.may_begin(now) && rota.has_place(&lane.function.key.project);
    if room > 0 || lane.looks() || goes_on() { lane.wants(no, room) } else { None }
}

#[cfg(test)]
mod tests;
