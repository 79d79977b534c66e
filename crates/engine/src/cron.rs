//! A cron expression of the contract (events.md section 3), of timers and of schedules of reserved instances. It is read by our own
//! rules before the library sees it: it knows letters and signs
//! that the contract does not (`L`, `W`, `#`, `+`), refuses `0/5`, which the contract has, and looks for a day such as
//! 30 February through three thousand years.

use std::ops::RangeInclusive;

use croner::{Cron, parser::CronParser};
use jiff::{Timestamp, Zoned, tz::TimeZone};

/// Prefix that names a time zone, up to a blank.
const ZONE_PREFIX: &str = "CRON_TZ=";
const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// Days of each month, with the leap day.
const MONTH_DAYS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What a field may hold.
struct Field {
    name: &'static str,
    values: RangeInclusive<u8>,
    /// Words for its values, from the first on.
    words: &'static [&'static str],
    /// Whether `?` may stand for `*`.
    question: bool,
}

const fn field(name: &'static str, first: u8, last: u8) -> Field {
    Field { name, values: first..=last, words: &[], question: false }
}

const FIELDS: [Field; 6] = [
    field("second", 0, 59),
    field("minute", 0, 59),
    field("hour", 0, 23),
    Field { question: true, ..field("day of month", 1, 31) },
    Field { words: MONTHS, ..field("month", 1, 12) },
    Field { words: WEEKDAYS, question: true, ..field("day of week", 0, 6) },
];

/// A cron expression in its time zone.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    cron: Cron,
    zone: TimeZone,
    /// Whether there is such a day at all.
    comes: bool,
}

impl Times {
    /// Reads an expression of 5 or 6 fields: second (or none), minute, hour, day of month, month, day of week.
    pub(crate) fn parse(text: &str, default: &TimeZone) -> Result<Self, String> {
        let (zone, fields) = zone(text, default)?;
        let texts: Vec<&str> = fields.split_whitespace().collect();
        if !(5..=6).contains(&texts.len()) {
            return Err(
                "must have 5 or 6 fields: second (may be left out), minute, hour, day of month, month, day of week"
                    .to_owned(),
            );
        }
        let of_texts = &FIELDS[FIELDS.len() - texts.len()..];
        let read = of_texts.iter().zip(&texts).map(|(field, text)| field.read(text));
        let read = read.collect::<Result<Vec<Vec<Part>>, String>>()?;
        let plain: Vec<String> = read.iter().map(|parts| join(parts)).collect();
        let cron = CronParser::builder().build().parse(&plain.join(" "));
        let cron = cron.map_err(|error| format!("cannot be read: {error}"))?;
        let [.., days, months, weekdays] = read.as_slice() else { unreachable!("there are 5 or 6 fields") };
        Ok(Self { cron, zone, comes: any_day(days, months, weekdays) })
    }

    /// Whether there are times that it names. Known without a search.
    pub(crate) fn comes(&self) -> bool {
        self.comes
    }

    /// The last time up to `second` and the first after it, in seconds since 1970. A search: some 0.1 ms for what comes rarely.
    pub(crate) fn around(&self, second: i64) -> (Option<i64>, Option<i64>) {
        let Some(now) = Timestamp::from_second(second).ok().filter(|_| self.comes) else { return (None, None) };
        let now = now.to_zoned(self.zone.clone());
        let second = |found: Zoned| found.timestamp().as_second();
        let (last, next) =
            (self.cron.find_previous_occurrence(&now, true), self.cron.find_next_occurrence(&now, false));
        (last.ok().map(second), next.ok().map(second))
    }

    /// The first time after a moment. A search, as [`Self::around`].
    pub(crate) fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        let second = Timestamp::from_second(moment.as_second()).ok().filter(|_| self.comes)?;
        let found = self.cron.find_next_occurrence(&second.to_zoned(self.zone.clone()), false);
        found.ok().map(|found| found.timestamp())
    }

    /// Where its hours are those of the clock on the wall.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// The time zone that a text begins with, the default where it names none, and what follows it.
