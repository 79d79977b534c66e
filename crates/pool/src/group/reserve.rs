//! Keeps a group's reserved instances. They are seats like all others, of which so many are not let go.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Group, state::State};
use crate::{
    Lease,
    capacity::Room,
    decide::{Overdue, Stall, Start, cheapest_start, decide_overdue},
    lease::Member,
    reserve::{Holding, Prepare, Reserve, missing},
};

impl Group {
    /// Keeps `wanted` instances from now on, started before anybody calls. `prepare` is asked for once; see [`Prepare`]. Those
    /// that are too many become ordinary ones, which leave when they have been idle for long enough.
    pub fn reserve(self: &Arc<Self>, wanted: usize, prepare: impl FnOnce() -> Prepare) {
        let mut state = self.lock();
        if state.retired {
            return;
        }
        if wanted > 0 && state.reserve.wanted == 0 && !self.pool.capacity.fits(self.memory_bytes()) {
            tracing::warn!(function = %self.plan.version.key, memory_mb = self.plan.version.spec.memory_mb,
                "its reserved instances cannot be started: one needs more memory than all together may have; \
                 lower its memory_size, or raise pool.memory_mb");
        }
        if wanted != state.reserve.wanted {
            if wanted < state.reserve.wanted {
                // Those that are ordinary ones now may leave for somebody who waits.
                self.pool.look_for_room();
            }
            (state.reserve.wanted, state.reserve.told_overbooked) = (wanted, false);
            self.allowance.set_reserved(self.memory_mb(), wanted);
        }
        if wanted > 0 {
            state.reserve.prepare.get_or_insert_with(prepare);
        }
        self.fill_reserve(&mut state);
    }

    /// How many reserved instances are asked for.
    #[must_use]
    pub fn reserves(&self) -> usize {
        self.lock().reserve.wanted
    }

    /// How many of them are ready for a call, or serve one.
    #[must_use]
    pub fn reserved(&self) -> usize {
        let state = self.lock();
        let ready = state.seats.iter().filter(|seat| seat.initialized && !seat.member.instance.is_dead()).count();
        ready.min(state.reserve.wanted)
    }

    /// Calls that run in its instances now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.lock().seats.iter().filter(|seat| seat.initialized).map(|seat| seat.taken).sum()
    }

    /// Forgets those that died while nobody looked, and starts others.
    pub(crate) fn tend_reserve(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.reserve.wanted > 0 {
            let now = Instant::now();
            let State { seats, reserve, .. } = &mut *state;
            seats.retain(|seat| {
                let dead = seat.taken == 0 && seat.member.instance.is_dead();
                if dead && Reserve::died_young(seat.member.born.elapsed()) {
                    reserve.failed(now);
                }
                !dead
            });
            self.fill_reserve(&mut state);
        }
    }

    pub(super) fn fill_reserve(self: &Arc<Self>, state: &mut State) {
        for _ in 0..self.missing(state) {
            let before = state.starting();
            self.launch(state, cheapest_start(&self.view(state)));
            if state.starting() == before {
                // There is no room; the group has joined the queue for it.
                return;
            }
        }
    }

    fn missing(&self, state: &State) -> usize {
        if state.reserve.wanted == 0 || self.pool.stopping() || !self.pool.capacity.fits(self.memory_bytes()) {
            return 0;
        }
        missing(&Holding {
            wanted: state.reserve.wanted,
            most_instances: self.plan.version.spec.strategy.most_instances(),
            ready: state.seats.len(),
            starting: state.starting(),
            processors: self.pool.config.processors,
            resting: state.reserve.is_resting(Instant::now()),
        })
    }

    /// What the group would start now: for its line, else for its reserve.
    pub(super) fn wants(&self, state: &State) -> Option<Start> {
        let view = self.view(state);
        match decide_overdue(&view, Stall::NONE) {
            Overdue::Start(start) => Some(start),
            Overdue::Use | Overdue::Wait => (self.missing(state) > 0).then(|| cheapest_start(&view)),
        }
    }

    /// Whether nobody stands in line: it wants room for its reserve only.
    pub(crate) fn has_no_line(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Instances, loaded and starting, beyond the reserved ones.
    pub(crate) fn spare(&self) -> usize {
        let state = self.lock();
        (state.seats.len() + state.starting()).saturating_sub(state.reserve.wanted)
    }

    /// More is reserved than there is room for: the operator is told once for each number that was asked for.
    pub(crate) fn tell_overbooked(&self) {
        if !std::mem::replace(&mut self.lock().reserve.told_overbooked, true) {
            tracing::warn!(function = %self.plan.version.key, "more instances are reserved than there is room for, so that \
                 some of this function are not started. Reserve fewer, or raise pool.memory_mb or pool.most_instances, \
                 or what its project may have");
        }
    }

    /// Room that its reserved instances take once all are there.
    pub(crate) fn promised(&self) -> Room {
        let most = self.plan.version.spec.strategy.most_instances().unwrap_or(usize::MAX);
        let instances = self.reserves().min(most);
        Room { instances, memory_bytes: self.memory_bytes().saturating_mul(instances as u64) }
    }

    /// The initializer of a new instance, for whom nobody waits, may run now: a lease of it goes to whoever prepares. `None`
    /// where the group keeps no such instance.
    pub(super) fn hand_over(self: &Arc<Self>, state: &State, member: &Arc<Member>) -> Option<(Prepare, Lease)> {
        let kept = !state.retired && state.seats.len() <= state.reserve.wanted && !self.pool.stopping();
        let prepare = state.reserve.prepare.as_ref().filter(|_| kept)?;
        Some((Arc::clone(prepare), Lease::new(Arc::clone(self), Arc::clone(member), true)))
    }

    /// The initializer did not run to its good end.
    pub(crate) fn not_initialized(&self) {
        self.lock().reserve.failed(Instant::now());
    }
}
