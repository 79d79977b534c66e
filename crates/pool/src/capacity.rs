//! The host's room for instances, and each project's part of it: a value that gives itself back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fungraph_model::ProjectId;
use tokio::sync::Notify;

/// Room of a host, or of one project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) instances: usize,
    pub(crate) memory_bytes: u64,
}

/// What is in use of it.
#[derive(Debug)]
pub(crate) struct Capacity {
    used: Mutex<Used>,
    host: Room,
    project: Room,
    /// Told whenever somebody gave room back.
    freed: Arc<Notify>,
}

#[derive(Debug)]
struct Used {
    host: Room,
    projects: HashMap<ProjectId, Room>,
    /// Somebody waits for room: none is spare.
    wanted: bool,
}

/// What is promised to instances, and what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Sum of the limits of all instances, in bytes.
    pub promised: u64,
    /// Most that may be promised.
    pub most: u64,
}

/// Room for one instance; dropping it makes room again.
#[derive(Debug)]
pub(crate) struct Permit {
    capacity: Arc<Capacity>,
    /// Whose it is; a blank instance is nobody's.
    project: Option<ProjectId>,
    memory_bytes: u64,
}

/// Whose room is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Host,
    Project,
}

const NOTHING: Room = Room { instances: 0, memory_bytes: 0 };

impl Room {
    fn holds(self, used: Self, memory_bytes: u64) -> bool {
        used.instances < self.instances && used.memory_bytes + memory_bytes <= self.memory_bytes
    }

    fn add(&mut self, memory_bytes: u64) {
        self.instances += 1;
        self.memory_bytes += memory_bytes;
    }

    fn remove(&mut self, memory_bytes: u64) {
        self.instances -= 1;
        self.memory_bytes -= memory_bytes;
    }
}

impl Capacity {
    pub(crate) fn new(host: Room, project: Room, freed: Arc<Notify>) -> Arc<Self> {
        let used = Used { host: NOTHING, projects: HashMap::new(), wanted: false };
        Arc::new(Self { used: Mutex::new(used), host, project, freed })
    }

    /// Whether an instance of this size would have room on an empty host.
    pub(crate) fn fits(&self, memory_bytes: u64) -> bool {
        memory_bytes <= self.host.memory_bytes.min(self.project.memory_bytes)
    }

    /// Whether the host, or a project, could have all of this at once.
    pub(crate) fn could_hold(&self, of: Full, promised: impl Iterator<Item = Room>) -> bool {
        let most = match of {
            Full::Host => self.host,
            Full::Project => self.project,
        };
        let (mut instances, mut memory_bytes) = (0_usize, 0_u64);
        for room in promised {
            instances = instances.saturating_add(room.instances);
            memory_bytes = memory_bytes.saturating_add(room.memory_bytes);
        }
        instances <= most.instances && memory_bytes <= most.memory_bytes
    }

    /// Whose room is used up for an instance of a project's function, if any is; `given` is what the host could get back.
    pub(crate) fn full(&self, project: &ProjectId, memory_bytes: u64, given: Room) -> Option<Full> {
        self.check(&self.lock(), project, memory_bytes, given).err()
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory { promised: self.lock().host.memory_bytes, most: self.host.memory_bytes }
    }

    /// Room for an instance of a project's function.
    pub(crate) fn take(self: &Arc<Self>, project: &ProjectId, memory_bytes: u64) -> Result<Permit, Full> {
        let mut used = self.lock();
        self.check(&used, project, memory_bytes, NOTHING)?;
        used.host.add(memory_bytes);
        used.projects.entry(project.clone()).or_insert(NOTHING).add(memory_bytes);
        Ok(Permit { capacity: Arc::clone(self), project: Some(project.clone()), memory_bytes })
    }

    /// Room that nobody waits for, for a blank instance.
    pub(crate) fn take_spare(self: &Arc<Self>, memory_bytes: u64) -> Option<Permit> {
        let mut used = self.lock();
        if used.wanted || !self.host.holds(used.host, memory_bytes) {
            return None;
        }
        used.host.add(memory_bytes);
        Some(Permit { capacity: Arc::clone(self), project: None, memory_bytes })
    }

    /// Whether somebody waits for room.
    pub(crate) fn set_wanted(&self, wanted: bool) {
        self.lock().wanted = wanted;
    }

