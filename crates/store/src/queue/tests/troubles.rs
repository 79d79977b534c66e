//! Full disks, wrong clocks, crowds, and files of others.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicI64, Ordering};

use fungraph_model::{AsyncStatus, CallSeq};
use jiff::Timestamp;
use tokio::time::Instant;

use super::super::change::Change;
use super::super::plan::{Blow, Plan, Point};
use super::super::*;
use super::{call, ending, fresh, function};

/// As the operator of the file would.
async fn execute(queue: &Queue, sql: String) {
    queue.change(Change::Sql(sql)).await.expect("runs");
}

#[tokio::test]
async fn a_full_disk_refuses_calls_holds_ends_and_heals() {
    let (folder, queue) = fresh().await;
    let first = queue.accept(call("f", "{}")).await.expect("accepts");
    let filling = queue.accept(call("filling", &"x".repeat(400_000))).await.expect("accepts");
    let pages: i64 = query_scalar("PRAGMA page_count").fetch_one(&queue.readers).await.expect("pages");
    execute(&queue, format!("PRAGMA max_page_count = {}", pages + 1)).await;
    let large = "x".repeat(100_000);
    assert!(matches!(queue.accept(call("f", &large)).await, Err(QueueError::DiskFull)));
    assert!(!queue.is_writable());
    assert_eq!(queue.counts(first.function).waiting, 1, "nothing of it is counted");
    // An end that owes more than there is room for.
    let owed = vec![Owed::Call(call("g", &large))];
    let end = queue.end(End { owed, ..ending(first.seq, AsyncStatus::Success) });
    tokio::pin!(end);
    tokio::select! {
        _ = &mut end => panic!("there is no room for it"),
        refused = queue.accept(call("f", &large)) => assert!(matches!(refused, Err(QueueError::DiskFull))),
    }
    // Somebody makes room.
    let mut other = options(&folder.path().join(FILE)).connect().await.expect("opens");
    query("DELETE FROM waiting WHERE seq = ?").bind(filling.seq.0).execute(&mut other).await.expect("deletes");
    let owed = end.await.expect("ends");
    assert_eq!(queue.take(&[owed[0].seq]).await.expect("takes")[0].body.len(), large.len());
    queue.accept(call("f", &large)).await.expect("accepts again");
    assert!(queue.is_writable());
    assert_eq!(queue.counts(first.function).succeeded, 1);
}

#[tokio::test]
async fn one_change_that_is_impossible_does_not_stop_its_neighbours() {
    let (_folder, queue) = fresh().await;
    let bad = queue.change(Change::Sql("UPDATE nothing SET a = 1".to_owned()));
    let (accepted, bad, other) = tokio::join!(queue.accept(call("f", "1")), bad, queue.accept(call("f", "2")));
    assert!(matches!(bad, Err(QueueError::Database { .. })));
    let found = queue.take(&[accepted.expect("accepts").seq, other.expect("accepts").seq]).await.expect("takes");
    assert_eq!(found.len(), 2);
}

#[tokio::test]
async fn who_comes_when_too_much_is_on_its_way_is_sent_away_in_time() {
    let (_folder, queue) = fresh().await;
    let all = Arc::clone(&queue.room).acquire_many_owned(queue.most_room).await.expect("is open");
    let begun = Instant::now();
    assert!(matches!(queue.accept(call("f", "{}")).await, Err(QueueError::Crowded)));
    assert!(begun.elapsed() >= PATIENCE);
    let waits = queue.accept(call("f", "{}"));
    let (accepted, ()) = tokio::join!(waits, async { drop(all) });
    accepted.expect("there is room again");
    assert_eq!(queue.room.available_permits(), queue.most_room as usize, "all of it was given back");
}

static WALL: AtomicI64 = AtomicI64::new(0);

fn wall() -> Timestamp {
    Timestamp::from_microsecond(WALL.load(Ordering::SeqCst)).expect("in range")
}

