//! What to do with the next call of a function. Pure: state in, decision out; no I/O, no clock, no lock.

mod growth;

pub(crate) use self::growth::{cheapest_start, trust_us};
use self::growth::{covered, enough_begun, may_grow, soon_free, starts_are_long};

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
    /// Whether those have time to spare; looked at only where no slot is free and there may be more instances.
    pub spare: bool,
    /// What a run takes when nothing holds it up, in microseconds, once known.
    pub quick_us: Option<u64>,
    /// Calls in line.
    pub waiting: usize,
    /// Calls that may join the line, by the limits of the function, its project and the host.
    pub line_room: usize,
    /// Average time of a run in microseconds, once known.
    pub run_us: Option<u64>,
    /// The same of the first run in an instance.
    pub first_run_us: Option<u64>,
    /// Blank instances that are ready.
    pub blanks: usize,
    /// Average time in microseconds that a blank instance takes to become one of this function, once known.
    pub fit_us: Option<u64>,
    /// Average time of a whole start in microseconds, once known.
    pub start_us: Option<u64>,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Use the free slot.
    Use,
    /// Stand in line, first come, first served, and perhaps let another instance be started.
    Wait(Option<Start>),
    /// Answer 429.
    Refuse(Refusal),
}

/// How an instance comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A blank instance gets the function.
    Blank,
    /// A process is started for it.
    New,
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
    } else if view.line_room == 0 {
        Decision::Refuse(Refusal::QueueFull)
    } else {
        let helps = !view.free && may_grow(view) && !covered(view, view.waiting + 1);
        let start = helps && !soon_free(view) && !enough_begun(view);
        Decision::Wait(start.then(|| cheapest_start(view)))
    }
}

/// What is done for a line that did not move as fast as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// The first in line gets the free slot after all.
    Use,
    /// Another instance is started.
    Start(Start),
    /// Nothing can be done.
    Wait,
}

/// How a line came to be overdue, seen by one who stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Whether others were served since he looked last.
    pub moved: bool,
    /// How long he has waited, in milliseconds.
    pub waited_ms: u64,
}

impl Stall {
    /// Nobody has looked yet.
    pub(crate) const NONE: Self = Self { moved: false, waited_ms: 0 };
}

/// Chooses for a line in which somebody has waited longer than was expected: the averages were wrong for him. Where others were
/// served meanwhile, it is the processors that were busy with something else (a JVM compiles for seconds what it runs often), and
/// another process on them would make everybody slower.
#[must_use]
pub fn decide_overdue(view: &View, stall: Stall) -> Overdue {
    let stuck = !stall.moved && (view.ready > 0 || starts_are_long(view, stall.waited_ms));
    // He may have looked sooner, for a free instance that somebody else has got meanwhile.
    let is_late = stall.waited_ms >= trust_us(view.start_us) / 1000;
    if view.free && stall.moved {
        Overdue::Wait
    } else if view.free {
        Overdue::Use
    } else if may_grow(view) && !covered(view, view.waiting) && (stuck || is_late && !enough_begun(view)) {
        Overdue::Start(cheapest_start(view))
    } else {
        Overdue::Wait
    }
}

/// An instance whose call has just ended, while others stand in line for what it holds: functions for room on the host, or the
/// other memory sizes of its function for one of the instances that this may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Instances of its function, or of its size, beyond those that are reserved.
    pub own: usize,
    /// The same of all functions, or of all sizes.
    pub all: usize,
    /// Functions, or sizes, that have instances or want some.
    pub contenders: usize,
    /// How long it has been there, in milliseconds.
    pub age_ms: u64,
    /// How long it serves its own line at least, in milliseconds: its start must have been worth it.
    pub least_ms: u64,
}

/// So long an instance is there at least before it makes room for another function.
pub const LEAST_TENURE_MS: u64 = 1000;

/// Before it leaves its place to another size of its function: no more than a fifth of the time is then spent on starts.
/// Without a measured start as long as for another function.
#[must_use]
pub fn least_tenure_ms(start_us: Option<u64>) -> u64 {
    start_us.map_or(LEAST_TENURE_MS, |us| us.saturating_mul(4) / 1000).min(LEAST_TENURE_MS)
}

/// Whether it leaves although its own line could use it: all share evenly while there is not enough for everybody.
#[must_use]
pub fn gives_way(tenure: &Tenure) -> bool {
    tenure.age_ms >= tenure.least_ms && tenure.own * tenure.contenders > tenure.all
}

/// The instances a function may have, seen by one of its memory sizes that wants one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Whether all are in use.
    pub full: bool,
    /// Whether another size came first and still waits.
    pub behind: bool,
    /// Whether another size has an instance that is idle and not reserved.
    pub idle: bool,
}

/// How a size gets one more instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One is free.
    Free,
    /// The least recently used idle instance of another size leaves.
    Evict,
    /// A busy one is waited for.
    Wait,
}

/// Chooses for a size that wants one more instance. Sizes take turns, one instance each.
#[must_use]
pub fn place(places: &Places) -> Place {
    match (places.behind, places.full, places.idle) {
        (true, ..) | (_, true, false) => Place::Wait,
        (false, false, _) => Place::Free,
        (false, true, true) => Place::Evict,
    }
}

/// Runs shorter than this are over before another process would have been woken for the call in line.
const SHORT_US: u64 = 500;

