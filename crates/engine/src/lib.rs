//! What the platform does: functions, their code, and the one corridor every call walks, free of HTTP and SQL.
//!
//! Three doors (HTTP, triggers and the queue) end in [`Engine::invoke`]. Gateway asks the engine, never the store.

mod aliases;
mod async_configs;
mod call_record;
mod called;
mod code;
mod config;
mod cron;
mod dependencies;
mod destinations;
mod draft;
mod engine;
mod error;
mod exports;
mod footprint;
mod functions;
mod held;
mod identity;
mod images;
mod imports;
mod invoke;
mod jobs;
mod mounts;
mod projects;
mod queue;
mod quotas;
mod recording;
mod report;
mod reserve;
mod resolve;
mod run_log;
mod statistics;
mod stopwatch;
mod tags;
mod telemetry;
mod templates;
mod test_events;
mod to_end;
mod tracing_keys;
mod triggers;
mod turns;
mod validate;
mod versions;

pub use async_configs::{AsyncConfigList, AsyncDraft, DestinationDraft};
pub use call_record::OpenRecord;
pub use called::{NoHeaders, RequestHeaders};
pub use config::Config;
pub use dependencies::{DependencyFilter, DependencyList};
pub use destinations::{DestinationSettings, Destinations, DestinationsError, DisSettings, ObsBucket, SmnSettings};
pub use draft::{
    AliasDraft, AttachedDraft, CodeDraft, DependencyDraft, Encoded, FunctionDraft, ImageDraft, MetricDraft, MountDraft,
    MountsDraft, ReservationDraft, RuleDraft, RulesDraft, ScheduleDraft, SpecDraft, StrategyDraft, TriggerChange,
    TriggerDraft, VersionDraft,
};
pub use engine::{Engine, Parts};
pub use error::{Error, chain};
pub use exports::{ExportFile, Exported, ExportedTrigger};
pub use functions::{FunctionCode, FunctionList, ListQuery};
pub use fungraph_instance::{AnswerHead, AnswerSink, AnswerStream, InTurn, Piece, answer_stream, beside, panics};
pub use fungraph_store::Turn;
pub use held::held;
pub use identity::{
    Credentials, KeyView, Login, NameOrId, NamedIn, NewKey, ScopeWanted, SecurityToken, Token, UserView,
};
pub use imports::{Archive, DependencyName, ImportDraft};
pub use invoke::{Invocation, InvokeRequest};
pub use mounts::{MountName, MountNames};
pub use projects::VpcEndpointDraft;
pub use queue::{AsyncCounts, AsyncLimits, AsyncPage, AsyncQuery, AsyncRequest, CancelKind};
pub use quotas::Quota;
pub use recording::Recorded;
pub use report::Report;
pub use reserve::{ReservationList, ReservationQuery};
pub use statistics::{MonthReport, RankFilter, Series};
pub use stopwatch::Stopwatch;
pub use tags::{Resource, ResourceFilter, ResourceList, TagDraft, TagValues, Tags};
pub use telemetry::{Counts, Snapshot};
pub use templates::{Kind as TemplateKind, Template, TemplateFilter, TemplateList, TriggerHint};
pub use test_events::TestEventDraft;
pub use tracing_keys::TracingDraft;
pub use triggers::{GatewayApi, GatewayAuth, GatewayRoute, TriggerFilter, TriggerList, api_id, unconnected};
pub use versions::VersionList;
