//! When a timer fires (contract: events.md section 3). Everything follows from what is stored and what time it is. Pure.

use fungraph_model::Trigger;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Map, Value};

use super::check::shown;
use crate::cron::{self, Times};

/// Shortest period.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
/// Longest period: ten years.
const LONGEST: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);
/// Units of `Rate`, with the most of each.
const RATES: [(char, i64, i64); 3] = [('m', 60, 60), ('h', 3600, 24), ('d', 86_400, 30)];
/// Units of `@every`, in nanoseconds; those that another one ends with come first.
const UNITS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1000),
    ("µs", 1000),
    ("μs", 1000),
    ("ms", 1_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
];
const SECOND: i128 = 1_000_000_000;

/// When a timer fires.
#[derive(Clone, Debug)]
pub(super) enum Schedule {
    /// Again and again.
    Every {
        /// From one time to the next.
        period: SignedDuration,
        /// Where the times are told.
        zone: TimeZone,
    },
    /// At times of the clock on the wall.
    Cron(Box<Times>),
}

impl Schedule {
    /// The schedule of a timer's event data; `zone` is that of schedules that name none.
    ///
    /// # Errors
    /// What is wrong with it, a sentence that names the field.
    pub(super) fn of(data: &Map<String, Value>, zone: &TimeZone) -> Result<Self, String> {
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
        let schedule = text("schedule");
        let read = if text("schedule_type") == "Rate" { rate(schedule, zone) } else { Self::cron(schedule, zone) };
        read.map_err(|why| format!("The field 'event_data.schedule' {why}"))
    }

    fn cron(text: &str, default: &TimeZone) -> Result<Self, String> {
        let (zone, rest) = cron::zone(text, default)?;
        match rest.strip_prefix("@every ") {
            Some(period) => Ok(Self::Every { period: every(period.trim())?, zone }),
            None if rest.starts_with('@') => {
                Err("has an '@' that is not '@every <duration>', such as '@every 1h30m'".to_owned())
            }
            None => Times::parse(text, default).map(|times| Self::Cron(Box::new(times))),
        }
    }

    /// Whether there are times that it names. Known without a search.
    pub(super) fn comes(&self) -> bool {
        match self {
            Self::Every { .. } => true,
            Self::Cron(times) => times.comes(),
        }
    }

    /// The first time after a moment; periods count from `from`, cut to its second, in both directions.
    pub(super) fn after(&self, from: Timestamp, moment: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(times) => times.after(moment),
            Self::Every { period, .. } => {
                let from = i128::from(from.as_second()) * SECOND;
                let passed = (moment.as_nanosecond() - from).div_euclid(period.as_nanos());
                Timestamp::from_nanosecond(from + (passed + 1) * period.as_nanos()).ok()
            }
        }
    }

    /// The last time after `low` and not after `high`. Halved again and again, since there may be one in every second between.
    pub(super) fn last(&self, from: Timestamp, low: Timestamp, high: Timestamp) -> Option<Timestamp> {
        let (mut low, mut end, mut found) = (low, high, None);
        // No time lies between `end` and `high`.
        while end.duration_since(low) > SHORTEST {
            let middle = low.checked_add(end.duration_since(low) / 2).ok()?;
            match self.after(from, middle).filter(|time| *time <= high) {
                Some(time) => (low, found) = (time, Some(time)),
                None => end = middle,
            }
        }
        while let Some(time) = self.after(from, low).filter(|time| *time <= high) {
            (low, found) = (time, Some(time));
        }
        found
    }

    /// From one time to the next, where that is always the same.
    pub(super) fn period(&self) -> Option<SignedDuration> {
        match self {
            Self::Every { period, .. } => Some(*period),
            Self::Cron(_) => None,
        }
    }

    /// A time as its events have it: RFC 3339 with the zone's offset.
    pub(super) fn tell(&self, time: Timestamp) -> String {
        let zone = match self {
            Self::Every { zone, .. } => zone,
            Self::Cron(times) => times.zone(),
        };
        if *zone == TimeZone::UTC {
            return time.to_string();
        }
        let offset = zone.to_offset(time);
        time.display_with_offset(offset).to_string()
    }
}

/// The first time at which a stored timer fires after a moment, for those who ask.
pub(super) fn next_of(timer: &Trigger, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    Schedule::of(&shown(&timer.data), zone).ok()?.after(timer.counts_from, moment)
}

