//! Which functions of a project have the most of something.

use std::sync::Arc;

use fungraph_model::{Caller, ErrorCode, Fault, Metric, Ranking};
use fungraph_store::RankQuery;
use jiff::Timestamp;

use super::{
    DAY,
    window::{minute, minute_of},
};
use crate::{Engine, Error, turns::Scope};

/// The words for metrics, without what stands between their parts, and as they are told.
const METRICS: [(&str, Metric); 5] = [
    ("failcount", Metric::Failures),
    ("count", Metric::Calls),
    ("rejectcount", Metric::Refusals),
    ("duration", Metric::Duration),
    ("maxduration", Metric::LongestDuration),
];
/// Functions of a ranking that asks for no number.
const FUNCTIONS: u32 = 10;
/// Most of them.
const MOST_FUNCTIONS: u32 = 500;

/// ListFunctionAsMetric.
#[derive(Clone, Debug, Default)]
pub struct RankFilter {
    /// `type`; failures where it is left out.
    pub metric: Option<String>,
    /// `start_time`; a day before the end where it is left out.
    pub start: Option<String>,
    /// `end_time`; now where it is left out.
    pub end: Option<String>,
    /// How many functions; 10 for 0.
    pub limit: u32,
}

impl Engine {
    /// The functions of the caller's project with the most of a metric; those that have nothing of it are left out.
    ///
    /// # Errors
    /// FSS.0400 naming the value.
    pub async fn ranking(self: &Arc<Self>, caller: &Caller, filter: RankFilter) -> Result<Ranking, Error> {
        let query = query(caller, &filter, Timestamp::now())?;
        self.write_counted().await;
        // One of each project, so that nobody's many keep others waiting.
        let _alone = self.turns.of(Scope::Ranking(caller.project.clone())).await;
        let _place = self.statistics.rankings.acquire().await.expect("the semaphore is never closed");
        self.store.rank(&query).await.map_err(|source| Error::internal("rank functions", source))
    }
}

fn query(caller: &Caller, filter: &RankFilter, now: Timestamp) -> Result<RankQuery, Fault> {
    let now = minute_of(now);
    let metric = filter.metric.as_deref().map_or(Ok(Metric::Failures), metric)?;
    let end = filter.end.as_deref().map_or(Ok(now), |text| moment("end_time", text))?.min(now);
    let start = filter.start.as_deref().map_or(Ok(end - DAY), |text| moment("start_time", text))?;
    let limit = if filter.limit == 0 { FUNCTIONS } else { filter.limit.min(MOST_FUNCTIONS) };
    Ok(RankQuery { project: caller.project.clone(), metric, from: start.min(end), to: start.max(end) + 1, limit })
}

fn metric(word: &str) -> Result<Metric, Fault> {
    let plain = word.replace(['_', '-'], "").to_ascii_lowercase();
    let found = METRICS.into_iter().find(|(name, _)| *name == plain);
    found.map(|(_, metric)| metric).ok_or_else(|| {
        let known = METRICS.map(|(name, _)| name).join(", ");
        Fault::new(ErrorCode::BadParameter, format!("The query value type must be one of {known}"))
    })
}

/// Seconds or milliseconds since 1970, or a time as the rest of the API has it.
fn moment(name: &str, text: &str) -> Result<i64, Fault> {
    let written = || text.parse::<Timestamp>().or_else(|_| format!("{text}Z").parse()).ok().map(minute_of);
    minute(text).or_else(written).ok_or_else(|| {
        let message =
            format!("The query value {name} must be milliseconds since 1970, or a time such as 2026-01-31T12:00:00Z");
        Fault::new(ErrorCode::BadParameter, message)
    })
}

#[cfg(test)]
mod tests {
    use fungraph_model::sample;

    use super::*;

    fn check(metric: &str, start: &str, end: &str, limit: u32) -> Result<(Metric, i64, i64, u32), ErrorCode> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let filter = RankFilter { metric: text(metric), start: text(start), end: text(end), limit };
        let function = sample::function("f");
        let caller = Caller { domain: function.domain, project: function.key.project };
        let now = Timestamp::from_second(6_000_000).expect("a time");
        let query = query(&caller, &filter, now).map_err(|fault| fault.code)?;
        Ok((query.metric, query.from, query.to, query.limit))
    }

    #[test]
    fn what_is_left_out_is_the_failures_of_a_day() {
        assert_eq!(check("", "", "", 0), Ok((Metric::Failures, 100_000 - 1440, 100_001, 10)));
        assert_eq!(check("fail_count", "", "", 9999), Ok((Metric::Failures, 100_000 - 1440, 100_001, 500)));
        assert_eq!(check("MaxDuration", "5400000", "", 1), Ok((Metric::LongestDuration, 90_000, 100_001, 1)));
    }

    #[test]
    fn times_have_three_forms_and_any_order() {
        let expected = Ok((Metric::Calls, 28_401_120, 28_401_181, 10));
        let late = |metric, start, end| {
            let function = sample::function("f");
            let caller = Caller { domain: function.domain, project: function.key.project };
            let text = |text: &str| Some(text.to_owned());
            let filter = RankFilter { metric: text(metric), start: text(start), end: text(end), limit: 0 };
            let query = query(&caller, &filter, Timestamp::MAX).map_err(|fault| fault.code)?;
            Ok::<_, ErrorCode>((query.metric, query.from, query.to, query.limit))
        };
        for (start, end) in [
            ("1704067200", "1704070800"),
            ("1704067200000", "1704070800000"),
            ("1704070800", "1704067200"),
            ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00"),
        ] {
            assert_eq!(late("count", start, end), expected, "{start} {end}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (metric, start, end) in [("errors", "", ""), ("", "yesterday", ""), ("", "", "-5"), ("", "", "1e99")] {
            assert_eq!(check(metric, start, end, 0), Err(ErrorCode::BadParameter), "{metric} {start} {end}");
        }
    }
}
