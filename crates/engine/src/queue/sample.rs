//! Calls for tests.

use std::sync::Arc;

use bytes::Bytes;
use fungraph_model::{CallSeq, DomainId, FunctionKey, ProjectId, Qualifier, RequestId};
use fungraph_store::queue::{FunctionNo, QueueFunction, QueueTime, WaitingCall};
use jiff::Timestamp;

pub(super) fn function(name: &str) -> Arc<QueueFunction> {
    let key = FunctionKey { project: ProjectId("p".into()), package: "default".into(), name: name.into() };
    Arc::new(QueueFunction { key, func_id: format!("id of {name}"), domain: DomainId("d".into()) })
}

pub(super) fn call(seq: i64) -> WaitingCall {
    WaitingCall {
        request: RequestId::of_seq(CallSeq(seq), 0),
        seq: CallSeq(seq),
        function: FunctionNo(1),
        qualifier: Qualifier::Latest,
        version: "latest".to_owned(),
        alias: None,
        memory_mb: None,
        accepted: Timestamp::UNIX_EPOCH,
        since: QueueTime(0),
        due: None,
        begun: 0,
        failed: 0,
        deaths: 0,
        last_code: 0,
        last_message: String::new(),
        first_start: None,
        parent: None,
        hops: 0,
        body: Bytes::from_static(b"{}"),
    }
}
