//! Whose turn it is. Projects with something to run take turns, and in each its functions, one call each (`turns.rs`). Pure.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::Instant,
};

use fungraph_model::ProjectId;
use fungraph_store::queue::FunctionNo;

use super::turns::Turns;

/// Functions in the order of their turns, and how many calls run.
#[derive(Debug)]
pub(super) struct Rota {
    turns: Turns,
    /// Those whose turn was put off until a moment.
    rests: BinaryHeap<Reverse<(Instant, FunctionNo)>>,
    resting: HashMap<FunctionNo, ProjectId>,
    /// The calls of projects that run.
    busy: HashMap<ProjectId, usize>,
    running: usize,
    most: usize,
    most_of_project: usize,
}

impl Rota {
    pub(super) fn new(most: usize, most_of_project: usize) -> Self {
        Self {
            turns: Turns::default(),
            rests: BinaryHeap::new(),
            resting: HashMap::new(),
            busy: HashMap::new(),
            running: 0,
            most,
            most_of_project,
        }
    }

    /// A function has something to run: it gets a turn after those of its project that have one.
    pub(super) fn join(&mut self, project: &ProjectId, function: FunctionNo) {
        self.turns.join(project, function);
    }

    /// A function's turn is put off until `until`, or the moment that was told before.
    pub(super) fn rest(&mut self, project: &ProjectId, function: FunctionNo, until: Instant) {
        if self.resting.insert(function, project.clone()).is_none() {
            self.rests.push(Reverse((until, function)));
        }
    }

    /// When the next function has rested enough.
    pub(super) fn next_rested(&self) -> Option<Instant> {
        self.rests.peek().map(|Reverse((until, _))| *until)
    }

    /// Whose turn it is; whoever is asked for has to join again. Of a project of which enough runs nobody has one.
    pub(super) fn next(&mut self, now: Instant) -> Option<FunctionNo> {
        if self.running >= self.most {
            return None;
        }
        while let Some(Reverse((_, function))) = self.rests.peek().copied().filter(|Reverse((until, _))| *until <= now)
        {
            self.rests.pop();
            if let Some(project) = self.resting.remove(&function) {
                self.turns.join(&project, function);
            }
        }
        self.turns.next()
    }

    /// The function whose turn it was begins nothing: its project has not had its turn yet.
    pub(super) fn pass(&mut self, project: &ProjectId) {
        self.turns.pass(project);
    }

    /// Whether a call of a project could begin, were there a place for it.
    pub(super) fn has_place(&self, project: &ProjectId) -> bool {
        self.busy.get(project).is_none_or(|running| *running < self.most_of_project)
    }

    /// A call begins of the one whose turn it is.
    pub(super) fn take(&mut self, project: &ProjectId) {
        let running = self.busy.entry(project.clone()).or_default();
        *running += 1;
        self.running += 1;
        if *running >= self.most_of_project {
            self.turns.hold(project);
        }
    }

    /// A call has ended, or did not begin after all.
    pub(super) fn give_back(&mut self, project: &ProjectId) {
        self.running = self.running.saturating_sub(1);
        let Some(running) = self.busy.get_mut(project) else { return };
        *running = running.saturating_sub(1);
        if *running == 0 {
            self.busy.remove(project);
        }
        if self.has_place(project) {
            self.turns.release(project);
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
        rota.join(&project("p"), FLOOD);
        rota.join(&project("p"), FLOOD);
        let mut order = Vec::new();
        for round in 0..4 {
            let function = rota.next(now).expect("somebody");
            order.push(function.0);
            rota.take(&project("p"));
            if function == FLOOD {
                rota.join(&project("p"), FLOOD);
            }
            if round == 1 {
                rota.join(&project("p"), ONE);
            }
        }
        assert_eq!(order, [1, 1, 1, 2]);
    }

    #[test]
    fn so_many_run_at_once() {
        let (mut rota, now) = (Rota::new(1, 100), Instant::now());
        rota.join(&project("p"), FLOOD);
        rota.join(&project("p"), ONE);
        assert_eq!(rota.next(now), Some(FLOOD));
        rota.take(&project("p"));
        assert_eq!(rota.next(now), None);
        rota.give_back(&project("p"));
        assert_eq!((rota.next(now), rota.next(now)), (Some(ONE), None));
    }

    #[test]
    fn a_project_that_has_enough_does_not_stand_in_the_way_of_others() {
        let (mut rota, now) = (Rota::new(100, 1), Instant::now());
        rota.take(&project("busy"));
        rota.join(&project("busy"), FLOOD);
        rota.join(&project("other"), ONE);
        assert_eq!(rota.next(now), Some(ONE));
        rota.take(&project("other"));
        assert_eq!(rota.next(now), None);
        rota.give_back(&project("busy"));
        assert_eq!(rota.next(now), Some(FLOOD));
    }

    #[test]
    fn a_project_with_thousands_of_functions_begins_as_many_calls_as_one_with_one() {
        let (mut rota, now) = (Rota::new(100, 100), Instant::now());
        (1..=5000).for_each(|no| rota.join(&project("many"), FunctionNo(no)));
        let single = FunctionNo(9999);
        rota.join(&project("one"), single);
        let mut begun = [0, 0];
        for _ in 0..100 {
            let function = rota.next(now).expect("somebody");
            let who = if function == single { "one" } else { "many" };
            rota.take(&project(who));
            rota.join(&project(who), function);
            begun[usize::from(function == single)] += 1;
        }
        assert_eq!(begun, [50, 50]);
    }

    #[test]
    fn whoever_rests_has_no_turn() {
        let (mut rota, now) = (Rota::new(100, 100), Instant::now());
        let later = now + Duration::from_secs(1);
        rota.rest(&project("p"), ONE, later);
        assert_eq!((rota.next(now), rota.next_rested()), (None, Some(later)));
        assert_eq!((rota.next(later), rota.next_rested()), (Some(ONE), None));
    }
}
