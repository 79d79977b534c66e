//! Many calls at once at one function. The clock stands still while anybody has something to do, so that no slow machine is taken for a
//! line that does not move.

use tokio::{sync::Barrier, task::JoinSet, time::Instant as Deadline};

use super::*;

const MANY: usize = 16;
const NO_LIMIT: Strategy = Strategy { concurrency: -1, concurrent_num: 1 };

fn two_processors() -> Host {
    tokio::time::pause();
    host(Config { processors: 2, ..no_stock() })
}

/// Calls that are answered at once.
async fn short_calls(group: &Arc<Group>) {
    let calls = (0..MANY).map(|_| {
        let group = Arc::clone(group);
        async move {
            let lease = lease(&group).await;
            assert_eq!(say(&lease, "short").await, text("short"));
            // Shorter than any start, also than one of these.
            lease.give_back(Duration::from_micros(1));
        }
    });
    calls.collect::<JoinSet<_>>().join_all().await;
}

/// Calls that wait for each other: none ends before all have begun.
async fn long_calls(group: &Arc<Group>) {
    let all_run = Arc::new(Barrier::new(MANY));
    let calls = (0..MANY).map(|_| {
        let (group, all_run) = (Arc::clone(group), Arc::clone(&all_run));
        async move {
            let lease = lease(&group).await;
            all_run.wait().await;
            lease.give_back(Duration::from_secs(1));
        }
    });
    calls.collect::<JoinSet<_>>().join_all().await;
}

#[tokio::test]
async fn short_calls_at_once_share_as_many_instances_as_processors() {
    let host = two_processors();
    let group = host.pool.group(plan("f", NO_LIMIT, None));
    short_calls(&group).await;
    short_calls(&group).await;
    assert_eq!(host.launcher.launched(), 2);
}

#[tokio::test]
async fn long_calls_at_once_get_an_instance_each() {
    let host = two_processors();
    let group = host.pool.group(plan("f", NO_LIMIT, None));
    let begun = Deadline::now();
    long_calls(&group).await;
    assert_eq!(host.launcher.launched(), MANY);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn calls_that_become_long_get_an_instance_each_too() {
    let host = two_processors();
    let group = host.pool.group(plan("f", NO_LIMIT, None));
    short_calls(&group).await;
    long_calls(&group).await;
    assert_eq!(host.launcher.launched(), MANY);
}

#[tokio::test]
async fn call_that_comes_while_long_ones_run_does_not_find_that_out_again() {
    let host = two_processors();
    let group = host.pool.group(plan("f", NO_LIMIT, None));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(lease(&group).await);
    }
    let begun = Deadline::now();
    held.push(lease(&group).await);
    assert_eq!((begun.elapsed(), host.launcher.launched()), (Duration::ZERO, 4));
}

#[tokio::test]
async fn starts_that_fail_are_told_to_all_who_wait() {
    let host = two_processors();
    let group = host.pool.group(plan("f", NO_LIMIT, None));
    host.launcher.fail_always(true);
    let calls = (0..MANY).map(|_| {
        let group = Arc::clone(&group);
        async move { group.acquire(Instant::now()).await.map(drop) }
    });
    let begun = Deadline::now();
    for answer in calls.collect::<JoinSet<_>>().join_all().await {
        assert!(matches!(answer, Err(AcquireError::Start(_))), "{answer:?}");
    }
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}
