//! Which host ids belong to which sandbox.

use std::collections::BTreeSet;

use super::bundle::IDS_PER_SANDBOX;

/// Far above what distributions, `useradd` and container programs give out.
const FIRST_ID: u32 = 0x6000_0000;
/// Sandboxes of one spawner that can run at once.
const SLOTS: u32 = 1024;
/// Blocks of slots below 2^32; two spawners on one host take different ones, if their names' hashes do.
const BLOCKS: u32 = (u32::MAX - FIRST_ID) / (SLOTS * IDS_PER_SANDBOX);

/// Slots in use. The lowest free one is taken, so that a small server stays within few ids.
#[derive(Debug)]
pub(super) struct Slots {
    block: u32,
    used: BTreeSet<u32>,
}

/// A range of host ids, its own until [`Slots::give_back`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slot(u32);

impl Slots {
    pub(super) fn new(name: &str) -> Slots {
        let hash = name.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        Slots { block: hash % BLOCKS, used: BTreeSet::new() }
    }

    pub(super) fn take(&mut self) -> Option<Slot> {
        let free = (0..SLOTS).find(|number| !self.used.contains(number))?;
        self.used.insert(free);
        Some(Slot(free))
    }

    #[expect(clippy::needless_pass_by_value, reason = "a slot given back is no longer the giver's")]
    pub(super) fn give_back(&mut self, slot: Slot) {
        self.used.remove(&slot.0);
    }

    /// The host id of the sandbox's root; its other ids follow.
    pub(super) fn first_id(&self, slot: &Slot) -> u32 {
        FIRST_ID + (self.block * SLOTS + slot.0) * IDS_PER_SANDBOX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_distinct_and_fit() {
        for name in ["", "a", "zzzzzzzz", "3f9a0c"] {
            let mut slots = Slots::new(name);
            let taken: Vec<Slot> = std::iter::from_fn(|| slots.take()).collect();
            let ids: BTreeSet<u32> = taken.iter().map(|slot| slots.first_id(slot)).collect();
            assert_eq!(ids.len(), SLOTS as usize);
            assert!(ids.iter().all(|id| id.checked_add(IDS_PER_SANDBOX).is_some()));
        }
    }

    #[test]
    fn the_lowest_free_slot_is_next() {
        let mut slots = Slots::new("a");
        let (first, _second) = (slots.take().expect("it is free"), slots.take().expect("it is free"));
        let id = slots.first_id(&first);
        slots.give_back(first);
        let again = slots.take().expect("it is free");
        assert_eq!(slots.first_id(&again), id);
    }
}