/// `5m`, `2h`, `1d`.
fn rate(text: &str, zone: &TimeZone) -> Result<Schedule, String> {
    let wrong = || "must be a number with 'm' (1 to 60), 'h' (1 to 24) or 'd' (1 to 30), such as 5m".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let (_, seconds, most) = RATES.into_iter().find(|(known, ..)| *known == unit).ok_or_else(wrong)?;
    let digits = &text[..text.len() - unit.len_utf8()];
    let is_number = digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = digits.parse().ok().filter(|_| is_number).ok_or_else(wrong)?;
    if !(1..=most).contains(&number) {
        return Err(wrong());
    }
    Ok(Schedule::Every { period: SignedDuration::from_secs(number * seconds), zone: zone.clone() })
}

/// A duration as Go writes it: `1h30m`, `1.5h`, `500ms`.
fn every(text: &str) -> Result<SignedDuration, String> {
    let wrong = || {
        "must be '@every ' and a duration, such as 30s, 5m, 1.5h or 2h30m; the units are ns, us, ms, s, m and h"
            .to_owned()
    };
    let mut rest = text;
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, further) = rest.split_at(end);
        let (length, unit) = unit(further).ok_or_else(wrong)?;
        nanos += part(number, unit).ok_or_else(wrong)?;
        rest = &further[length..];
    }
    if text.is_empty() {
        return Err(wrong());
    }
    let period = i64::try_from(nanos).map(SignedDuration::from_nanos).map_err(|_| wrong())?;
    if period < SHORTEST {
        return Err("has a duration below 1s, the shortest there is".to_owned());
    }
    if period > LONGEST { Err("has a duration above ten years".to_owned()) } else { Ok(period) }
}

/// The unit that a text begins with: its length, and its nanoseconds.
fn unit(text: &str) -> Option<(usize, i128)> {
    let found = UNITS.iter().find(|(name, _)| text.starts_with(name)).map(|(name, nanos)| (name.len(), *nanos));
    found.or_else(|| text.starts_with('s').then_some((1, SECOND)))
}

