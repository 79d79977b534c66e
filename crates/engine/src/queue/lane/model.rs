//! A lane beside a disk, with everything that may happen between the two in any order: each call that waits is given out again and again until
//! it ends, never twice at once, and never after its end.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Instant,
};

use fungraph_model::CallSeq;
use fungraph_store::queue::{FunctionNo, QueueTime, WaitingCall};

use super::{
    super::{out::Out, sample},
    Lane, Load, Ready, STUCK,
};

const NO: FunctionNo = FunctionNo(1);
/// Histories, and things that happen in each before it comes to rest.
const SEEDS: u64 = 1000;
const STEPS: usize = 400;

/// Numbers in no order, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % most
    }

    /// One of them, which leaves the list.
    fn take<T>(&mut self, list: &mut Vec<T>) -> Option<T> {
        (!list.is_empty()).then(|| list.swap_remove(self.below(list.len())))
    }
}

/// A reading: what it is to bring, and what it has seen of the disk.
struct Reading {
    load: Load,
    seen: Option<(Vec<WaitingCall>, bool)>,
    known: bool,
}

/// What becomes of a call that was given out, once the disk has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Ends,
    WaitsAgain,
}

struct World {
    chance: Chance,
    lane: Lane,
    now: Instant,
    /// Whether each call waits for another attempt.
    disk: BTreeMap<CallSeq, bool>,
    last: i64,
    /// Accepted, and nobody has been told.
    answers: Vec<CallSeq>,
    reading: Option<Reading>,
    runs: Vec<Ready>,
    /// On its way to the disk, and then to the board.
    going: Vec<(CallSeq, Fate)>,
    gone: Vec<(CallSeq, Fate)>,
    delayed: Vec<CallSeq>,
    /// What was given out when somebody began to empty the queue, and the last call that there was a moment later.
    purge: Option<(HashSet<CallSeq>, Option<CallSeq>)>,
    given: usize,
    story: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        Self {
            chance: Chance(seed),
            lane: Lane::new(sample::function("f"), 100, now),
            now,
            disk: BTreeMap::new(),
            last: 0,
            answers: Vec::new(),
            reading: None,
            runs: Vec::new(),
            going: Vec::new(),
            gone: Vec::new(),
            delayed: Vec::new(),
            purge: None,
            given: 0,
            story: Vec::new(),
        }
    }

    fn call(&self, seq: CallSeq) -> WaitingCall {
        WaitingCall { due: self.disk[&seq].then_some(QueueTime(1)), ..sample::call(seq.0) }
    }

    fn tell(&mut self, what: String) {
        self.story.push(what);
    }

    fn step(&mut self) {
        match self.chance.below(19) {
            0 | 1 => self.accept(),
            2 => self.answer(),
            3..=5 => self.read(),
            6..=8 => self.give_out(),
            9 | 10 => self.leave(),
            11 | 12 => self.write(),
            13 | 14 => self.is_written(),
            15 => self.is_due(),
            16 => self.make_room(),
            17 => self.cancel(),
            _ => self.empty(),
        }
    }

    fn accept(&mut self) {
        self.last += 1;
        let seq = CallSeq(self.last);
        self.disk.insert(seq, false);
        self.answers.push(seq);
    }

    fn answer(&mut self) {
        let Some(seq) = self.chance.take(&mut self.answers) else { return };
        let has_room = self.chance.below(4) > 0 && !self.lane.rests();
        self.tell(format!("answer {} {has_room}", seq.0));
        self.lane.accept(sample::call(seq.0), has_room);
    }

    /// One of the three steps of a reading.
    fn read(&mut self) {
        let Some(mut reading) = self.reading.take() else {
            let room = [0, 1, 1500, 1 << 20][self.chance.below(4)];
            if self.chance.below(4) == 0 {
                self.now += STUCK;
                self.lane.look(QueueTime(i64::MAX), self.now);
            }
            self.reading = self.lane.wants(NO, room).map(|load| Reading { load, seen: None, known: false });
            if let Some(reading) = &self.reading {
                let text = format!("wants {:?}", reading.load);
                self.tell(text);
            }
            return;
        };
        if reading.seen.is_none() && self.chance.below(12) == 0 {
            self.tell("failed".to_owned());
            return self.lane.load_failed(reading.load);
        }
        match (reading.seen.take(), &reading.load) {
            (None, load) => reading.seen = Some(self.see(load)),
            (Some((calls, all)), Load::Fresh { .. }) if !reading.known => {
                let last = calls.last().map(|call| call.seq);
                let unknown = self.lane.unknown(calls);
                let young = self.end_some(unknown);
                self.tell(format!("loads up to {last:?} {all}"));
                // The board is told after the ends are stored.
                reading.known = true;
                reading.seen = Some((young, all));
                reading.load = Load::Fresh { function: NO, after: last.unwrap_or(CallSeq(0)), most: 0, bytes: 0 };
            }
            (Some((calls, all)), Load::Fresh { after, .. }) => {
                let last = (*after > CallSeq(0)).then_some(*after);
                self.tell("loaded".to_owned());
                return self.lane.loaded(calls, last, all);
            }
            (Some((calls, _)), Load::Due { .. }) => {
                self.tell("loaded due".to_owned());
                let calls = self.end_some(calls);
                return self.lane.loaded_due(calls.into_iter().map(|call| Ready { call, stumbled: 0 }).collect());
            }
            (Some(_), Load::Old { out, .. }) => {
                let old: Vec<_> = self
                    .disk
                    .keys()
                    .copied()
                    .filter(|seq| !out.contains(seq) && !self.answers.contains(seq))
                    .take(3)
                    .collect();
                let calls = old.iter().map(|seq| self.call(*seq)).collect();
                self.end_some(calls);
                let again = self.chance.below(2) == 0;
                self.tell("looked".to_owned());
                return self.lane.looked(QueueTime(0), again);
            }
        }
        self.reading = Some(reading);
    }

    fn see(&mut self, load: &Load) -> (Vec<WaitingCall>, bool) {
        match load {
            Load::Fresh { after, most, .. } => {
                let most = (*most).min(1 + self.chance.below(6));
                let fresh = self.disk.iter().filter(|(seq, waits_again)| *seq > after && !**waits_again);
                let calls: Vec<_> = fresh.map(|(seq, _)| self.call(*seq)).take(most).collect();
                let all = calls.len() < most;
                (calls, all)
            }
            Load::Due { calls, .. } => {
                let there = calls.iter().filter(|(seq, _)| self.disk.contains_key(seq));
                (there.map(|(seq, _)| self.call(*seq)).collect(), true)
            }
            Load::Old { .. } => (Vec::new(), true),
        }
    }

    /// Some are too old; one whose answer is on its way is not.
    fn end_some(&mut self, calls: Vec<WaitingCall>) -> Vec<WaitingCall> {
        let (old, young): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|call| !self.answers.contains(&call.seq) && self.chance.below(5) == 0);
        for call in old {
            assert!(self.runs.iter().all(|run| run.call.seq != call.seq), "{:?} runs and is thrown away", call.seq);
            self.tell(format!("old {}", call.seq.0));
            self.disk.remove(&call.seq);
        }
        young
    }

    fn give_out(&mut self) {
        if self.lane.rests() {
            return;
        }
        let Some(ready) = self.lane.pop() else { return };
        let seq = ready.call.seq;
        self.tell(format!("gives out {}", seq.0));
        let twice = self.runs.iter().any(|run| run.call.seq == seq) || self.lane.out.contains_key(&seq);
        assert!(!twice, "{seq:?} runs twice at once: {:#?}", self.story);
        assert!(self.disk.contains_key(&seq), "{seq:?} has ended: {:#?}", self.story);
        self.given += 1;
        // That it begins is on disk at some time before its end.
        if self.chance.below(2) == 0 {
            self.disk.insert(seq, false);
        }
        self.lane.out.insert(seq, Arc::new(Out::default()));
        self.runs.push(ready);
    }

    fn leave(&mut self) {
        let Some(ready) = self.chance.take(&mut self.runs) else { return };
        let seq = ready.call.seq;
        let has_not_begun = self.disk.get(&seq) == Some(&ready.call.due.is_some());
        match self.chance.below(3) {
            0 if has_not_begun => {
                self.tell(format!("puts back {}", seq.0));
                self.lane.out.remove(&seq);
                self.lane.push_front(ready);
                if self.lane.is_paused() {
                    self.lane.shrink(0);
                }
            }
            0 | 1 => self.going.push((seq, Fate::Ends)),
            _ => {
                self.disk.insert(seq, false);
                self.going.push((seq, Fate::WaitsAgain));
            }
        }
    }

    fn write(&mut self) {
        let Some((seq, fate)) = self.chance.take(&mut self.going) else { return };
        match fate {
            Fate::Ends => drop(self.disk.remove(&seq)),
            Fate::WaitsAgain => drop(self.disk.insert(seq, true)),
        }
        self.tell(format!("{fate:?} {}", seq.0));
        self.gone.push((seq, fate));
    }

    fn is_written(&mut self) {
        let Some((seq, fate)) = self.chance.take(&mut self.gone) else { return };
        self.tell(format!("is written {}", seq.0));
        self.lane.ended(seq, Instant::now());
        if fate == Fate::WaitsAgain {
            self.lane.delayed += 1;
            self.delayed.push(seq);
        }
    }

    fn is_due(&mut self) {
        let Some(seq) = self.chance.take(&mut self.delayed) else { return };
        self.lane.delayed -= 1;
        self.tell(format!("due {}", seq.0));
        self.lane.is_due(seq, 0);
    }

    fn make_room(&mut self) {
        let how = self.chance.below(8);
        self.tell(format!("room {how}"));
        match how {
            0 => self.lane.pause(true),
            1..=3 => self.lane.pause(false),
            4 | 5 => self.lane.shrink(0),
            _ => self.lane.shrink(1200),
        }
    }

    fn cancel(&mut self) {
        if self.last == 0 || self.chance.below(2) == 0 {
            return;
        }
        // Whoever cancels has looked before, and what he saw may have ended since.
        let seq = CallSeq(1 + self.chance.below(usize::try_from(self.last).expect("it is small")) as i64);
        if !self.lane.out.contains_key(&seq) {
            self.tell(format!("cancels {}", seq.0));
            self.lane.strike(seq);
            self.lane.out.insert(seq, Arc::default());
            self.going.push((seq, Fate::Ends));
        }
    }

    /// One of the steps of emptying the queue.
    fn empty(&mut self) {
        let Some((kept, up_to)) = self.purge.take() else {
            if self.chance.below(12) == 0 {
                self.tell("empties".to_owned());
                self.lane.held += 1;
                self.purge = Some((self.lane.out.keys().copied().collect(), None));
            }
            return;
        };
        let Some(up_to) = up_to else {
            let last = self.disk.keys().next_back().copied().unwrap_or(CallSeq(0));
            self.purge = Some((kept, Some(last)));
            return;
        };
        let left: Vec<_> = self.disk.keys().copied().filter(|seq| *seq <= up_to && !kept.contains(seq)).collect();
        if left.is_empty() {
            self.tell(format!("emptied up to {}", up_to.0));
            self.lane.held -= 1;
            return self.lane.begin_again(up_to);
        }
        // Some commits later it is done.
        let part = 1 + self.chance.below(left.len());
        for seq in &left[..part] {
            self.tell(format!("is emptied of {}", seq.0));
            self.disk.remove(seq);
        }
        self.purge = Some((kept, Some(up_to)));
    }

    /// Nothing new comes, and everything goes on until nothing is left.
    fn come_to_rest(&mut self) {
        self.lane.pause(false);
        for _ in 0..200_000 {
            let nothing_waits = self.disk.is_empty() && self.answers.is_empty() && self.runs.is_empty();
            if nothing_waits && self.going.is_empty() && self.gone.is_empty() {
                return;
            }
            match self.chance.below(8) {
                0 => self.answer(),
                1..=3 => self.read(),
                4 => self.give_out(),
                5 => {
                    if let Some(ready) = self.chance.take(&mut self.runs) {
                        self.going.push((ready.call.seq, Fate::Ends));
                    }
                }
                6 => {
                    self.write();
                    self.is_written();
                    self.is_due();
                }
                _ if self.purge.is_some() => self.empty(),
                _ => {}
            }
        }
        panic!("{:?} waits and nobody gives it out: {:#?}", self.disk, self.story);
    }
}

#[test]
fn whatever_happens_each_call_is_given_out_until_it_ends_and_never_twice_at_once() {
    let mut given = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        world.come_to_rest();
        given += world.given;
    }
    assert!(given > 10_000, "{given}");
}
