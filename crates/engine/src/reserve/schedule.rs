//! Schedules of reserved instances, read once and asked every second: everything follows from what is stored and what time it is,
//! so that neither a restart nor a step of the clock can confuse it.

use fungraph_model::{Reservation, Schedule};
use jiff::{Timestamp, tz::TimeZone};

use crate::cron::Times;

/// A reservation's schedules, read.
#[derive(Clone, Debug)]
pub(crate) struct Timetable {
    count: u32,
    schedules: Vec<Entry>,
}

/// One schedule, with what was found last. A search costs so much that one for each schedule and second would starve the server.
#[derive(Clone, Debug)]
struct Entry {
    times: Times,
    schedule: Schedule,
    found: Option<Found>,
}

/// The times on both sides of a moment: they are the same for every moment between.
#[derive(Clone, Copy, Debug)]
struct Found {
    last: Option<i64>,
    next: Option<i64>,
}

impl Found {
    fn holds(self, second: i64) -> bool {
        self.last.is_none_or(|last| last <= second) && self.next.is_none_or(|next| second < next)
    }
}

impl Entry {
    fn start(&self) -> i64 {
        self.schedule.start_s.unwrap_or(i64::MIN)
    }

    fn in_window(&self, second: i64) -> bool {
        (self.start()..self.schedule.end_s.unwrap_or(i64::MAX)).contains(&second)
    }

    /// Whether what was found says nothing of this second, of which it must: also after a step of the clock.
    fn is_stale(&self, second: i64) -> bool {
        self.in_window(second) && !self.found.is_some_and(|found| found.holds(second))
    }
}

impl Timetable {
    /// Reads those that can be read: they were checked when they were stored, but a time zone may have gone from the host since.
    pub(crate) fn of(reservation: &Reservation) -> Self {
        let read = |schedule: &Schedule| match Times::parse(&schedule.cron, &TimeZone::UTC) {
            Ok(times) => Some(Entry { times, schedule: schedule.clone(), found: None }),
            Err(why) => {
                let Schedule { name, cron, .. } = schedule;
                tracing::warn!(name, cron, "a schedule of reserved instances is left out: its cron {why}");
                None
            }
        };
        Self { count: reservation.count, schedules: reservation.schedules.iter().filter_map(read).collect() }
    }

    /// Whether [`Self::search`] has to come before [`Self::count`].
    pub(crate) fn is_stale(&self, now: Timestamp) -> bool {
        self.schedules.iter().any(|entry| entry.is_stale(now.as_second()))
    }

    /// Finds the times around now of the schedules that need it, and says how many did. Takes milliseconds where many come rarely:
    /// not for the runtime's own threads.
    pub(crate) fn search(&mut self, now: Timestamp) -> usize {
        let second = now.as_second();
        let stale = self.schedules.iter_mut().filter(|entry| entry.is_stale(second));
        stale
            .map(|entry| {
                let (last, next) = entry.times.around(second);
                entry.found = Some(Found { last, next });
            })
            .count()
    }

