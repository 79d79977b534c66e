//! A group's places among those of its function: other memory sizes have groups of their own, and all share one limit.

use std::{sync::Arc, time::Duration};

use super::{Group, State};
use crate::{
    decide::{Place, Places, Tenure, gives_way, least_tenure_ms, place},
    lease::Member,
};

impl Group {
    /// Whether it gets another instance at once by its function's limit: nobody has to leave, and nobody came before.
    pub(super) fn has_place(&self) -> bool {
        let behind = self.allowance.contest(self.memory_mb()).is_some();
        place(&Places { full: self.allowance.is_full(), behind, idle: false }) == Place::Free
    }

    /// Whether it is the same revision of the same function, of another memory size.
    pub(crate) fn is_sibling(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.allowance, &other.allowance) && !std::ptr::eq(self, other)
    }

    /// Another size of the function waits for a place: an instance that had its time leaves, and one that becomes idle is looked
    /// for. One in which other calls run takes no more of them, and leaves after the last.
    pub(super) fn makes_place(self: &Arc<Self>, state: &mut State, member: &Arc<Member>) -> bool {
        let Some(contest) = self.allowance.contest(self.memory_mb()) else { return false };
        let start = state.fit.get().max(state.start.get());
        let tenure = Tenure {
            own: (state.staying() + state.starting()).saturating_sub(state.reserve.wanted),
            all: contest.taken,
            contenders: contest.contenders,
            age_ms: millis(member.born.elapsed()),
            least_ms: least_tenure_ms(start),
        };
        // The one that was started for a call serves it, however quick the start was.
        let may_leave = state.spare() > 0;
        if member.is_fresh() || !may_leave || !gives_way(&tenure) {
            if may_leave && state.waiting.is_empty() {
                self.pool.look_for_room();
            }
            return false;
        }
        state.send_off(member);
        self.leave(state, member);
        true
    }

    /// An instance that was to leave after its last call stays where nobody waits for its place any more.
    pub(super) fn recall(&self, state: &mut State) {
        if state.is_any_leaving() && self.allowance.contest(self.memory_mb()).is_none() {
            state.recall();
        }
    }

    /// A call of an instance that is to leave has ended.
    pub(super) fn leave(self: &Arc<Self>, state: &mut State, member: &Arc<Member>) {
        if state.release(member, self.slots()) {
            self.stop(Arc::clone(member));
            self.serve_line(state);
        }
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
