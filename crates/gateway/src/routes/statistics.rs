//! Statistics of functions and of the project.

use std::sync::Arc;

use fungraph_engine::Engine;

use crate::{
    answer::{self, Refusal, Response},
    service::Call,
    shape::{self, StatisticsFilter},
};

/// The period of a report that names none: the last hour.
const PERIOD: &str = "60";

/// ListStatistics: numbers over time, or what the project used by the month.
pub(crate) async fn of_project(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let query = shape::statistics_query(call.head.uri.query().unwrap_or(""))?;
    match query.filter {
        StatisticsFilter::Series => {
            let period = query.period.as_deref().unwrap_or(PERIOD);
            let series = engine.project_statistics(&call.caller, period).await?;
            Ok(answer::json(&shape::project_statistics(&series, query.page)))
        }
        StatisticsFilter::Months => {
            let report = engine.month_report(&call.caller, query.option.as_deref()).await?;
            Ok(answer::json(&shape::month_report(&report, query.page)))
        }
    }
}

/// ListFunctionStatistics.
pub(crate) async fn of_function(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let (function, period) = (call.route.function()?, call.route.other(0, "period")?);
    let series = engine.function_statistics(&call.caller, &function, &period).await?;
    Ok(answer::json(&shape::function_statistics(&series)))
}

/// ShowFunctionMetrics.
pub(crate) async fn metrics(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let (function, interval) = (call.route.function()?, call.route.other(0, "period")?);
    let series = engine.function_metrics(&call.caller, &function, &interval).await?;
    Ok(answer::json(&shape::function_metrics(&series)))
}

/// ShowFuncReservedInstanceMetrics.
pub(crate) async fn instances(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let function = call.route.function()?;
    let page = shape::series_page(call.head.uri.query().unwrap_or(""))?;
    let series = engine.instance_metrics(&call.caller, &function).await?;
    Ok(answer::json(&shape::instance_metrics(&series, page)))
}

/// ListFunctionAsMetric.
pub(crate) async fn ranking(engine: &Arc<Engine>, call: Call<'_>) -> Result<Response, Refusal> {
    let filter = shape::rank_filter(call.head.uri.query().unwrap_or(""))?;
    let ranking = engine.ranking(&call.caller, filter).await?;
    Ok(answer::json(&shape::ranking(&ranking, engine.region())))
}
