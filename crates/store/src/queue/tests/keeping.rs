//! What is kept, for how long, and who may read it.

use std::collections::HashSet;

use bytes::Bytes;
use fungraph_model::{AsyncStatus, CallSeq, FunctionKey, RequestId};
use jiff::Timestamp;

use super::super::*;
use super::{call, ending, fresh, function, open};
use crate::SecretBox;

async fn ended(queue: &Queue, name: &str, count: usize) -> Vec<Accepted> {
    let mut all = Vec::new();
    for n in 0..count {
        let accepted = queue.accept(call(name, &n.to_string())).await.expect("accepts");
        queue.end(ending(accepted.seq, AsyncStatus::Success)).await.expect("ends");
        all.push(accepted);
    }
    all
}

async fn kept(queue: &Queue, no: FunctionNo) -> Vec<RequestId> {
    let query = RecordQuery { limit: 500, ..RecordQuery::default() };
    let page = queue.records(no, &query, &HashSet::new()).await.expect("lists");
    page.records.iter().map(|record| record.request).collect()
}

fn ids(all: &[Accepted]) -> Vec<RequestId> {
    all.iter().map(|one| one.request).collect()
}

#[tokio::test]
async fn the_oldest_records_go_first() {
    let (folder, queue) = fresh().await;
    let (f, g) = (ended(&queue, "f", 7).await, ended(&queue, "g", 4).await);
    let (no_f, no_g) = (f[0].function, g[0].function);
    let keep = Retention::default();
    assert_eq!(queue.trim(&keep).await.expect("trims"), 0);
    assert_eq!(queue.trim(&Retention { per_function: 5, ..keep }).await.expect("trims"), 2);
    assert_eq!(kept(&queue, no_f).await, ids(&f[2..]));
    assert_eq!(queue.trim(&Retention { total: 7, ..keep }).await.expect("trims"), 2);
    assert_eq!((kept(&queue, no_f).await, kept(&queue, no_g).await), (ids(&f[4..]), ids(&g)), "who has least keeps it");
    assert_eq!(queue.counts(no_f).succeeded, 7, "what happened is still counted");
    queue.close().await;
    let (queue, _) = open(folder.path()).await;
    assert_eq!(queue.trim(&Retention { total: 4, ..keep }).await.expect("trims"), 3, "it is known after a start");
    assert_eq!((kept(&queue, no_f).await, kept(&queue, no_g).await), (ids(&f[5..]), ids(&g[2..])));
    assert_eq!(queue.trim(&Retention { age: Duration::ZERO, ..keep }).await.expect("trims"), 4);
    assert_eq!(queue.record(g[3].request).await.expect("reads"), None);
}

#[tokio::test]
async fn what_waits_is_thrown_away_but_for_what_runs() {
    let (_folder, queue) = fresh().await;
    let mut all = Vec::new();
    for n in 0..1200 {
        all.push(queue.accept(call("f", &n.to_string())));
    }
    let all = futures_util::future::try_join_all(all).await.expect("accepts");
    let other = queue.accept(call("g", "{}")).await.expect("accepts");
    let running = HashSet::from([all[0].seq, all[700].seq]);
    let no = all[0].function;
    let purged = queue.purge(no, &running, "emptied").await.expect("purges");
    let last = all.iter().map(|one| one.seq).max().expect("many");
    assert_eq!(purged, Purged { calls: 1198, up_to: last });
    let left = queue.load(no, CallSeq(0), 2000).await.expect("loads");
    assert_eq!(left.iter().map(|call| call.seq).collect::<HashSet<_>>(), running);
    let counts = queue.counts(no);
    assert_eq!((counts.waiting, counts.bytes, counts.discarded), (2, 4, 1198));
    let (_, _, record) = queue.record(all[1].request).await.expect("reads").expect("is there");
    assert_eq!((record.status, record.message.as_str(), record.begun), (AsyncStatus::Discard, "emptied", 0));
    assert_eq!(queue.counts(other.function).waiting, 1);
}

