//! A commit is hit at each of its points, by a full disk and by the death of the server, and the whole state is compared.

use bytes::Bytes;
use fungraph_model::{AsyncStatus, CallSeq};
use tempfile::TempDir;

use super::super::plan::{Blow, Plan, Point};
use super::super::*;
use super::state::state;
use super::{call, ending};

const BEFORE: &str = "\
f 0 0 3 6 0 0 0 0
g 0 0 1 2 0 0 0 0
f#1 waits begun=1 failed=0 deaths=0 code=0 started a1
f#2 waits begun=0 failed=0 deaths=0 code=0 a2
f#3 waits begun=1 failed=0 deaths=0 code=0 started a3
g#1 waits begun=0 failed=0 deaths=0 code=0 b1";

/// Without what somebody wanted who can ask again: the acceptance, and the pause.
const AFTER: &str = "\
f 0 0 2 8 0 1 0 1
g 0 0 2 6 0 0 0 0
f#2 waits begun=1 failed=0 deaths=0 code=0 started a2
f#3 waits begun=1 failed=1 deaths=0 code=4002 started due a3
g#1 waits begun=0 failed=0 deaths=0 code=0 b1
g#2 waits begun=0 failed=0 deaths=0 code=0 of f#1 hops=1 owed
f#1 ended status=2 code=4002 begun=1 boom
SMN topic owed tries=0 told";

struct Scene {
    folder: TempDir,
    queue: Queue,
    plan: Plan,
    calls: Vec<Accepted>,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plan = Plan::default();
    let (queue, _) = Queue::open_with(&QueueConfig::new(folder.path()), plan.clone()).await.expect("opens");
    let mut calls = Vec::new();
    for (function, body) in [("f", "a1"), ("f", "a2"), ("f", "a3"), ("g", "b1")] {
        calls.push(queue.accept(call(function, body)).await.expect("accepts"));
    }
    queue.begin(calls[0].seq);
    queue.begin(calls[2].seq);
    let g = queue.function("id-g").expect("known");
    // Whoever has an answer to what was asked later knows that the begins are on disk.
    queue.pause(g, false).await.expect("writes");
    Scene { folder, queue, plan, calls }
}

/// What came of the orders of one group.
struct Answers {
    accepted: Result<Accepted, QueueError>,
    again: Result<(), QueueError>,
    ended: Result<Vec<Accepted>, QueueError>,
    paused: Result<(), QueueError>,
}

impl Scene {
    /// One of each kind, in one commit: all are ordered before the writer runs, since the test has one thread.
    async fn act(&self) -> Answers {
        let (queue, calls) = (&self.queue, &self.calls);
        let parent = Some(calls[0].request);
        let owed = vec![
            Owed::Call(NewCall { parent, hops: 1, ..call("g", "owed") }),
            Owed::Notice { kind: "SMN".to_owned(), param: "topic".to_owned(), payload: Bytes::from_static(b"told") },
        ];
        let g = queue.function("id-g").expect("known");
        let due = queue.now().after(Duration::from_secs(4));
        queue.begin(calls[1].seq);
        let (accepted, again, ended, paused) = tokio::join!(
            queue.accept(call("h", "new")),
            queue.again(calls[2].seq, due, true, 4002, "boom".to_owned()),
            queue.end(End { owed, ..ending(calls[0].seq, AsyncStatus::Fail) }),
            queue.pause(g, true),
        );
        Answers { accepted, again, ended, paused }
    }

    async fn start_again(self) -> (TempDir, Queue, Found) {
        let Self { folder, queue, .. } = self;
        queue.close().await;
        let (queue, found) = super::open(folder.path()).await;
        (folder, queue, found)
    }
}

