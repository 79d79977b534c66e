//! Which timer is next, whatever the clock does: every test brings a clock of its own.

use std::time::Duration;

use super::{sample::timer, *};

/// A clock on the wall that can be set, and a steady one.
struct Clock {
    now: Now,
    agenda: Agenda,
}

impl Clock {
    fn at(wall: &str) -> Self {
        Self { now: Now { wall: time(wall), steady: Instant::now() }, agenda: Agenda::new(TimeZone::UTC, None) }
    }

    fn set(&mut self, id: &str, kind: &str, schedule: &str) {
        self.agenda.set(timer(id, kind, schedule, self.now.wall), self.now);
    }

    /// Lets time pass second by second; gives who fired, with the seconds since the begin.
    fn pass(&mut self, seconds: u64) -> Vec<(u64, String)> {
        let mut fired = Vec::new();
        for second in 1..=seconds {
            self.now.wall += SignedDuration::from_secs(1);
            self.now.steady += Duration::from_secs(1);
            let firings = self.agenda.take_due(self.now);
            fired.extend(firings.into_iter().map(|firing| (second, firing.trigger.id.0.clone())));
        }
        fired
    }

    /// Lets time pass while nobody looks.
    fn pass_quietly(&mut self, seconds: u64) {
        self.now.wall += SignedDuration::from_secs(seconds.cast_signed());
        self.now.steady += Duration::from_secs(seconds);
    }

    fn step(&mut self, seconds: i64) {
        self.now.wall += SignedDuration::from_secs(seconds);
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().expect(text)
}

fn at(fired: &[(u64, String)]) -> Vec<u64> {
    fired.iter().map(|(second, _)| *second).collect()
}

#[test]
fn timers_fire_at_their_times() {
    let mut clock = Clock::at("2026-03-02T10:00:30Z");
    clock.set("rate", "Rate", "1m");
    clock.set("cron", "Cron", "0 * * * * *");
    clock.set("every", "Cron", "@every 45s");
    let fired = clock.pass(130);
    let of = |id: &str| fired.iter().filter(|(_, fired)| fired == id).map(|(second, _)| *second).collect::<Vec<_>>();
    assert_eq!(of("rate"), [60, 120]);
    assert_eq!(of("cron"), [30, 90]);
    assert_eq!(of("every"), [45, 90]);
    assert_eq!(clock.agenda.wait(clock.now), Some(SignedDuration::from_secs(5)), "that is the 45 s one");
}

#[test]
fn the_time_is_the_one_that_was_asked_for() {
    let mut clock = Clock::at("2026-03-02T10:00:30.5Z");
    clock.set("cron", "Cron", "0 * * * * *");
    clock.now.wall += SignedDuration::from_secs(31);
    let firings = clock.agenda.take_due(clock.now);
    assert_eq!(firings.iter().map(|firing| firing.time.as_str()).collect::<Vec<_>>(), ["2026-03-02T10:01:00Z"]);
}

#[test]
fn a_removed_timer_and_the_old_schedule_of_a_changed_one_do_not_fire() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    for id in ["gone", "changed"] {
        clock.set(id, "Cron", "@every 10s");
    }
    clock.agenda.remove(&TriggerId("gone".into()));
    clock.set("changed", "Cron", "@every 25s");
    assert_eq!(at(&clock.pass(60)), [25, 50]);
    clock.agenda.remove(&TriggerId("changed".into()));
    assert_eq!(clock.pass(60), []);
    assert_eq!(clock.agenda.wait(clock.now), None);
}

#[test]
fn a_schedule_that_cannot_be_read_takes_the_timer_out() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    clock.set("a", "Cron", "@every 10s");
    clock.set("a", "Cron", "CRON_TZ=Gone/Away 0 * * * * *");
    assert_eq!(clock.pass(120), []);
}

