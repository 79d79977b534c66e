//! Resolved functions in memory: the hot path never asks the database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use fungraph_model::{FunctionKey, FunctionVersion};
use fungraph_pool::Group;

use crate::call_record::Throttle;

/// Entries kept before those without instances are dropped.
const KEPT: usize = 4096;

/// A function version with its instances.
pub(crate) struct Resolved {
    pub(crate) version: Arc<FunctionVersion>,
    pub(crate) group: Arc<Group>,
    /// Groups for other memory sizes, where the function has dynamic memory.
    sized: Mutex<HashMap<u32, Arc<Group>>>,
    /// Bounds the records of refused calls.
    pub(crate) refusals: Throttle,
}

impl Resolved {
    pub(crate) fn new(version: Arc<FunctionVersion>, group: Arc<Group>) -> Arc<Self> {
        Arc::new(Self { version, group, sized: Mutex::default(), refusals: Throttle::default() })
    }

    /// The group whose instances have `memory_mb`, made by `make` for a size not seen before.
    pub(crate) fn sized(&self, memory_mb: u32, make: impl FnOnce() -> Arc<Group>) -> Arc<Group> {
        if memory_mb == self.version.spec.memory_mb {
            return Arc::clone(&self.group);
        }
        let mut sized = self.sized.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sized.entry(memory_mb).or_insert_with(make))
    }

    fn retire(&self) {
        self.group.retire();
        self.sized.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(Group::retire);
    }

    fn has_instances(&self) -> bool {
        let sized = self.sized.lock().unwrap_or_else(PoisonError::into_inner);
        self.group.size() > 0 || self.group.reserves() > 0 || sized.values().any(|group| group.size() > 0)
    }
}

/// What has been resolved since it last changed.
#[derive(Default)]
pub(crate) struct Resolver {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    functions: HashMap<FunctionKey, Arc<Resolved>>,
    /// Goes up with every change, so that what was read before a change is not remembered after it.
    epoch: u64,
}

/// A moment between changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

impl Resolver {
    pub(crate) fn get(&self, key: &FunctionKey) -> Result<Arc<Resolved>, Epoch> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.functions.get(key).cloned().ok_or(Epoch(known.epoch))
    }

    /// Remembers what was read at `epoch`; `None` where something changed since, so that it must be read again.
    pub(crate) fn insert(&self, epoch: Epoch, resolved: Arc<Resolved>) -> Option<Arc<Resolved>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if Epoch(known.epoch) != epoch {
            return None;
        }
        if known.functions.len() >= KEPT {
            known.functions.retain(|_, resolved| resolved.has_instances());
        }
        // Somebody may have resolved it at the same time: one group for all.
        let entry = known.functions.entry(resolved.version.key.clone());
        Some(Arc::clone(entry.or_insert(resolved)))
    }

    /// Those that keep reserved instances.
    pub(crate) fn reserving(&self) -> Vec<Arc<Resolved>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.functions.values().filter(|resolved| resolved.group.reserves() > 0).cloned().collect()
    }

    /// Forgets a function that changed; its instances leave as they become idle.
    pub(crate) fn forget(&self, key: &FunctionKey) {
        let forgotten = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.epoch += 1;
            known.functions.remove(key)
        };
        if let Some(resolved) = forgotten {
            resolved.retire();
        }
    }
}
