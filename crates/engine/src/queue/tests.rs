//! A whole engine on real files, whose queue breaks off at planned points. Its function has no version of that name, so each call ends without
//! an instance.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use fungraph_instance::{
    Blueprint, BoxFuture, Interpreters, LaunchError, Launched, Launcher, interpreters::SearchPlan,
};
use fungraph_model::{AsyncRecord, AsyncStatus, ErrorCode, FunctionKey, FunctionVersion, RequestId, sample::function};
use fungraph_pool::Pool;
use fungraph_store::{
    ImageLimits, ImageSettings, Images, LogLimits, Logs, ObjectSettings, Objects, PackageLimits, Packages, Store,
    queue::{FunctionNo, NewCall, QueueConfig, QueueFunction},
};
use tempfile::TempDir;
use tokio::time::sleep;

use super::{plan::Point, *};
use crate::{Config, Destinations, Engine, Error, Parts, panics};

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
const VERSION_GONE: (AsyncStatus, u32) = (AsyncStatus::Discard, 150_424);

struct NoSandbox;

impl Launcher for NoSandbox {
    fn launch<'a>(&'a self, blueprint: &'a Blueprint) -> BoxFuture<'a, Result<Launched, LaunchError>> {
        let of = blueprint.to_string();
        Box::pin(async move { Err(LaunchError { of, told: None, source: "this host has no sandboxes".into() }) })
    }
}

struct Stage {
    engine: Arc<Engine>,
    function: Arc<QueueFunction>,
    _folder: TempDir,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let store = fungraph_store::Config { folder: path.to_owned(), readers: 1 };
        let parts = Parts {
            config: Config::default(),
            store: Store::open(&store).await.expect("a store"),
            packages: Packages::open(path, PackageLimits::default()).expect("packages"),
            images: Images::open(path, ImageSettings::default(), ImageLimits::default()).expect("images"),
            objects: Objects::new(ObjectSettings::default()),
            destinations: Destinations::default(),
            logs: Logs::open(path, LogLimits::default()).expect("logs"),
            queue: Queue::open(&QueueConfig::new(path)).await.expect("a queue"),
            pool: Pool::new(fungraph_pool::Config::default(), Arc::new(NoSandbox)),
            interpreters: Interpreters::discover(&SearchPlan::default(), None),
            compiler: Arc::new(NoSandbox),
        };
        let engine = Engine::start(parts).await.expect("an engine");
        let owner = engine.first_credentials().await.expect("a first key");
        let (key, domain) = (FunctionKey { project: owner.project_id, ..function("f").key }, owner.domain_id);
        let version = FunctionVersion { key, domain, ..function("f") };
        engine.store.create_function(&version).await.expect("a function");
        Self { engine, function: Arc::new(queue_function(&version)), _folder: folder }
    }

    fn panic_at(&self, points: &[Point]) {
        self.engine.queue.plan.panic_at(points);
    }

    async fn accept(&self) -> RequestId {
        self.accept_version("none").await
    }

    async fn accept_version(&self, version: &str) -> RequestId {
        let function = QueueFunction::clone(&self.function);
        let call = NewCall { function, version: version.to_owned(), ..sample::new_call() };
        self.engine.accept(call).await.expect("accepts")
    }

    async fn accept_some(&self, calls: usize) -> Vec<RequestId> {
        let mut requests = Vec::new();
        for _ in 0..calls {
            requests.push(self.accept().await);
        }
        requests
    }

    async fn pause(&self, paused: bool) -> FunctionNo {
        let no = self.engine.queue.store.register(&self.function).await.expect("registers");
        self.engine.queue.board().pause(no, &self.function, paused, Instant::now());
        self.engine.queue.nudge();
        no
    }

    async fn record(&self, request: RequestId) -> AsyncRecord {
        self.engine.queue.store.record(request).await.expect("reads").expect("it was accepted").2
    }

    /// Waits for the ends of calls, and for what they held to come back.
    async fn ends(&self, requests: &[RequestId]) -> Vec<(AsyncStatus, u32)> {
        let since = Instant::now();
        let mut ends = Vec::new();
        for request in requests {
            loop {
                let record = self.record(*request).await;
                if record.status.is_end() {
                    ends.push((record.status, record.code));
                    break;
                }
                assert!(since.elapsed() < LIMIT, "{record:?} does not end: {:#?}", self.engine.queue.board());
                sleep(Duration::from_millis(10)).await;
            }
        }
        while !self.engine.queue.board().holds_nothing() {
            assert!(since.elapsed() < LIMIT, "something is held: {:#?}", self.engine.queue.board());
            sleep(Duration::from_millis(10)).await;
        }
        assert!(self.engine.queue.plan.is_done(), "all that was planned has happened");
        ends
    }
}

#[tokio::test]
async fn an_attempt_that_breaks_off_is_made_again_and_holds_nothing() {
    let stage = Stage::set().await;
    stage.panic_at(&[Point::GivenOut, Point::GivenOut]);
    let calls = stage.accept_some(3).await;
    assert_eq!(stage.ends(&calls).await, [VERSION_GONE; 3]);
}

