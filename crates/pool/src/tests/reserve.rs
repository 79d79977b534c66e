//! Reserved instances: there before the first call, and the last to go.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fungraph_model::{HookSpec, Outcome, RequestId, Strategy};
use tokio::time::Instant;

use super::fake::plan;
use super::{Host, ONE, host, lease, no_stock, say, text, until};
use crate::{Config, Group, Prepare};

const MANY: Strategy = Strategy { concurrency: -1, concurrent_num: 1 };

fn init() -> Option<HookSpec> {
    Some(HookSpec { handler: "index.init".into(), timeout_s: 3 })
}

/// Runs initializers as the engine does; the first `failing` of them fail.
#[derive(Default)]
struct Preparer {
    failing: AtomicUsize,
    prepared: AtomicUsize,
    failed: AtomicUsize,
    times: Mutex<Vec<Instant>>,
}

impl Preparer {
    fn failing(failing: usize) -> Arc<Self> {
        Arc::new(Self { failing: AtomicUsize::new(failing), ..Self::default() })
    }

    fn hook(self: &Arc<Self>) -> Prepare {
        let preparer = Arc::clone(self);
        Arc::new(move |start| {
            preparer.times.lock().expect("no test panics inside").push(Instant::now());
            let preparer = Arc::clone(&preparer);
            let Ok(mut lease) = start else {
                preparer.failed.fetch_add(1, Ordering::SeqCst);
                return;
            };
            tokio::spawn(async move {
                let end = lease.instance().initialize(RequestId::random(), Duration::from_secs(3)).await;
                assert!(matches!(end.outcome, Outcome::Returned(_)), "{end:?}");
                let fails =
                    preparer.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                if fails.is_err() {
                    lease.initialized();
                    preparer.prepared.fetch_add(1, Ordering::SeqCst);
                }
            });
        })
    }

    fn tries(&self) -> Vec<Instant> {
        self.times.lock().expect("no test panics inside").clone()
    }
}

fn nothing() -> Prepare {
    Arc::new(|start| panic!("nothing needs to be prepared: {start:?}"))
}

async fn reserved(group: &Arc<Group>, count: usize) {
    until("the reserved instances are ready", || group.reserved() == count).await;
}

/// Lets an hour pass; every timer in it fires.
async fn an_hour_later(host: &Host) {
    tokio::time::pause();
    for _ in 0..360 {
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    assert!(host.launcher.launched() < 100, "it starts instances in a loop");
}

#[tokio::test]
async fn reserved_instances_are_there_before_the_first_call() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", MANY, None));
    group.reserve(3, nothing);
    reserved(&group, 3).await;
    assert_eq!(host.launcher.launched(), 3);
    let leases = [lease(&group).await, lease(&group).await, lease(&group).await];
    assert_eq!(host.launcher.launched(), 3, "they are used first");
    assert_eq!(say(&lease(&group).await, "overflow").await, text("overflow"));
    assert_eq!((host.launcher.launched(), group.reserved(), group.running()), (4, 3, 3));
    drop(leases);
}

#[tokio::test]
async fn initializer_runs_before_anybody_calls() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", MANY, init()));
    let preparer = Preparer::failing(0);
    group.reserve(2, || preparer.hook());
    reserved(&group, 2).await;
    assert_eq!(preparer.prepared.load(Ordering::SeqCst), 2);
    assert!(!lease(&group).await.needs_initializer());
    assert_eq!(host.launcher.launched(), 2);
}

#[tokio::test]
async fn reserved_instances_are_never_idle_for_too_long() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", MANY, None));
    group.reserve(2, nothing);
    reserved(&group, 2).await;
    let leases = [lease(&group).await, lease(&group).await, lease(&group).await];
    drop(leases);
    an_hour_later(&host).await;
    until("the third leaves", || host.launcher.alive() == 2).await;
    assert_eq!((group.size(), group.reserved(), host.launcher.launched()), (2, 2, 3));
}

#[tokio::test]
async fn instances_that_are_reserved_no_more_leave_when_they_have_been_idle() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", MANY, None));
    group.reserve(2, nothing);
    reserved(&group, 2).await;
    group.reserve(0, nothing);
    assert_eq!((group.reserved(), group.size()), (0, 2), "they are of use until then");
    an_hour_later(&host).await;
    until("they leave", || host.launcher.alive() == 0).await;
}

#[tokio::test]
async fn a_dead_one_is_replaced() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", MANY, None));
    group.reserve(2, nothing);
    reserved(&group, 2).await;
    host.launcher.kill_all().await;
    until("their end is noticed", || group.reserved() == 0).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    reserved(&group, 2).await;
    assert_eq!(host.launcher.launched(), 4);
}

#[tokio::test]
async fn function_that_keeps_failing_is_tried_with_growing_pauses() {
    let host = host(Config { processors: 1, ..no_stock() });
    let group = host.pool.group(plan("f", MANY, init()));
    let preparer = Preparer::failing(6);
    group.reserve(1, || preparer.hook());
    until("three tries", || preparer.tries().len() == 3).await;
    tokio::time::pause();
    let waited = async {
        while group.reserved() == 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), waited).await.expect("it works in the end");
    let tries = preparer.tries();
    let pauses: Vec<u64> = tries.windows(2).skip(2).map(|two| (two[1] - two[0]).as_secs()).collect();
    assert_eq!(tries.len(), 7);
    for (pause, least) in pauses.iter().zip([5, 10, 20, 40]) {
        assert!((least..least + 3).contains(pause), "{pauses:?}");
    }
}

