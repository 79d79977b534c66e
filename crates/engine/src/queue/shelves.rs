//! Who may have how many bytes of waiting calls in memory. Pure.
//!
//! There is room for whoever comes, up to a part of all. Beyond it projects share alike, and in each its functions: a project with thousands of
//! functions has no more than another one with a single one.

use std::collections::HashMap;

use fungraph_model::ProjectId;

/// Bytes that all calls in memory may take before they run.
pub(super) const SHELVES: usize = 32 << 20;
/// Up to here whoever comes has room; beyond it there are shares.
pub(super) const FREE: usize = SHELVES / 4 * 3;
/// The same for those that give nothing out; beyond it they have none.
const FREE_FOR_STUCK: usize = SHELVES / 2;

/// What is taken.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    weight: usize,
    /// Projects that have something.
    projects: HashMap<ProjectId, Held>,
}

/// What a project has.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    weight: usize,
    /// Its functions that have some of it.
    functions: usize,
}

/// What a project may have where there is no room for more, and each of its functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) of_project: usize,
    pub(super) of_function: usize,
}

impl Shelves {
    /// A function of a project has `after` bytes now.
    pub(super) fn moved(&mut self, project: &ProjectId, before: usize, after: usize) {
        if before == after {
            return;
        }
        if !self.projects.contains_key(project) {
            self.projects.insert(project.clone(), Held::default());
        }
        let Some(held) = self.projects.get_mut(project) else { return };
        held.functions = (held.functions + usize::from(after > 0)).saturating_sub(usize::from(before > 0));
        for weight in [&mut held.weight, &mut self.weight] {
            *weight = (*weight + after).saturating_sub(before);
        }
        if held.functions == 0 {
            self.projects.remove(project);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.weight >= SHELVES
    }

    /// The share of a project's functions, one that comes included, while functions of `asking` ask for room.
    pub(super) fn share(&self, project: &ProjectId, asking: &ProjectId) -> Share {
        let projects = self.projects.len() + usize::from(!self.projects.contains_key(asking));
        let of_project = SHELVES / projects.max(1);
        Share { of_project, of_function: of_project / (self.held(project).functions + 1) }
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
        let left = share.of_project.saturating_sub(self.held(project).weight);
        share.of_function.saturating_sub(weight).min(left).max(FREE.saturating_sub(self.weight))
    }

    fn held(&self, project: &ProjectId) -> Held {
        self.projects.get(project).copied().unwrap_or_default()
    }

    pub(super) fn weight_of(&self, project: &ProjectId) -> usize {
        self.held(project).weight
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.weight == 0 && self.projects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    #[test]
    fn projects_share_alike_and_in_each_its_functions() {
        let (mut shelves, many, one) = (Shelves::default(), project("many"), project("one"));
        assert_eq!(shelves.room(&one, 0, false), SHELVES, "nobody else is there");
        let each = FREE / 1000;
        (0..1000).for_each(|_| shelves.moved(&many, 0, each));
        assert_eq!(shelves.share(&many, &many).of_project, SHELVES);
        assert_eq!(shelves.share(&many, &one).of_project, SHELVES / 2, "somebody else asks");
        assert_eq!(shelves.room(&one, 0, false), SHELVES / 2);
        shelves.moved(&many, 0, FREE - 1000 * each);
        assert!(shelves.room(&many, each, false) < each, "each of its functions has next to nothing");
        assert_eq!(shelves.room(&many, each, true), 0);
        shelves.moved(&one, 0, SHELVES - FREE);
        assert!(shelves.is_full());
        assert_eq!(shelves.room(&one, SHELVES - FREE, false), 0);
        shelves.moved(&one, SHELVES - FREE, 0);
        (0..1000).for_each(|_| shelves.moved(&many, each, 0));
        shelves.moved(&many, FREE - 1000 * each, 0);
        assert!(shelves.is_empty(), "nothing is kept of who has nothing");
    }
}