/// A server that starts, and how far the one before it looked. All timers were set on the first of March.
fn restarted(wall: &str, looked_until: &str, timers: &[(&str, &str)]) -> Clock {
    let mut clock = Clock::at(wall);
    clock.agenda = Agenda::new(TimeZone::UTC, Some(time(looked_until)));
    for (id, schedule) in timers {
        let kind = if schedule.len() < 4 { "Rate" } else { "Cron" };
        clock.agenda.set(timer(id, kind, schedule, time("2026-03-01T00:00:00Z")), clock.now);
    }
    clock
}

fn told(firings: &[Firing]) -> Vec<(&str, &str)> {
    firings.iter().map(|firing| (firing.trigger.id.0.as_str(), firing.time.as_str())).collect()
}

#[test]
fn a_time_that_falls_into_a_restart_is_made_up_once() {
    let timers = [("nightly", "0 0 3 * * *"), ("rate", "5m"), ("often", "*/10 * * * * *")];
    let mut clock = restarted("2026-03-02T03:00:02Z", "2026-03-02T02:59:58Z", &timers);
    let mut firings = clock.agenda.take_due(clock.now);
    firings.sort_by(|one, other| one.trigger.id.0.cmp(&other.trigger.id.0));
    assert_eq!(told(&firings), [("nightly", "2026-03-02T03:00:00Z"), ("rate", "2026-03-02T03:00:00Z")]);
    assert!(firings.iter().all(|firing| firing.would_be_made_up), "the look is noted first");
    let fired = clock.pass(60);
    assert!(fired.iter().all(|(_, id)| id == "often"), "{fired:?}");
    // The next start, after that look was noted.
    let mut clock = restarted("2026-03-02T03:00:30Z", "2026-03-02T03:00:02Z", &timers);
    assert_eq!(told(&clock.agenda.take_due(clock.now)), []);
}

#[test]
fn of_several_missed_times_the_last_is_made_up_if_it_is_of_this_hour() {
    let timers = [("nightly", "0 0 3 * * *"), ("evening", "0 0 20 * * *"), ("rate", "7m")];
    let mut clock = restarted("2026-03-02T03:40:00Z", "2026-03-01T12:00:00Z", &timers);
    let mut firings = clock.agenda.take_due(clock.now);
    firings.sort_by(|one, other| one.trigger.id.0.cmp(&other.trigger.id.0));
    assert_eq!(told(&firings), [("nightly", "2026-03-02T03:00:00Z"), ("rate", "2026-03-02T03:39:00Z")]);
    let mut clock = restarted("2026-03-02T04:00:01Z", "2026-03-02T02:00:00Z", &timers[..1]);
    assert_eq!(told(&clock.agenda.take_due(clock.now)), [], "an hour is over");
}

#[test]
fn times_before_a_timer_was_set_are_not_made_up() {
    let mut clock = Clock::at("2026-03-02T03:00:02Z");
    clock.agenda = Agenda::new(TimeZone::UTC, Some(time("2026-03-02T02:00:00Z")));
    clock.set("nightly", "Cron", "0 0 3 * * *");
    assert_eq!(clock.pass(60), []);
    let mut clock = Clock::at("2026-03-02T03:00:02Z");
    clock.agenda = Agenda::new(TimeZone::UTC, None);
    clock.agenda.set(timer("nightly", "Cron", "0 0 3 * * *", time("2026-03-01T00:00:00Z")), clock.now);
    assert_eq!(clock.pass(60), [], "nobody knows whether it has come");
    let mut clock = restarted("2026-03-02T03:00:02Z", "2026-03-02T03:30:00Z", &[("nightly", "0 0 3 * * *")]);
    assert_eq!(clock.pass(60), [], "the clock was set back while no server ran");
}

