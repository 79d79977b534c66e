//! What a request may reserve (contract: schemas.json, async.md section 6).

use fungraph_model::{ErrorCode, Fault, MetricRule, Reservation, Schedule, limits};
use jiff::Timestamp;

use super::cron::Times;
use crate::{MetricDraft, ReservationDraft, ScheduleDraft};

/// The one kind of metric there is.
const CONCURRENCY: &str = "Concurrency";
/// Bytes of a cron expression.
const CRON_BYTES: usize = 256;
/// Letters of a schedule's or rule's name.
const NAME_CHARS: usize = 64;

/// Checks everything but whether there may be so many.
///
/// # Errors
/// FSS.0400, which the contract has no better code for.
pub(super) fn reservation(draft: ReservationDraft, now: Timestamp) -> Result<Reservation, Fault> {
    let count = draft.count.ok_or_else(|| bad("The field 'count' is missing. 0 removes the reserved instances"))?;
    let count = number("count", count)?;
    for (name, length) in [("cron_configs", draft.schedules.len()), ("metric_configs", draft.metrics.len())] {
        if length > limits::RESERVATION_RULES {
            let most = limits::RESERVATION_RULES;
            return Err(bad(format!("tactics_config.{name} has {length} entries; {most} are allowed")));
        }
    }
    let schedules = draft.schedules.into_iter().map(|draft| schedule(draft, count, now));
    let metrics = draft.metrics.into_iter().map(metric);
    Ok(Reservation {
        count,
        idle_mode: draft.idle_mode.unwrap_or(false),
        schedules: schedules.collect::<Result<_, _>>()?,
        metrics: metrics.collect::<Result<_, _>>()?,
    })
}

fn schedule(draft: ScheduleDraft, basic: u32, now: Timestamp) -> Result<Schedule, Fault> {
    let name = name("cron_configs", draft.name)?;
    let bad_here = |what: &str| bad(format!("tactics_config.cron_configs: the schedule '{name}' {what}"));
    let cron = draft.cron.ok_or_else(|| bad_here("has no cron expression. \"0 0 8 * * ?\" is every day at 8"))?;
    if cron.len() > CRON_BYTES {
        return Err(bad_here("has a cron expression that is too long"));
    }
    let times = Times::parse(&cron).map_err(|why| bad_here(&format!("has a cron expression that {why}")))?;
    if !times.comes() {
        return Err(bad_here("has a cron expression that names no time to come. Is there such a day in that month?"));
    }
    let count = draft.count.ok_or_else(|| bad_here("has no count"))?;
    let count = number("tactics_config.cron_configs.count", count)?;
    if count < basic {
        return Err(bad_here(&format!(
            "has the count {count}, below the basic count {basic}. Raise it, or lower 'count'"
        )));
    }
    // Clients send 0 for what they do not use.
    let (start_s, end_s) = (draft.start_time.filter(|start| *start != 0), draft.expired_time.filter(|end| *end != 0));
    if start_s.into_iter().chain(end_s).any(|second| second < 0) {
        return Err(bad_here("has a negative time. start_time and expired_time are seconds since 1970"));
    }
    if let (Some(start), Some(end)) = (start_s, end_s)
        && start >= end
    {
        return Err(bad_here(
            "ends before it begins. expired_time must be after start_time, both in seconds since 1970",
        ));
    }
    Ok(Schedule { name, cron, count, start_s, end_s })
}

fn metric(draft: MetricDraft) -> Result<MetricRule, Fault> {
    let name = name("metric_configs", draft.name)?;
    let bad_here = |what: &str| bad(format!("tactics_config.metric_configs: the rule '{name}' {what}"));
    if draft.kind.as_deref().is_some_and(|kind| kind != CONCURRENCY) {
        return Err(bad_here("has a type that does not exist. The one there is is Concurrency"));
    }
    let threshold = draft.threshold.ok_or_else(|| bad_here("has no threshold"))?;
    let threshold = u32::try_from(threshold).ok().filter(|percent| (1..=100).contains(percent));
    let threshold = threshold.ok_or_else(|| bad_here("has a threshold outside 1 to 100 percent"))?;
    Ok(MetricRule { threshold, min: number("tactics_config.metric_configs.min", draft.min.unwrap_or(0))?, name })
}

fn name(list: &str, name: Option<String>) -> Result<String, Fault> {
    let name = name.unwrap_or_default();
    if name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
        return Err(bad(format!(
            "tactics_config.{list}: a name has over {NAME_CHARS} characters, or control characters"
        )));
    }
    Ok(name)
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
        match reservation(draft, Timestamp::from_second(1_750_000_000).expect("a time")) {
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
        check(|draft| draft.count = Some(6), "below the basic count 6");
        check(|draft| draft.schedules[0].cron = None, "no cron expression");
        check(|draft| draft.schedules[0].cron = Some("never".to_owned()), "5 or 6 fields");
        check(|draft| draft.schedules[0].cron = Some("0 0 30 2 *".to_owned()), "no time to come");
        check(|draft| draft.schedules[0].count = None, "no count");
        check(|draft| draft.schedules[0].expired_time = Some(1_700_000_000), "ends before it begins");
        check(|draft| draft.schedules[0].start_time = Some(-1), "negative time");
        check(|draft| (draft.schedules[0].start_time, draft.schedules[0].expired_time) = (Some(0), None), "");
        check(|draft| draft.schedules[0].name = Some("x".repeat(65)), "name");
        check(|draft| draft.schedules = vec![draft.schedules[0].clone(); 61], "60 are allowed");
        check(|draft| draft.metrics[0].kind = Some("Cpu".to_owned()), "Concurrency");
        check(|draft| draft.metrics[0].threshold = None, "no threshold");
        check(|draft| draft.metrics[0].threshold = Some(101), "1 to 100");
        check(|draft| draft.metrics[0].min = Some(-1), "0 to 1000");
    }
}
