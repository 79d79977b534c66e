//! What the platform does: functions, their code, and the one corridor every call walks, free of HTTP and SQL.
//!
//! Three doors (HTTP and triggers today; the queue later) end in [`Engine::invoke`]. Gateway asks the engine, never the store.

mod call_record;
mod code;
mod config;
mod cron;
mod dependencies;
mod draft;
mod engine;
mod error;
mod functions;
mod identity;
mod images;
mod invoke;
mod jobs;
mod mounts;
mod report;
mod reserve;
mod resolve;
mod run_log;
mod stopwatch;
mod telemetry;
mod to_end;
mod triggers;
mod validate;

pub use call_record::OpenRecord;
pub use config::Config;
pub use dependencies::{DependencyFilter, DependencyList};
pub use draft::{
    AttachedDraft, CodeDraft, DependencyDraft, FunctionDraft, ImageDraft, MetricDraft, MountDraft, MountsDraft,
    ReservationDraft, ScheduleDraft, SpecDraft, StrategyDraft, TriggerChange, TriggerDraft,
};
pub use engine::{Engine, Parts};
pub use error::{Error, chain};
pub use functions::{FunctionCode, FunctionList, ListQuery};
pub use fungraph_instance::{AnswerHead, AnswerSink, AnswerStream, Piece, answer_stream};
pub use identity::{
    Credentials, KeyView, Login, NameOrId, NamedIn, NewKey, ScopeWanted, SecurityToken, Token, UserView,
};
pub use invoke::{Invocation, InvokeRequest};
pub use mounts::{MountName, MountNames};
pub use report::Report;
pub use reserve::{ReservationList, ReservationQuery};
pub use stopwatch::Stopwatch;
pub use telemetry::{Counts, Snapshot};
pub use triggers::{GatewayApi, GatewayAuth, GatewayRoute, TriggerFilter, TriggerList, api_id, unconnected};
