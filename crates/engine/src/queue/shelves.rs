//! Who may have how many bytes of waiting calls in memory. Pure.
//!
//! There is room for whoever comes, up to a part of all. Beyond it projects share alike, and in each its functions: a project with thousands of
//! functions has no more than another one with a single one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound::{Excluded, Unbounded},
    time::Instant,
};

use fungraph_model::ProjectId;
use fungraph_store::queue::FunctionNo;

use super::lane::STUCK;

/// Bytes that all calls in memory may take before they run.
pub(super) const SHELVES: usize = 32 << 20;
/// Up to here whoever comes has room; beyond it there are shares.
pub(super) const FREE: usize = SHELVES / 4 * 3;
/// The same for those that give nothing out; beyond it they have none.
const FREE_FOR_STUCK: usize = SHELVES / 2;

/// Functions that are found at once: each takes a moment, in which the board stands still.
const AT_ONCE: usize = 4096;

/// What is taken.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    weight: usize,
    /// Projects that have something.
    projects: HashMap<ProjectId, Held>,
}

/// What a function has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) weight: usize,
    /// Whether that is a single call, which it keeps whatever its share is.
    pub(super) is_one: bool,
    /// When it gave a call out last.
    pub(super) gave: Instant,
}

/// What a project has. Its functions that have some of it are in order, so that whoever has too much is found without a look at all: there may
/// be tens of thousands, and the board stands still meanwhile.
#[derive(Debug, Default)]
struct Held {
    weight: usize,
    /// Those that have more than one call.
    by_weight: BTreeSet<(usize, FunctionNo)>,
    by_turn: BTreeMap<(Instant, FunctionNo), usize>,
}

/// What a project may have where there is no room for more, and each of its functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) of_project: usize,
    pub(super) of_function: usize,
}

impl Held {
    fn share(&self, of_project: usize) -> Share {
        Share { of_project, of_function: of_project / (self.by_turn.len() + 1) }
    }

    fn take(&mut self, function: FunctionNo, part: Part) {
        self.by_weight.remove(&(part.weight, function));
        self.weight -= self.by_turn.remove(&(part.gave, function)).unwrap_or(0);
    }

    fn put(&mut self, function: FunctionNo, part: Part) {
        if part.weight == 0 {
            return;
        }
        if !part.is_one {
            self.by_weight.insert((part.weight, function));
        }
        self.by_turn.insert((part.gave, function), part.weight);
        self.weight += part.weight;
    }

    /// Functions that have given nothing out for a while.
    fn stuck(&self, now: Instant) -> impl Iterator<Item = FunctionNo> {
        let is_stuck = move |(gave, _): &&(Instant, FunctionNo)| now.saturating_duration_since(*gave) >= STUCK;
        self.by_turn.keys().take_while(is_stuck).map(|(_, function)| *function)
    }

    /// Functions that have more than so many bytes, in more than one call.
    fn heavier(&self, most: usize) -> impl Iterator<Item = FunctionNo> {
        let heavier = self.by_weight.range((Excluded((most, FunctionNo(i64::MAX))), Unbounded));
        heavier.map(|(_, function)| *function)
    }

    /// Functions without which it has no more than so many bytes. Those come first that had their turn last: it is longest until their next.
    fn beyond(&self, most: usize) -> impl Iterator<Item = FunctionNo> {
        let latest = self.by_turn.iter().rev();
        latest.scan(self.weight, move |left, ((_, function), weight)| {
            let goes = *left > most;
            *left -= weight;
            goes.then_some(*function)
        })
    }
}

