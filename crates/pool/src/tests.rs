//! The pool with processes that are tasks of the test: they speak the real protocol over real sockets.

mod burst;
pub(super) mod fake;
mod faults;
mod report;
mod reserve;
mod room;
mod sizes;
mod stock;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_instance::Listener;
use fungraph_model::{HookSpec, Outcome, RequestId, Strategy, Value};

use self::fake::{FakeLauncher, plan};
use crate::{AcquireError, Config, Group, Lease, Pool, Refusal};

const ONE: Strategy = Strategy { concurrency: 1, concurrent_num: 1 };
const LIMIT: Duration = Duration::from_secs(5);
/// A call in line asks again before this is over.
const PATIENCE: Duration = Duration::from_millis(300);

struct Host {
    pool: Pool,
    launcher: Arc<FakeLauncher>,
}

fn host(config: Config) -> Host {
    let launcher = Arc::new(FakeLauncher::default());
    // What else runs on the machine of a test decides nothing.
    let config = Config { grows_into_idle_processors: false, ..config };
    Host { pool: Pool::new(config, Arc::clone(&launcher) as Arc<_>), launcher }
}

/// Every instance is started for a call.
fn no_stock() -> Config {
    Config { blanks_most: 0, ..Config::default() }
}

fn quick() -> Config {
    Config { wait: Duration::from_millis(200), ..no_stock() }
}

async fn lease(group: &Arc<Group>) -> Lease {
    group.acquire(Instant::now()).await.expect("a lease")
}

async fn say(lease: &Lease, event: &str) -> Outcome<Bytes> {
    lease
        .instance()
        .call(RequestId::random(), "", &Bytes::copy_from_slice(event.as_bytes()), LIMIT, Listener::Whole)
        .await
        .outcome
}

fn text(text: &'static str) -> Outcome<Bytes> {
    Outcome::Returned(Value::Text(Bytes::from_static(text.as_bytes())))
}

async fn refusal(group: &Arc<Group>) -> Refusal {
    match group.acquire(Instant::now()).await {
        Err(AcquireError::Refused(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Waits for a condition, never for a time.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(LIMIT, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never came: {what}"));
}

#[tokio::test]
async fn warm_instance_is_used_again() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    for _ in 0..3 {
        assert_eq!(say(&lease(&group).await, "hello").await, text("hello"));
    }
    assert_eq!(host.launcher.launched(), 1);
}

#[tokio::test]
async fn instance_that_died_idle_is_never_leased() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    drop(lease(&group).await);
    host.launcher.kill_all().await;
    assert_eq!(say(&lease(&group).await, "still here").await, text("still here"));
    assert_eq!(host.launcher.launched(), 2);
}

#[tokio::test]
async fn crash_during_a_call_fails_that_call_only() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    let crashed = say(&lease(&group).await, "die").await;
    assert!(matches!(crashed, Outcome::Failed(failure) if failure.code.number() == 4002));
    assert_eq!(say(&lease(&group).await, "next").await, text("next"));
}

#[tokio::test]
async fn instance_that_said_it_leaves_is_not_leased_again() {
    let host = host(quick());
    let group = host.pool.group(plan("f", ONE, None));
    assert!(matches!(say(&lease(&group).await, "leave").await, Outcome::Failed(_)));
    assert_eq!(say(&lease(&group).await, "next").await, text("next"));
    assert_eq!(host.launcher.launched(), 2);
}

#[tokio::test]
async fn garbage_ends_the_instance() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    let broken = say(&lease(&group).await, "garbage").await;
    assert!(matches!(broken, Outcome::Failed(failure) if failure.code.number() == 4002));
    assert_eq!(say(&lease(&group).await, "next").await, text("next"));
    assert_eq!(host.launcher.launched(), 2);
}

#[tokio::test]
async fn frames_that_nobody_waits_for_end_the_instance() {
    let host = host(quick());
    let group = host.pool.group(plan("f", ONE, None));
    let Outcome::Failed(failure) = say(&lease(&group).await, "chatter").await else {
        panic!("the call is not answered")
    };
    assert_eq!(failure.code.number(), 4002);
}

#[tokio::test]
async fn limit_of_instances_makes_a_line() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    let first = lease(&group).await;
    let waiting = tokio::spawn({
        let group = Arc::clone(&group);
        async move { say(&lease(&group).await, "second").await }
    });
    assert_eq!(say(&first, "first").await, text("first"));
    drop(first);
    assert_eq!(waiting.await.expect("no panic"), text("second"));
    assert_eq!(host.launcher.launched(), 1);
}

#[tokio::test]
async fn line_is_left_after_the_wait() {
    let host = host(quick());
    let group = host.pool.group(plan("f", ONE, None));
    let held = lease(&group).await;
    assert_eq!(refusal(&group).await, Refusal::WaitedTooLong);
    drop(held);
    assert_eq!(say(&lease(&group).await, "after").await, text("after"));
}

#[tokio::test]
async fn line_is_bounded() {
    let host = host(Config { queue_per_function: 0, ..quick() });
    let group = host.pool.group(plan("f", ONE, None));
    assert_eq!(refusal(&group).await, Refusal::QueueFull);
}

#[tokio::test]
async fn disabled_function_is_refused() {
    let host = host(quick());
    let group = host.pool.group(plan("f", Strategy { concurrency: 0, concurrent_num: 1 }, None));
    assert_eq!(refusal(&group).await, Refusal::Disabled);
    assert_eq!(host.launcher.launched(), 0);
}