#[test]
fn a_crash_at_any_second_doubles_nothing_and_loses_nothing_that_is_rare() {
    for schedule in ["90s", "61s", "60s", "10s"] {
        let begin = time("2026-03-02T10:00:00Z");
        let text = format!("@every {schedule}");
        let mut clock = Clock::at("2026-03-02T10:00:00Z");
        let mut noted = begin;
        let mut fired = Vec::new();
        for start in 0..200_u64 {
            // Each server lives for seven seconds and is away for four.
            clock.agenda = Agenda::new(TimeZone::UTC, Some(noted));
            clock.agenda.set(timer("a", "Cron", &text, begin), clock.now);
            for _ in 0..7 {
                let firings = clock.agenda.take_due(clock.now);
                if firings.iter().any(|firing| firing.would_be_made_up) {
                    noted = clock.now.wall;
                }
                fired.extend(firings.into_iter().map(|firing| firing.time));
                clock.pass_quietly(1);
            }
            clock.pass_quietly(4 + start % 3);
        }
        let distinct: std::collections::HashSet<_> = fired.iter().collect();
        assert_eq!(distinct.len(), fired.len(), "{schedule}: {fired:?}");
        if schedule.starts_with('9') {
            let passed = clock.now.wall.duration_since(begin).as_secs();
            assert!(fired.len() as i64 >= passed / 90 - 1, "{schedule}: {} in {passed} s", fired.len());
        }
    }
}

#[test]
fn a_timer_that_is_changed_the_moment_its_time_comes_fires() {
    let mut clock = Clock::at("2026-03-02T02:59:59.5Z");
    let set = clock.now.wall;
    clock.set("nightly", "Cron", "0 0 3 * * *");
    assert_eq!(told(&clock.agenda.take_due(clock.now)), []);
    clock.pass_quietly(1);
    // Another event, the same schedule.
    clock.agenda.set(timer("nightly", "Cron", "0 0 3 * * *", set), clock.now);
    assert_eq!(told(&clock.agenda.take_due(clock.now)), [("nightly", "2026-03-02T03:00:00Z")]);
    clock.agenda.set(timer("nightly", "Cron", "0 0 3 * * *", set), clock.now);
    assert_eq!(clock.pass(60), [], "and not again");
}

#[test]
fn what_was_missed_while_nobody_looked_is_made_up_once() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    clock.set("often", "Cron", "@every 10s");
    clock.set("daily", "Cron", "0 30 10 * * *");
    clock.set("quarter", "Cron", "0 */15 * * * *");
    // The host slept for an hour.
    clock.step(3600 - 120);
    let fired = clock.pass(20);
    let of = |id: &str| fired.iter().filter(|(_, fired)| fired == id).map(|(second, _)| *second).collect::<Vec<_>>();
    assert_eq!((of("daily"), of("quarter")), (vec![1], vec![1]));
    assert_eq!(of("often"), [10, 20], "which comes soon anyway");
}

#[test]
fn a_clock_set_forward_by_an_hour_brings_each_timer_once() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    for number in 0..100 {
        clock.set(&format!("m{number}"), "Rate", "1m");
        clock.set(&format!("h{number}"), "Cron", "0 30 * * * *");
    }
    assert_eq!(clock.pass(5), []);
    clock.step(3600);
    let fired = clock.pass(54);
    assert!(fired.len() == 100 && fired.iter().all(|(second, id)| *second == 1 && id.starts_with('h')), "{fired:?}");
    assert_eq!(clock.pass(1).len(), 100, "each once, in its own rhythm");
    assert_eq!(clock.pass(59), []);
    assert_eq!(clock.pass(1).len(), 100);
}

#[test]
fn a_clock_that_began_years_ago_makes_up_no_more_than_an_hour() {
    let mut clock = Clock::at("1970-01-01T00:00:10Z");
    clock.set("nightly", "Cron", "0 0 3 * * *");
    clock.set("noon", "Cron", "0 0 12 * * *");
    clock.pass(5);
    clock.now.wall = time("2026-03-02T12:10:00Z");
    assert_eq!(told(&clock.agenda.take_due(clock.now)), [("noon", "2026-03-02T12:00:00Z")]);
}

#[test]
fn a_small_step_forward_loses_nothing() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    clock.set("daily", "Cron", "3 0 10 * * *");
    clock.step(30);
    assert_eq!(at(&clock.pass(10)), [1]);
}

