//! Functions that want an instance and find no room, on the host or in their project's part, or none among the instances that
//! they may have themselves, because other memory sizes hold them: they take turns, one instance each.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use fungraph_model::ProjectId;
use tokio::time::Instant;

use crate::{
    Group,
    capacity::{Full, Room},
    decide::{Place, Places, place},
    pool::Shared,
};

/// Who waits for room, in the order they came.
#[derive(Default)]
pub(crate) struct RoomQueue {
    state: Mutex<State>,
    /// How many of them wait for the host, and how many for their project; read without the lock after every call.
    for_host: AtomicUsize,
    for_project: AtomicUsize,
    /// Functions that have instances beyond their reserved ones, or want some, when the queue was last looked at.
    contenders: AtomicUsize,
    /// Reserved instances there were then, of all functions: nobody contends for them.
    reserved: AtomicUsize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Weak<Group>>,
    /// Who is in `waiting`, by the address that the pointer keeps.
    members: HashSet<usize>,
    /// Whose part of the host is used up.
    projects: HashSet<ProjectId>,
}

/// What became of one in the queue.
pub(crate) enum Turn {
    /// It has what it wants, or wants nothing any more.
    Done,
    /// It got an instance and wants another.
    Again,
    /// There is no room.
    Blocked(Full),
    /// Its function has as many instances as it may have, some of them of other sizes.
    Limited,
}

impl State {
    fn push(&mut self, group: &Arc<Group>) -> bool {
        let new = self.members.insert(Arc::as_ptr(group) as usize);
        if new {
            self.waiting.push_back(Arc::downgrade(group));
        }
        new
    }
}

impl RoomQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody waits for room that a function of this project would take: whoever comes now has to stand behind him.
    pub(crate) fn is_wanted(&self, project: &ProjectId) -> bool {
        self.for_host.load(Ordering::Relaxed) > 0
            || (self.for_project.load(Ordering::Relaxed) > 0 && self.lock().projects.contains(project))
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(crate) fn contenders(&self) -> usize {
        self.contenders.load(Ordering::Relaxed)
    }

    pub(crate) fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Joins at the end; false where it waits already, and keeps its place.
    pub(crate) fn join(&self, group: &Arc<Group>) -> bool {
        self.lock().push(group)
    }

    /// Gives everybody in the queue a turn, and makes room for those for whom there is none. Once one waits for the host, those
    /// behind him do too: otherwise what is freed for a large function would go to small ones for ever.
    pub(crate) fn serve(&self, pool: &Arc<Shared>) {
        let queue = {
            let mut state = self.lock();
            state.members.clear();
            std::mem::take(&mut state.waiting)
        };
        let queue: Vec<Arc<Group>> = queue.iter().filter_map(Weak::upgrade).collect();
        if queue.is_empty() {
            self.settle(pool, &Left::default());
            return;
        }
        let groups = pool.groups();
        let mut idle = Idle::of(&groups);
        let (mut left, mut host_is_full) = (Left::default(), false);
        for group in queue {
            let turn = turn(pool, &group, &mut idle, &left, host_is_full);
            if group.allowance.set_wants(group.memory_mb(), matches!(turn, Turn::Limited)) {
                // What came free, or idle, since it was looked for was told to nobody: from now on it is.
                pool.look_for_room();
            }
            let blocked = &mut left.blocked;
            match turn {
                Turn::Done => {}
                Turn::Again => left.again.push(group),
                Turn::Limited => left.limited.push(group),
                // Its reserve waits for room that others may give up; for none it would wait, and hold all others up, in vain.
                Turn::Blocked(full) if group.has_no_line() && !can_be_made(pool, &groups, &group, full) => {}
                Turn::Blocked(full) => {
                    host_is_full |= full == Full::Host && comes_true(pool, &groups, &group);
                    blocked.push((group, full));
                    if pool.evicting() < blocked.len() {
                        idle.evict(pool, blocked.last().map(|(group, _)| group).expect("one was pushed"), full);
                    }
                }
            }
        }
        let waiting = left.blocked.iter().map(|(group, _)| group).chain(&left.again);
        let without = waiting.filter(|group| group.spare() == 0).count();
        let with = groups.iter().filter(|group| group.spare() > 0).count();
        self.contenders.store(with + without, Ordering::Relaxed);
        let reserved = groups.iter().map(|group| group.size().saturating_sub(group.spare())).sum();
        self.reserved.store(reserved, Ordering::Relaxed);
        self.settle(pool, &left);
    }

    /// What is left of the queue, in front of those who came meanwhile.
    fn settle(&self, pool: &Shared, left: &Left) {
        let Left { blocked, limited, again } = left;
        let mut state = self.lock();
        let came = std::mem::take(&mut state.waiting);
        state.members.clear();
        let before = std::mem::take(&mut state.projects);
        let mut for_host = again.len();
        for (group, full) in blocked {
            state.push(group);
            match full {
                Full::Host => for_host += 1,
                Full::Project => drop(state.projects.insert(group.project().clone())),
            }
        }
        for group in limited.iter().chain(again).cloned().chain(came.iter().filter_map(Weak::upgrade)) {
            state.push(&group);
        }
        // What became idle since it was looked for was told to nobody who waits since then only.
        let is_new = (self.for_host.swap(for_host, Ordering::Relaxed) == 0 && for_host > 0)
            || state.projects.iter().any(|project| !before.contains(project));
        self.for_project.store(state.projects.len(), Ordering::Relaxed);
        pool.capacity.set_wanted(for_host > 0);
        drop(state);
        if !again.is_empty() || is_new {
            pool.look_for_room();
        }
    }
}

