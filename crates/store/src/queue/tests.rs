//! The queue on a real file.

mod fair;
mod keeping;
mod state;
mod stepped;
mod troubles;

use std::collections::HashSet;

use bytes::Bytes;
use fungraph_model::{AsyncStatus, CallSeq, DomainId, FunctionKey, ProjectId, Qualifier};
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;

async fn fresh() -> (TempDir, Queue) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (queue, _) = open(folder.path()).await;
    (folder, queue)
}

async fn open(folder: &Path) -> (Queue, Found) {
    Queue::open(&QueueConfig::new(folder)).await.expect("opens")
}

fn function(name: &str) -> QueueFunction {
    let key = FunctionKey { project: ProjectId("p1".to_owned()), package: "default".to_owned(), name: name.to_owned() };
    QueueFunction { key, func_id: format!("id-{name}"), domain: DomainId("d1".to_owned()) }
}

fn call(name: &str, body: &str) -> NewCall {
    NewCall {
        function: function(name),
        qualifier: Qualifier::Alias("prod".to_owned()),
        version: "v1".to_owned(),
        alias: Some("prod".to_owned()),
        memory_mb: Some(256),
        body: Bytes::copy_from_slice(body.as_bytes()),
        parent: None,
        hops: 0,
    }
}

fn ending(seq: CallSeq, status: AsyncStatus) -> End {
    let (code, message) = if status == AsyncStatus::Success { (0, "") } else { (4002, "boom") };
    End { seq, status, code, message: message.to_owned(), start: None, end: Timestamp::now(), owed: Vec::new() }
}

#[tokio::test]
async fn a_call_goes_from_its_acceptance_over_a_further_attempt_to_its_end() {
    let (_folder, queue) = fresh().await;
    let accepted = queue.accept(call("f", "{}")).await.expect("accepts");
    assert_eq!(accepted.request.seq(), Some(accepted.seq));
    let function = queue.function("id-f").expect("known");
    let loaded = queue.load(function, CallSeq(0), 10).await.expect("loads");
    assert_eq!((loaded.len(), loaded[0].request, &loaded[0].body[..]), (1, accepted.request, &b"{}"[..]));
    assert_eq!((loaded[0].begun, loaded[0].due, loaded[0].alias.as_deref()), (0, None, Some("prod")));
    assert_eq!(queue.counts(function), QueueCounts { waiting: 1, bytes: 2, ..QueueCounts::default() });

    queue.begin(accepted.seq);
    let due = queue.now().after(Duration::from_secs(1));
    queue.again(accepted.seq, due, true, 4002, "boom".to_owned()).await.expect("waits again");
    assert!(queue.load(function, CallSeq(0), 10).await.expect("loads").is_empty(), "it is not fresh any more");
    let taken = queue.take(&[accepted.seq]).await.expect("takes").remove(0);
    assert_eq!((taken.begun, taken.failed, taken.due, taken.last_code), (1, 1, Some(due), 4002));
    assert!(taken.first_start.is_some());

    queue.begin(accepted.seq);
    assert!(queue.end(ending(accepted.seq, AsyncStatus::Success)).await.expect("ends").is_empty());
    queue.end(ending(accepted.seq, AsyncStatus::Fail)).await.expect("is too late");
    assert!(queue.take(&[accepted.seq]).await.expect("takes").is_empty());
    let (key, _, record) = queue.record(accepted.request).await.expect("reads").expect("is there");
    assert_eq!((key.name.as_str(), record.status, record.code, record.begun), ("f", AsyncStatus::Success, 0, 2));
    assert_eq!(queue.counts(function), QueueCounts { succeeded: 1, ..QueueCounts::default() });
}

#[tokio::test]
async fn records_are_paged_in_the_order_of_acceptance() {
    let (_folder, queue) = fresh().await;
    let mut all = Vec::new();
    for n in 0..25 {
        all.push(queue.accept(call("f", &n.to_string())).await.expect("accepts"));
        queue.accept(call("g", "other")).await.expect("accepts");
    }
    for (n, status) in [(3, AsyncStatus::Success), (7, AsyncStatus::Fail), (20, AsyncStatus::Discard)] {
        queue.end(ending(all[n].seq, status)).await.expect("ends");
    }
    let function = queue.function("id-f").expect("known");
    let running = HashSet::from([all[5].seq, all[6].seq]);
    let (mut seen, mut marker) = (Vec::new(), 0);
    loop {
        let query = RecordQuery { marker, limit: 10, ..RecordQuery::default() };
        let page = queue.records(function, &query, &running).await.expect("lists");
        seen.extend(page.records);
        let Some(next) = page.next else { break };
        marker = next;
    }
    assert_eq!(
        seen.iter().map(|one| one.request).collect::<Vec<_>>(),
        all.iter().map(|one| one.request).collect::<Vec<_>>()
    );
    let of = |status: AsyncStatus| seen.iter().filter(move |one| one.status == status).map(|one| one.request).collect();
    let expected: Vec<Vec<_>> = AsyncStatus::ALL.map(of).into();
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>(), [20, 2, 1, 1, 1]);
    for (status, expected) in AsyncStatus::ALL.into_iter().zip(expected) {
        let query = RecordQuery { statuses: vec![status], limit: 500, ..RecordQuery::default() };
        let page = queue.records(function, &query, &running).await.expect("lists");
        assert_eq!(page.records.iter().map(|one| one.request).collect::<Vec<_>>(), expected, "{status:?}");
    }
}