#[tokio::test]
async fn function_larger_than_the_host_is_refused_at_once() {
    let host = host(Config { memory_bytes: 127 << 20, ..no_stock() });
    assert_eq!(refusal(&host.pool.group(plan("f", ONE, None))).await, Refusal::NeverFits);
    assert_eq!(host.launcher.launched(), 0);
}

#[tokio::test]
async fn burst_never_grows_beyond_the_limit() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", Strategy { concurrency: 3, concurrent_num: 1 }, None));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let group = Arc::clone(&group);
            tokio::spawn(async move { say(&lease(&group).await, "burst").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic"), text("burst"));
    }
    assert!((1..=3).contains(&host.launcher.launched()), "{} launched", host.launcher.launched());
}

#[tokio::test]
async fn slots_of_one_instance_are_shared() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", Strategy { concurrency: 1, concurrent_num: 4 }, None));
    let leases = [lease(&group).await, lease(&group).await, lease(&group).await, lease(&group).await];
    assert_eq!(host.launcher.launched(), 1);
    for lease in &leases {
        assert_eq!(say(lease, "together").await, text("together"));
    }
}

#[tokio::test]
async fn timeout_ends_the_instance_and_its_other_calls() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", Strategy { concurrency: 1, concurrent_num: 2 }, None));
    let (slow, sibling) = (lease(&group).await, lease(&group).await);
    let sibling = tokio::spawn(async move { say(&sibling, "hang").await });
    let end = slow
        .instance()
        .call(RequestId::random(), "", &Bytes::from_static(b"hang"), Duration::from_millis(100), Listener::Whole)
        .await;
    assert!(matches!(end.outcome, Outcome::Failed(failure) if failure.code.number() == 4010));
    let cancelled = sibling.await.expect("no panic");
    assert!(matches!(cancelled, Outcome::Failed(failure) if failure.code.number() == 4208));
    drop(slow);
    assert_eq!(say(&lease(&group).await, "fresh").await, text("fresh"));
    assert_eq!(host.launcher.launched(), 2);
}

#[tokio::test]
async fn initializer_runs_before_anyone_else_gets_a_slot() {
    let host = host(quick());
    let hook = HookSpec { handler: "index.init".into(), timeout_s: 3 };
    let group = host.pool.group(plan("f", Strategy { concurrency: 1, concurrent_num: 2 }, Some(hook)));
    let mut first = lease(&group).await;
    assert!(first.needs_initializer());
    assert_eq!(refusal(&group).await, Refusal::WaitedTooLong);
    first.initialized();
    assert!(!lease(&group).await.needs_initializer());
}

#[tokio::test]
async fn failed_start_is_told_to_the_one_who_waited() {
    let host = host(no_stock());
    host.launcher.fail_next();
    let group = host.pool.group(plan("f", ONE, None));
    assert!(matches!(group.acquire(Instant::now()).await, Err(AcquireError::Start(_))));
    assert_eq!(say(&lease(&group).await, "next").await, text("next"));
}

#[tokio::test]
async fn retired_group_ends_its_idle_instances_and_finishes_calls() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", Strategy { concurrency: 2, concurrent_num: 1 }, None));
    let (busy, idle) = (lease(&group).await, lease(&group).await);
    drop(idle);
    group.retire();
    until("the idle instance leaves", || host.launcher.alive() == 1).await;
    assert_eq!(say(&busy, "to the end").await, text("to the end"));
    drop(busy);
    until("the last instance leaves", || host.launcher.alive() == 0).await;
}

#[tokio::test]
async fn idle_instance_leaves_after_its_time_and_not_before() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    drop(lease(&group).await);
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(58)).await;
    assert_eq!(group.size(), 1);
    drop(lease(&group).await);
    tokio::time::sleep(Duration::from_secs(58)).await;
    assert_eq!((group.size(), host.launcher.launched()), (1, 1), "a call begins its time anew");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(group.size(), 0);
    until("its process ends", || host.launcher.alive() == 0).await;
}

#[tokio::test]
async fn idle_instance_makes_room_for_another_function() {
    let host = host(Config { most_instances: 1, ..no_stock() });
    let old = host.pool.group(plan("old", ONE, None));
    drop(lease(&old).await);
    let new = host.pool.group(plan("new", ONE, None));
    assert_eq!(say(&lease(&new).await, "room").await, text("room"));
    assert_eq!((old.size(), new.size()), (0, 1));
}

#[tokio::test]
async fn shutdown_turns_the_line_away_and_starts_nothing_for_it() {
    let host = host(quick());
    let group = host.pool.group(plan("f", ONE, None));
    let waiting = tokio::spawn({
        let group = Arc::clone(&group);
        async move { refusal(&group).await }
    });
    until("an instance is being started for the call", || group.size() == 1).await;
    host.pool.shutdown(LIMIT).await;
    assert_eq!(waiting.await.expect("it is answered"), Refusal::Stopping);
    assert_eq!((host.launcher.launched(), group.size()), (1, 0));
}

#[tokio::test]
async fn shutdown_leaves_nothing() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    drop(lease(&group).await);
    host.pool.shutdown(LIMIT).await;
    assert_eq!(host.launcher.alive(), 0);
    assert_eq!(refusal(&group).await, Refusal::Stopping);
}
