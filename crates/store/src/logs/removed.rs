//! Which functions are deleted: their instances may still print, calls of theirs may still end, and the next function of the
//! same name must not show it. Nothing of this outlives the server, and neither do the instances.

use std::collections::{HashSet, VecDeque};

/// The last so many are remembered; an instance ends long before so many functions are deleted.
const REMEMBERED: usize = 10_000;

/// Ids of deleted functions, oldest first.
#[derive(Debug, Default)]
pub(super) struct Removed {
    order: VecDeque<String>,
    ids: HashSet<String>,
}

impl Removed {
    pub(super) fn add(&mut self, func_id: &str) {
        if !self.ids.insert(func_id.to_owned()) {
            return;
        }
        self.order.push_back(func_id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, func_id: &str) -> bool {
        self.ids.contains(func_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered() {
        let mut removed = Removed::default();
        for n in 0..=REMEMBERED {
            removed.add(&n.to_string());
            removed.add("0");
        }
        assert!(!removed.contains("1") && removed.contains("2") && removed.contains(&REMEMBERED.to_string()));
        assert_eq!((removed.order.len(), removed.ids.len()), (REMEMBERED, REMEMBERED));
    }
}
