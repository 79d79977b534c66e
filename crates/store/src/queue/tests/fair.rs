//! Projects beside one another: whose records go, whose messages are next; and a clock that was wrong.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use fungraph_model::{AsyncStatus, CallSeq, ProjectId, RequestId};
use jiff::{SignedDuration, Timestamp};

use super::super::change::Change;
use super::super::*;
use super::{call, ending, fresh, function, open};
use crate::SecretBox;

fn of(project: &str, name: &str) -> QueueFunction {
    let mut function = function(name);
    function.key.project = ProjectId(project.to_owned());
    function
}

fn event_of(function: &QueueFunction, created: Timestamp) -> RecordedEvent {
    RecordedEvent {
        request: RequestId::random(),
        key: function.key.clone(),
        func_id: function.func_id.clone(),
        version: "v1".to_owned(),
        alias: None,
        memory_mb: None,
        digest: "abc".to_owned(),
        created,
        body: Bytes::from_static(b"an event"),
    }
}

async fn end_one(queue: &Queue, project: &str, name: &str, owed: Vec<Owed>) -> Accepted {
    let accepted = queue.accept(NewCall { function: of(project, name), ..call(name, "{}") }).await.expect("accepts");
    queue.end(End { owed, ..ending(accepted.seq, AsyncStatus::Success) }).await.expect("ends");
    accepted
}

async fn list(queue: &Queue, no: FunctionNo, begin: Option<CallSeq>, end: Option<CallSeq>) -> Vec<RequestId> {
    let query = RecordQuery { begin, end, limit: 500, ..RecordQuery::default() };
    let page = queue.records(no, &query, &HashSet::new()).await.expect("lists");
    page.records.iter().map(|record| record.request).collect()
}

#[tokio::test]
async fn a_busy_project_pushes_out_no_record_of_a_quiet_one() {
    let (_folder, queue) = fresh().await;
    let quiet = end_one(&queue, "quiet", "q", Vec::new()).await;
    let mut busy = Vec::new();
    for name in ["b", "b", "b", "b", "c"] {
        busy.push(end_one(&queue, "busy", name, Vec::new()).await);
    }
    let keep = Retention { total: 4, ..Retention::default() };
    assert_eq!(queue.trim(&keep).await.expect("trims"), 2);
    assert_eq!(list(&queue, quiet.function, None, None).await, [quiet.request]);
    assert_eq!(list(&queue, busy[4].function, None, None).await, [busy[4].request]);
    let left = list(&queue, busy[0].function, None, None).await;
    assert_eq!(left, [busy[2].request, busy[3].request], "the oldest of whoever has most");
}

#[tokio::test]
async fn a_busy_project_pushes_out_no_event_of_a_quiet_one() {
    let (folder, queue) = fresh().await;
    let secrets = SecretBox::create(folder.path()).expect("a key");
    let now = Timestamp::now();
    let record = |project: &str, name: &str, age: i64| {
        let event = event_of(&of(project, name), now - SignedDuration::from_secs(age));
        assert!(queue.record_event(&secrets, event.clone()));
        event.request
    };
    let quiet = record("quiet", "q", 1000);
    let busy: Vec<_> = (0..6).map(|age| record("busy", "b", 100 - age)).collect();
    let no = queue.register(&of("busy", "b")).await.expect("writes what came before");
    let sizes = async || {
        let sizes = "SELECT func_id, bytes FROM recorded_sizes ORDER BY func_id";
        sqlx::query_as::<_, (String, i64)>(sizes).fetch_all(&queue.readers).await.expect("reads")
    };
    let (size, before) = (sizes().await[1].1, sizes().await);
    assert_eq!(before, [("id-b".to_owned(), 6 * size), ("id-q".to_owned(), size)]);
    let keep = Retention { recorded_bytes: 4 * size.unsigned_abs() - 1, ..Retention::default() };
    queue.trim(&keep).await.expect("trims");
    let mut there = Vec::new();
    for request in [&[quiet], &busy[..]].concat() {
        there.push(queue.recorded(&secrets, request).await.expect("reads").is_some());
    }
    assert_eq!(there, [true, false, false, false, false, true, true]);
    assert_eq!(sizes().await, [("id-b".to_owned(), 2 * size), ("id-q".to_owned(), size)]);
    queue.gone(no).await.expect("notes");
    assert_eq!(sizes().await, [("id-q".to_owned(), size)], "nothing is left of it");
}

