//! Functions that want an instance and find no room on the host: they take turns, one instance each.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{Group, capacity::Full, pool::Shared};

/// Who waits for room, in the order they came.
#[derive(Default)]
pub(crate) struct RoomQueue {
    waiting: Mutex<VecDeque<Weak<Group>>>,
    /// As many as wait; read without the lock after every call.
    length: AtomicUsize,
    /// Functions that have instances or want some, when the queue was last looked at.
    contenders: AtomicUsize,
}

/// What became of one in the queue.
pub(crate) enum Turn {
    /// It has what it wants, or wants nothing any more.
    Done,
    /// It got an instance and wants another.
    Again,
    /// There is no room.
    Blocked(Full),
}

impl RoomQueue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Weak<Group>>> {
        self.waiting.lock().expect("nothing panics while it holds the queue for room")
    }

    /// Whether somebody waits: whoever comes now has to stand behind him.
    pub(crate) fn is_wanted(&self) -> bool {
        self.len() > 0
    }

    pub(crate) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    pub(crate) fn contenders(&self) -> usize {
        self.contenders.load(Ordering::Relaxed)
    }

    /// Joins at the end; whoever waits already keeps his place.
    pub(crate) fn join(&self, group: &Arc<Group>) {
        let mut waiting = self.lock();
        if !waiting.iter().any(|other| std::ptr::eq(other.as_ptr(), Arc::as_ptr(group))) {
            waiting.push_back(Arc::downgrade(group));
        }
        self.length.store(waiting.len(), Ordering::Relaxed);
    }

    /// Gives everybody in the queue a turn, and makes room for those for whom there is none.
    pub(crate) fn serve(&self, pool: &Shared) {
        let queue = std::mem::take(&mut *self.lock());
        if queue.is_empty() {
            return;
        }
        let groups = pool.groups();
        self.contenders.store(contenders(&groups, queue.len()), Ordering::Relaxed);
        let (mut blocked, mut again) = (VecDeque::new(), VecDeque::new());
        for group in queue {
            let Some(member) = group.upgrade() else { continue };
            match member.take_turn() {
                Turn::Done => {}
                Turn::Again => again.push_back(group),
                // Its reserve waits for room that others may give up; for none it would wait, and hold all others up, in vain.
                Turn::Blocked(full) if member.has_no_line() && !can_be_made(pool, &groups, &member, full) => {}
                Turn::Blocked(full) => {
                    blocked.push_back(group);
                    if pool.leaving() < blocked.len() {
                        make_room(&groups, &member, full);
                    }
                }
            }
        }
        let more = !again.is_empty();
        let mut waiting = self.lock();
        // Who came meanwhile stands behind all of these.
        blocked.extend(again.into_iter().chain(waiting.drain(..)));
        *waiting = blocked;
        self.length.store(waiting.len(), Ordering::Relaxed);
        pool.capacity.set_wanted(!waiting.is_empty());
        drop(waiting);
        if more {
            pool.look_for_room();
        }
    }
}

fn contenders(groups: &[Arc<Group>], queued: usize) -> usize {
    groups.iter().filter(|group| group.size() > 0).count() + queued
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

/// The least recently used idle instance of all functions leaves, or of all of the project where that has used up its own part.
fn make_room(groups: &[Arc<Group>], wanting: &Group, full: Full) {
    let counts = |group: &&Arc<Group>| full == Full::Host || group.project() == wanting.project();
    let idle = groups.iter().filter(counts).filter_map(|group| Some((group.idle_since()?, group)));
    if let Some((since, group)) = idle.min_by_key(|(since, _)| *since) {
        group.sweep(since + std::time::Duration::from_nanos(1));
    }
}