pub(crate) fn zone<'a>(text: &'a str, default: &TimeZone) -> Result<(TimeZone, &'a str), String> {
    let Some(rest) = text.trim().strip_prefix(ZONE_PREFIX) else { return Ok((default.clone(), text.trim())) };
    let (name, rest) = rest.split_once(' ').ok_or("has a time zone and nothing after it")?;
    let zone = TimeZone::get(name);
    Ok((zone.map_err(|_| format!("names a time zone '{name}' that this host does not know"))?, rest.trim()))
}

/// One of the parts between a field's commas.
#[derive(Clone, Copy)]
struct Part {
    first: u8,
    last: u8,
    step: u8,
    /// Was `*` or `?`, with a step or without.
    star: bool,
}

impl Part {
    fn values(self) -> impl Iterator<Item = u8> {
        (self.first..=self.last).step_by(usize::from(self.step))
    }
}

impl Field {
    fn read(&self, text: &str) -> Result<Vec<Part>, String> {
        text.split(',').map(|part| self.part(part)).collect()
    }

    fn part(&self, text: &str) -> Result<Part, String> {
        let (range, step) = text.split_once('/').map_or((text, None), |(range, step)| (range, Some(step)));
        let star = range == "*" || (range == "?" && self.question);
        let (first, last) = match range.split_once('-') {
            _ if star => (*self.values.start(), *self.values.end()),
            Some((first, last)) => (self.value(first, text)?, self.value(last, text)?),
            None => {
                let first = self.value(range, text)?;
                // From there on, as in Go's cron.
                (first, if step.is_some() { *self.values.end() } else { first })
            }
        };
        if first > last {
            return Err(self.wrong(text, "its range ends before it begins"));
        }
        let step = match step {
            None => 1,
            Some(step) => {
                let step = number(step).filter(|step| *step > 0);
                step.ok_or_else(|| self.wrong(text, "after '/' there must be a number from 1 to 255"))?
            }
        };
        Ok(Part { first, last, step, star })
    }

