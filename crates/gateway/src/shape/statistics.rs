//! Statistics in answers (contract: schemas.json, `SlaReportsValue` and what is made of it).

use fungraph_engine::{MonthReport, RankFilter, Series};
use fungraph_model::{ErrorCode, Fault, MonthUsage, Ranking, Tally, limits};
use serde_json::{Map, Value, json};

use super::list::{number, value};

/// What there is no data for (contract: schemas.json, `SlaReportsValue`).
const NO_DATA: f64 = -1.0;

/// Which part of a series is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeriesPage {
    marker: usize,
    limit: usize,
}

/// What ListStatistics gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatisticsFilter {
    /// `monitor_data`
    Series,
    /// `monthly_report`
    Months,
}

/// ListStatistics.
#[derive(Clone, Debug)]
pub(crate) struct StatisticsQuery {
    pub(crate) filter: StatisticsFilter,
    pub(crate) period: Option<String>,
    pub(crate) option: Option<String>,
    pub(crate) page: SeriesPage,
}

/// A name of the API's, and what it means.
type Column = (&'static str, fn(&Tally) -> f64);

/// What both kinds of reports have.
const COLUMNS: [Column; 10] = [
    ("count", |tally| tally.calls as f64),
    ("duration", |tally| of_runs(tally, ms(tally.duration_us) / tally.ran().max(1) as f64)),
    ("fail_count", |tally| tally.failed() as f64),
    ("max_duration", |tally| of_runs(tally, ms(tally.longest_us))),
    ("min_duration", |tally| tally.shortest_us.map_or(NO_DATA, ms)),
    ("reject_count", |tally| tally.refused as f64),
    ("function_error_count", |tally| tally.function_errors as f64),
    ("system_error_count", |tally| tally.system_errors as f64),
    ("reserved_instance_num", |tally| tally.reserved as f64),
    ("concurrency_num", |tally| tally.running as f64),
];
const INSTANCES: Column = ("instance_num", |tally| tally.instances as f64);

/// The query of ListStatistics.
///
/// # Errors
/// FSS.0400 for a filter that is none and for negative numbers, FSS.1001 for text that is no number.
pub(crate) fn statistics_query(query: &str) -> Result<StatisticsQuery, Fault> {
    let filter = match value(query, "filter")?.as_deref() {
        Some("monitor_data") => StatisticsFilter::Series,
        Some("monthly_report") => StatisticsFilter::Months,
        _ => {
            let message = "The query value filter must be monitor_data, for numbers over time, or monthly_report, for what the project used";
            return Err(Fault::new(ErrorCode::BadParameter, message));
        }
    };
    Ok(StatisticsQuery {
        filter,
        period: value(query, "period")?,
        option: value(query, "option")?,
        page: series_page(query)?,
    })
}

/// Which part of a series a query wants.
///
/// # Errors
/// As [`statistics_query`].
pub(crate) fn series_page(query: &str) -> Result<SeriesPage, Fault> {
    let limit = match number(query, "limit")? {
        0 => limits::PAGE_STATISTICS,
        most => most.min(limits::MOST_PAGE_STATISTICS),
    };
    Ok(SeriesPage { marker: number(query, "marker")? as usize, limit: limit as usize })
}

/// The query of ListFunctionAsMetric.
///
/// # Errors
/// As [`statistics_query`].
pub(crate) fn rank_filter(query: &str) -> Result<RankFilter, Fault> {
    Ok(RankFilter {
        metric: value(query, "type")?,
        start: value(query, "start_time")?,
        end: value(query, "end_time")?,
        limit: number(query, "limit")?,
    })
}

/// ListFunctionStatistics.
pub(crate) fn function_statistics(series: &Series) -> Value {
    columns(&COLUMNS, &series.points)
}

/// ShowFunctionMetrics.
pub(crate) fn function_metrics(series: &Series) -> Value {
    let mut shape = columns(&COLUMNS, &series.points);
    shape[INSTANCES.0] = column(INSTANCES, &series.points);
    shape
}

/// ListStatistics, over time.
pub(crate) fn project_statistics(series: &Series, page: SeriesPage) -> Value {
    json!({ "statistics": columns(&COLUMNS, page.of(&series.points)) })
}

/// ListStatistics, by the month. Nothing here has a GPU.
pub(crate) fn month_report(report: &MonthReport, page: SeriesPage) -> Value {
    let list = |used: fn(&MonthUsage) -> f64| {
        let month = |(month, usage): &(String, MonthUsage)| json!({ "date": month, "value": used(usage) });
        page.of(&report.months).iter().map(month).collect::<Vec<_>>()
    };
    json!({
        "count": list(|usage| usage.calls as f64),
        "gbs": list(|usage| usage.mb_ms as f64 / 1024.0 / 1000.0),
        "gpu_gbs": list(|_| 0.0),
    })
}

/// ShowFuncReservedInstanceMetrics.
pub(crate) fn instance_metrics(series: &Series, page: SeriesPage) -> Value {
    let points = page.of(&series.points);
    json!({
        "instanceNum": column(INSTANCES, points),
        "reservedInstanceNum": column(("", |tally| tally.reserved as f64), points),
    })
}

/// ListFunctionAsMetric. A ranking has one page.
pub(crate) fn ranking(ranking: &Ranking, region: &str) -> Value {
    let entry = |(key, value): &(fungraph_model::FunctionKey, u64)| {
        let urn = key.urn(region, "");
        // The API's number has 32 bits.
        json!({ "key": urn.trim_end_matches(':'), "value": i32::try_from(*value).unwrap_or(i32::MAX) })
    };
    json!({
        "values": ranking.functions.iter().map(entry).collect::<Vec<_>>(),
        "next_marker": 0,
        "count": ranking.total,
    })
}

impl SeriesPage {
    fn of<T>(self, all: &[T]) -> &[T] {
        let rest = all.get(self.marker..).unwrap_or_default();
        &rest[..self.limit.min(rest.len())]
    }
}

fn columns(names: &[Column], points: &[(i64, Option<Tally>)]) -> Value {
    let columns = names.iter().map(|(name, number)| ((*name).to_owned(), column((name, *number), points)));
    Value::Object(columns.collect::<Map<_, _>>())
}

fn column((_, number): Column, points: &[(i64, Option<Tally>)]) -> Value {
    let point = |(start, tally): &(i64, Option<Tally>)| json!({ "timestamp": start, "value": tally.as_ref().map_or(NO_DATA, number) });
    points.iter().map(point).collect()
}

/// A number that only calls have which ran.
fn of_runs(tally: &Tally, number: f64) -> f64 {
    if tally.ran() > 0 { number } else { NO_DATA }
}

/// Times are milliseconds, to the microsecond.
fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        let tally = Tally {
            calls: 5,
            refused: 1,
            function_errors: 1,
            system_errors: 1,
            duration_us: 10_000,
            shortest_us: Some(500),
            longest_us: 4250,
            running: 2,
            instances: 3,
            reserved: 1,
        };
        let refused = Tally { calls: 1, refused: 1, ..Tally::default() };
        Series { points: vec![(0, None), (60_000, Some(tally)), (120_000, Some(refused))] }
    }

    fn values(shape: &Value, name: &str) -> Vec<f64> {
        let points = shape[name].as_array().expect(name).iter();
        points.map(|point| point["value"].as_f64().expect("a number")).collect()
    }

    #[test]
    fn numbers_are_those_of_the_minute_and_minus_one_where_there_is_none() {
        let shape = function_metrics(&series());
        for (name, expected) in [
            ("count", [-1.0, 5.0, 1.0]),
            ("duration", [-1.0, 2.5, -1.0]),
            ("max_duration", [-1.0, 4.25, -1.0]),
            ("min_duration", [-1.0, 0.5, -1.0]),
            ("fail_count", [-1.0, 2.0, 0.0]),
            ("function_error_count", [-1.0, 1.0, 0.0]),
            ("system_error_count", [-1.0, 1.0, 0.0]),
            ("reject_count", [-1.0, 1.0, 1.0]),
            ("concurrency_num", [-1.0, 2.0, 0.0]),
            ("reserved_instance_num", [-1.0, 1.0, 0.0]),
            ("instance_num", [-1.0, 3.0, 0.0]),
        ] {
            assert_eq!(values(&shape, name), expected, "{name}");
        }
        assert_eq!(shape["count"][2]["timestamp"], json!(120_000));
        assert!(function_statistics(&series()).get("instance_num").is_none(), "only one of both shapes has it");
        let shape = instance_metrics(&series(), SeriesPage { marker: 1, limit: 1 });
        assert_eq!((values(&shape, "instanceNum"), values(&shape, "reservedInstanceNum")), (vec![3.0], vec![1.0]));
    }

    #[test]
    fn months_have_gigabyte_seconds() {
        let usage = MonthUsage { calls: 3, mb_ms: 128 * 1000 };
        let report = MonthReport { months: vec![("2026-10".into(), MonthUsage::default()), ("2026-11".into(), usage)] };
        let page = series_page("").expect("a page");
        assert_eq!(
            month_report(&report, page),
            json!({
                "count": [{ "date": "2026-10", "value": 0.0 }, { "date": "2026-11", "value": 3.0 }],
                "gbs": [{ "date": "2026-10", "value": 0.0 }, { "date": "2026-11", "value": 0.125 }],
                "gpu_gbs": [{ "date": "2026-10", "value": 0.0 }, { "date": "2026-11", "value": 0.0 }],
            })
        );
    }

    #[test]
    fn queries_say_which_report_and_which_part_of_it() {
        let query = statistics_query("filter=monitor_data&period=5&limit=9999&marker=2").expect("a query");
        assert_eq!((query.filter, query.period.as_deref()), (StatisticsFilter::Series, Some("5")));
        assert_eq!(query.page, SeriesPage { marker: 2, limit: 500 });
        let query = statistics_query("option=1&filter=monthly_report").expect("a query");
        assert_eq!((query.filter, query.option.as_deref()), (StatisticsFilter::Months, Some("1")));
        assert_eq!(query.page, SeriesPage { marker: 0, limit: 100 });
        assert_eq!(query.page.of(&[7; 3]), [7; 3]);
        assert_eq!(SeriesPage { marker: usize::MAX, limit: 1 }.of(&[7; 3]), [0; 0]);
        for (text, code) in [
            ("", ErrorCode::BadParameter),
            ("filter=", ErrorCode::BadParameter),
            ("filter=all", ErrorCode::BadParameter),
            ("filter=monitor_data&limit=-1", ErrorCode::BadParameter),
            ("filter=monitor_data&marker=x", ErrorCode::BadQuery),
        ] {
            assert_eq!(statistics_query(text).expect_err(text).code, code, "{text}");
        }
    }
}
