//! What a request may reserve (contract: schemas.json, async.md section 6).

use fungraph_model::{ErrorCode, Fault, MetricRule, Reservation, Schedule, limits};
use jiff::tz::TimeZone;

use crate::{MetricDraft, ReservationDraft, ScheduleDraft, cron::Times};

/// The one kind of metric there is.
const CONCURRENCY: &str = "Concurrency";
/// Bytes of a cron expression.
const CRON_BYTES: usize = 256;
/// The end of the year 9999, in seconds since 1970: later ones are milliseconds.
const LAST_SECOND: i64 = 253_402_300_799;
/// Letters of a schedule's or rule's name.
const NAME_CHARS: usize = 64;

/// Checks everything but whether there may be so many.
///
/// # Errors
/// FSS.0400, which the contract has no better code for.
pub(super) fn reservation(draft: ReservationDraft) -> Result<Reservation, Fault> {
    let count = draft.count.ok_or_else(|| bad("The field 'count' is missing. 0 removes the reserved instances"))?;
    let count = number("count", count)?;
    for (name, length) in [("cron_configs", draft.schedules.len()), ("metric_configs", draft.metrics.len())] {
        if length > limits::RESERVATION_RULES {
            let most = limits::RESERVATION_RULES;
            return Err(bad(format!("tactics_config.{name} has {length} entries; {most} are allowed")));
        }
    }
    let schedules = draft.schedules.into_iter().enumerate();
    let schedules = schedules.map(|(index, draft)| schedule(draft, count, &path("cron_configs", index)));
    let metrics = draft.metrics.into_iter().enumerate();
    let metrics = metrics.map(|(index, draft)| metric(draft, &path("metric_configs", index)));
    Ok(Reservation {
        count,
        idle_mode: draft.idle_mode.unwrap_or(false),
        schedules: schedules.collect::<Result<_, _>>()?,
        metrics: metrics.collect::<Result<_, _>>()?,
    })
}

/// The entry as the shape of a request names it.
fn path(list: &str, index: usize) -> String {
    format!("tactics_config.{list}[{index}]")
}

fn schedule(draft: ScheduleDraft, basic: u32, path: &str) -> Result<Schedule, Fault> {
    let name = name(path, draft.name)?;
    let cron = draft.cron.ok_or_else(|| missing(path, "cron", ". \"0 0 8 * * ?\" is every day at 8"))?;
    if cron.len() > CRON_BYTES {
        return Err(bad(format!("The field '{path}.cron' has more than {CRON_BYTES} bytes")));
    }
    let times = Times::parse(&cron, &TimeZone::UTC).map_err(|why| bad(format!("The field '{path}.cron' {why}")))?;
    if !times.comes() {
        return Err(bad(format!("The field '{path}.cron' names no time to come. Is there such a day in that month?")));
    }
    let count = draft.count.ok_or_else(|| missing(path, "count", ""))?;
    let count = number(&format!("{path}.count"), count)?;
    if count < basic {
        return Err(bad(format!(
            "The field '{path}.count' is {count}, below the basic count {basic}. Raise it, or lower 'count'"
        )));
    }
    let start_s = second(draft.start_time, &format!("{path}.start_time"))?;
    let end_s = second(draft.expired_time, &format!("{path}.expired_time"))?;
    if let (Some(start), Some(end)) = (start_s, end_s)
        && start >= end
    {
        return Err(bad(format!(
            "The field '{path}.expired_time' must be after its start_time, both in seconds since 1970: it ends before it begins"
        )));
    }
    Ok(Schedule { name, cron, count, start_s, end_s })
}

fn second(second: Option<i64>, field: &str) -> Result<Option<i64>, Fault> {
    // Clients send 0 for what they do not use.
    let Some(second) = second.filter(|second| *second != 0) else { return Ok(None) };
    if !(0..=LAST_SECOND).contains(&second) {
        let what = if second < 0 { "is negative" } else { "is beyond the year 9999" };
        return Err(bad(format!("The field '{field}' {what}. It takes seconds since 1970, not milliseconds")));
    }
    Ok(Some(second))
}

fn metric(draft: MetricDraft, path: &str) -> Result<MetricRule, Fault> {
    let name = name(path, draft.name)?;
    if draft.kind.as_deref().is_some_and(|kind| kind != CONCURRENCY) {
        return Err(bad(format!(
            "The field '{path}.type' names a type that does not exist. The one there is is Concurrency"
        )));
    }
    let threshold = draft.threshold.ok_or_else(|| missing(path, "threshold", ""))?;
    let percent = u32::try_from(threshold).ok().filter(|percent| (1..=100).contains(percent));
    let threshold = percent
        .ok_or_else(|| bad(format!("The field '{path}.threshold' must be 1 to 100 percent, not {threshold}")))?;
    Ok(MetricRule { threshold, min: number(&format!("{path}.min"), draft.min.unwrap_or(0))?, name })
}