#[tokio::test]
async fn a_function_stays_paused_although_nothing_of_it_waited_at_the_start() {
    let (folder, queue) = fresh().await;
    let no = queue.register(&function("f")).await.expect("registers");
    queue.register(&function("g")).await.expect("registers");
    queue.pause(no, true).await.expect("pauses");
    queue.close().await;
    let (queue, found) = open(folder.path()).await;
    assert_eq!(found.waiting, [(no, 0, 0)]);
    assert!(queue.counts(no).paused);
    queue.gone(no).await.expect("notes");
    queue.close().await;
    assert_eq!(open(folder.path()).await.1.waiting, []);
}

#[tokio::test]
async fn large_events_are_read_in_smaller_parts() {
    let (_folder, queue) = fresh().await;
    let mut all = Vec::new();
    for size in [10, 10, 90, 300, 10] {
        all.push(queue.accept(call("f", &"x".repeat(size))).await.expect("accepts").seq);
    }
    let no = queue.function("id-f").expect("known");
    let load = async |after, most, bytes| {
        let (calls, all) = queue.load_some(no, after, most, bytes).await.expect("loads");
        (calls.into_iter().map(|call| call.seq).collect::<Vec<_>>(), all)
    };
    assert_eq!(load(CallSeq(0), 9, 100).await, (all[..2].to_vec(), false));
    assert_eq!(load(all[1], 9, 100).await, (all[2..3].to_vec(), false));
    assert_eq!(load(all[2], 9, 100).await, (all[3..4].to_vec(), false), "one in any case");
    assert_eq!(load(all[3], 9, 100).await, (all[4..].to_vec(), true));
    assert_eq!(load(CallSeq(0), 5, 1000).await, (all.clone(), false), "there may be more");
    assert_eq!(load(CallSeq(0), 6, 1000).await, (all.clone(), true));
}

#[tokio::test]
async fn a_function_that_is_gone_leaves_with_its_last_record() {
    let (folder, queue) = fresh().await;
    let all = ended(&queue, "f", 2).await;
    let waits = queue.accept(call("f", "{}")).await.expect("accepts");
    let no = waits.function;
    queue.gone(no).await.expect("notes");
    assert_eq!(queue.functions().len(), 1, "a server that was killed here finds it at its next start");
    let all_of_it = Retention { age: Duration::ZERO, ..Retention::default() };
    queue.trim(&all_of_it).await.expect("trims");
    assert_eq!(queue.function("id-f"), Some(no), "a call waits");
    let owed = vec![Owed::Notice { kind: "SMN".to_owned(), param: String::new(), payload: Bytes::new() }];
    queue.end(End { owed, ..ending(waits.seq, AsyncStatus::Success) }).await.expect("ends");
    queue.trim(&all_of_it).await.expect("trims");
    assert_eq!(queue.function("id-f"), Some(no), "a message is owed");
    assert!(queue.functions().is_empty(), "nothing of it waits");
    let notice = queue.next_notices("SMN", &some(9)).await.expect("reads").notices.remove(0);
    queue.delivered(notice.id).await;
    queue.trim(&all_of_it).await.expect("trims");
    assert_eq!((queue.function("id-f"), queue.named(no)), (None, None));
    assert_eq!(queue.record(all[0].request).await.expect("reads"), None);
    queue.close().await;
    let (queue, _) = open(folder.path()).await;
    assert_eq!(queue.function("id-f"), None);
}

#[tokio::test]
async fn a_message_is_owed_until_it_has_arrived() {
    let (folder, queue) = fresh().await;
    let accepted = queue.accept(call("f", "{}")).await.expect("accepts");
    let owe = |kind: &str| Owed::Notice {
        kind: kind.to_owned(),
        param: "there".to_owned(),
        payload: Bytes::from_static(b"news"),
    };
    let owed = vec![owe("SMN"), owe("OBS"), owe("SMN")];
    queue.end(End { owed, ..ending(accepted.seq, AsyncStatus::Fail) }).await.expect("ends");
    let bytes = |queue: &Queue| queue.project_load(&function("f").key.project).bytes;
    assert_eq!(bytes(&queue), 12, "what is owed takes room, as what waits does");
    let due = queue.next_notices("SMN", &some(1)).await.expect("reads");
    let [first] = due.notices.as_slice() else { panic!("{due:?}") };
    assert_eq!(
        (first.call, &*first.param, &first.payload[..], first.tries),
        (accepted.request, "there", &b"news"[..], 0)
    );
    queue.notice_again(first.id, queue.now().after(Duration::from_secs(100))).await;
    let second = queue.next_notices("SMN", &some(9)).await.expect("reads").notices.remove(0);
    assert_ne!(second.id, first.id);
    queue.delivered(second.id).await;
    queue.delivered(second.id).await;
    assert_eq!(bytes(&queue), 8);
    let none = queue.next_notices("SMN", &some(9)).await.expect("reads");
    assert!(none.notices.is_empty() && none.next.is_some_and(|next| next <= Duration::from_secs(100)), "{none:?}");
    queue.close().await;
    let (queue, found) = open(folder.path()).await;
    assert_eq!((found.notices, bytes(&queue)), (2, 8));
    queue.notice_again(first.id, queue.now()).await;
    let again = queue.next_notices("SMN", &some(9)).await.expect("reads").notices.remove(0);
    assert_eq!((again.id, again.tries), (first.id, 2));
    queue.notice_given_up(again.id).await;
    let none = queue.next_notices("SMN", &some(9)).await.expect("reads");
    assert!(none.notices.is_empty() && none.next.is_none());
    assert_eq!(queue.next_notices("OBS", &some(9)).await.expect("reads").notices.len(), 1);
}