/// The state after another start: what ran then waits again.
fn buried(state: &str, ran: &[&str]) -> String {
    let line = |line: &str| match ran.iter().any(|call| line.starts_with(call)) {
        true => line.replace("deaths=0", "deaths=1").replace("started", "started due at once"),
        false => line.to_owned(),
    };
    state.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The state with that.
fn whole(state: &str) -> String {
    let state = state.replacen("\ng 0", "\ng 1", 1);
    let state = state.replacen("\nf#2", "\nh 0 0 1 3 0 0 0 0\nf#2", 1);
    state.replacen("\nf#1 ended", "\nh#1 waits begun=0 failed=0 deaths=0 code=0 new\nf#1 ended", 1)
}

#[tokio::test]
async fn orders_of_one_group_are_one_commit() {
    let scene = scene().await;
    assert_eq!(state(&scene.queue).await, BEFORE);
    let answers = scene.act().await;
    let (h, owed) = (answers.accepted.expect("accepts"), answers.ended.expect("ends"));
    assert!(answers.again.is_ok() && answers.paused.is_ok());
    assert_eq!(scene.queue.named(h.function).expect("known").key.name, "h");
    assert_eq!(owed.iter().map(|one| one.function).collect::<Vec<_>>(), [scene.calls[3].function]);
    assert!(owed[0].seq < h.seq, "what is owed came first");
    assert_eq!(state(&scene.queue).await, whole(AFTER));
    assert_eq!(scene.queue.children(scene.calls[0].seq).await.expect("reads").len(), 1);
    assert!(scene.queue.counts(scene.calls[3].function).paused);
}

#[tokio::test]
async fn a_server_that_dies_within_a_commit_leaves_all_or_nothing() {
    for point in Plan::POINTS {
        let scene = scene().await;
        scene.plan.set(Some((point, Blow::Death)));
        let answers = scene.act().await;
        assert!(matches!(answers.accepted, Err(QueueError::Closed)), "{point:?}");
        assert!(matches!(answers.ended, Err(QueueError::Closed)), "{point:?}");
        let (_folder, queue, found) = scene.start_again().await;
        assert_eq!(state(&queue).await, buried(BEFORE, &["f#1", "f#3"]), "{point:?}");
        assert_eq!((found.rerun, found.delayed.len(), found.notices), (2, 2, 0), "{point:?}");
    }
}

#[tokio::test]
async fn a_server_that_dies_behind_a_commit_has_done_it() {
    let scene = scene().await;
    scene.plan.set(Some((Point::Committed, Blow::Death)));
    let answers = scene.act().await;
    assert!(matches!(answers.accepted, Err(QueueError::Closed)), "nobody knows");
    let (_folder, queue, found) = scene.start_again().await;
    assert_eq!(state(&queue).await, whole(&buried(AFTER, &["f#2"])));
    assert_eq!((found.rerun, found.delayed.len(), found.notices), (1, 2, 1));
    let waiting: Vec<_> = found.waiting.iter().map(|(no, calls, bytes)| (no.0, *calls, *bytes)).collect();
    assert_eq!(waiting, [(1, 2, 8), (2, 2, 6), (3, 1, 3)]);
}

#[tokio::test]
async fn a_disk_that_refuses_is_waited_for_and_clients_are_not() {
    for point in Plan::POINTS {
        let scene = scene().await;
        scene.plan.set(Some((point, Blow::DiskFull)));
        let act = scene.act();
        tokio::pin!(act);
        // The client's answer comes at once, the others' do not: they are part of `act`, which goes on.
        let refused = async {
            while scene.queue.is_writable() {
                tokio::task::yield_now().await;
            }
            scene.queue.accept(call("h", "later")).await
        };
        let early = tokio::select! {
            _ = &mut act => panic!("{point:?}: nothing can have been written"),
            refused = refused => refused,
        };
        assert!(matches!(early, Err(QueueError::DiskFull)), "{point:?}");
        assert_eq!(state(&scene.queue).await, BEFORE, "{point:?}");
        scene.plan.set(None);
        let answers = act.await;
        assert!(matches!(answers.accepted, Err(QueueError::DiskFull)), "{point:?}");
        assert!(matches!(answers.paused, Err(QueueError::DiskFull)), "{point:?}");
        assert!(answers.again.is_ok(), "{point:?}");
        assert_eq!(answers.ended.expect("ends").len(), 1, "{point:?}");
        assert!(scene.queue.is_writable(), "{point:?}");
        // A number that a commit gave before it failed stays unused.
        assert_eq!(state(&scene.queue).await.replace("g#3", "g#2"), AFTER, "{point:?}");
        scene.queue.accept(call("h", "now")).await.expect("accepts again");
    }
}

#[tokio::test]
async fn a_crowd_that_is_sent_away_does_not_keep_the_disk_from_being_tried() {
    let scene = scene().await;
    scene.plan.set(Some((Point::Open, Blow::DiskFull)));
    assert!(matches!(scene.queue.accept(call("f", "first")).await, Err(QueueError::DiskFull)));
    let insist = |queue: Queue| async move { while queue.accept(call("f", "again")).await.is_err() {} };
    let crowd: Vec<_> = (0..64).map(|_| tokio::spawn(insist(scene.queue.clone()))).collect();
    scene.plan.set(None);
    for one in crowd {
        one.await.expect("is accepted in the end");
    }
}

#[tokio::test]
async fn what_a_disk_refuses_at_the_end_is_there_at_the_next_start() {
    let scene = scene().await;
    scene.plan.set(Some((Point::Open, Blow::DiskFull)));
    let (answers, ()) = tokio::join!(scene.act(), scene.queue.close());
    assert!(matches!(answers.ended, Err(QueueError::Closed)));
    let (_folder, queue, _) = scene.start_again().await;
    let kept = buried(BEFORE, &["f#1", "f#3"]).replace("deaths=1", "deaths=0");
    assert_eq!(state(&queue).await, kept, "who leaves in order has not died");
    assert_eq!(queue.load(FunctionNo(1), CallSeq(0), 10).await.expect("loads").len(), 1, "f#2 never ran");
}

/// A call that is being cancelled while it runs, and the commit that is to say so is hit.
async fn cancelled_at(point: Point, blow: Blow) -> (Scene, Result<(), QueueError>) {
    let scene = scene().await;
    scene.plan.set(Some((point, blow)));
    let cancelled = scene.queue.cancel(scene.calls[0].seq).await;
    (scene, cancelled)
}

#[tokio::test]
async fn who_was_told_that_a_running_call_is_cancelled_is_not_told_otherwise_by_the_next_server() {
    for point in Plan::POINTS {
        let (scene, cancelled) = cancelled_at(point, Blow::Death).await;
        assert!(matches!(cancelled, Err(QueueError::Closed)), "{point:?}: nobody was told");
        let (_folder, queue, found) = scene.start_again().await;
        assert_eq!(state(&queue).await, buried(BEFORE, &["f#1", "f#3"]), "{point:?}");
        assert_eq!((found.rerun, found.cancelled), (2, vec![]), "{point:?}");
    }
    let (scene, _) = cancelled_at(Point::Committed, Blow::Death).await;
    let (call, calls) = (scene.calls[0].clone(), scene.calls.len());
    let (folder, queue, found) = scene.start_again().await;
    let expected = CancelledCall { seq: call.seq, function: call.function, ran: true };
    assert_eq!((found.rerun, found.cancelled), (1, vec![expected]), "it does not run again");
    assert!(found.delayed.iter().all(|(_, seq, _)| *seq != call.seq));
    let fresh = queue.load(call.function, CallSeq(0), calls).await.expect("loads");
    assert!(fresh.iter().all(|fresh| fresh.seq != call.seq), "nor for the first time");
    // Not even a second time, if that server is as unlucky.
    queue.close().await;
    let (queue, found) = super::open(folder.path()).await;
    assert_eq!((found.rerun, found.cancelled), (0, vec![expected]));
    queue.end(ending(call.seq, AsyncStatus::Fail)).await.expect("ends");
    queue.close().await;
    let (_, found) = super::open(folder.path()).await;
    assert_eq!(found.cancelled, []);
}

#[tokio::test]
async fn a_cancel_waits_for_a_disk_that_refuses_and_comes_too_late_for_what_has_ended() {
    let scene = scene().await;
    scene.plan.set(Some((Point::Changed, Blow::DiskFull)));
    let (queue, seq, function) = (scene.queue.clone(), scene.calls[1].seq, scene.calls[1].function);
    let cancel = tokio::spawn(async move { queue.cancel(seq).await });
    while scene.queue.is_writable() {
        tokio::task::yield_now().await;
    }
    assert!(!cancel.is_finished(), "it is not on disk");
    scene.plan.set(None);
    cancel.await.expect("no panic").expect("is on disk");
    scene.queue.end(ending(scene.calls[0].seq, AsyncStatus::Success)).await.expect("ends");
    scene.queue.cancel(scene.calls[0].seq).await.expect("nothing to do");
    let (_folder, _queue, found) = scene.start_again().await;
    assert_eq!(found.cancelled, [CancelledCall { seq, function, ran: false }]);
}

#[tokio::test]
async fn a_second_end_of_a_call_is_answered_by_the_commit_of_the_first() {
    let scene = scene().await;
    scene.plan.set(Some((Point::Open, Blow::DiskFull)));
    let end = || {
        let (queue, end) = (scene.queue.clone(), ending(scene.calls[0].seq, AsyncStatus::Fail));
        tokio::spawn(async move { queue.end(end).await })
    };
    let (first, second) = (end(), end());
    while scene.queue.is_writable() {
        tokio::task::yield_now().await;
    }
    assert!(!first.is_finished() && !second.is_finished(), "neither is on disk");
    scene.plan.set(None);
    assert!(first.await.expect("no panic").is_ok());
    assert!(second.await.expect("no panic").expect("is too late").is_empty());
    assert!(state(&scene.queue).await.contains("f#1 ended status=2"));

    scene.plan.set(Some((Point::Open, Blow::Death)));
    let end = || scene.queue.end(ending(scene.calls[1].seq, AsyncStatus::Fail));
    let (first, second) = tokio::join!(end(), end());
    assert!(matches!((first, second), (Err(QueueError::Closed), Err(QueueError::Closed))), "nobody knows");
}