#[tokio::test]
async fn projects_take_turns_at_telling_their_destinations() {
    let (_folder, queue) = fresh().await;
    let owe = |param: &str| {
        vec![Owed::Notice { kind: "SMN".to_owned(), param: param.to_owned(), payload: Bytes::from_static(b"news") }]
    };
    for (project, param) in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("a", "a4"), ("b", "b1"), ("c", "c1"), ("c", "c2")]
    {
        end_one(&queue, project, project, owe(param)).await;
    }
    let next = async |after: &str, most, most_of_project, under_way: &[(&str, &[i64])]| {
        let under_way: HashMap<_, _> =
            under_way.iter().map(|(project, ids)| (ProjectId((*project).to_owned()), ids.to_vec())).collect();
        let after = Some(ProjectId(after.to_owned()));
        let query = NoticeQuery { after, under_way, most, most_of_project };
        let due = queue.next_notices("SMN", &query).await.expect("reads");
        due.notices.into_iter().map(|notice| notice.param).collect::<Vec<_>>()
    };
    assert_eq!(next("", 4, 9, &[]).await, ["a1", "a2", "b1", "c1"], "each one, then whoever is first again");
    assert_eq!(next("a", 3, 9, &[]).await, ["b1", "c1", "a1"], "whose turn was last is last");
    assert_eq!(next("b", 1, 9, &[]).await, ["c1"]);
    assert_eq!(next("c", 9, 2, &[]).await, ["a1", "a2", "b1", "c1", "c2"], "so many of a project at once");
    // What is on its way is not sent again, and whoever has enough of it has no turn.
    assert_eq!(next("", 9, 3, &[("a", &[1, 2]), ("b", &[5])]).await, ["a3", "c1", "c2"]);
    assert_eq!(next("", 1, 2, &[("a", &[1, 2])]).await, ["b1"]);
    let later = queue.now().after(Duration::from_secs(100));
    for id in [5, 6, 7] {
        queue.notice_again(id, later).await;
    }
    assert_eq!(next("a", 9, 9, &[]).await, ["a1", "a2", "a3", "a4"], "others are not due");
    let query = NoticeQuery { most: 9, most_of_project: 9, ..NoticeQuery::default() };
    let due = queue.next_notices("SMN", &query).await.expect("reads");
    assert!(due.next.is_some_and(|next| next > Duration::from_secs(50)), "{:?}", due.next);
}

#[tokio::test]
async fn a_clock_that_was_ahead_once_hides_nothing_and_keeps_nothing_for_ever() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let set_by = |step| QueueConfig { clock: Clock::set_by(step), ..QueueConfig::new(folder.path()) };
    let day = 24 * 3600;
    let (queue, _) = Queue::open(&set_by(-2 * day)).await.expect("opens");
    let old = end_one(&queue, "p1", "f", Vec::new()).await;
    queue.close().await;
    let (queue, _) = Queue::open(&set_by(1000 * day)).await.expect("opens");
    let ahead = end_one(&queue, "p1", "f", Vec::new()).await;
    queue.close().await;
    let (queue, _) = Queue::open(&set_by(-day)).await.expect("opens");
    let yesterday = end_one(&queue, "p1", "f", Vec::new()).await;
    queue.close().await;

    let (queue, _) = Queue::open(&set_by(0)).await.expect("opens");
    let now = end_one(&queue, "p1", "f", Vec::new()).await;
    let waits = queue.accept(NewCall { function: of("p1", "f"), ..call("f", "{}") }).await.expect("accepts");
    assert!(now.seq > yesterday.seq && yesterday.seq > ahead.seq, "places only grow");
    let at = |seconds: i64| Some(CallSeq::first_at(Timestamp::now() + SignedDuration::from_secs(seconds)));
    let no = now.function;
    let all = [old.request, ahead.request, yesterday.request, now.request, waits.request];
    assert_eq!(list(&queue, no, None, None).await, all);
    assert_eq!(list(&queue, no, at(-3600), at(3600)).await, [now.request, waits.request]);
    assert_eq!(list(&queue, no, at(-3600), None).await, [ahead.request, now.request, waits.request]);
    assert_eq!(list(&queue, no, at(-3 * day), at(-3600)).await, [old.request, yesterday.request]);
    let named = |request| RecordQuery { requests: vec![request], end: at(3600), limit: 9, ..RecordQuery::default() };
    for (request, found) in [(ahead.request, 0), (now.request, 1)] {
        let page = queue.records(no, &named(request), &HashSet::new()).await.expect("lists");
        assert_eq!(page.records.len(), found);
    }
    let running = HashSet::from([waits.seq]);
    let runs = RecordQuery { statuses: vec![AsyncStatus::Running], begin: at(-60), limit: 9, ..RecordQuery::default() };
    assert_eq!(queue.records(no, &runs, &running).await.expect("lists").records.len(), 1);

    let keep = Retention { age: Duration::from_secs(3600), ..Retention::default() };
    assert_eq!(queue.trim(&keep).await.expect("trims"), 2);
    assert_eq!(list(&queue, no, None, None).await, [ahead.request, now.request, waits.request]);
}

