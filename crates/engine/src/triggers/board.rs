//! The triggers that are live, in memory: timers for the job that fires them, gateways for the requests that look for them.
//!
//! What is here follows what is stored, function by function: after every change of a function's triggers they are read again, so that
//! it does not matter who changed what, nor in which order the answers came.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use fungraph_model::{Caller, FunctionKey, Trigger, TriggerId, TriggerKind};
use tokio::sync::Notify;

use super::gateway::{GatewayApi, GatewayRoute, Routes};

/// A timer came, changed, or went.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Set(Arc<Trigger>),
    Remove(TriggerId),
}

/// The live triggers of all functions.
#[derive(Default)]
pub(crate) struct Board {
    known: RwLock<Known>,
    /// What the timers' job has not seen yet.
    changes: Mutex<Vec<Change>>,
    pub(super) nudge: Notify,
    /// Whether what is here may be out of date, since the store could not be read after a change.
    stale: AtomicBool,
    /// Held while what is stored is read and put here, so that an older reading never follows a newer one.
    pub(super) reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    functions: HashMap<FunctionKey, Live>,
    timers: HashMap<TriggerId, Arc<Trigger>>,
    routes: Routes,
}

/// The live triggers of one function.
#[derive(Default)]
struct Live {
    timers: Vec<Arc<Trigger>>,
    apis: Vec<Arc<GatewayApi>>,
}

impl Live {
    fn of(triggers: Vec<Trigger>, old: Option<&Self>) -> Self {
        let mut live = Self::default();
        for trigger in triggers.into_iter().filter(Trigger::is_active) {
            if trigger.kind.is_gateway() {
                live.apis.extend(GatewayApi::of(&trigger).map(Arc::new));
            } else if trigger.kind == TriggerKind::Timer {
                // One that did not change stays the same, and its time with it.
                let same = old.and_then(|old| old.timers.iter().find(|known| ***known == trigger).cloned());
                live.timers.push(same.unwrap_or_else(|| Arc::new(trigger)));
            }
        }
        live
    }
}

impl Board {
    /// What is stored of one function now.
    pub(super) fn replace(&self, key: &FunctionKey, triggers: Vec<Trigger>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let old = known.functions.remove(key).unwrap_or_default();
        let new = Live::of(triggers, Some(&old));
        let mut changes = Vec::new();
        for gone in old.timers.iter().filter(|timer| new.timers.iter().all(|other| other.id != timer.id)) {
            known.timers.remove(&gone.id);
            changes.push(Change::Remove(gone.id.clone()));
        }
        for timer in new.timers.iter().filter(|timer| !old.timers.iter().any(|other| Arc::ptr_eq(other, timer))) {
            known.timers.insert(timer.id.clone(), Arc::clone(timer));
            changes.push(Change::Set(Arc::clone(timer)));
        }
        known.routes.replace(&old.apis, &new.apis);
        if !(new.timers.is_empty() && new.apis.is_empty()) {
            known.functions.insert(key.clone(), new);
        }
        self.tell(changes);
    }

    /// All that is stored.
    pub(super) fn replace_all(&self, triggers: Vec<Trigger>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut of_functions: HashMap<FunctionKey, Vec<Trigger>> = HashMap::new();
        for trigger in triggers {
            of_functions.entry(trigger.key.clone()).or_default().push(trigger);
        }
        let mut new = Known::default();
        let mut apis = Vec::new();
        for (key, triggers) in of_functions {
            let live = Live::of(triggers, known.functions.get(&key));
            new.timers.extend(live.timers.iter().map(|timer| (timer.id.clone(), Arc::clone(timer))));
            apis.extend(live.apis.iter().cloned());
            new.functions.insert(key, live);
        }
        new.routes.replace(&[], &apis);
        let gone = known.timers.keys().filter(|id| !new.timers.contains_key(*id)).cloned().map(Change::Remove);
        let is_new =
            |timer: &&Arc<Trigger>| !known.timers.get(&timer.id).is_some_and(|other| Arc::ptr_eq(other, timer));
        let changes = gone.chain(new.timers.values().filter(is_new).cloned().map(Change::Set)).collect();
        *known = new;
        self.tell(changes);
    }

    fn tell(&self, more: Vec<Change>) {
        if !more.is_empty() {
            self.changes.lock().unwrap_or_else(PoisonError::into_inner).extend(more);
            self.nudge.notify_one();
        }
    }

    /// Tells all timers anew, for a job that begins again: once it looks, not at once.
    pub(super) fn tell_all(&self) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let all = known.timers.values().cloned().map(Change::Set);
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).extend(all);
        self.set_stale(true);
    }

    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this very timer is still wanted: a change that was answered holds for all that comes after.
    pub(super) fn is_live(&self, timer: &Arc<Trigger>) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.timers.get(&timer.id).is_some_and(|known| Arc::ptr_eq(known, timer))
    }

    pub(super) fn route(&self, group: &str, path: &str, method: &str) -> Option<GatewayRoute> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).routes.find(group, path, method)
    }

    /// Looks at the gateway triggers there are.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Routes) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner).routes)
    }

    /// Whether a group belongs to somebody else.
    pub(super) fn is_of_others(&self, group: &str, owner: &Caller) -> bool {
        self.look(|routes| routes.is_of_others(group, owner))
    }

    pub(super) fn set_stale(&self, stale: bool) {
        self.stale.store(stale, Ordering::Release);
    }

    pub(super) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }
}