/// `1.5` of a unit in nanoseconds; what is below one is cut.
fn part(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || number.len() > 18 || fraction.contains('.') {
        return None;
    }
    let read = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    Some(read(whole)? * unit + read(fraction)? * unit / scale)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schedule(kind: &str, text: &str) -> Result<Schedule, String> {
        Schedule::of(json!({ "schedule_type": kind, "schedule": text }).as_object().expect("an object"), &TimeZone::UTC)
    }

    fn time(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn rates_have_their_bounds() {
        for (text, seconds) in [("1m", 60), ("60m", 3600), ("24h", 86_400), ("30d", 2_592_000), ("05m", 300)] {
            let period = schedule("Rate", text).expect(text).period();
            assert_eq!(period, Some(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "m",
            "5",
            "0m",
            "61m",
            "25h",
            "31d",
            "5s",
            "-5m",
            "+5m",
            "5 m",
            "1.5h",
            "5mm",
            "99999999999999999999m",
            "5ž",
        ] {
            let why = schedule("Rate", text).expect_err(text);
            assert!(why.contains("'event_data.schedule' must be a number with 'm'"), "{why}");
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("1s", 1000),
            ("30m", 1_800_000),
            ("1.5h", 5_400_000),
            ("2h30m", 9_000_000),
            ("1h1m1s1ms", 3_661_001),
            (".5m", 30_000),
            ("1.s", 1000),
            ("1000ms", 1000),
            ("2000000us", 2000),
            ("2000000µs", 2000),
            ("1500000000ns", 1500),
        ] {
            assert_eq!(every(text), Ok(SignedDuration::from_millis(millis)), "{text}");
        }
        for text in ["", "1", "s", ".s", "1d", "-1s", "+1s", "1 s", "1..5s", "1s ", "ž", "1h1", "999999999999999999h"]
        {
            assert!(every(text).expect_err(text).contains("a duration, such as"), "{text}");
        }
        for text in ["999ms", "0s", "0.1s"] {
            assert!(every(text).expect_err(text).contains("below 1s"), "{text}");
        }
        assert!(every("999999h").expect_err("long").contains("ten years"));
    }

    #[test]
    fn cron_and_every_share_a_field() {
        assert!(matches!(schedule("Cron", "@every 90s"), Ok(Schedule::Every { .. })));
        assert!(matches!(schedule("Cron", "0 15 2 * * ?"), Ok(Schedule::Cron(_))));
        assert!(matches!(schedule("Cron", "15 2 * * *"), Ok(Schedule::Cron(_))));
        for (text, word) in [
            ("@daily", "'@every <duration>'"),
            ("@every", "'@every <duration>'"),
            ("@every 1x", "a duration"),
            ("* * *", "5 or 6 fields"),
            ("CRON_TZ=No/Where @every 5m", "does not know"),
        ] {
            assert!(schedule("Cron", text).expect_err(text).contains(word), "{text}");
        }
        assert!(!schedule("Cron", "0 0 0 30 2 ?").expect("it can be read").comes());
    }

    #[test]
    fn periods_count_from_when_they_were_set_whatever_the_time_is() {
        let from = time("2026-03-02T10:00:00.7Z");
        let five = schedule("Rate", "5m").expect("a rate");
        for (moment, next) in [
            ("2026-03-02T10:00:00.7Z", "2026-03-02T10:05:00Z"),
            ("2026-03-02T10:05:00Z", "2026-03-02T10:10:00Z"),
            ("2026-03-02T10:04:59.9Z", "2026-03-02T10:05:00Z"),
            ("2026-03-02T12:01:00Z", "2026-03-02T12:05:00Z"),
            ("2026-03-02T09:01:00Z", "2026-03-02T09:05:00Z"),
        ] {
            assert_eq!(five.after(from, time(moment)), Some(time(next)), "{moment}");
        }
    }

    #[test]
    fn the_last_time_of_a_span_is_the_one_before_its_end() {
        let from = time("2026-03-02T10:00:00Z");
        for (kind, text, low, high, last) in [
            ("Cron", "0 0 3 * * *", "02:59:59.9", "03:00:00", Some("03:00:00")),
            ("Cron", "0 0 3 * * *", "03:00:00", "04:00:00", None),
            ("Cron", "0 0 3 * * *", "02:30:00", "02:59:59.9", None),
            ("Cron", "* * * * * *", "02:30:00", "03:10:00.5", Some("03:10:00")),
            ("Cron", "* 30 * * * *", "02:00:00", "03:10:00", Some("02:30:59")),
            ("Rate", "7m", "02:00:00", "03:00:00", Some("02:55:00")),
            ("Cron", "@every 1500ms", "02:00:00", "02:00:02", Some("02:00:01.5")),
            ("Cron", "0 0 3 * * *", "04:00:00", "02:00:00", None),
        ] {
            let at = |clock: &str| time(&format!("2026-03-03T{clock}Z"));
            let found = schedule(kind, text).expect(text).last(from, at(low), at(high));
            assert_eq!(found, last.map(at), "{text} from {low} to {high}");
        }
    }

    #[test]
    fn what_names_no_zone_has_the_servers() {
        let prague = TimeZone::get("Europe/Prague").expect("a zone");
        let moment = time("2026-03-02T10:00:00Z");
        for (kind, text, told) in [
            ("Cron", "0 0 8 * * *", "2026-03-03T08:00:00+01:00"),
            ("Cron", "CRON_TZ=UTC 0 0 8 * * *", "2026-03-03T08:00:00Z"),
            ("Cron", "@every 1h", "2026-03-02T12:00:00+01:00"),
            ("Rate", "1h", "2026-03-02T12:00:00+01:00"),
        ] {
            let data = json!({ "schedule_type": kind, "schedule": text });
            let schedule = Schedule::of(data.as_object().expect("an object"), &prague).expect(text);
            let next = schedule.after(moment, moment).expect("it comes");
            assert_eq!(schedule.tell(next), told, "{text}");
        }
    }

    #[test]
    fn times_are_told_in_their_zone() {
        let moment = time("2023-06-01T00:30:00Z");
        let tell = |text: &str| schedule("Cron", text).expect(text).tell(moment);
        assert_eq!(tell("0 30 8 * * *"), "2023-06-01T00:30:00Z");
        assert_eq!(tell("CRON_TZ=Asia/Shanghai 0 30 8 * * *"), "2023-06-01T08:30:00+08:00");
        assert_eq!(tell("CRON_TZ=Asia/Shanghai @every 5m"), "2023-06-01T08:30:00+08:00");
        assert_eq!(tell("CRON_TZ=Europe/London @every 5m"), "2023-06-01T01:30:00+01:00");
        let next = schedule("Cron", "CRON_TZ=Asia/Shanghai 0 30 8 * * *").expect("a cron").after(moment, moment);
        assert_eq!(next, Some(time("2023-06-02T00:30:00Z")));
    }
}
