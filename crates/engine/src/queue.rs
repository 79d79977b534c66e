//! Asynchronous calls from their acceptance to their end (contract: async.md).
//!
//! What is owed to a caller is on disk ([`fungraph_store::queue`]); here is who decides about it. [`accept`] is the door, [`dispatcher`] the one
//! task that gives calls out, [`attempt`] what happens to each of them. [`board`] holds all that is known in memory, with plain methods
//! under one lock: whose turn it is ([`rota`], [`turns`]), how many calls a function bears ([`window`]), what of it is in memory ([`lane`]).
//! [`verdict`] says what becomes of a call after an attempt.

mod accept;
mod aged;
mod attempt;
mod board;
mod broken;
mod cancel;
mod depth;
pub(crate) mod dispatcher;
mod ending;
pub(crate) mod gone;
mod lane;
mod numbers;
mod out;
mod plan;
mod records;
mod retention;
mod rota;
#[cfg(test)]
mod sample;
mod settings;
mod shelves;
mod steer;
#[cfg(test)]
mod tests;
mod turns;
mod verdict;
mod window;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use fungraph_model::FunctionKey;
use fungraph_store::queue::{Found, Queue, Retention};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    accept::AsyncRequest,
    cancel::CancelKind,
    records::{AsyncPage, AsyncQuery},
    steer::AsyncCounts,
};
pub(crate) use self::{accept::queue_function, numbers::describe_metrics, retention::keep};
use self::{board::Board, depth::Most, numbers::Numbers, plan::Plan, settings::Settings};

/// What an operator may change about asynchronous calls.
#[derive(Clone, Copy, Debug)]
pub struct AsyncLimits {
    /// Calls at once of all functions; 1000.
    pub running: usize,
    /// Calls at once of one function; 100.
    pub running_per_function: usize,
    /// Calls at once of one project; 500.
    pub running_per_project: usize,
    /// Calls of one function that may wait; 1,000,000.
    pub waiting_per_function: u64,
    /// Calls of one project that may wait.
    pub waiting_per_project: u64,
    /// Bytes of events of one project that may wait; 10,240 MB.
    pub waiting_bytes_per_project: u64,
    /// What is kept of calls that have ended.
    pub records: Retention,
    /// Processors of the host.
    pub processors: usize,
}

impl Default for AsyncLimits {
    fn default() -> Self {
        Self {
            running: 1000,
            running_per_function: 100,
            running_per_project: 500,
            waiting_per_function: 1_000_000,
            waiting_per_project: u64::MAX,
            waiting_bytes_per_project: 10_240 << 20,
            records: Retention::default(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// The queue of one engine.
pub(crate) struct AsyncQueue {
    pub(crate) store: Queue,
    pub(crate) settings: Settings,
    board: Mutex<Board>,
    most: Most,
    nudge: Arc<Notify>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Instances are being ended, since the server leaves: a call that fails now is no failure.
    leaving: AtomicBool,
    numbers: Numbers,
    plan: Plan,
}

impl AsyncQueue {
    /// Takes up what an earlier server left.
    pub(crate) fn new(limits: &AsyncLimits, store: Queue, found: Found) -> Self {
        let stop = CancellationToken::new();
        let limit = board::Limits {
            running: limits.running,
            of_function: limits.running_per_function,
            of_project: limits.running_per_project,
        };
        let mut board = Board::new(limit, stop.clone());
        let now = Instant::now();
        for (no, ..) in found.waiting {
            if let Some(function) = store.named(no) {
                board.restore(no, &function, store.counts(no).paused, now);
            }
        }
        for (due, seq, function) in found.delayed {
            board.delay(due, seq, function, 0);
        }
        if found.rerun > 0 {
            tracing::warn!(calls = found.rerun, "asynchronous calls ran when an earlier server ended: they run again");
        }
        let most = Most {
            of_function: limits.waiting_per_function,
            of_project: limits.waiting_per_project,
            bytes_of_project: limits.waiting_bytes_per_project,
        };
        Self {
            store,
            settings: Settings::default(),
            board: Mutex::new(board),
            most,
            nudge: Arc::default(),
            tasks: TaskTracker::new(),
            stop,
            leaving: AtomicBool::new(false),
            numbers: Numbers::new(found.rerun),
            plan: Plan::default(),
        }
    }

    /// A panic of whoever held it has cost the call that it was about: without the board no other one would run either.
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may be to be done.
    fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// A function has changed: what was read of it may be something else, and what made it rest may be over.
    pub(crate) fn changed(&self, key: &FunctionKey) {
        self.settings.forget(key);
        self.board().changed(key);
        self.nudge();
    }

    /// The sign that nothing more is given out.
    pub(crate) fn stop_sign(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Gives no more calls out. What runs goes on.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for what runs.
    pub(crate) async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// From now on instances are ended: calls that fail by that wait for the next server.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }
}
