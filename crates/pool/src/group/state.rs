//! Who sits where and who stands in line: plain and synchronous, under the group's lock.

use std::{collections::VecDeque, sync::Arc};

use fungraph_instance::StartError;
use tokio::{sync::oneshot, time::Instant};

use super::average::{Average, Low};
use crate::{Lease, lease::Member, report::Pulse, reserve::Reserve};

/// Somebody in line.
pub(crate) struct Waiter {
    pub(crate) reply: oneshot::Sender<Result<Lease, StartError>>,
}

/// Everything a group knows of its instances.
#[derive(Default)]
pub(crate) struct State {
    /// Loaded instances, with the slots each has in use.
    pub(crate) seats: Vec<Seat>,
    /// Instances being started.
    pub(crate) starting: usize,
    pub(crate) waiting: VecDeque<Waiter>,
    /// No instance is kept idle any more: the function changed or is gone.
    pub(super) retired: bool,
    pub(super) reserve: Reserve,
    pub(super) run: Average,
    pub(super) quick: Low,
    pub(super) fit: Average,
    pub(super) start: Average,
    pub(crate) pulse: Pulse,
}

/// A loaded instance.
pub(crate) struct Seat {
    pub(super) member: Arc<Member>,
    pub(crate) taken: usize,
    pub(super) last_used: Instant,
    /// Its initializer has run, or it has none.
    pub(super) initialized: bool,
}

impl Seat {
    /// Whether calls run in it: until its initializer has run, its slots are taken for that.
    pub(crate) fn serves(&self) -> bool {
        self.initialized
    }
}

impl State {
    /// The slot used last is taken first: the others grow old and leave.
    pub(super) fn take_slot(&mut self, slots: usize) -> Option<Arc<Member>> {
        let free = self.seats.iter_mut().filter(|seat| seat.taken < slots);
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
        let leaves = self.retired && seat.taken == 0;
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

    pub(super) fn remove(&mut self, member: &Arc<Member>) {
        self.seats.retain(|seat| !Arc::ptr_eq(&seat.member, member));
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

    /// Instances beyond the reserved ones.
    pub(super) fn spare(&self) -> usize {
        self.seats.len().saturating_sub(self.reserve.wanted)
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