#[test]
fn a_time_of_once_a_day_does_not_come_twice_when_the_clock_is_set_back() {
    let mut clock = Clock::at("2026-03-02T09:59:00Z");
    clock.set("daily", "Cron", "0 0 10 * * *");
    clock.set("hourly", "Cron", "0 0 * * * *");
    assert_eq!(clock.pass(65).len(), 2);
    clock.step(-3600);
    assert_eq!(clock.pass(3600), [], "both have come already");
    assert_eq!(clock.pass(3600), [(3595, "hourly".to_owned())], "from here on times are new again");
}

#[test]
fn what_comes_often_goes_on_when_the_clock_is_set_back() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    clock.set("cron", "Cron", "0 * * * * *");
    clock.set("second", "Cron", "* * * * * *");
    clock.set("rate", "Rate", "1m");
    clock.pass(130);
    clock.step(-3600);
    let fired = clock.pass(3600);
    let of = |id: &str| fired.iter().filter(|(_, fired)| fired == id).map(|(second, _)| *second).collect::<Vec<_>>();
    for id in ["cron", "rate"] {
        let seconds = of(id);
        assert_eq!((seconds[0], seconds.len()), (50, 60), "{id}");
        assert!(seconds.windows(2).all(|two| two[1] - two[0] == 60), "{id}: {seconds:?}");
    }
    assert_eq!(of("second").len(), 3599, "all but the second of the step");
}

#[test]
fn a_step_back_of_less_than_a_pause_fires_nothing_twice() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    clock.set("cron", "Cron", "0 * * * * *");
    assert_eq!(at(&clock.pass(65)), [60]);
    clock.step(-30);
    assert_eq!(at(&clock.pass(120)), [85], "at 10:02, and not at 10:01 again");
}

#[test]
fn a_look_at_a_clock_that_was_set_back_is_not_short() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    clock.set("daily", "Cron", "0 0 9 * * *");
    clock.pass(1);
    assert!(clock.agenda.is_quiet(clock.now));
    clock.step(-60);
    assert!(!clock.agenda.is_quiet(clock.now));
}

#[test]
fn a_period_that_began_does_not_end_sooner_when_the_clock_is_set_back() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    clock.set("rate", "Rate", "1m");
    assert_eq!(at(&clock.pass(65)), [60]);
    clock.step(-3600 - 30);
    let fired = at(&clock.pass(200));
    assert!(fired[0] >= 55 && fired[0] <= 115, "{fired:?}");
    assert!(fired.windows(2).all(|two| two[1] - two[0] == 60), "{fired:?}");
}

#[test]
fn a_clock_that_was_wrong_by_years_does_not_silence_timers() {
    let mut clock = Clock::at("2036-03-02T10:00:00Z");
    clock.set("cron", "Cron", "0 * * * * *");
    clock.set("rate", "Rate", "1m");
    assert_eq!(clock.pass(60).len(), 2);
    clock.step(-10 * 365 * 86_400);
    assert_eq!(clock.pass(120).len(), 4);
}

#[test]
fn a_restart_neither_doubles_nor_loses_a_time() {
    let begin = "2026-03-02T10:00:00Z";
    let mut whole = Clock::at(begin);
    let mut parts = Clock::at(begin);
    let timers = [("rate", "Rate", "1m"), ("cron", "Cron", "30 * * * * *"), ("every", "Cron", "@every 7s")];
    for (id, kind, schedule) in timers {
        whole.set(id, kind, schedule);
        parts.set(id, kind, schedule);
    }
    let expected = whole.pass(600).len();
    let mut fired = 0;
    for _ in 0..60 {
        fired += parts.pass(10).len();
        parts.agenda = Agenda::new(TimeZone::UTC, None);
        for (id, kind, schedule) in timers {
            let stored = timer(id, kind, schedule, time(begin));
            parts.agenda.set(stored, parts.now);
        }
    }
    assert_eq!(fired, expected);
}

#[test]
fn changes_again_and_again_leave_no_heap_of_old_times() {
    let mut clock = Clock::at("2026-03-02T10:00:00Z");
    for _ in 0..10_000 {
        clock.set("a", "Rate", "1m");
    }
    assert!(clock.agenda.heap.len() <= 2 + STALE, "{}", clock.agenda.heap.len());
    assert_eq!(at(&clock.pass(60)), [60]);
}
