//! What the pool tells of itself: whether a call waited for a start, and how much there is of everything.

use fungraph_model::{Line, StartKind};

use super::*;
use crate::{BlankStock, Census, FunctionCensus, Memory};

#[tokio::test]
async fn the_first_lease_of_an_instance_tells_how_it_was_started() {
    let host = host(Config::default());
    let group = host.pool.group(plan("f", ONE, None));
    let begun = Instant::now();
    let first = lease(&group).await;
    let took = begun.elapsed();
    let start = first.start().expect("it was started for this call");
    assert_eq!(start.kind, StartKind::New);
    assert!(start.launch > Duration::ZERO && start.load > Duration::ZERO && start.launch + start.load <= took);
    drop(first);
    assert!(lease(&group).await.start().is_none(), "it was loaded before");
}

#[tokio::test]
async fn a_call_that_gets_a_blank_instance_says_so() {
    let host = host(Config::default());
    host.pool.expect(&plan("any", ONE, None).blueprint());
    until("a blank is ready", || host.pool.blanks() == 1).await;
    assert_eq!(host.pool.census().blanks, [BlankStock { interpreter: "Python 3.9.0".into(), ready: 1 }]);
    let group = host.pool.group(plan("f", ONE, None));
    assert_eq!(lease(&group).await.start().map(|start| start.kind), Some(StartKind::Blank));
}

#[tokio::test]
async fn a_call_that_gets_the_slot_of_another_is_warm() {
    let host = host(Config::default());
    let group = host.pool.group(plan("f", ONE, None));
    let first = lease(&group).await;
    let second = tokio::spawn({
        let group = Arc::clone(&group);
        async move { lease(&group).await.start().is_none() }
    });
    until("the second stands in line", || host.pool.census().waiting == 1).await;
    assert_eq!(group.line(), Line { instances: 1, most: Some(1), room: true });
    assert!(first.start().is_some());
    drop(first);
    assert!(second.await.expect("it gets the slot"));
}

#[tokio::test]
async fn a_census_counts_what_there_is() {
    let host = host(Config { memory_bytes: 1 << 30, ..no_stock() });
    let most = 1 << 30;
    let empty = Census {
        idle: 0,
        reserved: 0,
        busy: 0,
        starting: 0,
        blanks: vec![],
        waiting: 0,
        wanting_room: 0,
        memory: Memory { promised: 0, most },
        functions: Vec::new(),
    };
    assert_eq!(host.pool.census(), empty);
    let two = Strategy { concurrency: 2, concurrent_num: 1 };
    let (f, g) = (host.pool.group(plan("f", two, None)), host.pool.group(plan("g", ONE, None)));
    let older = host.pool.group(plan("f", two, None));
    let (busy, _also_busy) = (lease(&f).await, lease(&older).await);
    drop(lease(&g).await);
    let mut census = host.pool.census();
    census.functions.sort_by(|a, b| a.function.cmp(&b.function));
    let of = |group: &Group, instances, running| FunctionCensus {
        function: group.plan().version.key.clone(),
        version: group.plan().version.version.clone(),
        instances,
        running,
        waiting: 0,
        last_second: 0,
    };
    let promised = 3 * f.memory_bytes();
    let functions = vec![of(&f, 2, 2), of(&g, 1, 0)];
    let blanks = vec![BlankStock { interpreter: "Python 3.9.0".into(), ready: 0 }];
    assert_eq!(census, Census { idle: 1, busy: 2, blanks, memory: Memory { promised, most }, functions, ..empty });
    drop(busy);
    let census = host.pool.census();
    assert_eq!((census.idle, census.busy), (2, 1));
}

#[tokio::test]
async fn an_instance_that_is_being_initialized_is_starting_and_runs_no_call() {
    let host = host(no_stock());
    let hook = HookSpec { handler: "index.init".into(), timeout_s: 3 };
    let group = host.pool.group(plan("f", Strategy { concurrency: 1, concurrent_num: 4 }, Some(hook)));
    let mut lease = lease(&group).await;
    let counts = || {
        let census = host.pool.census();
        (census.starting, census.idle, census.busy, census.functions[0].instances, census.functions[0].running)
    };
    assert_eq!(counts(), (1, 0, 0, 1, 0));
    lease.initialized();
    assert_eq!(counts(), (0, 0, 1, 1, 1));
    drop(lease);
    assert_eq!(counts(), (0, 1, 0, 1, 0));
}

#[tokio::test]
async fn the_most_instances_since_the_last_look_are_told() {
    let host = host(no_stock());
    let group = host.pool.group(plan("f", ONE, None));
    assert!(host.pool.instances().is_empty());
    let told = || host.pool.instances().iter().map(|one| (one.most, one.reserved)).collect::<Vec<_>>();
    lease(&group).await.destroy();
    assert_eq!(told(), [(1, 0)], "it is gone, and was there");
    assert_eq!(told(), []);
    let _held = lease(&group).await;
    assert_eq!((told(), told()), (vec![(1, 0)], vec![(1, 0)]));
    let changed = host.pool.group(plan("g", ONE, None));
    lease(&changed).await.destroy();
    let watched = Arc::downgrade(&changed);
    drop(changed);
    until("its group is gone", || watched.strong_count() == 0).await;
    assert_eq!(told(), [(1, 0), (1, 0)], "what it had is told");
    assert_eq!(told(), [(1, 0)], "once");
}
