//! Calls for tests.

use std::sync::Arc;

use bytes::Bytes;
use fungraph_model::{CallSeq, DomainId, FunctionKey, ProjectId, Qualifier, RequestId};
use fungraph_store::queue::{Accepted, FunctionNo, NewCall, QueueFunction, QueueTime, WaitingCall};
use jiff::Timestamp;

pub(super) fn function(name: &str) -> Arc<QueueFunction> {
    function_of("p", name)
}

pub(super) fn function_of(project: &str, name: &str) -> Arc<QueueFunction> {
    let key = FunctionKey { project: ProjectId(project.into()), package: "default".into(), name: name.into() };
    Arc::new(QueueFunction { key, func_id: format!("id of {name}"), domain: DomainId("d".into()) })
}

pub(super) fn new_call() -> NewCall {
    NewCall {
        function: QueueFunction::clone(&function("f")),
        qualifier: Qualifier::Latest,
        version: "latest".to_owned(),
        alias: None,
        memory_mb: None,
        body: Bytes::from_static(b"{}"),
        parent: None,
        hops: 0,
    }
}

pub(super) fn call(seq: i64) -> WaitingCall {
    let new = new_call();
    let (seq, function) = (CallSeq(seq), FunctionNo(1));
    let accepted = Accepted { request: RequestId::of_seq(seq, 0), seq, function, at: QueueTime(0) };
    new.waiting(&accepted, Timestamp::UNIX_EPOCH)
}
