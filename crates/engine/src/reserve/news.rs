//! What the keeper of reserved instances has not seen yet. Most functions have none reserved, so their changes are nothing to it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use fungraph_model::FunctionKey;
use tokio::sync::Notify;

use crate::resolve::Changed;

/// Functions that are told one by one; more are as if all had changed.
const KEPT: usize = 1024;

/// Told by whoever makes a change, taken by the keeper.
#[derive(Debug, Default)]
pub(crate) struct News {
    told: Mutex<Told>,
    nudge: Notify,
}

/// What was told since it was last taken.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Reservations were set or taken back, or too much happened to tell.
    all: bool,
    functions: HashMap<FunctionKey, Reach>,
}

/// How far a change of a function goes, the shorter first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// Its instances are to be others; what is reserved stays.
    Instances,
    /// What is reserved may have gone with a version, an alias, or the whole.
    Reservations,
}

/// What the keeper has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Nothing,
    /// Look at what is kept.
    Look,
    /// Read what is reserved first.
    Read,
}

impl News {
    /// What is reserved has changed.
    pub(crate) fn reservations_changed(&self) {
        self.tell(|told| told.all = true);
    }

    /// A function has changed.
    pub(crate) fn function_changed(&self, key: &FunctionKey, changed: &Changed) {
        let reach = if *changed == Changed::Latest { Reach::Instances } else { Reach::Reservations };
        self.tell(|told| told.add(key, reach));
    }

    /// Waits until there is something to take.
    pub(super) async fn come(&self) {
        self.nudge.notified().await;
    }

    pub(super) fn take(&self) -> Told {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, tell: impl FnOnce(&mut Told)) {
        tell(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
        self.nudge.notify_one();
    }
}

impl Told {
    fn add(&mut self, key: &FunctionKey, reach: Reach) {
        if self.all {
            return;
        }
        if self.functions.len() >= KEPT && !self.functions.contains_key(key) {
            *self = Self { all: true, functions: HashMap::new() };
            return;
        }
        let known = self.functions.entry(key.clone()).or_insert(reach);
        *known = reach.max(*known);
    }

    /// What is to be done where these functions have reservations.
    pub(super) fn due<'a>(&self, reserving: impl Iterator<Item = &'a FunctionKey>) -> Due {
        if self.all {
            return Due::Read;
        }
        let of_function = |key| match self.functions.get(key) {
            None => Due::Nothing,
            Some(Reach::Instances) => Due::Look,
            Some(Reach::Reservations) => Due::Read,
        };
        // Nothing is looked up for the many changes of functions without any.
        if self.functions.is_empty() { Due::Nothing } else { reserving.map(of_function).max().unwrap_or(Due::Nothing) }
    }
}

#[cfg(test)]
mod tests {
    use fungraph_model::sample;

    use super::*;

    fn check(tell: impl FnOnce(&News), expected: Due) {
        let (news, reserving) = (News::default(), sample::function("reserving").key);
        tell(&news);
        assert_eq!(news.take().due([&reserving].into_iter()), expected);
        assert_eq!(news.take().due([&reserving].into_iter()), Due::Nothing, "what was taken is no news");
    }

    #[test]
    fn only_changes_of_functions_with_reservations_count() {
        let (reserving, other) = (sample::function("reserving").key, sample::function("other").key);
        check(|_| {}, Due::Nothing);
        check(|news| news.function_changed(&other, &Changed::Function), Due::Nothing);
        check(|news| news.function_changed(&reserving, &Changed::Latest), Due::Look);
        check(|news| news.function_changed(&reserving, &Changed::Function), Due::Read);
        check(|news| news.function_changed(&reserving, &Changed::Aliases), Due::Read);
        check(News::reservations_changed, Due::Read);
    }

    #[test]
    fn the_farther_change_counts_whichever_came_first() {
        let reserving = sample::function("reserving").key;
        for changes in [[Changed::Latest, Changed::Function], [Changed::Function, Changed::Latest]] {
            check(|news| changes.iter().for_each(|changed| news.function_changed(&reserving, changed)), Due::Read);
        }
    }

    #[test]
    fn too_many_changes_are_as_if_all_had_changed() {
        let many = |news: &News| {
            for number in 0..=KEPT {
                news.function_changed(&sample::function(&number.to_string()).key, &Changed::Latest);
            }
            assert!(news.told.lock().expect("no test panicked").functions.len() <= KEPT);
        };
        check(many, Due::Read);
    }
}