#[tokio::test]
async fn a_call_whose_end_breaks_off_ends_with_what_is_known_of_it() {
    let stage = Stage::set().await;
    stage.panic_at(&[Point::Ended]);
    let call = stage.accept().await;
    assert_eq!(stage.ends(&[call]).await, [(AsyncStatus::Fail, 500)]);
    assert!(stage.record(call).await.message.starts_with("The platform failed after the call had ended"));
    stage.panic_at(&[Point::Owed]);
    let call = stage.accept().await;
    assert_eq!(stage.ends(&[call]).await, [VERSION_GONE], "only who is told of it is lost");
}

#[tokio::test]
async fn a_call_that_cannot_be_picked_up_either_leaves_its_place_to_others() {
    let stage = Stage::set().await;
    stage.panic_at(&[Point::GivenOut, Point::Struck]);
    let lost = stage.accept().await;
    let since = Instant::now();
    while !stage.engine.queue.plan.is_done() || !stage.engine.queue.board().holds_nothing() {
        assert!(since.elapsed() < LIMIT, "something is held: {:#?}", stage.engine.queue.board());
        sleep(Duration::from_millis(10)).await;
    }
    let other = stage.accept().await;
    assert_eq!(stage.ends(&[other]).await, [VERSION_GONE]);
    assert_eq!(stage.record(lost).await.status, AsyncStatus::Wait, "the next server finds it");
}

#[tokio::test]
async fn calls_whose_reading_breaks_off_are_read_again() {
    let stage = Stage::set().await;
    stage.pause(true).await;
    let calls = stage.accept_some(5).await;
    stage.panic_at(&[Point::Read, Point::Read]);
    stage.pause(false).await;
    assert_eq!(stage.ends(&calls).await, [VERSION_GONE; 5]);
}

#[tokio::test]
async fn a_cancel_that_breaks_off_can_be_asked_for_again() {
    let stage = Stage::set().await;
    let no = stage.pause(true).await;
    let call = stage.accept().await;
    let seq = call.seq().expect("a place");
    stage.panic_at(&[Point::Struck]);
    assert!(panics(pin!(stage.engine.cancel_one(no, seq, false))).await.is_err());
    assert!(stage.engine.queue.board().holds_nothing(), "{:#?}", stage.engine.queue.board());
    stage.engine.cancel_one(no, seq, false).await.expect("cancels");
    assert_eq!(stage.ends(&[call]).await, [(AsyncStatus::Discard, 4208)]);
}

#[tokio::test]
async fn a_function_whose_queue_was_being_emptied_goes_on() {
    let stage = Stage::set().await;
    let no = stage.pause(true).await;
    let gone = stage.accept().await;
    stage.panic_at(&[Point::Emptied]);
    assert!(panics(pin!(stage.engine.throw_away(no, "on purpose"))).await.is_err());
    stage.pause(false).await;
    let calls = [gone, stage.accept().await];
    assert_eq!(stage.ends(&calls).await[1], VERSION_GONE);
}

#[tokio::test]
async fn a_dispatcher_that_breaks_off_begins_again() {
    let stage = Stage::set().await;
    stage.panic_at(&[Point::Dispatched]);
    let calls = stage.accept_some(2).await;
    assert_eq!(stage.ends(&calls).await, [VERSION_GONE; 2]);
}

#[tokio::test]
async fn what_a_dispatcher_that_breaks_off_has_taken_from_the_board_is_done() {
    let stage = Stage::set().await;
    stage.pause(true).await;
    let calls = stage.accept_some(5).await;
    // With nothing to do, with something to read, and with something to run.
    stage.panic_at(&[Point::Planned, Point::Planned, Point::Planned]);
    stage.pause(false).await;
    assert_eq!(stage.ends(&calls).await, [VERSION_GONE; 5]);
}

#[tokio::test]
async fn what_waits_of_a_deleted_version_ends_before_another_gets_its_name() {
    let stage = Stage::set().await;
    let no = stage.pause(true).await;
    let gone = stage.accept_some(3).await;
    let of_latest = stage.accept_version("latest").await;
    let up_to = stage.engine.queue.store.newest();
    let later = stage.accept().await;
    stage.engine.end_calls_of_version(no, "none", up_to).await.expect("ends");
    assert_eq!(stage.ends(&gone).await, [VERSION_GONE; 3]);
    assert_eq!(stage.record(of_latest).await.status, AsyncStatus::Wait);
    assert_eq!(stage.record(later).await.status, AsyncStatus::Wait, "it may be meant for the next one");
}

#[tokio::test]
async fn a_call_that_waits_stays_as_it_is_while_the_disk_takes_nothing() {
    let stage = Stage::set().await;
    let no = stage.pause(true).await;
    let seq = stage.accept().await.seq().expect("a place");
    stage.engine.queue.store.close().await;
    assert!(!stage.engine.queue.store.is_writable());
    let refused = stage.engine.cancel_one(no, seq, true).await.expect_err("nothing can be stored");
    assert!(matches!(&refused, Error::Refused(fault) if fault.code == ErrorCode::Unavailable), "{refused:?}");
    assert!(stage.engine.queue.board().holds_nothing());
}
