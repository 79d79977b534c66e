//! Who sits where and who stands in line: plain and synchronous, under the group's lock.

use std::{collections::VecDeque, sync::Arc};

use fungraph_instance::StartError;
use tokio::{sync::oneshot, time::Instant};

use super::average::{Average, Low};
use crate::{
    Lease,
    allowance::Claim,
    lease::Member,
    report::Pulse,
    reserve::Reserve,
    starts::{Starts, Underway},
};

/// Somebody in line.
pub(crate) struct Waiter {
    pub(crate) reply: oneshot::Sender<Result<Lease, StartError>>,
    number: u64,
    /// An instance is being started for him, or was.
    start_begun: bool,
}

/// Everything a group knows of its instances.
#[derive(Default)]
pub(crate) struct State {
    /// Loaded instances, with the slots each has in use.
    pub(crate) seats: Vec<Seat>,
    starts: Starts,
    pub(crate) waiting: VecDeque<Waiter>,
    /// How many ever stood in line: the number of the last.
    stood_in_line: u64,
    /// No instance is kept idle any more: the function changed or is gone.
    pub(super) retired: bool,
    pub(super) reserve: Reserve,
    pub(super) run: Average,
    /// The same of first runs, which have everything before them that an interpreter does once.
    pub(super) first_run: Average,
    /// Somebody lost his patience with runs that had not ended: while none has, they are taken to go on for ever.
    pub(super) endless: bool,
    pub(super) quick: Low,
    pub(super) fit: Average,
    pub(super) start: Average,
    pub(crate) pulse: Pulse,
    /// Most loaded instances since somebody asked.
    pub(crate) most_seats: usize,
}

/// A start that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    /// The place in line of the call that it is for: the first for which none was begun, and the first of all where nothing else is under way.
    /// `None` for a reserved instance.
    pub(super) whose: Option<u64>,
    _underway: Underway,
}

/// A loaded instance.
pub(crate) struct Seat {
    pub(super) member: Arc<Member>,
    pub(crate) taken: usize,
    pub(super) last_used: Instant,
    /// Its initializer has run, or it has none.
    pub(super) initialized: bool,
    /// It takes no more calls: the last one that runs in it takes it along.
    pub(super) leaving: bool,
    /// Held for its `Drop`: its function may have another instance then.
    pub(super) _claim: Claim,
}

impl Seat {
    /// Whether calls run in it: until its initializer has run, its slots are taken for that.
    pub(crate) fn serves(&self) -> bool {
        self.initialized
    }

    pub(super) fn is_free(&self, slots: usize) -> bool {
        self.taken < slots && !self.leaving
    }
}

impl State {
    pub(super) fn has_free(&self, slots: usize) -> bool {
        self.seats.iter().any(|seat| seat.is_free(slots))
    }

    /// The slot used last is taken first: the others grow old and leave.
    pub(super) fn take_slot(&mut self, slots: usize) -> Option<Arc<Member>> {
        let free = self.seats.iter_mut().filter(|seat| seat.is_free(slots));
        let seat = free.max_by_key(|seat| seat.last_used)?;
        seat.taken += 1;
        Some(Arc::clone(&seat.member))
    }

    /// Marks a slot free; `true` where the instance is to leave, having left the list already.
    pub(super) fn release(&mut self, member: &Arc<Member>, slots: usize) -> bool {
        let Some(index) = self.seats.iter().position(|seat| Arc::ptr_eq(&seat.member, member)) else { return false };
        let seat = &mut self.seats[index];
        debug_assert!((1..=slots).contains(&seat.taken), "a slot is given back once");
        seat.taken -= 1;
        seat.last_used = Instant::now();
        let leaves = (self.retired || seat.leaving) && seat.taken == 0;
        if leaves {
            self.seats.swap_remove(index);
        }
        leaves
    }

    /// Slots of an instance that are in use.
    pub(super) fn taken(&self, member: &Arc<Member>) -> usize {
        self.seats.iter().find(|seat| Arc::ptr_eq(&seat.member, member)).map_or(0, |seat| seat.taken)
    }

    /// Whether it is one of those that may serve calls.
    pub(super) fn has(&self, member: &Arc<Member>) -> bool {
        self.seats.iter().any(|seat| Arc::ptr_eq(&seat.member, member))
    }

    /// From now on it takes no more calls.
    pub(super) fn send_off(&mut self, member: &Arc<Member>) {
        self.seats.iter_mut().filter(|seat| Arc::ptr_eq(&seat.member, member)).for_each(|seat| seat.leaving = true);
    }

    pub(super) fn is_leaving(&self, member: &Arc<Member>) -> bool {
        self.seats.iter().any(|seat| seat.leaving && Arc::ptr_eq(&seat.member, member))
    }

