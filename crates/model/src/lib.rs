//! The words every other crate speaks: names, ids, specifications, outcomes and error codes.
//!
//! Nothing here does I/O, waits, or knows HTTP, SQL or JSON. Shapes on the wire belong to gateway,
//! rows to store, frames to instance; each converts at its own wall.

mod alias;
mod async_call;
mod async_config;
mod call_record;
mod caller;
mod dependency;
mod error_code;
mod function;
mod identity;
mod ids;
mod invocation;
mod json;
pub mod limits;
mod mounts;
mod outcome;
mod phases;
mod project;
mod reservation;
mod runtime;
#[cfg(feature = "sample")]
pub mod sample;
mod spec;
mod tally;
mod test_event;
mod trigger;
mod urn;

pub use alias::{Alias, Combine, Rule, RuleKind, Split};
pub use async_call::{AsyncRecord, AsyncStatus, CallSeq};
pub use async_config::{AsyncConfig, Destination, DestinationKind};
pub use call_record::{CallRecord, Ending, Line};
pub use caller::{AccessKey, Administrator, Caller, Principal, Proof, Scope, Secret};
pub use dependency::Dependency;
pub use error_code::{ErrorCode, Fault};
pub use function::{CodePackage, CodeType, Digest, FunctionImage, FunctionKey, FunctionVersion, ImageDefaults};
pub use identity::{Domain, Grant, KeyRecord, Project, Register, Right, Rights, Role, User};
pub use ids::{DomainId, ProjectId, RequestId, UserId};
pub use invocation::{LogTail, Summary};
pub use json::{JSON_VALUES, has_few_values};
pub use mounts::{Mount, MountKind, MountUser, Mounts};
pub use outcome::{Failure, FailureCode, Outcome, Value};
pub use phases::{Phase, Phases, StartKind};
pub use project::{LogKind, LogPlace, TracingKeys, VpcEndpoint};
pub use reservation::{MetricRule, Reservation, Reserved, Schedule};
pub use runtime::{Language, Runtime};
pub use spec::{CLASS_ISOLATION, CODE_URL, FunctionSpec, HEARTBEAT_HANDLER, HookSpec, Strategy};
pub use tally::{Metric, MonthUsage, Ranking, Tally, TallyEntry};
pub use test_event::{TestEvent, TestEventChange};
pub use trigger::{Trigger, TriggerId, TriggerKind};
pub use urn::{FunctionRef, Qualifier};
