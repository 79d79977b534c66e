//! Faults of ours: a panic under a lock, and a start that breaks off.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;

/// Panics while it holds the state of a group, with slots taken that are nobody's.
fn break_off(group: &Arc<Group>) {
    let broken = catch_unwind(AssertUnwindSafe(|| {
        let mut state = group.lock();
        state.seats.iter_mut().for_each(|seat| seat.taken = 1);
        panic!("planned");
    }));
    assert!(broken.is_err());
}

#[tokio::test]
async fn a_function_whose_instances_a_panic_has_met_gets_others() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    drop(lease(&group).await);
    break_off(&group);
    assert_eq!(say(&lease(&group).await, "next").await, text("next"));
    assert_eq!((host.launcher.launched(), group.size()), (2, 1));
    until("the one that it had is gone", || group.allowance.taken() == 1).await;
    assert_eq!(say(&lease(&group).await, "warm").await, text("warm"));
    assert_eq!(host.launcher.launched(), 2);
}

#[tokio::test]
async fn a_call_that_runs_while_a_panic_meets_its_function_runs_to_its_end_and_those_in_line_are_served() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    let running = lease(&group).await;
    let waiting = tokio::spawn({
        let group = Arc::clone(&group);
        async move { say(&lease(&group).await, "second").await }
    });
    until("it stands in line", || !group.has_no_line()).await;
    break_off(&group);
    assert_eq!(waiting.await.expect("no panic"), text("second"));
    assert_eq!(say(&running, "first").await, text("first"));
    drop(running);
    assert_eq!(say(&lease(&group).await, "third").await, text("third"));
    assert_eq!((host.launcher.launched(), group.size()), (2, 1), "the one that was met serves nobody else");
}

#[tokio::test]
async fn a_group_that_ends_with_its_lock_broken_ends() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    let running = lease(&group).await;
    break_off(&group);
    // A second panic on the way would end the process.
    let broken = catch_unwind(AssertUnwindSafe(|| {
        let _held = (running, group);
        panic!("planned");
    }));
    assert!(broken.is_err());
    until("its room is free", || host.pool.shared.capacity.memory().promised == 0).await;
}

#[test]
fn a_start_counts_until_it_ends_however_it_does() {
    let (starts, run) = (crate::starts::Starts::default(), AtomicUsize::new(0));
    let (one, other) = (starts.begin(), starts.begin());
    assert_eq!(starts.count(), 2);
    let broken = catch_unwind(AssertUnwindSafe(|| {
        let _one = one;
        run.fetch_add(starts.count(), Ordering::Relaxed);
        panic!("planned");
    }));
    assert!(broken.is_err());
    assert_eq!((run.into_inner(), starts.count()), (2, 1));
    drop(other);
    assert_eq!(starts.count(), 0);
}

#[tokio::test]
async fn a_call_whose_instance_breaks_off_while_it_is_started_gets_another() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    host.launcher.panic_next();
    assert_eq!(say(&lease(&group).await, "hello").await, text("hello"));
    assert_eq!((host.launcher.launched(), group.size()), (1, 1), "nobody waits for the one that broke off");
}
