//! Blank instances: which call gets one, when they are started, and when they go.

use std::{sync::Arc, time::Duration};

use tokio::task::yield_now;

use super::fake::{plan, plan_with};
use super::{Host, ONE, host, lease, no_stock, say, text, until};
use crate::Config;

fn stocked(most: usize) -> Config {
    Config { blanks_most: most, ..Config::default() }
}

/// A host that keeps one blank ready, and has it.
async fn prepared(config: Config) -> Host {
    let host = host(config);
    host.pool.expect(&plan("any", ONE, None).blueprint());
    ready(&host, 1).await;
    host
}

async fn ready(host: &Host, count: usize) {
    until(&format!("{count} blanks are ready"), || host.pool.blanks() == count).await;
}

/// Lets the clock go on; it must be paused. The sweeper looks every second.
async fn pass(seconds: u64) {
    for _ in 0..seconds {
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..20 {
            yield_now().await;
        }
    }
}

#[tokio::test]
async fn first_call_of_a_function_gets_the_blank() {
    let host = prepared(stocked(4)).await;
    // Nothing can be started any more, so what serves the call was there before.
    host.launcher.fail_next();
    let group = host.pool.group(plan("f", ONE, None));
    assert_eq!(say(&lease(&group).await, "cold").await, text("cold"));
    assert_eq!(host.launcher.fitted(), ["default:f"]);
}

#[tokio::test]
async fn blank_that_was_taken_is_replaced() {
    let host = prepared(stocked(4)).await;
    let group = host.pool.group(plan("f", ONE, None));
    drop(lease(&group).await);
    ready(&host, 1).await;
    assert_eq!(host.launcher.launched(), 2);
}

#[tokio::test]
async fn nothing_is_started_where_nothing_is_expected() {
    let host = host(stocked(4));
    let _unused = host.pool.group(plan("f", ONE, None));
    tokio::time::pause();
    pass(5).await;
    assert_eq!((host.launcher.launched(), host.pool.blanks()), (0, 0));
}

#[tokio::test]
async fn stock_grows_with_bursts_and_shrinks_when_they_are_forgotten() {
    let host = prepared(stocked(3)).await;
    tokio::time::pause();
    let groups: Vec<_> = (0..6).map(|number| host.pool.group(plan(&format!("f{number}"), ONE, None))).collect();
    let leases = futures(&groups).await;
    tokio::time::resume();
    ready(&host, 3).await;
    drop(leases);
    tokio::time::pause();
    pass(65).await;
    assert_eq!(host.pool.blanks(), 1, "one stays for functions that there are");
}

/// One lease of each, all wanted at once.
async fn futures(groups: &[Arc<crate::Group>]) -> Vec<crate::Lease> {
    let calls: Vec<_> = groups
        .iter()
        .map(|group| {
            let group = Arc::clone(group);
            tokio::spawn(async move { lease(&group).await })
        })
        .collect();
    let mut leases = Vec::new();
    for call in calls {
        leases.push(call.await.expect("no panic"));
    }
    leases
}

#[tokio::test]
async fn blank_that_died_is_not_used_and_is_replaced() {
    let host = prepared(stocked(4)).await;
    host.launcher.kill_all().await;
    let group = host.pool.group(plan("f", ONE, None));
    assert_eq!(say(&lease(&group).await, "alive").await, text("alive"));
    ready(&host, 1).await;
}

#[tokio::test]
async fn kind_that_cannot_be_started_is_tried_again_after_a_pause() {
    let host = host(stocked(4));
    host.launcher.fail_next();
    host.pool.expect(&plan("any", ONE, None).blueprint());
    until("it was tried", || host.launcher.launched() == 1).await;
    tokio::time::pause();
    pass(1).await;
    assert_eq!(host.launcher.launched(), 1);
    pass(4).await;
    tokio::time::resume();
    ready(&host, 1).await;
    assert_eq!(host.launcher.launched(), 2, "tried again after a pause");
}

#[tokio::test]
async fn call_does_not_wait_for_the_pause_after_a_failure() {
    let host = host(stocked(4));
    host.launcher.fail_next();
    host.pool.expect(&plan("any", ONE, None).blueprint());
    until("it was tried", || host.launcher.launched() == 1).await;
    let group = host.pool.group(plan("f", ONE, None));
    assert_eq!(say(&lease(&group).await, "works again").await, text("works again"));
}

#[tokio::test]
async fn blank_of_another_kind_gives_way() {
    let host = prepared(Config { most_instances: 1, ..stocked(4) }).await;
    let group = host.pool.group(plan_with("other", ONE, |version| version.spec.tmp_mb = 10_240));
    assert_eq!(say(&lease(&group).await, "room").await, text("room"));
    assert_eq!((host.pool.blanks(), host.launcher.launched()), (0, 2));
}

#[tokio::test]
async fn blank_of_the_right_kind_is_used_where_it_takes_the_last_room() {
    let host = prepared(Config { most_instances: 1, ..stocked(4) }).await;
    let group = host.pool.group(plan("f", ONE, None));
    assert_eq!(say(&lease(&group).await, "mine").await, text("mine"));
    assert_eq!((host.pool.blanks(), host.launcher.launched()), (0, 1));
}

#[tokio::test]
async fn blank_that_is_of_no_use_is_replaced_by_a_new_start() {
    let host = prepared(stocked(1)).await;
    host.launcher.refuse_next_fit();
    let group = host.pool.group(plan("f", ONE, None));
    assert_eq!(say(&lease(&group).await, "second try").await, text("second try"));
}

#[tokio::test]
async fn without_a_stock_each_start_is_for_a_call() {
    let host = host(no_stock());
    host.pool.expect(&plan("any", ONE, None).blueprint());
    let group = host.pool.group(plan("f", ONE, None));
    drop(lease(&group).await);
    tokio::time::pause();
    pass(3).await;
    assert_eq!((host.launcher.launched(), host.pool.blanks()), (1, 0));
}

#[tokio::test]
async fn shutdown_ends_blanks() {
    let host = prepared(stocked(4)).await;
    host.pool.shutdown(super::LIMIT).await;
    until("the blank is gone", || host.launcher.alive() == 0).await;
}
