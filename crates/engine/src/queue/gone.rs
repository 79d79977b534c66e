//! Functions and versions that were deleted: what waits of them is thrown away (contract: SETTLED.md). What runs ends as it ends.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use fungraph_model::CallSeq;
use fungraph_store::queue::{FunctionNo, QueueError};
use futures_util::future::join_all;

use super::{broken::Struck, ending::Reason};
use crate::{Engine, error::chain};

/// Calls of a deleted version that are ended at once: each is read for that.
const AT_ONCE: usize = 64;
/// Pause before those that were given out are looked at once more: shorter than one before another attempt.
const AGAIN: Duration = Duration::from_millis(250);

/// Compares what the queue knows with what there is: a server may have been killed between the two.
pub(crate) async fn look(engine: Weak<Engine>) {
    let Some(known) = engine.upgrade().map(|engine| engine.queue.store.functions()) else { return };
    for (no, function) in known {
        let Some(engine) = engine.upgrade().filter(|engine| !engine.queue.stop.is_cancelled()) else { return };
        match engine.read(&function.key).await {
            Ok(Some(latest)) if latest.func_id == function.func_id => {}
            Ok(_) => engine.end_calls_of(no).await,
            Err(error) => {
                tracing::warn!(function = %function.key, cause = chain(&error),
                    "whether a function with asynchronous calls is still there is not known; asked again at the next start");
            }
        }
    }
}

impl Engine {
    /// A function is gone: nobody waits until its calls are.
    pub(crate) fn forget_calls(self: &Arc<Self>, func_id: &str) {
        let Some(no) = self.queue.store.function(func_id) else { return };
        let engine = Arc::clone(self);
        self.queue.tasks.spawn(async move { engine.end_calls_of(no).await });
    }

    /// A version is gone: what was accepted for it, up to a place, ends, and runs nothing that gets the name later (contract: SETTLED.md, the
    /// version is fixed when the event is accepted). What runs goes on.
    pub(crate) fn forget_version(self: &Arc<Self>, func_id: &str, version: String, up_to: CallSeq) {
        let Some(no) = self.queue.store.function(func_id).filter(|no| self.queue.store.counts(*no).waiting > 0) else {
            return;
        };
        let engine = Arc::clone(self);
        self.queue.tasks.spawn(async move {
            if let Err(error) = engine.end_calls_of_version(no, &version, up_to).await {
                tracing::warn!(version, cause = chain(&error),
                    "calls of a deleted version wait still; each ends when its turn comes, unless another version has its name by then");
            }
        });
    }

    pub(super) async fn end_calls_of_version(
        self: &Arc<Self>,
        no: FunctionNo,
        version: &str,
        up_to: CallSeq,
    ) -> Result<(), QueueError> {
        let Some(function) = self.queue.store.named(no) else { return Ok(()) };
        let mut waiting = self.queue.store.waiting_of(no, version, up_to).await?;
        loop {
            let mut given_out = Vec::new();
            for some in waiting.chunks(AT_ONCE) {
                let (here, out) = self.queue.board().strike_waiting(&function, no, some, Instant::now());
                given_out.extend(out);
                let struck: Vec<_> = here.into_iter().map(|seq| Struck { queue: &self.queue, no, seq }).collect();
                let end = |struck| self.end_struck(struck, Arc::clone(&function), Reason::VersionGone);
                // Where one does not come to be stored, the server is leaving.
                join_all(struck.into_iter().map(end)).await;
            }
            if given_out.is_empty() {
                return Ok(());
            }
            // Each has found its version, or runs; one that fails waits for another attempt, which it must not have.
            waiting = given_out;
            tokio::select! {
                () = self.queue.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    async fn end_calls_of(&self, no: FunctionNo) {
        if let Err(error) = self.queue.store.gone(no).await {
            tracing::warn!(
                cause = chain(&error),
                "that a function is gone is not stored; compared again at the next start"
            );
        }
        if let Err(error) = self.throw_away(no, "The function was deleted while the call waited").await {
            tracing::warn!(
                cause = chain(&error),
                "calls of a deleted function wait still; each ends when its turn comes"
            );
        }
        // Nobody can say any more that it goes on, and what was accepted in this moment shall end, too.
        if let Some(function) = self.queue.store.named(no) {
            self.queue.board().pause(no, &function, false, Instant::now());
            self.queue.nudge();
        }
    }
}