/// Who is left of the queue after a round, each list in the order of the queue.
#[derive(Default)]
struct Left {
    blocked: Vec<(Arc<Group>, Full)>,
    limited: Vec<Arc<Group>>,
    again: Vec<Arc<Group>>,
}

/// The turn of one: first a place among the instances that its function may have, then room on the host, unless somebody before
/// it waits for that.
fn turn(pool: &Arc<Shared>, group: &Arc<Group>, idle: &mut Idle<'_>, left: &Left, host_is_full: bool) -> Turn {
    if !group.wants_another() {
        return Turn::Done;
    }
    let behind = left.limited.iter().any(|first| first.is_sibling(group));
    match place(&Places { full: group.allowance.is_full(), behind, idle: idle.has_sibling(group) }) {
        Place::Wait => Turn::Limited,
        _ if host_is_full => Turn::Blocked(Full::Host),
        Place::Free => group.take_turn(),
        Place::Evict => {
            idle.evict_first(pool, |other| other.is_sibling(group));
            group.take_turn()
        }
    }
}

/// Whether there is an instance that is not reserved, so that it leaves sooner or later, and it is worth its leaving: where
/// more is reserved than there is room for, others keep what is left.
fn can_be_made(pool: &Shared, groups: &[Arc<Group>], wanting: &Group, full: Full) -> bool {
    let counts = |group: &&Arc<Group>| full == Full::Host || group.project() == wanting.project();
    let promised = groups.iter().filter(counts).map(|group| group.promised());
    if !pool.capacity.could_hold(full, promised) {
        wanting.tell_overbooked();
        return false;
    }
    groups.iter().filter(counts).any(|group| group.spare() > 0)
}

/// Whether the room a function waits for can ever be there beside all that is reserved. What cannot holds nobody up.
fn comes_true(pool: &Shared, groups: &[Arc<Group>], wanting: &Group) -> bool {
    let one_more = usize::from(wanting.size() >= wanting.reserves());
    let wanted = Room { instances: one_more, memory_bytes: wanting.memory_bytes() * one_more as u64 };
    let promised = groups.iter().map(|group| group.promised());
    pool.capacity.could_hold(Full::Host, promised.chain([wanted]))
}

/// Functions with idle instances, those last whose instance was used least lately.
struct Idle<'a>(Vec<(Instant, &'a Arc<Group>)>);

impl<'a> Idle<'a> {
    fn of(groups: &'a [Arc<Group>]) -> Self {
        let mut idle: Vec<_> = groups.iter().filter_map(|group| Some((group.idle_since()?, group))).collect();
        idle.sort_by_key(|(since, _)| std::cmp::Reverse(*since));
        Self(idle)
    }

    /// The least recently used one leaves, of all or of the project where that has used up its own part.
    fn evict(&mut self, pool: &Arc<Shared>, wanting: &Group, full: Full) {
        self.evict_first(pool, |group| full == Full::Host || group.project() == wanting.project());
    }

    /// Whether another memory size of the same function has one.
    fn has_sibling(&self, group: &Group) -> bool {
        self.0.iter().any(|(_, other)| other.is_sibling(group))
    }

    /// The least recently used one of those that count leaves.
    fn evict_first(&mut self, pool: &Arc<Shared>, counts: impl Fn(&Group) -> bool) {
        if let Some(index) = self.0.iter().rposition(|(_, group)| counts(group)) {
            let (_, group) = self.0.remove(index);
            if let Some(member) = group.take_oldest_idle() {
                pool.evict(member, group.version());
            }
        }
    }
}