#[tokio::test]
async fn steps_of_the_clock_change_neither_ages_nor_the_order() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hour = 3_600_000_000;
    let set = |time: i64| WALL.store(time, Ordering::SeqCst);
    let config = || QueueConfig { clock: Clock::of(wall), ..QueueConfig::new(folder.path()) };
    let start = 500_000 * hour;
    set(start);
    let (queue, _) = Queue::open(&config()).await.expect("opens");
    let mut calls = Vec::new();
    for step in [0, hour, -hour, 0] {
        set(start + step);
        calls.push(queue.accept(call("f", "{}")).await.expect("accepts"));
    }
    let seqs: Vec<_> = calls.iter().map(|call| call.seq).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    let read = queue.take(&seqs).await.expect("takes");
    assert!(read.iter().all(|call| queue.now().since(call.since) < Duration::from_secs(600)), "{read:?}");
    assert_eq!(read[1].accepted.as_microsecond(), start + hour, "people see what the clock said");
    let soon = queue.now().after(Duration::from_secs(4));
    queue.again(seqs[0], soon, true, 4002, String::new()).await.expect("waits");
    queue.again(seqs[1], queue.now().after(Duration::from_secs(3000)), true, 4002, String::new()).await.expect("waits");
    queue.close().await;

    set(start - hour);
    let (queue, found) = Queue::open(&config()).await.expect("opens");
    let latest = queue.now().after(Duration::from_secs(16));
    assert_eq!(found.delayed.len(), 2);
    assert!(found.delayed.iter().all(|(due, ..)| *due <= latest), "nothing waits for a clock that was wrong");
    let next = queue.accept(call("f", "{}")).await.expect("accepts");
    assert!(next.seq > seqs[3]);
    let read = queue.take(&seqs).await.expect("takes");
    assert!(read.iter().all(|call| call.since <= queue.now()), "what comes from the future is new");
}

#[tokio::test]
async fn the_file_is_private_and_one_of_a_newer_version_is_refused() {
    let (folder, queue) = fresh().await;
    queue.register(&function("f")).await.expect("registers");
    for file in ["queue.db", "queue.db-wal", "queue.db-shm"] {
        let mode = std::fs::metadata(folder.path().join(file)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, '', 1, x'', 0)";
    execute(&queue, newer.to_owned()).await;
    queue.close().await;
    assert!(matches!(queue.accept(call("f", "{}")).await, Err(QueueError::Closed)));
    let opened = Queue::open(&QueueConfig::new(folder.path())).await;
    assert!(matches!(opened, Err(QueueError::NewerSchema { found: 99, .. })), "{opened:?}");
}

#[tokio::test]
async fn lists_and_loads_find_their_rows_by_an_index() {
    let (_folder, queue) = fresh().await;
    for sql in [
        "SELECT seq FROM waiting INDEXED BY waiting_fresh WHERE function = 1 AND seq > 2 AND due = 0 ORDER BY seq LIMIT 9",
        "SELECT * FROM waiting WHERE function = 1 AND seq >= 1 AND seq < 9 AND due = 0 \
         UNION ALL SELECT * FROM waiting WHERE function = 1 AND seq >= 1 AND seq < 9 AND due > 0 ORDER BY seq LIMIT 9",
        "SELECT no, seq FROM waiting INDEXED BY waiting_no WHERE function = 1 ORDER BY no DESC LIMIT 1",
        "SELECT no, seq FROM waiting INDEXED BY waiting_no WHERE function = 1 AND no > 1 AND no <= 9 ORDER BY no LIMIT 9",
        "SELECT request, size FROM recorded WHERE func_id = 'f' ORDER BY created LIMIT 9",
        "SELECT min(project) FROM notices WHERE kind = 'SMN' AND project > 'p'",
        "SELECT min(due) FROM notices WHERE kind = 'SMN' AND project = 'p'",
        "SELECT min(due) FROM notices WHERE kind = 'SMN' AND due > 5",
        "SELECT id FROM notices WHERE kind = 'SMN' AND project = 'p' AND due <= 1 AND id NOT IN (1, 2) ORDER BY due, id LIMIT 3",
        "SELECT * FROM ended WHERE function = 1 AND status = 1 AND seq >= 1 AND seq < 9 ORDER BY seq LIMIT 9",
        "SELECT seq FROM ended WHERE function = 1 AND no <= 3 ORDER BY no DESC LIMIT 1",
        "SELECT seq FROM ended WHERE function = 1 ORDER BY no LIMIT 9",
        "SELECT * FROM ended WHERE parent = 3",
        "SELECT due, seq, function FROM waiting INDEXED BY waiting_due WHERE due > 0 ORDER BY due",
        "UPDATE waiting SET deaths = deaths + 1, due = 1 WHERE begun > 0 AND due = 0",
    ] {
        let plan = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan: Vec<String> = query(plan)
            .fetch_all(&queue.readers)
            .await
            .expect("explains")
            .iter()
            .map(|row| sqlx::Row::get(row, "detail"))
            .collect();
        let plan = plan.join("; ");
        assert!(plan.contains("INDEX") && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        assert!(
            !plan.contains("SCAN ended") && (!plan.contains("SCAN waiting") || plan.contains("USING")),
            "{sql}: {plan}"
        );
    }
}

#[tokio::test]
async fn nothing_is_begun_once_nobody_writes_any_more() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, plan) = (QueueConfig::new(folder.path()), Plan::default());
    let (queue, _) = Queue::open_with(&config, plan.clone()).await.expect("opens");
    plan.set(Some((Point::Open, Blow::Panic)));
    assert!(matches!(queue.accept(call("f", "{}")).await, Err(QueueError::Closed)));
    let since = Instant::now();
    while queue.is_writable() {
        assert!(since.elapsed().as_secs() < 60, "a call that begins now could not be ended");
        tokio::task::yield_now().await;
    }
    assert!(matches!(queue.accept(call("f", "{}")).await, Err(QueueError::Closed)));
}

