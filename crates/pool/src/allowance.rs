//! How many instances a function may have (its `concurrency`), over all the memory sizes it is called with. Each size is a
//! group of its own; this is what they share.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// The places of one revision of a function.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// `None` for no limit.
    most: Option<usize>,
    sizes: Mutex<Vec<Size>>,
    /// Places in use and whether some size waits for one, as `sizes` has them: read without its lock after every call.
    taken: AtomicUsize,
    wanted: AtomicBool,
    /// Told when a place comes free that somebody waits for.
    freed: Arc<Notify>,
}

/// The part of one size. Few at most: an event says which of eight it wants.
#[derive(Debug)]
struct Size {
    memory_mb: u32,
    taken: usize,
    /// So many of them never go to another size.
    reserved: usize,
    wants: bool,
}

/// The place of one instance, from its start to the moment it takes no calls any more; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Claim {
    allowance: Arc<Allowance>,
    memory_mb: u32,
}

/// Who is after the places of a function while there are none left, those left out that are reserved: they go to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contest {
    /// Places in use.
    pub(crate) taken: usize,
    /// Sizes that have some of these or wait for one.
    pub(crate) contenders: usize,
}

impl Allowance {
    pub(crate) fn new(most: Option<usize>, freed: Arc<Notify>) -> Arc<Self> {
        let (taken, wanted) = (AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { most, sizes: Mutex::default(), taken, wanted, freed })
    }

    /// A place for an instance of this size, if there is one.
    pub(crate) fn take(self: &Arc<Self>, memory_mb: u32) -> Option<Claim> {
        let mut sizes = self.lock();
        if self.is_full() {
            return None;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        size(&mut sizes, memory_mb).taken += 1;
        Some(Claim { allowance: Arc::clone(self), memory_mb })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.most.is_some_and(|most| self.taken() >= most)
    }

    /// Instances of all sizes, those included that are being started.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether a size waits for a place that others have; `true` where that is new.
    pub(crate) fn set_wants(&self, memory_mb: u32, wants: bool) -> bool {
        if !wants && !self.is_wanted() {
            return false;
        }
        let mut sizes = self.lock();
        let before = std::mem::replace(&mut size(&mut sizes, memory_mb).wants, wants);
        self.wanted.store(sizes.iter().any(|size| size.wants), Ordering::Relaxed);
        wants && !before
    }

    /// How many places of a size never go to another one.
    pub(crate) fn set_reserved(&self, memory_mb: u32, reserved: usize) {
        size(&mut self.lock(), memory_mb).reserved = reserved;
    }

    /// Whether some size waits for a place.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Who is after the places that this size has; `None` where no other size waits.
    pub(crate) fn contest(&self, memory_mb: u32) -> Option<Contest> {
        if !self.is_wanted() {
            return None;
        }
        let sizes = self.lock();
        let by_another = sizes.iter().any(|size| size.wants && size.memory_mb != memory_mb);
        let contenders = sizes.iter().filter(|size| size.wants || size.spare() > 0).count();
        let taken = sizes.iter().map(Size::spare).sum();
        by_another.then_some(Contest { taken, contenders })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Size>> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Size {
    fn spare(&self) -> usize {
        self.taken.saturating_sub(self.reserved)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let allowance = &self.allowance;
        let mut sizes = allowance.lock();
        size(&mut sizes, self.memory_mb).taken -= 1;
        allowance.taken.fetch_sub(1, Ordering::Relaxed);
        drop(sizes);
        if allowance.is_wanted() {
            allowance.freed.notify_one();
        }
    }
}

fn size(sizes: &mut Vec<Size>, memory_mb: u32) -> &mut Size {
    let index = sizes.iter().position(|size| size.memory_mb == memory_mb).unwrap_or_else(|| {
        sizes.push(Size { memory_mb, taken: 0, reserved: 0, wants: false });
        sizes.len() - 1
    });
    &mut sizes[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shared_by_all_sizes_and_come_back() {
        let allowance = Allowance::new(Some(2), Arc::default());
        let first = allowance.take(128).expect("there are two");
        let second = allowance.take(256).expect("there are two");
        assert!(allowance.take(128).is_none() && allowance.take(512).is_none() && allowance.is_full());
        drop(first);
        assert_eq!(allowance.taken(), 1);
        assert!(allowance.take(512).is_some(), "any size gets it");
        drop(second);
        assert_eq!(allowance.taken(), 0);
    }

    #[test]
    fn without_a_limit_there_is_always_one_and_with_none_never() {
        let unlimited = Allowance::new(None, Arc::default());
        let held: Vec<_> = (0..2000).map_while(|_| unlimited.take(128)).collect();
        assert_eq!(held.len(), 2000);
        assert!(Allowance::new(Some(0), Arc::default()).take(128).is_none());
    }

    #[test]
    fn a_size_contends_with_others_only() {
        let allowance = Allowance::new(Some(2), Arc::default());
        let held = [allowance.take(128), allowance.take(128)];
        assert_eq!(allowance.contest(128), None, "nobody waits");
        assert!(allowance.set_wants(128, true) && !allowance.set_wants(128, true), "it is new once");
        assert_eq!(allowance.contest(128), None, "nobody else waits");
        allowance.set_wants(256, true);
        assert_eq!(allowance.contest(128), Some(Contest { taken: 2, contenders: 2 }));
        allowance.set_reserved(128, 1);
        assert_eq!(allowance.contest(128), Some(Contest { taken: 1, contenders: 2 }));
        assert!(!allowance.set_wants(128, false));
        assert_eq!(allowance.contest(256), None);
        allowance.set_wants(256, false);
        assert_eq!(allowance.contest(128), None);
        drop(held);
    }
}