impl Shelves {
    /// What a function of a project has is something else now.
    pub(super) fn moved(&mut self, project: &ProjectId, function: FunctionNo, before: Part, after: Part) {
        if before == after || before.weight + after.weight == 0 {
            return;
        }
        if !self.projects.contains_key(project) {
            self.projects.insert(project.clone(), Held::default());
        }
        let Some(held) = self.projects.get_mut(project) else { return };
        let had = held.weight;
        held.take(function, before);
        held.put(function, after);
        self.weight = (self.weight + held.weight).saturating_sub(had);
        if held.by_turn.is_empty() {
            self.projects.remove(project);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.weight >= SHELVES
    }

    /// Functions that leave room for one of `asking`, and the bytes that each may keep: those that have more than their share, and all of it
    /// those that give nothing out.
    pub(super) fn over(&self, asking: &ProjectId, now: Instant) -> Vec<(FunctionNo, usize)> {
        let of_project = self.of_project(asking);
        let over = self.projects.values().flat_map(|held| {
            let most = held.share(of_project).of_function;
            let heavier = held.heavier(most).map(move |function| (function, most));
            heavier.chain(held.stuck(now).map(|function| (function, 0)))
        });
        over.take(AT_ONCE).collect()
    }

    /// Functions without which no project has more than its share: the first call of each may be more than all may have together.
    pub(super) fn beyond(&self, asking: &ProjectId) -> Vec<FunctionNo> {
        let of_project = self.of_project(asking);
        self.projects.values().flat_map(|held| held.beyond(of_project)).take(AT_ONCE).collect()
    }

    /// The share of a project's functions, one that comes included, while functions of `asking` ask for room.
    pub(super) fn share(&self, project: &ProjectId, asking: &ProjectId) -> Share {
        let of_project = self.of_project(asking);
        self.projects.get(project).map_or(Share { of_project, of_function: of_project }, |held| held.share(of_project))
    }

    fn of_project(&self, asking: &ProjectId) -> usize {
        SHELVES / (self.projects.len() + usize::from(!self.projects.contains_key(asking)))
    }

    /// Bytes that a function may take beside the `weight` that it has.
    pub(super) fn room(&self, project: &ProjectId, weight: usize, is_stuck: bool) -> usize {
        if self.is_full() {
            return 0;
        }
        if is_stuck {
            return FREE_FOR_STUCK.saturating_sub(self.weight);
        }
        let share = self.share(project, project);
        let left = share.of_project.saturating_sub(self.weight_of(project));
        share.of_function.saturating_sub(weight).min(left).max(FREE.saturating_sub(self.weight))
    }

    pub(super) fn weight_of(&self, project: &ProjectId) -> usize {
        self.projects.get(project).map_or(0, |held| held.weight)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.weight == 0 && self.projects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn project(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    /// Shelves with functions that were numbered, each with so many bytes.
    struct Filled {
        shelves: Shelves,
        parts: HashMap<FunctionNo, Part>,
        now: Instant,
    }

    impl Filled {
        fn new() -> Self {
            Self { shelves: Shelves::default(), parts: HashMap::new(), now: Instant::now() }
        }

        fn set(&mut self, project: &ProjectId, no: i64, weight: usize) {
            let (no, after) = (FunctionNo(no), Part { weight, is_one: weight <= 1024, gave: self.now });
            let before = self.parts.insert(no, after).unwrap_or(Part { weight: 0, ..after });
            self.shelves.moved(project, no, before, after);
        }
    }

    #[test]
    fn projects_share_alike_and_in_each_its_functions() {
        let (mut filled, many, one) = (Filled::new(), project("many"), project("one"));
        assert_eq!(filled.shelves.room(&one, 0, false), SHELVES, "nobody else is there");
        let each = FREE / 1000;
        (1..=1000).for_each(|no| filled.set(&many, no, each));
        assert_eq!(filled.shelves.share(&many, &many).of_project, SHELVES);
        assert_eq!(filled.shelves.share(&many, &one).of_project, SHELVES / 2, "somebody else asks");
        assert_eq!(filled.shelves.room(&one, 0, false), SHELVES / 2);
        filled.set(&many, 1, each + FREE - 1000 * each);
        assert!(filled.shelves.room(&many, each, false) < each, "each of its functions has next to nothing");
        assert_eq!(filled.shelves.room(&many, each, true), 0);
        filled.set(&one, 2000, SHELVES - FREE);
        assert!(filled.shelves.is_full());
        assert_eq!(filled.shelves.room(&one, SHELVES - FREE, false), 0);
        filled.set(&one, 2000, 0);
        (1..=1000).for_each(|no| filled.set(&many, no, 0));
        assert!(filled.shelves.is_empty(), "nothing is kept of who has nothing");
    }

    #[test]
    fn of_very_many_functions_only_those_are_found_that_have_too_much() {
        let (mut filled, many) = (Filled::new(), project("many"));
        (1..=30_000).for_each(|no| filled.set(&many, no, 512));
        filled.set(&many, 7, 600);
        filled.now += STUCK;
        (1..=30_000).filter(|no| *no != 9).for_each(|no| filled.set(&many, no, if no == 7 { 1200 } else { 512 }));
        let most = filled.shelves.share(&many, &many).of_function;
        assert_eq!(filled.shelves.over(&many, filled.now), [(FunctionNo(7), most), (FunctionNo(9), 0)]);
        assert!(filled.shelves.beyond(&many).is_empty());
    }

    #[test]
    fn a_project_whose_functions_have_one_call_each_loses_those_that_had_their_turn_last() {
        let (mut filled, many, one) = (Filled::new(), project("many"), project("one"));
        let each = SHELVES / 100;
        for no in [4, 3, 2, 1] {
            filled.now += Duration::from_millis(1);
            (0..25).for_each(|more| filled.set(&many, no * 100 + more, each));
        }
        let over = filled.shelves.beyond(&one);
        assert_eq!(over.len(), 50);
        assert!(over.iter().all(|no| no.0 < 300), "{over:?}");
        over.into_iter().for_each(|no| filled.set(&many, no.0, 0));
        assert!(filled.shelves.beyond(&one).is_empty() && filled.shelves.weight_of(&many) > SHELVES / 3);
    }
}