#[tokio::test]
async fn start_that_fails_is_told_to_who_prepares() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", MANY, None));
    let preparer = Preparer::failing(0);
    host.launcher.fail_next();
    group.reserve(1, || preparer.hook());
    reserved(&group, 1).await;
    assert_eq!((preparer.failed.load(Ordering::SeqCst), host.launcher.launched()), (1, 2));
}

#[tokio::test]
async fn reserved_instance_is_not_given_up_for_another_function() {
    let host = host(Config { most_instances: 2, ..no_stock() });
    let [kept, other, third] = ["kept", "other", "third"].map(|name| host.pool.group(plan(name, ONE, None)));
    kept.reserve(1, nothing);
    reserved(&kept, 1).await;
    drop(lease(&other).await);
    // The kept one is the least recently used.
    assert_eq!(say(&lease(&third).await, "room").await, text("room"));
    assert_eq!((kept.reserved(), kept.size(), other.size()), (1, 1, 0));
}

/// Of four instances two are reserved, so that the other two are what both functions share.
#[tokio::test]
async fn reserved_instances_are_no_part_of_what_functions_share() {
    let host = host(Config { most_instances: 4, ..no_stock() });
    let [kept, other] = ["kept", "other"].map(|name| host.pool.group(plan(name, MANY, None)));
    kept.reserve(2, nothing);
    reserved(&kept, 2).await;
    let _busy = [lease(&kept).await, lease(&kept).await];
    let (third, others) = (lease(&kept).await, lease(&other).await);
    let waiting = |group: &Arc<Group>, event| {
        let group = Arc::clone(group);
        tokio::spawn(async move { say(&lease(&group).await, event).await })
    };
    let wanted = waiting(&other, "the other's");
    until("the other waits for room", || host.pool.wanting_room() == 1).await;
    let next = waiting(&kept, "its own next");
    until("both wait for room", || host.pool.wanting_room() == 2).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    drop(third);
    assert_eq!(next.await.expect("no panic"), text("its own next"));
    // Then it is idle, and makes room.
    assert_eq!(wanted.await.expect("no panic"), text("the other's"));
    let fitted = host.launcher.fitted();
    assert_eq!(fitted[4..], ["default:other"], "it had no more than its even share: {fitted:?}");
    drop(others);
}

#[tokio::test]
async fn reserve_takes_the_room_of_idle_instances() {
    let host = host(Config { most_instances: 2, ..no_stock() });
    let [idle, kept] = ["idle", "kept"].map(|name| host.pool.group(plan(name, MANY, None)));
    drop([lease(&idle).await, lease(&idle).await]);
    kept.reserve(2, nothing);
    reserved(&kept, 2).await;
    assert_eq!(idle.size(), 0);
}

#[tokio::test]
async fn reserve_that_finds_no_room_holds_nobody_up() {
    let host = host(Config { most_instances: 2, ..no_stock() });
    let [first, second] = ["first", "second"].map(|name| host.pool.group(plan(name, MANY, None)));
    first.reserve(2, nothing);
    reserved(&first, 2).await;
    second.reserve(1, nothing);
    until("it gives up waiting for room", || host.pool.wanting_room() == 0).await;
    first.reserve(1, nothing);
    an_hour_later(&host).await;
    reserved(&second, 1).await;
    assert_eq!((first.size(), second.size()), (1, 1));
}

#[tokio::test]
async fn others_keep_their_instances_where_more_is_reserved_than_there_is_room_for() {
    let host = host(Config { most_instances: 3, ..no_stock() });
    let [other, a, b] = ["other", "a", "b"].map(|name| host.pool.group(plan(name, MANY, None)));
    drop(lease(&other).await);
    a.reserve(1, nothing);
    b.reserve(3, nothing);
    until("what fits is there", || a.reserved() + b.reserved() == 2).await;
    until("nobody waits for more", || host.pool.wanting_room() == 0).await;
    assert_eq!(other.size(), 1);
    b.reserve(2, nothing);
    until("now all fit", || a.reserved() + b.reserved() == 3).await;
    assert_eq!(other.size(), 0);
}

#[tokio::test]
async fn limit_of_instances_is_over_reserved_ones_too() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", Strategy { concurrency: 2, concurrent_num: 1 }, None));
    group.reserve(5, nothing);
    reserved(&group, 2).await;
    let leases = [lease(&group).await, lease(&group).await];
    assert_eq!((group.size(), host.launcher.launched()), (2, 2));
    drop(leases);
}

#[tokio::test]
async fn retired_group_keeps_nothing_and_takes_no_new_wishes() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", MANY, None));
    group.reserve(2, nothing);
    reserved(&group, 2).await;
    let busy = lease(&group).await;
    group.retire();
    group.reserve(2, nothing);
    until("the idle one leaves", || host.launcher.alive() == 1).await;
    assert_eq!(say(&busy, "to the end").await, text("to the end"));
    drop(busy);
    until("the last one leaves", || host.launcher.alive() == 0).await;
    assert_eq!(host.launcher.launched(), 2);
}

#[tokio::test]
async fn call_that_comes_while_one_is_started_waits_for_that_one() {
    let host = host(Config { processors: 1, ..no_stock() });
    let group = host.pool.group(plan("f", MANY, init()));
    let preparer = Preparer::failing(0);
    group.reserve(1, || preparer.hook());
    let mut first = lease(&group).await;
    if first.needs_initializer() {
        first.initialized();
    }
    assert_eq!((host.launcher.launched(), group.reserved()), (1, 1));
}
