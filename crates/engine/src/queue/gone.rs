//! Functions that were deleted: what waits of them is thrown away (contract: SETTLED.md). What runs ends as it ends.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use fungraph_store::queue::FunctionNo;

use crate::{Engine, error::chain};

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