/// Whether a free instance is better left asleep: every processor has two short runs to do already, and a third would only make
/// them all slower. Measured: 16 instances that take turns on 2 processors reach 60 % of what 2 instances reach.
/// Even where the runs wait for something else instead of computing, the line then moves as fast as the processors can carry it.
fn crowded(view: &View) -> bool {
    view.running >= 2 * view.processors && is_short(view)
}

fn is_short(view: &View) -> bool {
    view.quick_us.is_some_and(|us| us < SHORT_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const NEW: View = View {
        most_instances: Some(400),
        slots_each: 1,
        ready: 0,
        starting: 0,
        free: false,
        running: 0,
        processors: 2,
        spare: false,
        quick_us: None,
        waiting: 0,
        line_room: 1000,
        run_us: None,
        first_run_us: None,
        blanks: 0,
        fit_us: None,
        start_us: None,
    };

    pub(super) const NEW_START: Decision = Decision::Wait(Some(Start::New));

    pub(super) fn check(view: View, expected: Decision) {
        assert_eq!(decide(&view), expected, "{view:?}");
    }

    #[test]
    fn first_call_starts_an_instance() {
        check(NEW, NEW_START);
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
        check(View { line_room: 0, ready: 1, ..NEW }, Decision::Refuse(Refusal::QueueFull));
    }

    #[test]
    fn blank_instance_is_better_than_a_new_one_and_worse_than_a_free_one() {
        let blank = Decision::Wait(Some(Start::Blank));
        check(View { blanks: 1, ..NEW }, blank);
        check(View { blanks: 1, free: true, ready: 1, ..NEW }, Decision::Use);
        check(View { blanks: 1, most_instances: Some(1), ready: 1, ..NEW }, Decision::Wait(None));
        // A line that is worth waiting in where the other way is a whole start is not where it is a blank one.
        let busy = View { ready: 2, run_us: Some(4000), start_us: Some(60_000), fit_us: Some(5000), waiting: 9, ..NEW };
        check(busy, Decision::Wait(None));
        check(View { blanks: 1, ..busy }, blank);
    }

    #[test]
    fn host_is_shared_evenly_where_there_is_not_enough_for_all() {
        let tenure = Tenure { own: 8, all: 10, contenders: 3, age_ms: 5000, least_ms: 1000 };
        for (tenure, expected) in [
            (tenure, true),
            (Tenure { own: 3, ..tenure }, false),
            (Tenure { own: 4, ..tenure }, true),
            (Tenure { age_ms: 900, ..tenure }, false),
            // One each, and one more wants some: they take turns.
            (Tenure { own: 1, all: 10, contenders: 11, age_ms: 1000, ..tenure }, true),
            (Tenure { own: 1, all: 10, contenders: 2, age_ms: 1000, ..tenure }, false),
            // Nobody but itself, or two that have an even share: nothing would be won.
            (Tenure { own: 10, all: 10, contenders: 1, age_ms: 1000, ..tenure }, false),
            (Tenure { own: 5, all: 10, contenders: 2, age_ms: 1000, ..tenure }, false),
        ] {
            assert_eq!(gives_way(&tenure), expected, "{tenure:?}");
        }
    }

    #[test]
    fn sizes_of_a_function_share_its_instances_evenly_and_no_start_is_in_vain() {
        for (start_us, expected) in
            [(None, 1000), (Some(0), 0), (Some(5000), 20), (Some(60_000), 240), (Some(400_000), 1000)]
        {
            assert_eq!(least_tenure_ms(start_us), expected, "{start_us:?}");
        }
        let only = Tenure { own: 1, all: 1, contenders: 2, age_ms: 20, least_ms: 20 };
        for (tenure, expected) in [
            (only, true),
            (Tenure { age_ms: 19, ..only }, false),
            // Two of four for each of two sizes: nothing would be won.
            (Tenure { own: 2, all: 4, ..only }, false),
            (Tenure { own: 3, all: 4, ..only }, true),
            // One each of two, and a third size wants one: they take turns.
            (Tenure { own: 1, all: 2, contenders: 3, ..only }, true),
        ] {
            assert_eq!(gives_way(&tenure), expected, "{tenure:?}");
        }
    }

    #[test]
    fn a_size_gets_a_free_place_or_that_of_an_idle_instance_or_waits() {
        for (full, behind, idle, expected) in [
            (false, false, false, Place::Free),
            (false, false, true, Place::Free),
            (true, false, true, Place::Evict),
            (true, false, false, Place::Wait),
            // Another size came first: what is free, or could be, is for that one.
            (false, true, false, Place::Wait),
            (false, true, true, Place::Wait),
            (true, true, true, Place::Wait),
        ] {
            let places = Places { full, behind, idle };
            assert_eq!(place(&places), expected, "{places:?}");
        }
    }

    #[test]
    fn short_runs_do_not_wake_more_instances_than_processors_can_run() {
        let busy = View { free: true, ready: 16, running: 4, quick_us: Some(150), ..NEW };
        check(busy, Decision::Wait(None));
        check(View { running: 3, ..busy }, Decision::Use);
        check(View { processors: 4, ..busy }, Decision::Use);
        check(View { quick_us: Some(500), ..busy }, Decision::Use);
        check(View { quick_us: None, ..busy }, Decision::Use);
    }
}
