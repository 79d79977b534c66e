//! Whether a line is worth another instance. Few and busy serve short calls faster than many that take turns on the same
//! processors, each cold: a start has to be paid for by what the line would wait without it.

use super::{Start, View, is_short};

/// A start is taken to last this long before one was measured.
const FIRST_START_US: u64 = 100_000;
/// How long a line is trusted to move at least, and where a start takes long.
const LEAST_TRUST_US: u64 = 5000;
const MOST_TRUST_US: u64 = 250_000;

/// How one comes to be that nobody waits for, or everybody does.
pub(crate) fn cheapest_start(view: &View) -> Start {
    if view.blanks > 0 { Start::Blank } else { Start::New }
}

/// How long a line is trusted to move without another instance: as long as one would take to start.
pub(crate) fn trust_us(start_us: Option<u64>) -> u64 {
    start_us.unwrap_or(FIRST_START_US).clamp(LEAST_TRUST_US, MOST_TRUST_US)
}

pub(super) fn may_grow(view: &View) -> bool {
    view.most_instances.is_none_or(|most| view.ready + view.starting < most)
}

/// Whether the instances being started will have room for everyone in line.
pub(super) fn covered(view: &View, waiting: usize) -> bool {
    waiting <= view.starting * view.slots_each
}

/// Whether the instances there are will be through with the line before a new one would have answered its first call. Without a run
/// that ended: no. While there are fewer instances than processors, or processors are idle, since calls wait for something else, a line
/// always means that one more would help, however short the runs.
pub(super) fn soon_free(view: &View) -> bool {
    if is_small(view) || view.spare && !would_sleep(view) {
        return false;
    }
    let start_us = match cheapest_start(view) {
        Start::Blank => view.fit_us.unwrap_or(0),
        Start::New => view.start_us.unwrap_or(FIRST_START_US),
    };
    let Some(run_us) = view.run_us else { return false };
    let slots = ((view.ready + view.starting) * view.slots_each) as u64;
    let answer_us = start_us.saturating_add(view.first_run_us.unwrap_or(0));
    slots > 0 && run_us.saturating_mul(view.waiting as u64 + 1) / slots < answer_us
}

/// Whether what has been started should be seen at work before more is. A burst at a function that nobody has called yet says nothing
/// of how long its runs take: as many instances as processors tell, or the line tells by not moving. And runs shorter than a start
/// are over sooner than it, so that a few starts at a time follow what the line needs; half of the processors are left for the calls.
pub(super) fn enough_begun(view: &View) -> bool {
    let start_us = view.start_us.unwrap_or(FIRST_START_US);
    !is_small(view)
        && match view.run_us {
            None => true,
            Some(run_us) => run_us < start_us && view.starting >= view.processors.div_ceil(2),
        }
}

/// Whether the first instances take so long that more should be started beside them: twice as many for each second. A start that
/// long waits for something, as a program does that fetches its data first, or the host makes something ready that all of them need,
/// once.
pub(super) fn starts_are_long(view: &View, waited_ms: u64) -> bool {
    let doubled = u32::try_from(waited_ms / 1000).unwrap_or(u32::MAX).min(usize::BITS / 2);
    view.starting < view.processors.saturating_mul(1 << doubled)
}

/// Whether another instance would be left asleep (see `crowded`): short runs have enough with two for each processor.
fn would_sleep(view: &View) -> bool {
    is_short(view) && view.ready + view.starting >= 2 * view.processors
}

fn is_small(view: &View) -> bool {
    view.ready + view.starting < view.processors
}

#[cfg(test)]
mod tests {
    use super::super::{
        Decision, Overdue, Stall, decide_overdue,
        tests::{NEW, NEW_START, check},
    };
    use super::*;

    const WAIT: Decision = Decision::Wait(None);
    const STUCK: Stall = Stall { moved: false, waited_ms: 100 };
    const MOVED: Stall = Stall { moved: true, waited_ms: 100 };