#[tokio::test]
async fn a_call_that_servers_die_with_is_counted_until_it_is_put_off() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, plan) = (QueueConfig::new(folder.path()), Plan::default());
    let (mut queue, _) = Queue::open_with(&config, plan.clone()).await.expect("opens");
    let accepted = queue.accept(call("f", "{}")).await.expect("accepts");
    for deaths in 1..=3 {
        queue.begin(accepted.seq);
        queue.pause(accepted.function, false).await.expect("the begin is on disk, too");
        plan.set(Some((Point::Open, Blow::Death)));
        queue.pause(accepted.function, false).await.expect_err("dies");
        plan.set(None);
        let (opened, found) = Queue::open_with(&config, plan.clone()).await.expect("opens");
        assert_eq!((found.rerun, found.delayed.len()), (1, 1));
        queue = opened;
        assert_eq!(queue.take(&[accepted.seq]).await.expect("takes")[0].deaths, deaths);
        assert!(
            queue.load(accepted.function, CallSeq(0), 9).await.expect("loads").is_empty(),
            "it is among the delayed"
        );
    }
    // It waited only when this server left.
    queue.close().await;
    let (queue, found) = super::open(folder.path()).await;
    assert_eq!(found.rerun, 0);
    queue.begin(accepted.seq);
    queue.close().await;
    let (queue, found) = super::open(folder.path()).await;
    assert_eq!(found.rerun, 1, "it runs again");
    let call = queue.take(&[accepted.seq]).await.expect("takes").remove(0);
    assert_eq!(call.deaths, 0, "a server that leaves in order has not died");
    queue.begin(accepted.seq);
    queue.again(accepted.seq, queue.now(), true, 4002, String::new()).await.expect("waits");
    let call = queue.take(&[accepted.seq]).await.expect("takes").remove(0);
    assert_eq!((call.deaths, call.failed, call.begun), (0, 1, 5));
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date_with_what_is_in_it() {
    let (folder, queue) = fresh().await;
    let accepted = queue.accept(call("f", "{}")).await.expect("accepts");
    for undo in [
        "DROP INDEX waiting_cancelled",
        "ALTER TABLE waiting DROP COLUMN cancelled",
        "ALTER TABLE recorded DROP COLUMN alias",
        "ALTER TABLE recorded DROP COLUMN memory_mb",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
    ] {
        execute(&queue, undo.to_owned()).await;
    }
    queue.close().await;
    let (queue, found) = super::open(folder.path()).await;
    assert_eq!(found.waiting.len(), 1);
    queue.cancel(accepted.seq).await.expect("there is a place for it");
    assert_eq!(queue.take(&[accepted.seq]).await.expect("takes").len(), 1);
}