    fn value(&self, value: &str, part: &str) -> Result<u8, String> {
        let word = self.words.iter().position(|word| word.eq_ignore_ascii_case(value));
        let word = word.and_then(|index| u8::try_from(index).ok()).map(|index| self.values.start() + index);
        let value = word.or_else(|| number(value)).filter(|value| self.values.contains(value));
        value.ok_or_else(|| {
            let words = match self.words {
                [first, .., last] => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            let signs = if self.question { "'*', ',', '-', '/' and '?'" } else { "'*', ',', '-' and '/'" };
            let what = format!("it takes {} to {}{words}, with {signs}", self.values.start(), self.values.end());
            self.wrong(part, &what)
        })
    }

    fn wrong(&self, part: &str, what: &str) -> String {
        format!("cannot be read: '{part}' in the field {}: {what}", self.name)
    }
}

/// Digits only: no sign.
fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The field as the library takes it.
fn join(parts: &[Part]) -> String {
    let text = |Part { first, last, step, star }: &Part| match (star, step) {
        (true, 1) => "*".to_owned(),
        _ if step > &(last - first) => first.to_string(),
        (true, step) => format!("*/{step}"),
        (false, 1) => format!("{first}-{last}"),
        (false, step) => format!("{first}-{last}/{step}"),
    };
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}

/// Whether some year has such a day: every day of the week comes in every month, where one is named.
fn any_day(days: &[Part], months: &[Part], weekdays: &[Part]) -> bool {
    let all = |parts: &[Part]| parts.iter().any(|part| part.star);
    if !all(weekdays) || all(days) {
        return true;
    }
    let earliest = days.iter().map(|part| part.first).min();
    let longest = months.iter().flat_map(|part| part.values()).map(|month| MONTH_DAYS[usize::from(month) - 1]).max();
    earliest <= longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(text: &str) -> i64 {
        text.parse::<Timestamp>().expect(text).as_second()
    }

    #[test]
    fn what_is_no_cron_expression_is_refused() {
        for (text, word) in [
            ("", "5 or 6 fields"),
            ("@daily", "5 or 6 fields"),
            ("* * * *", "5 or 6 fields"),
            ("0 0 8 * * * 2026", "5 or 6 fields"),
            ("61 * * * * *", "'61' in the field second: it takes 0 to 59"),
            ("a b c d e", "'a' in the field minute"),
            ("0 0 L * *", "'L' in the field day of month"),
            ("0 0 15W * *", "'15W' in the field day of month"),
            ("0 0 * * FRI#2", "day of week: it takes 0 to 6, or SUN to SAT"),
            ("0 0 * * +5", "day of week"),
            ("0 0 * * 7", "day of week"),
            ("0 0 +1 * *", "day of month"),
            ("0 ? * * *", "'?' in the field hour"),
            ("0 0 * 13 *", "month: it takes 1 to 12, or JAN to DEC"),
            ("0 0 * MON *", "month"),
            ("30-10 * * * *", "ends before it begins"),
            ("*/0 * * * *", "after '/'"),
            ("0/5/5 * * * *", "after '/'"),
            ("1,,2 * * * *", "'' in the field minute"),
            ("99999999999999999999 * * * *", "minute"),
            ("CRON_TZ=Nowhere/Land 0 8 * * *", "does not know"),
            ("CRON_TZ=UTC", "nothing after it"),
        ] {
            let why = Times::parse(text, &TimeZone::UTC).expect_err(text);
            assert!(why.contains(word), "{text}: {why}");
        }
    }

    #[test]
    fn a_step_after_a_number_goes_on_to_the_end_of_the_field() {
        let now = second("2026-03-02T10:20:31Z");
        for (text, last, next) in [
            ("0/5 * * * * ?", "2026-03-02T10:20:30Z", "2026-03-02T10:20:35Z"),
            ("0 7/30 * * * *", "2026-03-02T10:07:00Z", "2026-03-02T10:37:00Z"),
            ("0 0 8/4 * * *", "2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z"),
            ("0 0 5/10 * ?", "2026-02-25T00:00:00Z", "2026-03-05T00:00:00Z"),
            ("0 0 1 feb/5 *", "2026-02-01T00:00:00Z", "2026-07-01T00:00:00Z"),
            ("0 0 ? * Mon/3", "2026-03-02T00:00:00Z", "2026-03-05T00:00:00Z"),
            ("50/60 * * * * *", "2026-03-02T10:19:50Z", "2026-03-02T10:20:50Z"),
            ("*/90 0 * * * *", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"),
            ("1/20,5 * * * * *", "2026-03-02T10:20:21Z", "2026-03-02T10:20:41Z"),
        ] {
            let found = Times::parse(text, &TimeZone::UTC).expect(text).around(now);
            assert_eq!(found, (Some(second(last)), Some(second(next))), "{text}");
        }
    }

    #[test]
    fn days_that_never_come_are_known_without_a_search() {
        let check =
            |text: &str, comes| assert_eq!(Times::parse(text, &TimeZone::UTC).expect(text).comes(), comes, "{text}");
        check("0 0 0 30 2 *", false);
        check("0 0 0 30/1 feb ?", false);
        check("0 0 31 4,6,SEP-SEP,11 *", false);
        check("0 0 31 4-11/5 *", false);
        check("0 0 31 4-11 *", true);
        check("0 0 29 2 *", true);
        check("0 0 30,1 2 *", true);
        check("0 0 30 2 MON", true);
        check("0 0 */30 2 *", true);
        assert_eq!(
            Times::parse("0 0 0 30 2 *", &TimeZone::UTC).expect("read").around(second("2026-03-02T00:00:00Z")),
            (None, None)
        );
    }
}