    fn check_overdue(view: View, stall: Stall, expected: Overdue) {
        assert_eq!(decide_overdue(&view, stall), expected, "{view:?} {stall:?}");
    }

    #[test]
    fn burst_at_a_new_function_starts_as_many_instances_as_processors() {
        check(View { starting: 1, waiting: 1, ..NEW }, NEW_START);
        check(View { starting: 2, waiting: 2, ..NEW }, WAIT);
        check(View { starting: 2, waiting: 2, processors: 8, ..NEW }, NEW_START);
        check(View { ready: 2, waiting: 13, ..NEW }, WAIT);
    }

    #[test]
    fn burst_that_does_not_move_gets_an_instance_for_each_call() {
        let burst = View { ready: 2, waiting: 14, ..NEW };
        check_overdue(burst, STUCK, Overdue::Start(Start::New));
        check_overdue(View { starting: 13, ..burst }, STUCK, Overdue::Start(Start::New));
        check_overdue(View { starting: 14, ..burst }, STUCK, Overdue::Wait);
        check_overdue(burst, MOVED, Overdue::Wait);
    }

    #[test]
    fn burst_waits_for_the_first_instances_and_starts_twice_as_many_each_second() {
        for (starting, waited_ms, expected) in [
            (0, 100, Overdue::Start(Start::New)),
            (2, 100, Overdue::Wait),
            (2, 1000, Overdue::Start(Start::New)),
            (4, 1999, Overdue::Wait),
            (4, 2000, Overdue::Start(Start::New)),
            (8, 2999, Overdue::Wait),
            (15, 3000, Overdue::Start(Start::New)),
            (16, u64::MAX, Overdue::Wait),
        ] {
            let burst = View { starting, waiting: 16, ..NEW };
            check_overdue(burst, Stall { waited_ms, ..STUCK }, expected);
        }
    }

    #[test]
    fn long_runs_get_an_instance_each() {
        let busy = View { ready: 2, run_us: Some(1_000_000), start_us: Some(40_000), ..NEW };
        check(View { starting: 5, waiting: 5, ..busy }, NEW_START);
        check(View { ready: 0, starting: 5, waiting: 5, ..busy }, NEW_START);
        check_overdue(View { starting: 5, waiting: 6, ..busy }, MOVED, Overdue::Start(Start::New));
    }

    #[test]
    fn runs_shorter_than_a_start_grow_a_few_instances_at_a_time() {
        let busy = View { ready: 2, run_us: Some(20_000), start_us: Some(40_000), waiting: 13, ..NEW };
        check(busy, NEW_START);
        check(View { starting: 1, ..busy }, WAIT);
        check(View { ready: 8, starting: 3, processors: 8, ..busy }, WAIT);
        check(View { ready: 8, starting: 3, waiting: 30, processors: 8, ..busy }, NEW_START);
        check(View { ready: 8, starting: 4, waiting: 30, processors: 8, ..busy }, WAIT);
        check_overdue(View { starting: 1, ..busy }, MOVED, Overdue::Wait);
        check_overdue(View { starting: 1, ..busy }, STUCK, Overdue::Start(Start::New));
    }

    #[test]
    fn calls_that_wait_for_something_grow_into_idle_processors_a_few_instances_at_a_time() {
        let busy = View { ready: 2, run_us: Some(5000), start_us: Some(60_000), waiting: 13, ..NEW };
        check(busy, WAIT);
        check(View { spare: true, ..busy }, NEW_START);
        check(View { spare: true, starting: 1, ..busy }, WAIT);
        check(View { spare: true, run_us: None, ..busy }, WAIT);
        // What another instance would find to do is not worth waking it.
        let short = View { spare: true, run_us: Some(200), quick_us: Some(200), ..busy };
        check(View { ready: 3, ..short }, NEW_START);
        check(View { ready: 4, ..short }, WAIT);
    }

