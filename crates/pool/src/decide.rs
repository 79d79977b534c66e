//! What to do with the next call of a function. Pure: state in, decision out; no I/O, no clock, no lock.

/// What the pool knows about one revision of one function at the moment of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Most instances; `None` for no limit.
    pub most_instances: Option<usize>,
    /// Calls at once in one instance.
    pub slots_each: usize,
    /// Loaded instances, busy or not.
    pub ready: usize,
    /// Instances being started.
    pub starting: usize,
    /// Whether a loaded instance has a free slot.
    pub free: bool,
    /// Calls running now.
    pub running: usize,
    /// Processors of the host.
    pub processors: usize,
    /// What a run takes when nothing holds it up, in microseconds, once known.
    pub quick_us: Option<u64>,
    /// Calls in line.
    pub waiting: usize,
    /// Calls that may be in line.
    pub queue_limit: usize,
    /// Average time of a run in microseconds, once known.
    pub run_us: Option<u64>,
    /// Average time of a start in microseconds, once known.
    pub start_us: Option<u64>,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Use the free slot.
    Use,
    /// Stand in line, first come, first served.
    Wait {
        /// And start another instance.
        launch: bool,
    },
    /// Answer 429.
    Refuse(Refusal),
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The function may have no instances (`concurrency` 0).
    Disabled,
    /// The line is full.
    QueueFull,
    /// No instance was free in time.
    WaitedTooLong,
    /// One instance needs more memory than all together may have.
    NeverFits,
    /// The server is stopping.
    Stopping,
}

/// Chooses for a call that just came.
#[must_use]
pub fn decide(view: &View) -> Decision {
    if view.most_instances == Some(0) {
        Decision::Refuse(Refusal::Disabled)
    } else if view.free && !crowded(view) {
        Decision::Use
    } else if view.waiting >= view.queue_limit {
        Decision::Refuse(Refusal::QueueFull)
    } else {
        Decision::Wait { launch: !view.free && may_grow(view) && !covered(view, view.waiting + 1) && !soon_free(view) }
    }
}

/// What is done for a line that did not move as fast as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// The first in line gets the free slot after all.
    Use,
    /// Another instance is started.
    Launch,
    /// Nothing can be done.
    Wait,
}

/// Chooses for a line in which somebody has waited longer than was expected: the averages were wrong for him.
#[must_use]
pub fn decide_overdue(view: &View) -> Overdue {
    if view.free {
        Overdue::Use
    } else if may_grow(view) && !covered(view, view.waiting) {
        Overdue::Launch
    } else {
        Overdue::Wait
    }
}

/// Runs shorter than this are over before another process would have been woken for the call in line.
const SHORT_US: u64 = 500;

/// Whether a free instance is better left asleep: every processor has two short runs to do already, and a third would only make
/// them all slower. Measured: 16 instances that take turns on 2 processors reach 60 % of what 2 instances reach.
/// Even where the runs wait for something else instead of computing, the line then moves as fast as the processors can carry it.
fn crowded(view: &View) -> bool {
    view.running >= 2 * view.processors && view.quick_us.is_some_and(|us| us < SHORT_US)
}

fn may_grow(view: &View) -> bool {
    view.most_instances.is_none_or(|most| view.ready + view.starting < most)
}

/// Whether the instances being started will have room for everyone in line.
fn covered(view: &View, waiting: usize) -> bool {
    waiting <= view.starting * view.slots_each
}

