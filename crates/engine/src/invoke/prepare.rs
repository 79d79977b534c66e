//! Reserved instances run their initializer when they are started: the corridor without a caller. What it says goes to the
//! function's log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use fungraph_instance::StartError;
use fungraph_model::{Failure, FunctionVersion, RequestId};
use fungraph_pool::{Lease, Prepare};
use fungraph_store::logs::{LogEntry, LogText as _};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::{Ran, note_start_failure};
use crate::{Engine, error::chain, run_log::BareLog, stopwatch::Stopwatch};

/// Initializers of one function's reserved instances that run at once: all of them would be too slow for their own time limit.
const AT_ONCE: usize = 8;

/// What the reserved instances of one revision have in common while they are prepared.
struct Preparation {
    version: Arc<FunctionVersion>,
    turns: Semaphore,
    /// The last one failed, and the operator knows.
    told: AtomicBool,
}

impl Engine {
    /// What prepares the reserved instances of one revision of a function.
    pub(crate) fn preparer(self: &Arc<Self>, version: &Arc<FunctionVersion>) -> Prepare {
        let (turns, told) = (Semaphore::new(AT_ONCE), AtomicBool::new(false));
        let preparation = Arc::new(Preparation { version: Arc::clone(version), turns, told });
        let engine = Arc::downgrade(self);
        Arc::new(move |start| {
            let Some(engine) = engine.upgrade() else { return };
            let (preparation, tasks) = (Arc::clone(&preparation), engine.jobs.preparations().clone());
            tasks.spawn(async move { engine.prepare(&preparation, start).await });
        })
    }

    /// What instances print after their last calls, a pre-stop handler's output above all, goes to the function's log too.
    pub(crate) fn keep_last_words(self: &Arc<Self>) {
        let engine = Arc::downgrade(self);
        self.pool.tell_last_words(Box::new(move |version, printed| {
            let Some(engine) = engine.upgrade() else { return };
            let (request, started, text) = (RequestId::random(), Timestamp::now(), Box::new(BareLog(printed)));
            engine.logs.append(LogEntry { function: Arc::clone(version), request, started, call: None, text });
        }));
    }

    /// For a group that is to keep none.
    pub(crate) fn preparer_of_none(&self) -> Prepare {
        Arc::new(drop)
    }

    /// The pool tries again after a failure, with growing pauses: the operator is told once in a row.
    async fn prepare(&self, preparation: &Preparation, start: Result<Lease, StartError>) {
        let Preparation { version, turns, told } = preparation;
        let (request, started) = (RequestId::random(), Timestamp::now());
        let mut ran = Ran::start(request, Arc::clone(version), started, Stopwatch::since(Instant::now()));
        let failure = match start {
            Ok(lease) => self.prepare_leased(version, request, lease, turns, &mut ran).await,
            Err(StartError::Launch(error)) => {
                if !told.swap(true, Ordering::Relaxed) {
                    let (function, cause) = (&version.key, chain(&error));
                    tracing::error!(%function, cause, "a reserved instance could not be started; tried again, with pauses");
                }
                return;
            }
            Err(error) => Some(note_start_failure(error, request, &mut ran)),
        };
        match failure {
            None => told.store(false, Ordering::Relaxed),
            Some(failure) if !told.swap(true, Ordering::Relaxed) => {
                let (function, number) = (&version.key, failure.code.number());
                tracing::warn!(%function, %request, number, "a reserved instance failed to get ready; tried again, with pauses. \
                     The function's log has the reason under this request id");
            }
            Some(_) => {}
        }
        let text = Box::new(ran.log.without_call());
        if text.size() == 0 {
            return;
        }
        self.logs.append(LogEntry { function: Arc::clone(version), request, started, call: None, text });
    }

    async fn prepare_leased(
        &self,
        version: &FunctionVersion,
        request: RequestId,
        mut lease: Lease,
        turns: &Semaphore,
        ran: &mut Ran,
    ) -> Option<Failure<Bytes>> {
        let prepared = async {
            let _turn = turns.acquire().await.ok()?;
            self.initialize((version, request), None, &mut lease, ran).await
        };
        tokio::select! {
            failure = prepared => failure,
            // Its instance ends with its lease.
            () = self.jobs.preparations_end().cancelled() => None,
        }
    }
}