    #[test]
    fn blank_instance_whose_first_run_would_outlast_the_line_is_left_for_others() {
        let busy = View { ready: 2, run_us: Some(3000), waiting: 13, blanks: 1, fit_us: Some(9000), ..NEW };
        check(busy, Decision::Wait(Some(Start::Blank)));
        check(View { first_run_us: Some(2000), ..busy }, Decision::Wait(Some(Start::Blank)));
        check(View { first_run_us: Some(20_000), ..busy }, WAIT);
    }

    #[test]
    fn burst_at_a_function_with_short_runs_waits_for_what_is_started() {
        let idle = View { starting: 2, run_us: Some(300), start_us: Some(40_000), ..NEW };
        check(View { waiting: 14, ..idle }, WAIT);
        check(View { start_us: None, waiting: 14, ..idle }, WAIT);
    }

    #[test]
    fn each_start_serves_as_many_as_it_has_slots() {
        check(View { starting: 1, waiting: 0, ..NEW }, WAIT);
        check(View { starting: 1, waiting: 1, ..NEW }, NEW_START);
        check(View { starting: 1, waiting: 3, slots_each: 4, ..NEW }, WAIT);
    }

    #[test]
    fn limit_of_instances_holds_in_a_burst() {
        check(View { most_instances: Some(2), ready: 1, starting: 1, waiting: 5, ..NEW }, WAIT);
        check(View { most_instances: None, ready: 50, waiting: 5, run_us: Some(1_000_000), ..NEW }, NEW_START);
    }

    #[test]
    fn short_runs_wait_instead_of_starting_more() {
        let busy = View { ready: 2, run_us: Some(200), start_us: Some(40_000), ..NEW };
        check(View { waiting: 14, ..busy }, WAIT);
        check(View { waiting: 500, ..busy }, NEW_START);
        check(View { run_us: Some(1_000_000), ..busy }, NEW_START);
    }

    #[test]
    fn line_grows_the_function_to_as_many_instances_as_processors() {
        let busy = View { run_us: Some(200), start_us: Some(40_000), waiting: 3, ..NEW };
        check(View { ready: 1, ..busy }, NEW_START);
        check(View { ready: 1, starting: 1, ..busy }, WAIT);
        check(View { ready: 1, processors: 1, ..busy }, WAIT);
    }

    #[test]
    fn overdue_line_gets_what_there_is() {
        let busy = View { ready: 2, waiting: 1, run_us: Some(200), start_us: Some(40_000), ..NEW };
        for (view, expected) in [
            (busy, Overdue::Start(Start::New)),
            (View { blanks: 1, ..busy }, Overdue::Start(Start::Blank)),
            (View { free: true, ..busy }, Overdue::Use),
            (View { starting: 1, ..busy }, Overdue::Wait),
            (View { most_instances: Some(2), ..busy }, Overdue::Wait),
        ] {
            check_overdue(view, STUCK, expected);
        }
        // One more would let it move faster, and one more beside those that are free would not.
        check_overdue(busy, MOVED, Overdue::Start(Start::New));
        check_overdue(View { free: true, ..busy }, MOVED, Overdue::Wait);
    }

    #[test]
    fn line_that_moves_is_not_overdue_before_a_start_would_be_over() {
        let busy = View { ready: 4, waiting: 8, run_us: Some(2000), ..NEW };
        for (start_us, waited_ms, expected) in [
            (Some(50_000), 49, Overdue::Wait),
            (Some(50_000), 50, Overdue::Start(Start::New)),
            (None, 99, Overdue::Wait),
            (None, 100, Overdue::Start(Start::New)),
            (Some(5_000_000), 249, Overdue::Wait),
            (Some(5_000_000), 250, Overdue::Start(Start::New)),
        ] {
            check_overdue(View { start_us, ..busy }, Stall { waited_ms, ..MOVED }, expected);
        }
    }
}