#[tokio::test]
async fn the_oldest_calls_of_a_function_are_found_whatever_they_wait_for() {
    let (_folder, queue) = fresh().await;
    let mut all = Vec::new();
    for size in [3, 5, 7] {
        all.push(queue.accept(call("f", &"x".repeat(size))).await.expect("accepts"));
        queue.accept(call("g", "other")).await.expect("accepts");
    }
    queue.again(all[0].seq, queue.now(), true, 4002, String::new()).await.expect("waits");
    queue.begin(all[1].seq);
    let found = queue.oldest(all[0].function, 2).await.expect("reads");
    let found: Vec<_> = found.iter().map(|call| (call.seq, call.since, call.bytes)).collect();
    assert_eq!(found, [(all[0].seq, all[0].at, 3), (all[1].seq, all[1].at, 5)]);
}

#[tokio::test]
async fn a_queue_of_an_earlier_version_is_brought_up_to_date() {
    let (folder, queue) = fresh().await;
    let waits = queue.accept(call("f", "{}")).await.expect("accepts");
    let owed = vec![Owed::Notice { kind: "SMN".to_owned(), param: "t".to_owned(), payload: Bytes::new() }];
    end_one(&queue, "p1", "f", owed).await;
    let secrets = SecretBox::create(folder.path()).expect("a key");
    let event = event_of(&function("f"), Timestamp::now());
    assert!(queue.record_event(&secrets, event.clone()));
    for sql in [
        "DROP INDEX waiting_fresh",
        "DROP INDEX waiting_delayed",
        "CREATE INDEX waiting_function ON waiting (function, seq)",
        "DROP INDEX notices_turns",
        "ALTER TABLE notices DROP COLUMN project",
        "DROP TRIGGER recorded_comes",
        "DROP TRIGGER recorded_goes",
        "DROP TABLE recorded_sizes",
        "DELETE FROM _sqlx_migrations WHERE version = 3",
    ] {
        queue.change(Change::Sql(sql.to_owned())).await.expect(sql);
    }
    queue.close().await;
    let (queue, found) = open(folder.path()).await;
    assert_eq!((found.waiting.len(), found.notices), (1, 1));
    assert_eq!(queue.load(waits.function, CallSeq(0), 9).await.expect("loads").len(), 1);
    let query = NoticeQuery { most: 9, most_of_project: 9, ..NoticeQuery::default() };
    let due = queue.next_notices("SMN", &query).await.expect("reads").notices;
    assert_eq!(due[0].project, function("f").key.project);
    queue.trim(&Retention { recorded_bytes: 1, ..Retention::default() }).await.expect("trims");
    assert_eq!(queue.recorded(&secrets, event.request).await.expect("reads"), None, "its size is known");
}
