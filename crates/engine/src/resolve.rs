//! Resolved functions in memory: the hot path never asks the database.

mod absent;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use fungraph_model::{
    Alias, FunctionKey, FunctionVersion,
    limits::{self, LATEST},
};
use fungraph_pool::Group;

use self::absent::{Absent, Name};
use crate::{call_record::Throttle, recording, statistics::Counter};

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
    /// Whether the events of its calls are kept: found out once, and not at each call.
    pub(crate) records_events: bool,
    pub(crate) counter: Arc<Counter>,
    /// Those of the aliases that it was called by.
    by_alias: RwLock<Vec<(String, Arc<Counter>)>>,
}

impl Resolved {
    pub(crate) fn new(version: Arc<FunctionVersion>, group: Arc<Group>, counter: Arc<Counter>) -> Arc<Self> {
        let records_events = recording::is_wanted(&version.spec);
        let (sized, refusals, by_alias) = (Mutex::default(), Throttle::default(), RwLock::default());
        Arc::new(Self { version, group, sized, refusals, records_events, counter, by_alias })
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
            // Aliases come and go while a version stays: those that are still called are found again.
            if known.len() >= limits::ALIASES as usize {
                known.clear();
            }
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
    absent: Absent,
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
    /// A version by its name; `None` where it is known to be missing.
    pub(crate) fn get(&self, key: &FunctionKey, version: &str) -> Result<Option<Arc<Resolved>>, Epoch> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.functions.get(key).and_then(|entry| entry.version(version)) {
            Some(resolved) => Ok(Some(Arc::clone(resolved))),
            None => known.missing(key, || Name::Version(version.to_owned())),
        }
    }

    /// An alias by its name; `None` where it is known to be missing.
    pub(crate) fn alias(&self, key: &FunctionKey, name: &str) -> Result<Option<Arc<Alias>>, Epoch> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.functions.get(key).and_then(|entry| entry.aliases.get(name)) {
            Some(alias) => Ok(Some(Arc::clone(alias))),
            None => known.missing(key, || Name::Alias(name.to_owned())),
        }
    }

    /// Remembers that a version was missing at `epoch`, unless something changed since.
    pub(crate) fn lacks(&self, epoch: Epoch, key: &FunctionKey, version: &str) {
        self.add_absent(epoch, key, Name::Version(version.to_owned()));
    }

    /// The same for an alias.
    pub(crate) fn lacks_alias(&self, epoch: Epoch, key: &FunctionKey, name: &str) {
        self.add_absent(epoch, key, Name::Alias(name.to_owned()));
    }

    fn add_absent(&self, epoch: Epoch, key: &FunctionKey, name: Name) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if Epoch(known.epoch) == epoch {
            known.absent.add(key, name);
        }
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
            known.absent.forget(key);
            match changed {
                Changed::Function => known.functions.remove(key).iter().flat_map(Entry::versions).cloned().collect(),
                changed => known.functions.get_mut(key).and_then(|entry| entry.forget(changed)).into_iter().collect(),
            }
        };
        forgotten.iter().for_each(|resolved| resolved.retire());
    }
}

impl Known {
    /// What there is to say of something that is not in memory.
    fn missing<T>(&self, key: &FunctionKey, name: impl FnOnce() -> Name) -> Result<Option<T>, Epoch> {
        if self.absent.has(key, &name()) { Ok(None) } else { Err(Epoch(self.epoch)) }
    }

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

#[cfg(test)]
mod tests {
    use fungraph_model::sample;

    use super::*;

    /// When nothing is known of it.
    fn epoch(resolver: &Resolver, key: &FunctionKey) -> Epoch {
        resolver.get(key, LATEST).map(|_| ()).expect_err("nothing is known")
    }

    #[test]
    fn what_is_missing_is_known_until_its_function_changes() {
        let (resolver, key) = (Resolver::default(), sample::function("a").key);
        resolver.lacks(epoch(&resolver, &key), &key, LATEST);
        assert!(matches!(resolver.get(&key, LATEST), Ok(None)));
        assert!(resolver.get(&key, "v1").is_err() && resolver.alias(&key, LATEST).is_err());
        resolver.forget(&sample::function("b").key, &Changed::Function);
        assert!(matches!(resolver.get(&key, LATEST), Ok(None)), "another function says nothing of this one");
        resolver.forget(&key, &Changed::Function);
        assert!(resolver.get(&key, LATEST).is_err());
    }

    #[test]
    fn what_was_missing_before_a_change_is_not_remembered_after_it() {
        let (resolver, key) = (Resolver::default(), sample::function("a").key);
        let before = epoch(&resolver, &key);
        resolver.forget(&key, &Changed::Function);
        resolver.lacks(before, &key, LATEST);
        resolver.lacks_alias(before, &key, "live");
        assert!(resolver.get(&key, LATEST).is_err() && resolver.alias(&key, "live").is_err());
        resolver.lacks_alias(epoch(&resolver, &key), &key, "live");
        assert!(matches!(resolver.alias(&key, "live"), Ok(None)));
        resolver.forget(&key, &Changed::Aliases);
        assert!(resolver.alias(&key, "live").is_err());
    }
}
