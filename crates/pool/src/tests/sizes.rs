//! A function that is called with several memory sizes: one limit over all of them, and who of them gets the next instance.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use fungraph_model::Strategy;
use tokio::task::JoinHandle;

use super::fake::plan_with;
use super::{Host, PATIENCE, host, lease, no_stock, quick, refusal, say, text, until};
use crate::{Group, Refusal};

/// Groups of one function for these sizes, each named by its size so that the launcher tells them apart.
fn sizes<const N: usize>(host: &Host, strategy: Strategy, sizes: [u32; N]) -> [Arc<Group>; N] {
    let plan = |mb: u32| plan_with(&format!("f{mb}"), strategy, |version| version.spec.memory_mb = mb);
    let base = host.pool.group(plan(sizes[0]));
    std::array::from_fn(|n| if n == 0 { Arc::clone(&base) } else { host.pool.sibling(&base, plan(sizes[n])) })
}

fn most(concurrency: i32) -> Strategy {
    Strategy { concurrency, concurrent_num: 1 }
}

/// A call that is in line, or served, when this returns.
async fn call(host: &Host, group: &Arc<Group>) -> JoinHandle<()> {
    let (group, before) = (Arc::clone(group), host.pool.waiting());
    let call = tokio::spawn(async move {
        assert_eq!(say(&lease(&group).await, "served").await, text("served"));
    });
    until("it stands in line", || host.pool.waiting() > before || call.is_finished()).await;
    call
}

/// So long that the start of every instance was worth it, however long it took.
async fn age() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn limit_is_one_for_all_sizes() {
    let host = host(quick());
    let [small, middle, large] = sizes(&host, most(2), [128, 256, 512]);
    let held = [lease(&small).await, lease(&middle).await];
    assert_eq!(refusal(&large).await, Refusal::WaitedTooLong);
    assert_eq!(refusal(&small).await, Refusal::WaitedTooLong);
    assert_eq!(host.launcher.launched(), 2);
    assert_eq!((large.line().instances, large.line().most), (2, Some(2)), "its record says what the function has");
    drop(held);
}

#[tokio::test]
async fn burst_of_all_sizes_stays_within_the_limit() {
    let host = host(no_stock());
    let groups = sizes(&host, most(3), [128, 256, 512, 1024]);
    let mut calls = Vec::new();
    for n in 0..80 {
        let (group, launcher) = (Arc::clone(&groups[n % 4]), Arc::clone(&host.launcher));
        calls.push(tokio::spawn(async move {
            let lease = lease(&group).await;
            tokio::task::yield_now().await;
            let held = (group.line().instances, launcher.alive());
            assert_eq!(say(&lease, "served").await, text("served"));
            held
        }));
    }
    for call in calls {
        let (instances, _) = call.await.expect("served");
        assert!(instances <= 3, "{instances}");
    }
    until("those that made room are gone", || host.launcher.alive() <= 3).await;
}

#[tokio::test]
async fn least_recently_used_idle_instance_of_another_size_leaves() {
    let host = host(no_stock());
    let [first, second, new] = sizes(&host, most(2), [128, 256, 512]);
    for group in [&first, &second, &first] {
        drop(lease(group).await);
    }
    assert_eq!(say(&lease(&new).await, "room").await, text("room"));
    assert_eq!((first.size(), second.size(), new.size()), (1, 0, 1));
}

#[tokio::test]
async fn idle_instance_stays_while_there_are_places() {
    let host = host(no_stock());
    let [first, second] = sizes(&host, most(2), [128, 256]);
    drop(lease(&first).await);
    drop(lease(&second).await);
    assert_eq!((first.size(), second.size()), (1, 1));
}

#[tokio::test]
async fn busy_instances_are_waited_for_in_the_order_in_which_sizes_asked() {
    let host = host(no_stock());
    let [a, b, c] = sizes(&host, most(1), [128, 256, 512]);
    let held = lease(&a).await;
    let calls = [call(&host, &b).await, call(&host, &c).await];
    until("both want a place", || host.pool.wanting_room() == 2).await;
    drop(held);
    for call in calls {
        call.await.expect("served");
    }
    assert_eq!(host.launcher.fitted(), ["default:f128", "default:f256", "default:f512"]);
}

#[tokio::test]
async fn size_with_a_long_line_does_not_keep_another_from_its_turn() {
    let host = host(no_stock());
    let [a, b] = sizes(&host, most(1), [128, 256]);
    let held = lease(&a).await;
    let mut calls = vec![call(&host, &a).await, call(&host, &a).await, call(&host, &b).await];
    until("the other wants the place", || host.pool.wanting_room() == 1).await;
    calls.push(call(&host, &a).await);
    age().await;
    drop(held);
    for call in calls {
        call.await.expect("served");
    }
    // Not only after the whole line of the first.
    assert_eq!(host.launcher.fitted(), ["default:f128", "default:f256", "default:f128"]);
}

#[tokio::test]
async fn sizes_share_evenly_what_is_not_reserved() {
    let host = host(no_stock());
    let [base, b, c] = sizes(&host, most(3), [128, 256, 512]);
    base.reserve(2, || Arc::new(drop));
    until("both are ready", || base.reserved() == 2).await;
    let held = lease(&b).await;
    let other = call(&host, &c).await;
    until("it wants the place", || host.pool.wanting_room() == 1).await;
    let mut calls = vec![other, call(&host, &b).await, call(&host, &b).await];
    age().await;
    drop(held);
    for call in calls.drain(..) {
        call.await.expect("served");
    }
    let [b, c] = ["default:f256", "default:f512"];
    assert_eq!(host.launcher.fitted()[2..], [b, c, b], "the only place there is goes round");
}