fn name(path: &str, name: Option<String>) -> Result<String, Fault> {
    let name = name.unwrap_or_default();
    if name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        let what = format!("has more than {NAME_CHARS} characters, or control characters");
        return Err(bad(format!("The field '{path}.name' {what}")));
    }
    Ok(name)
}

fn missing(path: &str, field: &str, hint: &str) -> Fault {
    bad(format!("The field '{path}.{field}' is missing{hint}"))
}

fn number(field: &str, value: i64) -> Result<u32, Fault> {
    let number = u32::try_from(value).ok().filter(|number| limits::RESERVED_INSTANCES.contains(number));
    number.ok_or_else(|| bad(format!("The field '{field}' must be 0 to 1000, not {value}")))
}

fn bad(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut ReservationDraft), word: &str) {
        let schedule = ScheduleDraft {
            name: Some("day".to_owned()),
            cron: Some("0 0 8 * * ?".to_owned()),
            count: Some(5),
            start_time: Some(1_700_000_000),
            expired_time: Some(1_800_000_000),
        };
        let rule = MetricDraft { name: None, kind: Some("Concurrency".to_owned()), threshold: Some(60), min: Some(2) };
        let mut draft =
            ReservationDraft { count: Some(2), idle_mode: None, schedules: vec![schedule], metrics: vec![rule] };
        change(&mut draft);
        match reservation(draft) {
            Ok(found) => assert_eq!(word, "", "{found:?}"),
            Err(fault) => {
                assert_eq!(fault.code, ErrorCode::BadParameter);
                assert!(!word.is_empty() && fault.message.contains(word), "{} lacks {word:?}", fault.message);
            }
        }
    }

    #[test]
    fn every_field_has_its_range() {
        check(|_| {}, "");
        check(|draft| draft.count = None, "'count' is missing");
        check(|draft| draft.count = Some(-1), "0 to 1000, not -1");
        check(|draft| draft.count = Some(1001), "0 to 1000");
        check(|draft| draft.schedules = vec![draft.schedules[0].clone(); 61], "60 are allowed");
    }

    #[test]
    fn every_field_of_a_schedule_has_its_range_and_is_named_with_its_index() {
        let check = |change: fn(&mut ScheduleDraft), word: &str| {
            check(
                |draft| {
                    draft.schedules.push(draft.schedules[0].clone());
                    change(&mut draft.schedules[1]);
                },
                word,
            );
        };
        check(|one| one.count = Some(1), "'tactics_config.cron_configs[1].count' is 1, below the basic count 2");
        check(|one| one.count = None, "'tactics_config.cron_configs[1].count' is missing");
        check(|one| one.count = Some(-3), "'tactics_config.cron_configs[1].count' must be 0 to 1000, not -3");
        check(|one| one.cron = None, "'tactics_config.cron_configs[1].cron' is missing");
        check(
            |one| one.cron = Some("never".to_owned()),
            "'tactics_config.cron_configs[1].cron' must have 5 or 6 fields",
        );
        check(
            |one| one.cron = Some("0 0 30 2 *".to_owned()),
            "'tactics_config.cron_configs[1].cron' names no time to come",
        );
        check(|one| one.cron = Some("0 0 L * *".to_owned()), "[1].cron' cannot be read: 'L' in the field day of month");
        check(|one| one.cron = Some("0/5 * * * * ?".to_owned()), "");
        check(|one| one.cron = Some("* ".repeat(129)), "cron' has more than 256 bytes");
        check(|one| one.expired_time = Some(1_700_000_000), "ends before it begins");
        check(|one| one.start_time = Some(-1), "'tactics_config.cron_configs[1].start_time' is negative");
        check(|one| one.start_time = Some(1_700_000_000_000), "start_time' is beyond the year 9999");
        check(|one| one.expired_time = Some(1_800_000_000_000), "seconds since 1970, not milliseconds");
        check(|one| (one.start_time, one.expired_time) = (Some(0), None), "");
        check(|one| one.name = Some("x".repeat(65)), "'tactics_config.cron_configs[1].name' has more than 64");
    }

    #[test]
    fn every_field_of_a_rule_has_its_range_and_is_named_with_its_index() {
        let check = |change: fn(&mut MetricDraft), word: &str| check(|draft| change(&mut draft.metrics[0]), word);
        check(|rule| rule.kind = Some("Cpu".to_owned()), "'tactics_config.metric_configs[0].type'");
        check(|rule| rule.threshold = None, "'tactics_config.metric_configs[0].threshold' is missing");
        check(|rule| rule.threshold = Some(101), "threshold' must be 1 to 100 percent, not 101");
        check(|rule| rule.min = Some(-1), "'tactics_config.metric_configs[0].min' must be 0 to 1000");
    }
}
