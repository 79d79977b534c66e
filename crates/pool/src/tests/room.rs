//! Who gets room where there is not enough for all.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fungraph_model::{ProjectId, Strategy};

use super::fake::{plan, plan_with};
use super::{ONE, PATIENCE, host, lease, no_stock, quick, refusal, say, text, until};
use crate::{Config, Group, Refusal};

fn waiting(group: &Arc<Group>, event: &'static str) -> tokio::task::JoinHandle<fungraph_model::Outcome<bytes::Bytes>> {
    let group = Arc::clone(group);
    tokio::spawn(async move { say(&lease(&group).await, event).await })
}

fn of_project(name: &str, project: &str) -> fungraph_instance::Plan {
    let unlimited = Strategy { concurrency: -1, concurrent_num: 1 };
    plan_with(name, unlimited, |version| version.key.project = ProjectId(project.to_owned()))
}

#[tokio::test]
async fn functions_without_room_take_turns_in_their_order() {
    let host = host(Config { most_instances: 1, ..no_stock() });
    let [a, b, c] = ["a", "b", "c"].map(|name| host.pool.group(plan(name, ONE, None)));
    let held = lease(&a).await;
    let second = waiting(&b, "second");
    until("b waits for room", || host.pool.wanting_room() == 1).await;
    let third = waiting(&c, "third");
    until("c waits for room", || host.pool.wanting_room() == 2).await;
    drop(held);
    assert_eq!(second.await.expect("no panic"), text("second"));
    assert_eq!(third.await.expect("no panic"), text("third"));
    assert_eq!(host.launcher.fitted(), ["default:a", "default:b", "default:c"]);
}

/// A host with room for one: its busy function and another both have somebody in line when the instance, so old, is given back.
/// The functions that instances were made of, once all are answered.
async fn turns_after(age: Duration) -> Vec<String> {
    let host = host(Config { most_instances: 1, ..no_stock() });
    let (busy, other) = (host.pool.group(plan("busy", ONE, None)), host.pool.group(plan("other", ONE, None)));
    let held = lease(&busy).await;
    let next = waiting(&busy, "its own next");
    let wanted = waiting(&other, "the other's");
    until("the other waits for room", || host.pool.wanting_room() == 1).await;
    tokio::time::pause();
    tokio::time::advance(age).await;
    tokio::time::resume();
    drop(held);
    assert_eq!(wanted.await.expect("no panic"), text("the other's"));
    assert_eq!(next.await.expect("no panic"), text("its own next"));
    host.launcher.fitted()
}

#[tokio::test]
async fn instance_that_has_served_its_time_makes_room_for_another_function() {
    let turns = turns_after(Duration::from_secs(2)).await;
    assert_eq!(turns, ["default:busy", "default:other", "default:busy"]);
}

#[tokio::test]
async fn instance_that_is_young_serves_its_own_line_first() {
    assert_eq!(turns_after(Duration::ZERO).await, ["default:busy", "default:other"]);
}

#[tokio::test]
async fn project_has_no_more_than_its_part_of_the_host() {
    let host = host(Config { most_instances_per_project: 2, ..quick() });
    let (a, b) = (host.pool.group(of_project("f", "a")), host.pool.group(of_project("f", "b")));
    let held = [lease(&a).await, lease(&a).await];
    assert_eq!(refusal(&a).await, Refusal::WaitedTooLong);
    assert_eq!(say(&lease(&b).await, "another project").await, text("another project"));
    drop(held);
}

#[tokio::test]
async fn project_makes_room_of_its_own_idle_instances_only() {
    let host = host(Config { most_instances_per_project: 1, ..no_stock() });
    let plans = [of_project("old", "a"), of_project("old", "b"), of_project("new", "a")];
    let [old, others, new] = plans.map(|plan| host.pool.group(plan));
    drop(lease(&others).await);
    drop(lease(&old).await);
    assert_eq!(say(&lease(&new).await, "room").await, text("room"));
    assert_eq!((old.size(), others.size(), new.size()), (0, 1, 1));
}

#[tokio::test]
async fn least_recently_used_instance_makes_room() {
    let host = host(Config { most_instances: 2, ..no_stock() });
    let [a, b, new] = ["a", "b", "new"].map(|name| host.pool.group(plan(name, ONE, None)));
    for group in [&a, &b, &a] {
        drop(lease(group).await);
    }
    assert_eq!(say(&lease(&new).await, "room").await, text("room"));
    assert_eq!((a.size(), b.size(), new.size()), (1, 0, 1));
}

#[tokio::test]
async fn function_larger_than_its_projects_part_is_refused_at_once() {
    let host = host(Config { memory_bytes_per_project: 127 << 20, ..quick() });
    assert_eq!(refusal(&host.pool.group(plan("f", ONE, None))).await, Refusal::NeverFits);
}

#[tokio::test]
async fn line_of_a_project_is_bounded() {
    let host = host(Config { queue_per_project: 1, ..quick() });
    let [f, g] = ["f", "g"].map(|name| host.pool.group(plan(name, ONE, None)));
    let held = [lease(&f).await, lease(&g).await];
    let first = waiting(&f, "first in line");
    until("it stands in line", || host.pool.waiting() == 1).await;
    assert_eq!(refusal(&g).await, Refusal::QueueFull);
    drop(held);
    assert_eq!(first.await.expect("no panic"), text("first in line"));
    assert_eq!(host.pool.waiting(), 0);
}