#[tokio::test]
async fn instance_that_was_to_leave_stays_where_nobody_waits_for_its_place_any_more() {
    let host = host(quick());
    let [a, b] = sizes(&host, Strategy { concurrency: 1, concurrent_num: 2 }, [128, 256]);
    let (first, long) = (lease(&a).await, lease(&a).await);
    let other = tokio::spawn(async move { refusal(&b).await });
    until("the other wants the place", || host.pool.wanting_room() == 1).await;
    age().await;
    drop(first);
    assert_eq!(other.await.expect("no panic"), Refusal::WaitedTooLong);
    until("it is forgotten", || host.pool.wanting_room() == 0).await;
    assert_eq!(say(&lease(&a).await, "beside it").await, text("beside it"));
    drop(long);
    assert_eq!((a.size(), host.launcher.launched()), (1, 1));
}

#[tokio::test]
async fn place_that_is_reserved_no_more_goes_to_the_size_that_waits() {
    let host = host(no_stock());
    let [base, other] = sizes(&host, most(1), [128, 256]);
    base.reserve(1, || Arc::new(drop));
    until("it is ready", || base.reserved() == 1).await;
    let call = call(&host, &other).await;
    until("it wants the place", || host.pool.wanting_room() == 1).await;
    // It was looked at, and found none.
    until("it waits", || base.allowance.is_wanted()).await;
    base.reserve(0, || Arc::new(drop));
    call.await.expect("served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn instance_that_becomes_idle_while_the_queue_is_looked_at_is_not_overlooked() {
    for _ in 0..20 {
        let host = host(no_stock());
        let [a, b] = sizes(&host, most(1), [128, 256]);
        let last = host.pool.group(plan_with("last", most(1), |_| {}));
        let held = lease(&a).await;
        let call = tokio::spawn(async move { drop(lease(&b).await) });
        tokio::task::block_in_place(|| {
            // Whoever looks at the queue looks at every group, in their order, and stays at this one.
            let busy = last.lock();
            // The call may have joined the queue again meanwhile: then somebody looks as well.
            let begun = Instant::now();
            while (host.pool.waiting() == 0 || host.pool.wanting_room() > 0) && begun.elapsed() < PATIENCE {
                thread::yield_now();
            }
            drop(held);
            drop(busy);
        });
        call.await.expect("served");
    }
}

#[tokio::test]
async fn instance_of_several_slots_takes_no_more_calls_when_another_size_has_its_turn() {
    let host = host(no_stock());
    let [a, b] = sizes(&host, Strategy { concurrency: 1, concurrent_num: 2 }, [128, 256]);
    let (first, second) = (lease(&a).await, lease(&a).await);
    let other = call(&host, &b).await;
    until("the other wants the place", || host.pool.wanting_room() == 1).await;
    age().await;
    drop(first);
    let late = call(&host, &a).await;
    assert_eq!((a.running(), host.pool.waiting()), (1, 2), "its free slot is not for the late one");
    drop(second);
    other.await.expect("served");
    late.await.expect("served");
    assert_eq!(host.launcher.fitted(), ["default:f128", "default:f256", "default:f128"]);
}

#[tokio::test]
async fn nobody_waits_past_his_deadline_for_another_size() {
    let host = host(quick());
    let [a, b] = sizes(&host, most(1), [128, 256]);
    let held = lease(&a).await;
    let begun = Instant::now();
    assert_eq!(refusal(&b).await, Refusal::WaitedTooLong);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    until("nobody waits for it any more", || host.pool.wanting_room() == 0).await;
    drop(held);
    drop(lease(&a).await);
    assert_eq!((a.size(), b.size(), host.launcher.launched()), (1, 0, 1), "the instance stays");
}

#[tokio::test]
async fn reserved_instance_keeps_its_place() {
    let host = host(quick());
    let [base, other] = sizes(&host, most(2), [128, 256]);
    base.reserve(1, || Arc::new(drop));
    until("it is ready", || base.reserved() == 1).await;
    drop([lease(&base).await, lease(&base).await]);
    assert_eq!(base.size(), 2);
    assert_eq!(say(&lease(&other).await, "the other place").await, text("the other place"));
    assert_eq!((base.reserved(), base.size(), other.size()), (1, 1, 1));
    // All places are reserved: no other size ever gets one.
    base.reserve(2, || Arc::new(drop));
    until("both are ready", || base.reserved() == 2).await;
    assert_eq!(other.size(), 0, "an idle one leaves for a reserved one");
    assert_eq!(refusal(&other).await, Refusal::WaitedTooLong);
    assert_eq!(base.reserved(), 2);
}

#[tokio::test]
async fn no_limit_and_no_instances_are_the_same_for_every_size() {
    let host = host(no_stock());
    let [a, b] = sizes(&host, most(-1), [128, 256]);
    let held = [lease(&a).await, lease(&b).await, lease(&a).await, lease(&b).await];
    assert_eq!(host.launcher.launched(), 4);
    drop(held);
    for disabled in sizes(&host, most(0), [128, 256]) {
        assert_eq!(refusal(&disabled).await, Refusal::Disabled);
    }
}

#[tokio::test]
async fn start_that_fails_gives_its_place_back() {
    let host = host(no_stock());
    let [a, b] = sizes(&host, most(1), [128, 256]);
    host.launcher.fail_next();
    assert!(a.acquire(Instant::now()).await.is_err());
    assert_eq!(say(&lease(&b).await, "served").await, text("served"));
}
