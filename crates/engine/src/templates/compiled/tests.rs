//! Programs are compiled once for a data folder, and again where that failed; by compilers of the tests.

use std::sync::atomic::{AtomicUsize, Ordering};

use fungraph_instance::{Blueprint, BoxFuture, Launched, interpreters::Origin};
use fungraph_model::Language;
use tokio::sync::Semaphore;

use super::*;

static PROJECT: Project = Project {
    sources: Sources { name: "test", files: &[], makes: &["a", "b"] },
    packages: &[Package::Whole, Package::Whole],
};

/// Compiles for one version, while somebody lets it, and counts.
struct Counts {
    begun: AtomicUsize,
    done: Semaphore,
    works: Mutex<u16>,
}

impl Counts {
    fn of(permits: usize) -> Arc<Self> {
        Arc::new(Self { begun: AtomicUsize::new(0), done: Semaphore::new(permits), works: Mutex::new(17) })
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Launcher for Counts {
    fn launch<'a>(&'a self, _: &'a Blueprint) -> BoxFuture<'a, Result<Launched, LaunchError>> {
        unreachable!("nothing is started")
    }

    fn compile<'a>(
        &'a self,
        compiler: &'a Arc<Interpreter>,
        _: &'static Sources,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, LaunchError>> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            self.done.acquire().await.expect("it stays open").forget();
            let broken = LaunchError { of: String::new(), told: None, source: "broken".into() };
            let works = *self.works.lock().expect("nobody panics");
            if compiler.version.0 == works { Ok(vec![b"jar".to_vec(), b"other".to_vec()]) } else { Err(broken) }
        })
    }
}

fn java(major: u16) -> Arc<Interpreter> {
    Arc::new(Interpreter {
        language: Language::Java,
        version: (major, 0, 1),
        program: "/usr/bin/java".into(),
        prefix: None,
        library: None,
        origin: Origin::System,
        image: None,
    })
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(50)
}

#[tokio::test(start_paused = true)]
async fn each_compiler_works_once_for_all_who_ask_also_where_it_fails() {
    let counts = Counts::of(10);
    let compiled = Compiled::by(Arc::clone(&counts) as Arc<_>);
    for round in 0..3 {
        let asked = tokio::join!(
            compiled.ask(java(17), &PROJECT, 0).code(later()),
            compiled.ask(java(17), &PROJECT, 1).code(later()),
            compiled.ask(java(8), &PROJECT, 0).code(later())
        );
        assert_eq!(asked, (Ok("jar".into()), Ok("other".into()), Err(Missing::Failed(AGAIN_AFTER[0]))), "{round}");
    }
    assert_eq!(counts.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_compiler_that_failed_is_tried_again_after_a_while() {
    let counts = Counts::of(10);
    let compiled = Compiled::by(Arc::clone(&counts) as Arc<_>);
    let code = || async { compiled.ask(java(8), &PROJECT, 0).code(later()).await };
    let mut pause = AGAIN_AFTER[0];
    for tries in 1..=8 {
        assert_eq!(code().await, Err(Missing::Failed(pause)));
        tokio::time::advance(pause - Duration::from_secs(1)).await;
        assert_eq!(code().await, Err(Missing::Failed(Duration::from_secs(1))));
        assert_eq!(counts.begun(), tries);
        tokio::time::advance(Duration::from_secs(1)).await;
        pause = (pause * 2).min(AGAIN_AFTER[1]);
    }
    assert_eq!(pause, AGAIN_AFTER[1], "later each time, up to a limit");
    *counts.works.lock().expect("nobody panics") = 8;
    assert_eq!(code().await, Ok("jar".into()));
    assert_eq!(counts.begun(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_compiler_that_breaks_is_one_that_failed() {
    let counts = Counts::of(10);
    counts.done.close();
    let compiled = Compiled::by(Arc::clone(&counts) as Arc<_>);
    for _ in 0..2 {
        assert_eq!(compiled.ask(java(17), &PROJECT, 0).code(later()).await, Err(Missing::Failed(AGAIN_AFTER[0])));
    }
    assert_eq!(counts.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_he_says_and_the_work_goes_on() {
    let counts = Counts::of(0);
    let compiled = Compiled::by(Arc::clone(&counts) as Arc<_>);
    for _ in 0..2 {
        assert_eq!(compiled.ask(java(17), &PROJECT, 0).code(later()).await, Err(Missing::NotYet));
    }
    // Another has to wait for its turn as well.
    assert_eq!(compiled.ask(java(8), &PROJECT, 0).code(later()).await, Err(Missing::NotYet));
    assert_eq!(counts.begun(), 1);
    counts.done.add_permits(2);
    assert_eq!(compiled.ask(java(17), &PROJECT, 0).code(later()).await, Ok("jar".into()));
    assert_eq!(compiled.ask(java(8), &PROJECT, 0).code(later()).await, Err(Missing::Failed(AGAIN_AFTER[0])));
    assert_eq!(counts.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_while_another_kept_everybody_waiting_is_there_in_time() {
    static OTHER: Project = Project {
        sources: Sources { name: "other", files: &[], makes: &["c", "d"] },
        packages: &[Package::Whole, Package::Whole],
    };
    let counts = Counts::of(1);
    let compiled = Compiled::by(Arc::clone(&counts) as Arc<_>);
    let (until, quick) = (later(), compiled.ask(java(17), &OTHER, 1));
    tokio::task::yield_now().await;
    let slow = compiled.ask(java(17), &PROJECT, 0);
    assert_eq!(slow.code(until).await, Err(Missing::NotYet));
    assert_eq!((quick.code(until).await, counts.begun()), (Ok("other".into()), 2));
}
