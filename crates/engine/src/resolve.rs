//! Resolved functions in memory: the hot path never asks the database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use fungraph_model::{Alias, FunctionKey, FunctionVersion, limits::LATEST};
use fungraph_pool::Group;

use crate::{call_record::Throttle, statistics::Counter};

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
    pub(crate) counter: Arc<Counter>,
    /// Those of the aliases that it was called by.
    by_alias: RwLock<Vec<(String, Arc<Counter>)>>,
}

impl Resolved {
    pub(crate) fn new(version: Arc<FunctionVersion>, group: Arc<Group>, counter: Arc<Counter>) -> Arc<Self> {
        let (sized, refusals, by_alias) = (Mutex::default(), Throttle::default(), RwLock::default());
        Arc::new(Self { version, group, sized, refusals, counter, by_alias })
    }

    /// The counter of an alias, found by `find` for one not seen before.
    pub(crate) fn counter_of(&self, alias: &str, find: impl FnOnce() -> Arc<Counter>) -> Arc<Counter> {
        let of = |known: &[(String, Arc<Counter>)]| {
            known.iter().find(|(name, _)| name == alias).map(|(_, counter)| Arc::clone(counter))
        };
        if let Some(counter) = of(&self.by_alias.read().unwrap_or_else(PoisonError::into_inner)) {
            return counter;
        }
        let mut known = self.by_alias.write().unwrap_or_else(PoisonError::into_inner);
        of(&known).unwrap_or_else(|| {
            let counter = find();
            known.push((alias.to_owned(), Arc::clone(&counter)));
            counter
        })
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
    functions: HashMap<FunctionKey, Entry>,
    /// Goes up with every change, so that what was read before a change is not remembered after it.
    epoch: u64,
}

/// What is known of one function. Latest has a place of its own: nearly every call is for it.
#[derive(Default)]
struct Entry {
    latest: Option<Arc<Resolved>>,
    published: HashMap<String, Arc<Resolved>>,
    aliases: HashMap<String, Arc<Alias>>,
}

/// What of a function has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// All of it: it is new, or gone.
    Function,
    /// Code or configuration of latest. Published versions go on.
    Latest,
    /// A published version is gone, and its alias with it.
    Version(String),
    /// An alias. Versions go on, whoever calls them.
    Aliases,
}

/// A moment between changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

impl Resolver {
    /// A version by its name.
    pub(crate) fn get(&self, key: &FunctionKey, version: &str) -> Result<Arc<Resolved>, Epoch> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.functions.get(key).and_then(|entry| entry.version(version));
        found.cloned().ok_or(Epoch(known.epoch))
    }

    /// An alias by its name.
    pub(crate) fn alias(&self, key: &FunctionKey, name: &str) -> Result<Arc<Alias>, Epoch> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.functions.get(key).and_then(|entry| entry.aliases.get(name));
        found.cloned().ok_or(Epoch(known.epoch))
    }

    /// Remembers what was read at `epoch`; `None` where something changed since, so that it must be read again.
    pub(crate) fn insert(&self, epoch: Epoch, resolved: Arc<Resolved>) -> Option<Arc<Resolved>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if Epoch(known.epoch) != epoch {
            return None;
        }
        known.make_room();
        let entry = known.functions.entry(resolved.version.key.clone()).or_default();
        // Somebody may have resolved it at the same time: one group for all.
        let remembered = if resolved.version.version == LATEST {
            entry.latest.get_or_insert(resolved)
        } else {
            entry.published.entry(resolved.version.version.clone()).or_insert(resolved)
        };
        Some(Arc::clone(remembered))
    }

    /// The same for an alias.
    pub(crate) fn insert_alias(&self, epoch: Epoch, key: &FunctionKey, alias: Arc<Alias>) -> Option<Arc<Alias>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if Epoch(known.epoch) != epoch {
            return None;
        }
        known.make_room();
        let entry = known.functions.entry(key.clone()).or_default();
        Some(Arc::clone(entry.aliases.entry(alias.name.clone()).or_insert(alias)))
    }

    /// Those that keep reserved instances.
    pub(crate) fn reserving(&self) -> Vec<Arc<Resolved>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let all = known.functions.values().flat_map(Entry::versions);
        all.filter(|resolved| resolved.group.reserves() > 0).cloned().collect()
    }

    /// Forgets what changed of a function; instances of versions that did leave as they become idle.
    pub(crate) fn forget(&self, key: &FunctionKey, changed: &Changed) {
        let forgotten: Vec<Arc<Resolved>> = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.epoch += 1;
            match changed {
                Changed::Function => known.functions.remove(key).iter().flat_map(Entry::versions).cloned().collect(),
                changed => known.functions.get_mut(key).and_then(|entry| entry.forget(changed)).into_iter().collect(),
            }
        };
        forgotten.iter().for_each(|resolved| resolved.retire());
    }
}

impl Known {
    /// Drops what has no instances, where there is too much.
    fn make_room(&mut self) {
        if self.functions.len() < KEPT {
            return;
        }
        self.functions.retain(|_, entry| {
            entry.published.retain(|_, resolved| resolved.has_instances());
            entry.versions().any(|resolved| resolved.has_instances())
        });
    }
}

impl Entry {
    fn version(&self, version: &str) -> Option<&Arc<Resolved>> {
        if version == LATEST { self.latest.as_ref() } else { self.published.get(version) }
    }

    fn versions(&self) -> impl Iterator<Item = &Arc<Resolved>> {
        self.latest.iter().chain(self.published.values())
    }

    fn forget(&mut self, changed: &Changed) -> Option<Arc<Resolved>> {
        match changed {
            Changed::Latest => return self.latest.take(),
            Changed::Version(version) => {
                self.aliases.clear();
                return self.published.remove(version);
            }
            Changed::Aliases | Changed::Function => self.aliases.clear(),
        }
        None
    }
}
