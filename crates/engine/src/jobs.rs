//! Background jobs: idempotent, on a period and on a nudge, without input, so that the everyday path is also the recovery.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Engine,
    destinations::courier,
    panics,
    queue::{self, dispatcher, gone},
    reserve::{keeper, news::News},
    statistics,
    triggers::timers,
};

/// How often unused packages are looked for without a nudge.
const CLEANING_PERIOD: Duration = Duration::from_secs(600);
/// The shortest and the longest pause before a job that broke off begins again; twice as long each time that it breaks off again within the
/// longest: some begin with a look at all there is.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// After each look, so many times what it took is none: it goes through all code there is, and whoever is refused again and again would
/// keep the database at it.
const CLEANING_RESTS: u32 = 9;

/// The jobs of one engine.
#[derive(Default)]
pub(crate) struct Jobs {
    tasks: TaskTracker,
    stop: CancellationToken,
    nudge: Arc<Notify>,
    keeper_news: Arc<News>,
    preparations: TaskTracker,
    stop_preparing: CancellationToken,
    stop_triggers: CancellationToken,
}

impl Jobs {
    pub(crate) fn start(&self, engine: &Arc<Engine>) {
        let weak = Arc::downgrade;
        self.keep("unused packages", engine, move |engine| {
            clean(weak(engine), Arc::clone(&engine.jobs.nudge), engine.jobs.stop.clone())
        });
        self.keep("reserved instances", engine, move |engine| {
            keeper::keep(weak(engine), Arc::clone(&engine.jobs.keeper_news), engine.jobs.stop.clone())
        });
        self.keep("statistics", engine, move |engine| statistics::keep(weak(engine), engine.jobs.stop.clone()));
        self.keep("asynchronous calls", engine, move |engine| dispatcher::run(weak(engine)));
        self.keep("records of asynchronous calls", engine, move |engine| queue::keep(weak(engine)));
        for kind in courier::KINDS {
            self.keep(kind.name(), engine, move |engine| courier::run(weak(engine), kind, engine.jobs.stop.clone()));
        }
        self.keep("timers", engine, move |engine| timers::run(weak(engine), engine.jobs.stop_triggers.clone()));
        // These look once at what an earlier server left; the next one looks again.
        self.tasks.spawn(prepare(weak(engine)));
        self.tasks.spawn(clear_lost_logs(weak(engine), self.stop.clone()));
        self.tasks.spawn(gone::look(weak(engine)));
        self.tasks.close();
    }

    /// Runs a job, and begins it again where it breaks off: nobody else would until the server is started again.
    fn keep<F>(&self, name: &'static str, engine: &Arc<Engine>, begin: impl Fn(&Arc<Engine>) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (engine, stop) = (Arc::downgrade(engine), self.stop.clone());
        self.tasks.spawn(async move {
            let mut pause = Duration::ZERO;
            while let Some(mut job) = engine.upgrade().map(|engine| Box::pin(begin(&engine))) {
                let begun = Instant::now();
                let Err(why) = panics(job.as_mut()).await else { return };
                tracing::error!(job = name, why, "a background job broke off by a panic; it begins again");
                pause = pause_after(pause, begun.elapsed());
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(pause) => {}
                }
            }
        });
    }

    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Where the keeper of reserved instances is told what has changed.
    pub(crate) fn keeper_news(&self) -> &News {
        &self.keeper_news
    }

    /// Where reserved instances are prepared.
    pub(crate) fn preparations(&self) -> &TaskTracker {
        &self.preparations
    }

    /// The sign for those that prepare to give up.
    pub(crate) fn preparations_end(&self) -> &CancellationToken {
        &self.stop_preparing
    }

    /// Gives up what is being prepared; nothing is prepared afterwards.
    pub(crate) async fn stop_preparing(&self) {
        self.stop_preparing.cancel();
        self.preparations.close();
        self.preparations.wait().await;
    }

    /// Timers fire no more.
    pub(crate) fn stop_triggers(&self) {
        self.stop_triggers.cancel();
    }

    pub(crate) async fn stop(&self) {
        self.stop_triggers();
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// The pause after a job that `ran` for so long, and began after a pause of `last`.
fn pause_after(last: Duration, ran: Duration) -> Duration {
    let [shortest, longest] = AGAIN_AFTER;
    if ran < longest { (last * 2).clamp(shortest, longest) } else { shortest }
}

/// Keeps blank instances for the functions there are; those that are created later say so themselves.
async fn prepare(engine: Weak<Engine>) {
    let Some(engine) = engine.upgrade() else { return };
    match engine.store.runtimes_in_use().await {
        Ok(kinds) => kinds.into_iter().for_each(|(runtime, memory_mb)| engine.expect_calls(runtime, memory_mb)),
        Err(error) => {
            let cause = &error as &dyn std::error::Error;
            tracing::warn!(cause, "no blank instances are kept before the first calls");
        }
    }
}

/// Removes the logs of functions that are gone: what a server left that was killed while it deleted them.
async fn clear_lost_logs(engine: Weak<Engine>, stop: CancellationToken) {
    let Some(logs) = engine.upgrade().map(|engine| engine.logs.clone()) else { return };
    let Ok(functions) = tokio::task::spawn_blocking(move || logs.functions()).await else { return };
    for function in functions {
        let Some(engine) = engine.upgrade().filter(|_| !stop.is_cancelled()) else { return };
        let _alone = engine.turns.of_project(&function.project).await;
        if let Err(error) = engine.clear_lost_logs(&function).await {
            let cause = crate::error::chain(&error);
            tracing::warn!(cause, %function, "whether its logs are still wanted is not known; asked again at the next start");
        }
    }
}

async fn clean(engine: Weak<Engine>, nudge: Arc<Notify>, stop: CancellationToken) {
    let mut period = interval(CLEANING_PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Some(packages) = engine.upgrade().map(|engine| engine.packages.clone()) else { return };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = period.tick() => {}
            () = nudge.notified() => {}
            () = packages.let_go() => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        let begun = Instant::now();
        if let Err(error) = engine.remove_unused_packages().await {
            tracing::warn!(
                cause = crate::error::chain(&error),
                "unused code packages could not be removed; tried again later"
            );
        }
        drop(engine);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(begun.elapsed() * CLEANING_RESTS) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_breaks_off_at_once_pauses_longer_each_time() {
        let second = Duration::from_secs(1);
        let mut pause = Duration::ZERO;
        let pauses = [1, 2, 4, 8, 16, 30, 30].map(|seconds| seconds * second);
        assert_eq!(
            pauses.map(|_| {
                pause = pause_after(pause, second);
                pause
            }),
            pauses
        );
        assert_eq!(pause_after(pause, 3600 * second), second, "it did its work in between");
    }
}
