//! Statistics of functions.

use super::{
    Answer, Entry,
    field::{Shape, integer, long, number, object, objects, shape, text},
    operation,
};

pub(super) static ENTRIES: [Entry; 5] = [
    operation("ShowFuncReservedInstanceMetrics", "Series of elastic and reserved instance counts")
        .note("of the last day")
        .query(&[text("marker"), text("limit")])
        .gives(200, Answer::Object(&SHOW_FUNC_RESERVED_INSTANCE_METRICS_ANSWER)),
    operation("ListFunctionAsMetric", "Rank functions by a metric")
        .note("those with the most failures of the last day, unless the query says otherwise")
        .query(&[text("type"), text("start_time"), text("end_time"), text("limit")])
        .gives(200, Answer::Object(&LIST_FUNCTION_AS_METRIC_ANSWER)),
    operation("ListStatistics", "Project-wide monthly use or metric series")
        .query(&[
            text("filter").required().one_of(&["monitor_data", "monthly_report"]),
            text("period"),
            text("option").one_of(&["0", "1", "2", "3"]),
            text("limit"),
            text("marker"),
        ])
        .gives(200, Answer::Object(&LIST_STATISTICS_ANSWER)),
    operation("ShowFunctionMetrics", "Metric series of one function at a chosen interval")
        .note("the last 60 intervals and the one that has begun")
        .gives(200, Answer::Object(&SHOW_FUNCTION_METRICS_ANSWER)),
    operation("ListFunctionStatistics", "Metric series of one function for the last N minutes")
        .note("of a version, of an alias, or of all versions together")
        .gives(200, Answer::Object(&LIST_FUNCTION_STATISTICS_ANSWER)),
];

static SHOW_FUNC_RESERVED_INSTANCE_METRICS_ANSWER: Shape = shape(
    "ShowFuncReservedInstanceMetricsResponse",
    &[objects("instanceNum", &SLA_REPORTS_VALUE), objects("reservedInstanceNum", &SLA_REPORTS_VALUE)],
);

static LIST_FUNCTION_AS_METRIC_ANSWER: Shape =
    shape("ListFunctionAsMetricResponse", &[objects("values", &FUNCTION_METRIC), long("next_marker"), long("count")]);

static FUNCTION_METRIC: Shape = shape("FunctionMetric", &[text("key"), integer("value")]);

static LIST_STATISTICS_ANSWER: Shape = shape(
    "ListStatisticsResponse",
    &[
        objects("count", &MONTH_USED),
        objects("gbs", &MONTH_USED),
        objects("gpu_gbs", &MONTH_USED),
        object("statistics", &LIST_FUNCTION_STATISTICS_BODY),
    ],
);

static MONTH_USED: Shape = shape("MonthUsed", &[text("date"), number("value")]);

static LIST_FUNCTION_STATISTICS_BODY: Shape = shape("ListFunctionStatisticsResponseBody", &[]).and(&SERIES);

static LIST_FUNCTION_STATISTICS_ANSWER: Shape = shape("ListFunctionStatisticsResponse", &[]).and(&SERIES);

static SHOW_FUNCTION_METRICS_ANSWER: Shape =
    shape("ShowFunctionMetricsResponse", &[objects("instance_num", &SLA_REPORTS_VALUE)]).and(&SERIES);

/// What all of them have.
static SERIES: [super::field::Field; 10] = [
    objects("count", &SLA_REPORTS_VALUE),
    objects("duration", &SLA_REPORTS_VALUE),
    objects("fail_count", &SLA_REPORTS_VALUE),
    objects("max_duration", &SLA_REPORTS_VALUE),
    objects("min_duration", &SLA_REPORTS_VALUE),
    objects("reject_count", &SLA_REPORTS_VALUE),
    objects("function_error_count", &SLA_REPORTS_VALUE),
    objects("system_error_count", &SLA_REPORTS_VALUE),
    objects("reserved_instance_num", &SLA_REPORTS_VALUE),
    objects("concurrency_num", &SLA_REPORTS_VALUE),
];

static SLA_REPORTS_VALUE: Shape = shape("SlaReportsValue", &[long("timestamp"), number("value")]);