    /// Instances, blank ones included, and memory promised to them.
    pub(crate) fn used(&self) -> Room {
        self.lock().host
    }

    /// `given` is what the host gets back at the same moment.
    fn check(&self, used: &Used, project: &ProjectId, memory_bytes: u64, given: Room) -> Result<(), Full> {
        let host = Room {
            instances: used.host.instances.saturating_sub(given.instances),
            memory_bytes: used.host.memory_bytes.saturating_sub(given.memory_bytes),
        };
        if !self.project.holds(used.projects.get(project).copied().unwrap_or(NOTHING), memory_bytes) {
            return Err(Full::Project);
        }
        if self.host.holds(host, memory_bytes) { Ok(()) } else { Err(Full::Host) }
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// A blank instance's room becomes that of a project's function, which may need more; it stays as it was where that is not there.
    pub(crate) fn become_of(mut self, project: &ProjectId, memory_bytes: u64) -> Result<Self, (Self, Full)> {
        let mut used = self.capacity.lock();
        let given = Room { instances: 1, memory_bytes: self.memory_bytes };
        let checked = self.capacity.check(&used, project, memory_bytes, given);
        if checked.is_ok() {
            used.host.remove(self.memory_bytes);
            used.host.add(memory_bytes);
            used.projects.entry(project.clone()).or_insert(NOTHING).add(memory_bytes);
        }
        drop(used);
        if let Err(full) = checked {
            return Err((self, full));
        }
        (self.project, self.memory_bytes) = (Some(project.clone()), memory_bytes);
        Ok(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut used = self.capacity.lock();
        used.host.remove(self.memory_bytes);
        if let Some(project) = &self.project
            && let Some(of_project) = used.projects.get_mut(project)
        {
            of_project.remove(self.memory_bytes);
            if *of_project == NOTHING {
                used.projects.remove(project);
            }
        }
        drop(used);
        self.capacity.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(host: (usize, u64), project: (usize, u64)) -> Arc<Capacity> {
        let room = |(instances, memory_bytes)| Room { instances, memory_bytes };
        Capacity::new(room(host), room(project), Arc::default())
    }

    fn project(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    #[test]
    fn room_comes_back() {
        let (capacity, a) = (capacity((2, 300), (9, 900)), project("a"));
        let first = capacity.take(&a, 200).expect("there is room");
        assert_eq!(capacity.take(&a, 200).err(), Some(Full::Host), "memory is used up");
        let second = capacity.take(&a, 100).expect("there is room");
        assert_eq!(capacity.take(&a, 0).err(), Some(Full::Host), "instances are used up");
        drop((first, second));
        assert!(capacity.take(&a, 300).is_ok());
        assert_eq!(capacity.used(), NOTHING);
    }

    #[test]
    fn project_has_its_part() {
        let (capacity, a, b) = (capacity((9, 900), (2, 300)), project("a"), project("b"));
        let held = (capacity.take(&a, 100).expect("there is room"), capacity.take(&a, 100).expect("there is room"));
        assert_eq!(capacity.take(&a, 50).err(), Some(Full::Project), "its instances are used up");
        assert_eq!(capacity.take(&b, 400).err(), Some(Full::Project), "its memory is not enough");
        let other = capacity.take(&b, 300).expect("another project has its own");
        drop((held, other));
        assert!(capacity.fits(300) && !capacity.fits(301));
    }

    #[test]
    fn room_of_a_blank_becomes_that_of_a_function() {
        let (capacity, a) = (capacity((1, 300), (9, 250)), project("a"));
        let blank = capacity.take_spare(128).expect("there is room");
        let (blank, full) = blank.become_of(&a, 260).expect_err("that is more than a project has");
        assert_eq!((full, capacity.used().memory_bytes), (Full::Project, 128));
        let loaded = blank.become_of(&a, 250).expect("its own room counts as free");
        assert_eq!(capacity.used(), Room { instances: 1, memory_bytes: 250 });
        drop(loaded);
        assert_eq!(capacity.used(), NOTHING);
    }

    #[test]
    fn nothing_is_spare_while_somebody_waits() {
        let capacity = capacity((9, 900), (9, 900));
        capacity.set_wanted(true);
        assert!(capacity.take_spare(1).is_none());
        assert!(capacity.take(&project("a"), 1).is_ok());
    }
}
