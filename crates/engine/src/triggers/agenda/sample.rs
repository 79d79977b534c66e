//! Timers for tests.

use std::sync::Arc;

use fungraph_model::{DomainId, FunctionKey, ProjectId, Qualifier, Trigger, TriggerId, TriggerKind};
use jiff::Timestamp;
use serde_json::json;

pub(in crate::triggers) fn timer(id: &str, kind: &str, schedule: &str, from: Timestamp) -> Arc<Trigger> {
    Arc::new(Trigger {
        id: TriggerId(id.to_owned()),
        key: FunctionKey { project: ProjectId("p".into()), package: "default".into(), name: "f".into() },
        domain: DomainId("d".into()),
        qualifier: Qualifier::Latest,
        kind: TriggerKind::Timer,
        enabled: true,
        data: json!({ "name": id, "schedule_type": kind, "schedule": schedule }).to_string(),
        secrets: Default::default(),
        created: from,
        updated: from,
        counts_from: from,
    })
}
