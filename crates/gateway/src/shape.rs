//! JSON shapes of the API, in and out. Requests become drafts here; nothing is checked beyond its type, which is the engine's work.

mod alias;
mod async_call;
mod async_config;
mod dependency;
mod draft;
mod export;
mod fields;
mod function;
pub(crate) mod iam;
mod image;
mod kept;
mod list;
pub(crate) mod login;
pub(crate) mod manage;
mod mount;
pub(crate) mod not_built;
pub(crate) mod passive;
mod project;
mod recorded;
pub(crate) mod report;
mod reservation;
mod statistics;
mod tag;
mod template;
mod test_event;
mod trigger;
mod version;

pub(crate) use alias::{alias, alias_create, alias_update, aliases};
pub(crate) use async_call::{
    active_async_call_query, async_call, async_call_cancel, async_call_query, async_calls, async_counts, request_id,
};
pub(crate) use async_config::{async_config, async_configs, async_draft, async_query};
pub(crate) use dependency::{asks_for_public, dependencies, dependency, dependency_create, dependency_query};
pub(crate) use draft::{code_update, create, spec_update};
pub(crate) use export::{Wanted, description, export_query, import_draft, import_request};
pub(crate) use fields::Fields;
#[cfg(test)]
pub(crate) use fields::asked;
pub(crate) use function::{code, config, list_page};
pub(crate) use list::query;
pub(crate) use project::{log_place, quotas, runtimes, tracing_draft, vpc_endpoint_draft};
pub(crate) use recorded::recorded;
pub(crate) use reservation::{
    most_instances, reservation, reservation_configs, reservation_query, reservation_update, reserved_instances,
};
pub(crate) use statistics::{
    StatisticsFilter, function_metrics, function_statistics, instance_metrics, month_report, project_statistics,
    rank_filter, ranking, series_page, statistics_query,
};
pub(crate) use tag::{project_tags, resource_count, resource_filter, resources, tag_drafts, tags};
pub(crate) use template::{template, template_query, templates};
pub(crate) use test_event::{test_event, test_event_draft, test_event_named, test_events};
pub(crate) use trigger::{
    trigger, trigger_create, trigger_list, trigger_query, trigger_types, trigger_update, triggers,
};
pub(crate) use version::{version_create, version_query, versions};
