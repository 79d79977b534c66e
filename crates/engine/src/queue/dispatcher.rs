//! The one task that gives calls out: it asks the board what to do, lets it be done, and sleeps until something happens.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use fungraph_model::Qualifier;
use fungraph_store::queue::FunctionNo;
use tokio::task::JoinHandle;

use super::{
    board::Plan,
    lane::{Load, Ready},
    processors::Processors,
    verdict,
    window::Host,
};
use crate::{Engine, error::chain};

/// How often windows are looked at while calls run.
const TICK: Duration = Duration::from_millis(250);
/// How often what waits is looked at for what is too old.
const SWEEP: Duration = Duration::from_secs(1);
/// The longest sleep while the disk takes nothing.
const RECOVERY: Duration = Duration::from_millis(200);
/// The longest sleep: whatever comes nudges.
const LONG: Duration = Duration::from_secs(3600);
/// Bytes of events that are read at once: several readings are under way before any of them is counted.
const LOAD_BYTES: usize = 4 << 20;
/// Calls that are thrown away in one sweep.
const SWEPT: usize = 1024;

/// Runs until the queue is stopped.
pub(crate) async fn run(engine: Weak<Engine>) {
    let handles = engine.upgrade().map(|engine| (Arc::clone(&engine.queue.nudge), engine.queue.stop.clone()));
    let Some((nudge, stop)) = handles else { return };
    let (mut processors, mut ticked, mut swept) = (Processors::default(), Instant::now(), Instant::now());
    let mut sweep: Option<JoinHandle<()>> = None;
    while let Some(engine) = engine.upgrade().filter(|_| !stop.is_cancelled()) {
        let mut sleep = engine.dispatch();
        if ticked.elapsed() >= TICK {
            ticked = Instant::now();
            let host = Host { processors: engine.config.queue.processors, is_idle: processors.are_idle() };
            engine.queue.board().tend(host, ticked);
            if swept.elapsed() >= SWEEP && sweep.as_ref().is_none_or(JoinHandle::is_finished) {
                swept = ticked;
                // Settings may have to be read, and nobody's turn waits for that.
                sweep = Some(engine.queue.tasks.spawn(Arc::clone(&engine).sweep()));
            }
            sleep = Duration::ZERO;
        }
        drop(engine);
        tokio::select! {
            () = stop.cancelled() => return,
            () = nudge.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

impl Engine {
    /// Begins what can be begun; gives how long nothing is to be done.
    fn dispatch(self: &Arc<Self>) -> Duration {
        let queue = &self.queue;
        let writable = queue.store.is_writable();
        let (plan, busy) = {
            let mut board = queue.board();
            (board.plan(writable, queue.store.now(), Instant::now()), !board.is_empty())
        };
        let Plan { loads, starts, wait } = plan;
        for load in loads {
            queue.tasks.spawn(Arc::clone(self).load(load));
        }
        for start in starts {
            // In a box: most of its time it waits for an instance.
            queue.tasks.spawn(Box::pin(Arc::clone(self).attempt(start)));
        }
        let longest = match (writable, busy) {
            (false, _) => RECOVERY,
            (true, true) => TICK,
            (true, false) => LONG,
        };
        wait.unwrap_or(longest).min(longest)
    }

    async fn load(self: Arc<Self>, load: Load) {
        let read = match &load {
            Load::Fresh { function, after, most } => {
                self.queue.store.load_some(*function, *after, *most, LOAD_BYTES).await
            }
            Load::Due { calls, .. } => {
                let seqs: Vec<_> = calls.iter().map(|(seq, _)| *seq).collect();
                self.queue.store.take(&seqs).await.map(|calls| (calls, true))
            }
        };
        match (read, load) {
            (Ok((calls, all)), Load::Fresh { function, .. }) => self.queue.board().loaded(function, calls, all),
            (Ok((calls, _)), Load::Due { function, calls: stumbles }) => {
                let stumbles: HashMap<_, _> = stumbles.into_iter().collect();
                let ready = |call: fungraph_store::queue::WaitingCall| {
                    let stumbled = stumbles.get(&call.seq).copied().unwrap_or(0);
                    Ready { call, stumbled }
                };
                self.queue.board().loaded_due(function, calls.into_iter().map(ready).collect());
            }
            (Err(error), load) => {
                tracing::error!(cause = chain(&error), "asynchronous calls that wait cannot be read; tried again");
                // Nothing else slows it down.
                tokio::time::sleep(RECOVERY).await;
                self.queue.board().load_failed(load);
            }
        }
        self.queue.nudge();
    }

    /// Throws away what waits and is too old. Of each function only what is in memory is looked at: the oldest of what waits.
    async fn sweep(self: Arc<Self>) {
        let now = self.queue.store.now();
        let kinds = self.queue.board().kinds_waiting(now, SWEEP);
        let mut ages: HashMap<(FunctionNo, Qualifier), Duration> = HashMap::new();
        for (no, function, qualifier) in kinds {
            // Whoever cannot be looked up is looked up again.
            if let Ok(settings) = self.async_settings(&function.key, &qualifier).await {
                ages.insert((no, qualifier), verdict::most_age(settings.as_deref()));
            }
        }
        if ages.is_empty() {
            return;
        }
        let mut left = SWEPT;
        let old = self.queue.board().take(|no, call| {
            let most = ages.get(&(no, call.qualifier.clone()));
            let too_old = left > 0 && most.is_some_and(|most| now.since(call.since) >= *most);
            left -= usize::from(too_old);
            too_old
        });
        for (no, function, ready) in old {
            self.queue.tasks.spawn(Arc::clone(&self).discard_old(no, function, ready.call));
        }
    }
}