fn some(most: usize) -> NoticeQuery {
    NoticeQuery { most, most_of_project: most, ..NoticeQuery::default() }
}

fn event(body: &str, created: Timestamp) -> RecordedEvent {
    let (FunctionKey { project, package, name }, request) = (function("f").key, RequestId::random());
    RecordedEvent {
        request,
        key: FunctionKey { project, package, name },
        func_id: "id-f".to_owned(),
        version: "v1".to_owned(),
        digest: "abc".to_owned(),
        alias: Some("prod".to_owned()),
        memory_mb: Some(512),
        created,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

#[tokio::test]
async fn events_are_kept_sealed_and_only_for_a_while() {
    let (folder, queue) = fresh().await;
    let secrets = SecretBox::create(folder.path()).expect("a key");
    let no = queue.register(&function("f")).await.expect("registers");
    let now = Timestamp::from_second(2_000_000_000).expect("in range");
    let at = |n: i64| Timestamp::from_second(now.as_second() + n).expect("in range");
    let events: Vec<_> = (0..4).map(|n| event("a secret that customers sent", at(n))).collect();
    for event in &events {
        assert!(queue.record_event(&secrets, event.clone()));
    }
    queue.pause(no, false).await.expect("writes what came before");
    assert_eq!(queue.recorded(&secrets, events[0].request).await.expect("reads").as_ref(), Some(&events[0]));
    assert_eq!(queue.recorded(&secrets, RequestId::random()).await.expect("reads"), None);
    for file in ["queue.db", "queue.db-wal"] {
        let bytes = std::fs::read(folder.path().join(file)).expect("reads");
        assert!(!bytes.windows(8).any(|part| part == b"a secret"), "{file}");
    }
    let elsewhere = tempfile::tempdir().expect("a folder");
    let other = SecretBox::create(elsewhere.path()).expect("a key");
    assert_eq!(queue.recorded(&other, events[0].request).await.expect("reads"), None);

    let size: i64 = query_scalar("SELECT max(size) FROM recorded").fetch_one(&queue.readers).await.expect("reads");
    let keep = Retention { age: Duration::MAX, ..Retention::default() };
    queue.trim(&Retention { recorded_bytes: 2 * size.unsigned_abs(), ..keep }).await.expect("trims");
    let mut there = Vec::new();
    for event in &events {
        there.push(queue.recorded(&secrets, event.request).await.expect("reads").is_some());
    }
    assert_eq!(there, [false, false, true, true], "the oldest go first");
    queue.gone(no).await.expect("notes");
    assert_eq!(queue.recorded(&secrets, events[3].request).await.expect("reads"), None, "it goes with its function");
}

#[tokio::test]
async fn an_event_is_dropped_where_the_disk_does_not_keep_up() {
    let (folder, queue) = fresh().await;
    let secrets = SecretBox::create(folder.path()).expect("a key");
    let all = Arc::clone(&queue.room).acquire_many_owned(queue.most_room).await.expect("is open");
    assert!(!queue.record_event(&secrets, event("x", Timestamp::now())));
    drop(all);
    assert!(queue.record_event(&secrets, event("x", Timestamp::now())));
}