    pub(super) fn is_any_leaving(&self) -> bool {
        self.seats.iter().any(|seat| seat.leaving)
    }

    /// All take calls again.
    pub(super) fn recall(&mut self) {
        self.seats.iter_mut().for_each(|seat| seat.leaving = false);
    }

    pub(super) fn remove(&mut self, member: &Arc<Member>) {
        self.seats.retain(|seat| !Arc::ptr_eq(&seat.member, member));
    }

    pub(super) fn join_line(&mut self, reply: oneshot::Sender<Result<Lease, StartError>>) {
        self.stood_in_line += 1;
        self.waiting.push_back(Waiter { reply, number: self.stood_in_line, start_begun: false });
    }

    /// The number of who is first in line.
    pub(super) fn first_in_line(&self) -> Option<u64> {
        self.waiting.front().map(|waiter| waiter.number)
    }

    /// Instances being started.
    pub(crate) fn starting(&self) -> usize {
        self.starts.count()
    }

    /// One more instance is being started.
    pub(super) fn begin_start(&mut self) -> Begun {
        let underway = self.starts.begin();
        let of_his_own = self.waiting.iter().position(|waiter| !waiter.start_begun && !waiter.reply.is_closed());
        let index = of_his_own.or((self.starting() == 1).then_some(0));
        let waiter = index.and_then(|index| self.waiting.get_mut(index));
        let whose = waiter.map(|waiter| {
            waiter.start_begun = true;
            waiter.number
        });
        Begun { whose, _underway: underway }
    }

    /// Forgets the instances, which leave with the calls that run in them, and what was begun for whom.
    pub(super) fn begin_anew(&mut self) {
        self.seats.clear();
        self.waiting.iter_mut().for_each(|waiter| waiter.start_begun = false);
    }

    /// Takes somebody out of the line, if he still stands there.
    pub(super) fn take_waiter(&mut self, number: u64) -> Option<Waiter> {
        let index = self.waiting.iter().position(|waiter| waiter.number == number)?;
        self.waiting.remove(index).filter(|waiter| !waiter.reply.is_closed())
    }

    /// Forgets who left the line; `true` where somebody had.
    pub(super) fn drop_left(&mut self) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiter| !waiter.reply.is_closed());
        self.waiting.len() < before
    }

    pub(super) fn next_waiter(&mut self) -> Option<Waiter> {
        std::iter::from_fn(|| self.waiting.pop_front()).find(|waiter| !waiter.reply.is_closed())
    }

    /// Instances that are not about to leave.
    pub(super) fn staying(&self) -> usize {
        self.seats.iter().filter(|seat| !seat.leaving).count()
    }

    /// Of those, the ones beyond the reserved.
    pub(super) fn spare(&self) -> usize {
        self.staying().saturating_sub(self.reserve.wanted)
    }

    pub(super) fn initialized(&mut self, member: &Arc<Member>) {
        if let Some(seat) = self.seats.iter_mut().find(|seat| Arc::ptr_eq(&seat.member, member)) {
            seat.initialized = true;
            self.reserve.succeeded(Instant::now());
        }
    }

    /// Takes out idle instances that are to leave, never a reserved one.
    pub(super) fn take_idle(&mut self, leaves: impl Fn(Instant) -> bool) -> Vec<Arc<Member>> {
        let (mut leaving, spare) = (Vec::new(), self.spare());
        if self.reserve.wanted > 0 {
            self.seats.sort_by_key(|seat| seat.last_used);
        }
        self.seats.retain(|seat| {
            let goes = seat.taken == 0 && leaving.len() < spare && leaves(seat.last_used);
            if goes {
                leaving.push(Arc::clone(&seat.member));
            }
            !goes
        });
        leaving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_line(state: &mut State) -> oneshot::Receiver<Result<Lease, StartError>> {
        let (sender, receiver) = oneshot::channel();
        state.join_line(sender);
        receiver
    }

    #[test]
    fn each_start_is_for_the_first_in_line_who_has_none() {
        let mut state = State::default();
        assert_eq!(state.begin_start().whose, None, "a reserved one is for nobody");
        let (first, second, third) = (in_line(&mut state), in_line(&mut state), in_line(&mut state));
        let starts = [state.begin_start(), state.begin_start()];
        assert_eq!(starts.each_ref().map(|start| start.whose), [Some(1), Some(2)]);
        drop(third);
        assert_eq!(state.begin_start().whose, None, "the third has left");
        assert!(state.take_waiter(2).is_some(), "a failure is the second's although the first is before him");
        assert!(state.take_waiter(2).is_none() && state.take_waiter(3).is_none());
        drop(starts);
        assert_eq!(state.starting(), 0);
        assert_eq!(state.begin_start().whose, Some(1), "the first has nothing else to wait for");
        drop((first, second));
    }
}