    /// How many instances are wanted now: the count of the schedule whose time came last, of those whose window it is. A time
    /// before its window does not count, and where two came at once the larger count does. Without any, the basic count.
    /// What is stale is taken as it was.
    pub(crate) fn count(&self, now: Timestamp) -> u32 {
        let open = self.schedules.iter().filter(|entry| entry.in_window(now.as_second()));
        let come = open.filter_map(|entry| {
            let last = entry.found?.last?;
            (last >= entry.start()).then_some((last, entry.schedule.count))
        });
        come.max().map_or(self.count, |(_, count)| count.max(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    fn schedule(cron: &str, count: u32, window: Option<(&str, &str)>) -> Schedule {
        let (start_s, end_s) = window.map(|(start, end)| (time(start).as_second(), time(end).as_second())).unzip();
        Schedule { name: String::new(), cron: cron.to_owned(), count, start_s, end_s }
    }

    #[track_caller]
    fn check(count: u32, schedules: Vec<Schedule>, expected: &[(&str, u32)]) {
        let mut timetable = Timetable::of(&Reservation { count, schedules, ..Reservation::default() });
        for (now, expected) in expected {
            timetable.search(time(now));
            assert_eq!(timetable.count(time(now)), *expected, "at {now}");
        }
    }

    #[test]
    fn without_schedules_the_basic_count_holds() {
        check(3, vec![], &[("2026-03-01T00:00:00Z", 3), ("1970-01-01T00:00:00Z", 3)]);
    }

    #[test]
    fn count_holds_from_its_time_until_the_next_schedules() {
        let day_and_night = vec![schedule("0 0 8 * * ?", 10, None), schedule("0 0 20 * * ?", 2, None)];
        check(
            1,
            day_and_night,
            &[
                ("2026-03-02T07:59:59Z", 2),
                ("2026-03-02T08:00:00Z", 10),
                ("2026-03-02T08:00:00.5Z", 10),
                ("2026-03-02T19:59:59.999Z", 10),
                ("2026-03-02T20:00:00Z", 2),
                ("2026-03-03T03:00:00Z", 2),
            ],
        );
    }

    #[test]
    fn nothing_holds_outside_of_its_window() {
        let window = Some(("2026-03-02T12:00:00Z", "2026-03-04T12:00:00Z"));
        check(
            1,
            vec![schedule("0 8 * * *", 10, window)],
            &[
                // Its time came before its window began.
                ("2026-03-02T12:00:00Z", 1),
                ("2026-03-03T07:59:59Z", 1),
                ("2026-03-03T08:00:00Z", 10),
                ("2026-03-04T11:59:59Z", 10),
                ("2026-03-04T12:00:00Z", 1),
                ("2026-03-05T08:00:00Z", 1),
            ],
        );
    }

    #[test]
    fn schedule_whose_window_ended_gives_way_to_the_one_before() {
        let schedules = vec![
            schedule("0 0 8 * * *", 10, None),
            schedule("0 0 10 * * *", 20, Some(("2026-03-02T00:00:00Z", "2026-03-02T12:00:00Z"))),
        ];
        let expected = [("2026-03-02T09:00:00Z", 10), ("2026-03-02T11:00:00Z", 20), ("2026-03-02T13:00:00Z", 10)];
        check(0, schedules, &expected);
    }

    #[test]
    fn larger_count_wins_where_two_come_at_once_and_the_basic_one_is_the_least() {
        let at_once = vec![schedule("0 8 * * *", 7, None), schedule("0 0 8 * * *", 4, None)];
        check(1, at_once, &[("2026-03-02T09:00:00Z", 7)]);
        check(5, vec![schedule("0 8 * * *", 4, None)], &[("2026-03-02T09:00:00Z", 5)]);
    }

    #[test]
    fn months_names_steps_and_weekdays() {
        // The second of March 2026 is a Monday.
        check(
            0,
            vec![schedule("0 */30 9-17 ? mar MON-FRI", 4, Some(("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z")))],
            &[("2026-03-02T08:59:59Z", 0), ("2026-03-02T09:00:00Z", 4), ("2026-03-02T23:00:00Z", 4)],
        );
    }

    #[test]
    fn time_zones_follow_their_clocks() {
        // Brno leaves winter time on 29 March 2026 at 01:00 UTC.
        let window = |day: &str| Some((format!("2026-03-{day}T00:00:00Z"), format!("2026-03-{day}T23:00:00Z")));
        for (day, before, after) in [("28", "06:59:59", "07:00:00"), ("30", "05:59:59", "06:00:00")] {
            let (start, end) = window(day).expect("some");
            check(
                0,
                vec![schedule("CRON_TZ=Europe/Prague 0 0 8 * * *", 3, Some((&start, &end)))],
                &[(&format!("2026-03-{day}T{before}Z"), 0), (&format!("2026-03-{day}T{after}Z"), 3)],
            );
        }
    }

    #[test]
    fn a_step_of_the_clock_changes_only_what_time_it_is() {
        let schedules = vec![schedule("0 0 8 * * *", 10, None), schedule("0 0 20 * * *", 2, None)];
        check(1, schedules, &[("2026-03-02T09:00:00Z", 10), ("2026-03-02T21:00:00Z", 2), ("2026-03-02T09:00:00Z", 10)]);
    }

    #[test]
    fn nothing_is_searched_twice_between_two_times() {
        let window = Some(("2026-03-02T12:00:00Z", "2026-03-03T12:00:00Z"));
        let mut schedules = vec![schedule("0 0 0 29 2 ?", 4, None); 60];
        schedules.push(schedule("0 0 8 * * ?", 5, window));
        let mut timetable = Timetable::of(&Reservation { schedules, ..Reservation::default() });
        for (now, searches) in [
            ("2026-03-02T11:59:59Z", 60),
            ("2026-03-02T11:59:59.5Z", 0),
            // The window of the last begins.
            ("2026-03-02T12:00:00Z", 1),
            ("2026-03-03T07:59:59Z", 0),
            ("2026-03-03T08:00:00Z", 1),
            ("2026-03-03T08:00:01Z", 0),
            // The clock steps back, and forth past the window.
            ("2026-03-03T07:00:00Z", 1),
            ("2026-03-03T12:00:00Z", 0),
            ("2026-12-31T00:00:00Z", 0),
            ("2028-02-29T00:00:00Z", 60),
            ("2028-02-29T00:00:01Z", 0),
            ("2028-02-28T23:59:59Z", 60),
        ] {
            assert_eq!(timetable.is_stale(time(now)), searches > 0, "at {now}");
            assert_eq!(timetable.search(time(now)), searches, "at {now}");
        }
    }

    #[test]
    fn what_was_found_says_the_same_as_a_new_search_where_clocks_change() {
        // Prague's clocks change at 01:00 UTC on 29 March and 25 October 2026.
        for cron in ["0 30 2 * * *", "0 0 3 * * *", "0 */20 * * * *", "0 0 1-4 * * *", "30 59 1,2 25,29 * SUN"] {
            let schedules = vec![schedule(&format!("CRON_TZ=Europe/Prague {cron}"), 4, None)];
            let reservation = Reservation { schedules, ..Reservation::default() };
            for begin in ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"] {
                let mut kept = Timetable::of(&reservation);
                for step in 0..12 * 12 {
                    let now = time(begin) + jiff::SignedDuration::from_mins(step * 5);
                    let mut fresh = Timetable::of(&reservation);
                    kept.search(now);
                    fresh.search(now);
                    let [kept, fresh] =
                        [&kept, &fresh].map(|table| table.schedules[0].found.and_then(|found| found.last));
                    assert_eq!(kept, fresh, "{cron} at {now}");
                }
            }
        }
    }

    #[test]
    fn what_never_comes_is_searched_once() {
        let schedules = vec![schedule("0 0 30 2 ?", 4, None)];
        let mut timetable = Timetable::of(&Reservation { count: 1, schedules, ..Reservation::default() });
        assert_eq!(timetable.search(time("2026-03-02T12:00:00Z")), 1);
        assert_eq!(timetable.search(time("2036-03-02T12:00:00Z")), 0);
        assert_eq!(timetable.count(time("2036-03-02T12:00:00Z")), 1);
    }
}
