//! Schedules of reserved instances, read once and asked every second: everything follows from what is stored and what time it is,
//! so that neither a restart nor a step of the clock can confuse it.

use croner::{Cron, parser::CronParser};
use fungraph_model::{Reservation, Schedule};
use jiff::{Timestamp, Zoned, tz::TimeZone};

/// Prefix that names a time zone, up to a blank (contract: events.md section 3).
const ZONE_PREFIX: &str = "CRON_TZ=";

/// A cron expression in its time zone: UTC where it names none.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    cron: Cron,
    zone: TimeZone,
}

impl Times {
    /// Reads an expression of 5 or 6 fields: second (or none), minute, hour, day of month, month, day of week.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (zone, fields) = match text.trim().strip_prefix(ZONE_PREFIX) {
            None => (TimeZone::UTC, text.trim()),
            Some(rest) => {
                let (name, fields) = rest.split_once(' ').ok_or("has a time zone and nothing after it")?;
                let zone = TimeZone::get(name);
                (zone.map_err(|_| format!("names a time zone '{name}' that this host does not know"))?, fields)
            }
        };
        if !(5..=6).contains(&fields.split_whitespace().count()) {
            return Err(
                "must have 5 or 6 fields: second (may be left out), minute, hour, day of month, month, day of week"
                    .to_owned(),
            );
        }
        let cron = CronParser::builder().build().parse(fields).map_err(|error| format!("cannot be read: {error}"))?;
        Ok(Self { cron, zone })
    }

    /// Whether there is a time after `now` that it names.
    pub(crate) fn comes_after(&self, now: Timestamp) -> bool {
        self.cron.find_next_occurrence(&self.at(now), false).is_ok()
    }

    /// The last time up to `now`, in seconds since 1970.
    fn last(&self, now: Timestamp) -> Option<i64> {
        let found: Zoned = self.cron.find_previous_occurrence(&self.at(now), true).ok()?;
        Some(found.timestamp().as_second())
    }

    fn at(&self, now: Timestamp) -> Zoned {
        now.to_zoned(self.zone.clone())
    }
}

/// A reservation's schedules, read.
#[derive(Clone, Debug)]
pub(crate) struct Timetable {
    count: u32,
    schedules: Vec<(Times, Schedule)>,
}

impl Timetable {
    /// Reads those that can be read: they were checked when they were stored, but a time zone may have gone from the host since.
    pub(crate) fn of(reservation: &Reservation) -> Self {
        let read = |schedule: &Schedule| match Times::parse(&schedule.cron) {
            Ok(times) => Some((times, schedule.clone())),
            Err(why) => {
                let Schedule { name, cron, .. } = schedule;
                tracing::warn!(name, cron, "a schedule of reserved instances is left out: its cron {why}");
                None
            }
        };
        Self { count: reservation.count, schedules: reservation.schedules.iter().filter_map(read).collect() }
    }

    /// How many instances are wanted now: the count of the schedule whose time came last, of those whose window it is. A time
    /// before its window does not count, and where two came at once the larger count does. Without any, the basic count.
    pub(crate) fn count(&self, now: Timestamp) -> u32 {
        let second = now.as_second();
        let come = self.schedules.iter().filter_map(|(times, schedule)| {
            let (start, end) = (schedule.start_s.unwrap_or(i64::MIN), schedule.end_s.unwrap_or(i64::MAX));
            let last = (start..end).contains(&second).then(|| times.last(now)).flatten()?;
            (last >= start).then_some((last, schedule.count))
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
        let timetable = Timetable::of(&Reservation { count, schedules, ..Reservation::default() });
        for (now, expected) in expected {
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
    fn what_is_no_cron_expression_is_refused() {
        for (text, word) in [
            ("", "5 or 6 fields"),
            ("@daily", "5 or 6 fields"),
            ("* * * *", "5 or 6 fields"),
            ("0 0 8 * * * 2026", "5 or 6 fields"),
            ("61 * * * * *", "cannot be read"),
            ("a b c d e", "cannot be read"),
            ("CRON_TZ=Nowhere/Land 0 8 * * *", "does not know"),
            ("CRON_TZ=UTC", "nothing after it"),
        ] {
            assert!(Times::parse(text).expect_err(text).contains(word), "{text}");
        }
        let never = Times::parse("0 0 0 30 2 *").expect("it has the right form");
        assert!(!never.comes_after(time("2026-03-02T00:00:00Z")));
        assert_eq!(never.last(time("2026-03-02T00:00:00Z")), None);
    }
}