#[tokio::test]
async fn function_alone_on_a_full_host_keeps_its_instances() {
    let host = host(Config { most_instances: 1, ..no_stock() });
    let group = host.pool.group(plan("f", Strategy { concurrency: -1, concurrent_num: 1 }, None));
    let held = lease(&group).await;
    let next = waiting(&group, "next");
    until("it wants another instance", || host.pool.wanting_room() == 1).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    drop(held);
    assert_eq!(next.await.expect("no panic"), text("next"));
    assert_eq!(host.launcher.launched(), 1);
}

#[tokio::test]
async fn who_left_the_line_holds_no_place_in_it() {
    let host = host(Config { queue: 1, ..quick() });
    let [busy, other] = ["busy", "other"].map(|name| host.pool.group(plan(name, ONE, None)));
    let held = lease(&busy).await;
    assert_eq!(refusal(&busy).await, Refusal::WaitedTooLong);
    assert_eq!(host.pool.waiting(), 0);
    assert_eq!(say(&lease(&other).await, "served").await, text("served"));
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn instance_that_becomes_idle_while_room_is_looked_for_is_not_overlooked() {
    for _ in 0..20 {
        let host = host(Config { most_instances: 1, ..no_stock() });
        let [old, new, last] = ["old", "new", "last"].map(|name| host.pool.group(plan(name, ONE, None)));
        let held = lease(&old).await;
        let call = tokio::spawn(async move { drop(lease(&new).await) });
        tokio::task::block_in_place(|| {
            // Whoever looks at the queue looks at every group, in their order, and stays at this one.
            let busy = last.lock();
            let begun = Instant::now();
            while (host.pool.waiting() == 0 || host.pool.wanting_room() > 0) && begun.elapsed() < PATIENCE {
                std::thread::yield_now();
            }
            drop(held);
            drop(busy);
        });
        call.await.expect("served");
    }
}

#[tokio::test]
async fn room_comes_back_when_the_process_is_gone_and_not_when_it_is_told_to_go() {
    let host = host(Config { most_instances: 1, ..no_stock() });
    let [old, new] = ["old", "new"].map(|name| host.pool.group(plan(name, ONE, None)));
    let killed = lease(&old).await;
    host.launcher.let_linger(true);
    killed.destroy();
    let next = waiting(&new, "served");
    until("it waits for room", || host.pool.wanting_room() == 1).await;
    assert_eq!((old.size(), host.launcher.launched()), (0, 1));
    assert_eq!(host.pool.census().memory.promised, old.memory_bytes(), "it may still use its memory");
    host.launcher.let_linger(false);
    host.launcher.kill_all().await;
    assert_eq!(next.await.expect("no panic"), text("served"));
}

#[tokio::test]
async fn large_function_gets_its_room_before_small_ones_that_came_later() {
    let host = host(Config { memory_bytes: 256 << 20, ..no_stock() });
    let large = host.pool.group(plan_with("large", ONE, |version| version.spec.memory_mb = 256));
    let small = ["a", "b", "c"].map(|name| host.pool.group(plan(name, ONE, None)));
    let (first, second) = (lease(&small[0]).await, lease(&small[1]).await);
    let wanted = waiting(&large, "large");
    until("the large one waits for room", || host.pool.wanting_room() == 1).await;
    let later = waiting(&small[2], "later");
    until("a small one waits behind it", || host.pool.wanting_room() == 2).await;
    drop(first);
    until("half the room is free", || host.pool.census().memory.promised == 128 << 20).await;
    drop(second);
    assert_eq!(wanted.await.expect("no panic"), text("large"));
    assert_eq!(later.await.expect("no panic"), text("later"));
    assert_eq!(host.launcher.fitted()[2..], ["default:large", "default:c"]);
}

#[tokio::test]
async fn project_without_room_leaves_the_blank_instances_of_the_host_alone() {
    let host = host(Config { most_instances_per_project: 1, blanks_most: 4, ..quick() });
    host.pool.expect(&plan("any", ONE, None).blueprint());
    until("a blank is ready", || host.pool.blanks() == 1).await;
    let (a, b) = (host.pool.group(of_project("f", "a")), host.pool.group(of_project("f", "b")));
    let held = lease(&a).await;
    let next = waiting(&a, "next");
    until("it wants another instance", || host.pool.wanting_room() == 1).await;
    until("the blank it took was replaced", || host.pool.blanks() == 1).await;
    host.launcher.fail_next();
    assert_eq!(say(&lease(&b).await, "at once").await, text("at once"));
    drop(held);
    assert_eq!(next.await.expect("no panic"), text("next"));
}

#[tokio::test]
async fn reserve_without_room_leaves_blank_instances_alone() {
    let host = host(Config { memory_bytes: 384 << 20, blanks_most: 4, ..Config::default() });
    host.pool.expect(&plan("any", ONE, None).blueprint());
    until("a blank is ready", || host.pool.blanks() == 1).await;
    let [first, second] =
        ["first", "second"].map(|name| host.pool.group(plan_with(name, ONE, |version| version.spec.memory_mb = 256)));
    first.reserve(1, || Arc::new(drop));
    until("the first is there", || first.size() == 1).await;
    until("a blank is ready beside it", || host.pool.blanks() == 1).await;
    let launched = host.launcher.launched();
    second.reserve(1, || Arc::new(drop));
    for _ in 0..50 {
        second.tend_reserve();
        tokio::task::yield_now().await;
    }
    assert_eq!((host.pool.blanks(), host.launcher.launched()), (1, launched));
}
