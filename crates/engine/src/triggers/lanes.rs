//! How many timers' calls there may be at once. Each call has a task of its own, so that a slow function delays nobody; what is bounded
//! is what one timer, one project and all together may have under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use fungraph_model::{ProjectId, TriggerId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls of one timer that run or wait to run: more are left out.
const OF_A_TIMER: usize = 100;
/// Calls of one project that run or wait to run: more are left out.
const OF_A_PROJECT: usize = 10_000;
/// Calls of one project that run.
const RUNNING_OF_A_PROJECT: usize = 500;
/// Calls of all that run.
const RUNNING: usize = 2000;

/// The calls of all timers.
#[derive(Clone)]
pub(super) struct Lanes(Arc<Inner>);

struct Inner {
    running: Arc<Semaphore>,
    there: Mutex<There>,
}

#[derive(Default)]
struct There {
    timers: HashMap<TriggerId, usize>,
    projects: HashMap<ProjectId, Lane>,
}

struct Lane {
    running: Arc<Semaphore>,
    there: usize,
}

impl Default for Lanes {
    fn default() -> Self {
        Self(Arc::new(Inner { running: Arc::new(Semaphore::new(RUNNING)), there: Mutex::default() }))
    }
}

/// A call that may run once its turn has come. It gives its place back when it is dropped.
pub(super) struct Place {
    lanes: Lanes,
    timer: TriggerId,
    project: ProjectId,
    lane: Arc<Semaphore>,
}

impl Lanes {
    /// A place in line; `None` where the timer or its project has too many already.
    pub(super) fn enter(&self, timer: &TriggerId, project: &ProjectId) -> Option<Place> {
        let mut there = self.0.there.lock().unwrap_or_else(PoisonError::into_inner);
        let There { timers, projects } = &mut *there;
        let of_timer = timers.get(timer).copied().unwrap_or(0);
        let of_project = projects.get(project).map_or(0, |lane| lane.there);
        if of_timer >= OF_A_TIMER || of_project >= OF_A_PROJECT {
            return None;
        }
        timers.insert(timer.clone(), of_timer + 1);
        let lane = projects
            .entry(project.clone())
            .or_insert_with(|| Lane { running: Arc::new(Semaphore::new(RUNNING_OF_A_PROJECT)), there: 0 });
        lane.there += 1;
        let lane = Arc::clone(&lane.running);
        Some(Place { lanes: self.clone(), timer: timer.clone(), project: project.clone(), lane })
    }
}

impl Place {
    /// Waits for its turn: first among the project's, then among all.
    pub(super) async fn turn(&self) -> [OwnedSemaphorePermit; 2] {
        let of_project = Arc::clone(&self.lane).acquire_owned().await;
        let of_all = Arc::clone(&self.lanes.0.running).acquire_owned().await;
        [of_project, of_all].map(|permit| permit.expect("nobody closes it"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut there = self.lanes.0.there.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = there.timers.get_mut(&self.timer) {
            *count -= 1;
            if *count == 0 {
                there.timers.remove(&self.timer);
            }
        }
        if let Some(lane) = there.projects.get_mut(&self.project) {
            lane.there -= 1;
            if lane.there == 0 {
                there.projects.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context, task::Poll};

    use super::*;

    fn timer(number: usize) -> TriggerId {
        TriggerId(number.to_string())
    }

    fn project(name: &str) -> ProjectId {
        ProjectId(name.to_owned())
    }

    fn turn_of(place: &Place) -> Option<[OwnedSemaphorePermit; 2]> {
        let mut turn = pin!(place.turn());
        match turn.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(permits) => Some(permits),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_timer_has_so_many_calls_and_no_more() {
        let lanes = Lanes::default();
        let mut places: Vec<_> =
            (0..OF_A_TIMER).map(|_| lanes.enter(&timer(1), &project("p")).expect("a place")).collect();
        assert!(lanes.enter(&timer(1), &project("p")).is_none());
        assert!(lanes.enter(&timer(2), &project("p")).is_some(), "another timer has its own");
        places.pop();
        assert!(lanes.enter(&timer(1), &project("p")).is_some());
    }

    #[test]
    fn a_project_that_keeps_all_its_calls_running_leaves_room_for_others() {
        let lanes = Lanes::default();
        let enter = |number: usize, name: &str| lanes.enter(&timer(number), &project(name)).expect("a place");
        let busy: Vec<_> = (0..RUNNING_OF_A_PROJECT + 1).map(|number| enter(number, "busy")).collect();
        let running: Vec<_> = busy.iter().map_while(turn_of).collect();
        assert_eq!(running.len(), RUNNING_OF_A_PROJECT);
        assert!(turn_of(&enter(0, "other")).is_some());
        drop(running);
        assert!(turn_of(busy.last().expect("there are some")).is_some(), "its turn has come");
    }

    #[test]
    fn nothing_stays_of_calls_that_are_over() {
        let lanes = Lanes::default();
        drop((0..50).map(|number| lanes.enter(&timer(number), &project("p"))).collect::<Vec<_>>());
        let there = lanes.0.there.lock().expect("nobody panicked");
        assert!(there.timers.is_empty() && there.projects.is_empty());
    }
}