/// Whether the busy instances will be through with the line before a new one would be up. Without numbers: no. While there are
/// fewer instances than processors, a line always means that one more would help, however short the runs.
fn soon_free(view: &View) -> bool {
    if view.ready + view.starting < view.processors {
        return false;
    }
    let (Some(run_us), Some(start_us)) = (view.run_us, view.start_us) else { return false };
    let slots = (view.ready * view.slots_each) as u64;
    slots > 0 && run_us.saturating_mul(view.waiting as u64 + 1) / slots < start_us
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: View = View {
        most_instances: Some(400),
        slots_each: 1,
        ready: 0,
        starting: 0,
        free: false,
        running: 0,
        processors: 2,
        quick_us: None,
        waiting: 0,
        queue_limit: 1000,
        run_us: None,
        start_us: None,
    };

    fn check(view: View, expected: Decision) {
        assert_eq!(decide(&view), expected, "{view:?}");
    }

    #[test]
    fn first_call_starts_an_instance() {
        check(NEW, Decision::Wait { launch: true });
    }

    #[test]
    fn free_slot_is_used_even_while_others_start() {
        check(View { free: true, ready: 1, starting: 3, ..NEW }, Decision::Use);
    }

    #[test]
    fn disabled_function_is_refused_whatever_is_free() {
        check(View { most_instances: Some(0), free: true, ready: 1, ..NEW }, Decision::Refuse(Refusal::Disabled));
    }

    #[test]
    fn full_line_is_refused() {
        check(View { waiting: 1000, ready: 1, ..NEW }, Decision::Refuse(Refusal::QueueFull));
    }

    #[test]
    fn each_start_serves_as_many_as_it_has_slots() {
        check(View { starting: 1, waiting: 0, ..NEW }, Decision::Wait { launch: false });
        check(View { starting: 1, waiting: 1, ..NEW }, Decision::Wait { launch: true });
        check(View { starting: 1, waiting: 3, slots_each: 4, ..NEW }, Decision::Wait { launch: false });
    }

    #[test]
    fn limit_of_instances_holds_in_a_burst() {
        check(
            View { most_instances: Some(2), ready: 1, starting: 1, waiting: 5, ..NEW },
            Decision::Wait { launch: false },
        );
        check(View { most_instances: None, ready: 5000, waiting: 5, ..NEW }, Decision::Wait { launch: true });
    }

    #[test]
    fn short_runs_wait_instead_of_starting_more() {
        let busy = View { ready: 2, run_us: Some(200), start_us: Some(40_000), ..NEW };
        check(View { waiting: 14, ..busy }, Decision::Wait { launch: false });
        check(View { waiting: 500, ..busy }, Decision::Wait { launch: true });
        check(View { run_us: Some(1_000_000), ..busy }, Decision::Wait { launch: true });
    }

    #[test]
    fn short_runs_do_not_wake_more_instances_than_processors_can_run() {
        let busy = View { free: true, ready: 16, running: 4, quick_us: Some(150), ..NEW };
        check(busy, Decision::Wait { launch: false });
        check(View { running: 3, ..busy }, Decision::Use);
        check(View { processors: 4, ..busy }, Decision::Use);
        check(View { quick_us: Some(500), ..busy }, Decision::Use);
        check(View { quick_us: None, ..busy }, Decision::Use);
    }

    #[test]
    fn line_grows_the_function_to_as_many_instances_as_processors() {
        let busy = View { run_us: Some(200), start_us: Some(40_000), waiting: 3, ..NEW };
        check(View { ready: 1, ..busy }, Decision::Wait { launch: true });
        check(View { ready: 1, starting: 1, ..busy }, Decision::Wait { launch: false });
        check(View { ready: 1, processors: 1, ..busy }, Decision::Wait { launch: false });
    }

    #[test]
    fn overdue_line_gets_what_there_is() {
        let busy = View { ready: 2, waiting: 1, run_us: Some(200), start_us: Some(40_000), ..NEW };
        for (view, expected) in [
            (busy, Overdue::Launch),
            (View { free: true, ..busy }, Overdue::Use),
            (View { starting: 1, ..busy }, Overdue::Wait),
            (View { most_instances: Some(2), ..busy }, Overdue::Wait),
        ] {
            assert_eq!(decide_overdue(&view), expected, "{view:?}");
        }
    }
}
