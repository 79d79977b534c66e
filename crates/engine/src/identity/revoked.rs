//! Tokens that were given back before their time, until they would have ended. Plain data: no clock. Adding one costs the same however
//! many there are, since every request waits meanwhile.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
    sync::Arc,
};

/// Tokens of one user that are remembered at once: a day's. Whoever logs in and out without end fills no memory without end.
const MOST: usize = 10_000;
/// How many are forgotten at once, at most; each that is added brings one, so nothing piles up.
const FORGOTTEN: usize = 16;

/// The end of a token, its id, and whose it was: not known of tokens from before the start.
type Entry = (i64, Arc<str>, Option<Arc<str>>);

#[derive(Debug, Default)]
pub(super) struct Revoked {
    ids: HashSet<Arc<str>>,
    by_end: BinaryHeap<Reverse<Entry>>,
    of_users: HashMap<Arc<str>, usize>,
}

impl Revoked {
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Whether no more of a user's are remembered.
    pub(super) fn is_full_of(&self, user: &str) -> bool {
        self.of_users.get(user).is_some_and(|count| *count >= MOST)
    }

    /// Remembers a token until it would have ended.
    pub(super) fn add(&mut self, id: &str, expires: i64, user: Option<&str>) {
        let id: Arc<str> = id.into();
        if !self.ids.insert(Arc::clone(&id)) {
            return;
        }
        let user = user.map(|user| {
            let user = self.of_users.get_key_value(user).map_or_else(|| user.into(), |(known, _)| Arc::clone(known));
            *self.of_users.entry(Arc::clone(&user)).or_default() += 1;
            user
        });
        self.by_end.push(Reverse((expires, id, user)));
    }

    /// Forgets some whose end has come.
    pub(super) fn forget_before(&mut self, now: i64) {
        for _ in 0..FORGOTTEN {
            let Some(Reverse((_, id, user))) = self.pop_ended(now) else { return };
            self.ids.remove(&id);
            let Some(user) = user else { continue };
            if let Some(count) = self.of_users.get_mut(&user) {
                *count -= 1;
                if *count == 0 {
                    self.of_users.remove(&user);
                }
            }
        }
    }

    fn pop_ended(&mut self, now: i64) -> Option<Reverse<Entry>> {
        let Reverse((end, ..)) = self.by_end.peek()?;
        if *end < now { self.by_end.pop() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_forgotten_when_they_have_ended_and_not_before() {
        let mut revoked = Revoked::default();
        for (id, end) in [("late", 300), ("early", 100), ("middle", 200), ("early", 100)] {
            revoked.add(id, end, Some("ada"));
        }
        revoked.add("before", 150, None);
        revoked.forget_before(100);
        assert!(["late", "early", "middle", "before"].iter().all(|id| revoked.has(id)));
        revoked.forget_before(201);
        assert!(revoked.has("late") && !["early", "middle", "before"].iter().any(|id| revoked.has(id)));
        assert_eq!(revoked.of_users.values().sum::<usize>(), 1);
        revoked.forget_before(1000);
        assert!(revoked.ids.is_empty() && revoked.by_end.is_empty() && revoked.of_users.is_empty());
    }

    #[test]
    fn one_user_fills_a_share_and_no_more() {
        let mut revoked = Revoked::default();
        for number in 0..MOST {
            assert!(!revoked.is_full_of("ada"));
            revoked.add(&number.to_string(), 100, Some("ada"));
        }
        assert!(revoked.is_full_of("ada") && !revoked.is_full_of("bob"));
        revoked.forget_before(101);
        assert!(!revoked.is_full_of("ada"));
        assert_eq!(revoked.ids.len(), MOST - FORGOTTEN, "a few at a time");
    }
}
