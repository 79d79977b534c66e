//! Whose turn it is. Functions with something to run take turns, one call each, so that a flood of one function does not delay another's
//! single call. Pure.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    time::Instant,
};

use fungraph_model::ProjectId;
use fungraph_store::queue::FunctionNo;

/// Functions in line, each once.
#[derive(Debug, Default)]
pub(super) struct Turns {
    line: VecDeque<FunctionNo>,
    inside: HashSet<FunctionNo>,
}

impl Turns {
    /// Stands at the end of the line, unless it stands there already.
    pub(super) fn join(&mut self, function: FunctionNo) {
        if self.inside.insert(function) {
            self.line.push_back(function);
        }
    }

    /// The first one, which leaves the line.
    pub(super) fn next(&mut self) -> Option<FunctionNo> {
        let function = self.line.pop_front()?;
        self.inside.remove(&function);
        Some(function)
    }

    pub(super) fn len(&self) -> usize {
        self.line.len()
    }
}

/// Functions in the order of their turns, and how many calls run.
#[derive(Debug)]
pub(super) struct Rota {
    turns: Turns,
    /// Those whose turn was put off until a moment.
    rests: BinaryHeap<Reverse<(Instant, FunctionNo)>>,
    resting: HashSet<FunctionNo>,
    projects: HashMap<ProjectId, Busy>,
    running: usize,
    most: usize,
    most_of_project: usize,
}

/// The calls of one project that run.
#[derive(Debug, Default)]
struct Busy {
    running: usize,
    /// Functions whose turn it was while too many of the project's calls ran.
    put_off: Turns,
}

impl Rota {
    pub(super) fn new(most: usize, most_of_project: usize) -> Self {
        Self {
            turns: Turns::default(),
            rests: BinaryHeap::new(),
            resting: HashSet::new(),
            projects: HashMap::new(),
            running: 0,
            most,
            most_of_project,
        }
    }

    /// A function has something to run: it gets a turn after those that have one.
    pub(super) fn join(&mut self, function: FunctionNo) {
        self.turns.join(function);
    }

    /// A function's turn is put off until `until`, or the moment that was told before.
    pub(super) fn rest(&mut self, function: FunctionNo, until: Instant) {
        if self.resting.insert(function) {
            self.rests.push(Reverse((until, function)));
        }
    }

    /// When the next function has rested enough.
    pub(super) fn next_rested(&self) -> Option<Instant> {
        self.rests.peek().map(|Reverse((until, _))| *until)
    }

    /// Whose turn it is; whoever is asked for has to join again.
    pub(super) fn next(&mut self, now: Instant) -> Option<FunctionNo> {
        if self.running >= self.most {
            return None;
        }
        while let Some(Reverse((_, function))) = self.rests.peek().copied().filter(|Reverse((until, _))| *until <= now)
        {
            self.rests.pop();
            self.resting.remove(&function);
            self.join(function);
        }
        self.turns.next()
    }

    /// Whether a call of a project could begin, were there a place for it.
    pub(super) fn has_place(&self, project: &ProjectId) -> bool {
        self.projects.get(project).is_none_or(|busy| busy.running < self.most_of_project)
    }

    /// A call begins; `false` where too many of its project run, and the turn is put off until one of them has ended.
    pub(super) fn take(&mut self, project: &ProjectId, function: FunctionNo) -> bool {
        let busy = self.projects.entry(project.clone()).or_default();
        if busy.running >= self.most_of_project {
            busy.put_off.join(function);
            return false;
        }
        busy.running += 1;
        self.running += 1;
        true
    }

    /// A call has ended, or did not begin after all.
    pub(super) fn give_back(&mut self, project: &ProjectId) {
        self.running = self.running.saturating_sub(1);
        let Some(busy) = self.projects.get_mut(project) else { return };
        busy.running = busy.running.saturating_sub(1);
        let mut put_off = std::mem::take(&mut busy.put_off);
        if busy.running == 0 {
            self.projects.remove(project);
        }
        while let Some(function) = put_off.next() {
            self.join(function);
        }
    }

    /// Calls that run.
    pub(super) fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn project(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    const FLOOD: FunctionNo = FunctionNo(1);
    const ONE: FunctionNo = FunctionNo(2);

    #[test]
    fn functions_take_turns() {
        let (mut rota, now) = (Rota::new(100, 100), Instant::now());
        rota.join(FLOOD);
        rota.join(FLOOD);
        let mut order = Vec::new();
        for round in 0..4 {
            let function = rota.next(now).expect("somebody");
            order.push(function.0);
            assert!(rota.take(&project("p"), function));
            if function == FLOOD {
                rota.join(FLOOD);
            }
            if round == 1 {
                rota.join(ONE);
            }
        }
        assert_eq!(order, [1, 1, 1, 2]);
    }

    #[test]
    fn so_many_run_at_once() {
        let (mut rota, now) = (Rota::new(1, 100), Instant::now());
        rota.join(FLOOD);
        rota.join(ONE);
        assert_eq!(rota.next(now), Some(FLOOD));
        assert!(rota.take(&project("p"), FLOOD));
        assert_eq!(rota.next(now), None);
        rota.give_back(&project("p"));
        assert_eq!((rota.next(now), rota.next(now)), (Some(ONE), None));
    }

    #[test]
    fn a_project_that_has_enough_does_not_stand_in_the_way_of_others() {
        let (mut rota, now) = (Rota::new(100, 1), Instant::now());
        assert!(rota.take(&project("busy"), FLOOD));
        rota.join(FLOOD);
        rota.join(ONE);
        assert_eq!(rota.next(now), Some(FLOOD));
        assert!(!rota.take(&project("busy"), FLOOD));
        assert_eq!(rota.next(now), Some(ONE));
        assert!(rota.take(&project("other"), ONE));
        assert_eq!(rota.next(now), None);
        rota.give_back(&project("busy"));
        assert_eq!(rota.next(now), Some(FLOOD));
    }

    #[test]
    fn whoever_rests_has_no_turn() {
        let (mut rota, now) = (Rota::new(100, 100), Instant::now());
        let later = now + Duration::from_secs(1);
        rota.rest(ONE, later);
        assert_eq!((rota.next(now), rota.next_rested()), (None, Some(later)));
        assert_eq!((rota.next(later), rota.next_rested()), (Some(ONE), None));
    }
}
