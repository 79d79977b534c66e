//! The one task that gives calls out: it asks the board what to do, lets it be done, and sleeps until something happens.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use fungraph_pool::Processors;
use fungraph_store::queue::{QueueError, WaitingCall};
use tokio::task::JoinHandle;

use super::{
    board::Plan,
    lane::{Load, Ready},
    plan::Point,
    window::Host,
};
use crate::{Engine, error::chain, panics};

/// How often windows are looked at while calls run.
const TICK: Duration = Duration::from_millis(250);
/// How often what waits is looked at for what is too old.
const SWEEP: Duration = Duration::from_secs(1);
/// The part of their time that processors must be idle for more calls at once, although none has ended yet.
const SPARE: f64 = 0.1;
/// The longest sleep while the disk takes nothing.
const RECOVERY: Duration = Duration::from_millis(200);
/// The longest sleep: whatever comes nudges.
const LONG: Duration = Duration::from_secs(3600);

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
            let host = Host { processors: engine.config.queue.processors, is_idle: processors.idle_part() > SPARE };
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

/// What the board has given out. It is done when this is dropped, so also where whoever planned it breaks off: nobody else knows of it.
struct Planned<'a> {
    engine: &'a Arc<Engine>,
    plan: Plan,
}

impl Drop for Planned<'_> {
    fn drop(&mut self) {
        let Self { engine, plan } = self;
        let tasks = &engine.queue.tasks;
        for load in plan.loads.drain(..) {
            tasks.spawn(Arc::clone(engine).load(load));
        }
        for start in plan.starts.drain(..) {
            // In a box: most of its time it waits for an instance.
            tasks.spawn(Box::pin(Arc::clone(engine).attempt(start)));
        }
    }
}

impl Engine {
    /// Begins what can be begun; gives how long nothing is to be done.
    fn dispatch(self: &Arc<Self>) -> Duration {
        let queue = &self.queue;
        queue.plan.reach(Point::Dispatched);
        let writable = queue.store.is_writable();
        let mut planned = Planned { engine: self, plan: Plan::default() };
        let busy = {
            let mut board = queue.board();
            board.plan(&mut planned.plan, writable, queue.store.now(), Instant::now());
            !board.is_empty()
        };
        queue.plan.reach(Point::Planned);
        let wait = planned.plan.wait;
        drop(planned);
        let longest = match (writable, busy) {
            (false, _) => RECOVERY,
            (true, true) => TICK,
            (true, false) => LONG,
        };
        wait.unwrap_or(longest).min(longest)
    }

    async fn load(self: Arc<Self>, load: Load) {
        let why = match panics(pin!(self.read_waiting(&load))).await {
            Ok(read) => read.err().map(|error| chain(&error)),
            Err(panic) => Some(panic),
        };
        if let Some(why) = why {
            tracing::error!(why, "asynchronous calls that wait cannot be read; tried again");
            // Nothing else slows it down.
            tokio::time::sleep(RECOVERY).await;
            self.queue.board().load_failed(load);
        }
        self.queue.nudge();
    }

    async fn read_waiting(self: &Arc<Self>, load: &Load) -> Result<(), QueueError> {
        let store = &self.queue.store;
        match load {
            Load::Fresh { function, after, most, bytes } => {
                let (calls, all) = store.load_some(*function, *after, *most, *bytes).await?;
                self.queue.plan.reach(Point::Read);
                let last = calls.last().map(|call| call.seq);
                // Calls that run look as if they were never tried.
                let calls = self.queue.board().unknown(*function, calls);
                let calls = self.end_old(*function, calls).await;
                self.queue.board().loaded(*function, calls, last, all);
            }
            Load::Due { function, calls: stumbles } => {
                let seqs: Vec<_> = stumbles.iter().map(|(seq, _)| *seq).collect();
                let calls = self.end_old(*function, store.take(&seqs).await?).await;
                let stumbles: HashMap<_, _> = stumbles.iter().copied().collect();
                let ready = |call: WaitingCall| {
                    let stumbled = stumbles.get(&call.seq).copied().unwrap_or(0);
                    Ready { call, stumbled }
                };
                self.queue.board().loaded_due(*function, calls.into_iter().map(ready).collect());
            }
            Load::Old { function, out } => self.end_old_of(*function, out).await?,
        }
        Ok(())
    }
}
