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
    queue::{self, dispatcher, gone},
    reserve::{keeper, news::News},
    statistics,
    triggers::timers,
};

/// How often unused packages are looked for without a nudge.
const CLEANING_PERIOD: Duration = Duration::from_secs(600);
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
        self.tasks.spawn(clean(Arc::downgrade(engine), Arc::clone(&self.nudge), self.stop.clone()));
        self.tasks.spawn(prepare(Arc::downgrade(engine)));
        self.tasks.spawn(clear_lost_logs(Arc::downgrade(engine), self.stop.clone()));
        self.tasks.spawn(keeper::keep(Arc::downgrade(engine), Arc::clone(&self.keeper_news), self.stop.clone()));
        self.tasks.spawn(statistics::keep(Arc::downgrade(engine), self.stop.clone()));
        self.tasks.spawn(dispatcher::run(Arc::downgrade(engine)));
        self.tasks.spawn(queue::keep(Arc::downgrade(engine)));
        self.tasks.spawn(gone::look(Arc::downgrade(engine)));
        for kind in courier::KINDS {
            self.tasks.spawn(courier::run(Arc::downgrade(engine), kind, self.stop.clone()));
        }
        self.tasks.spawn(timers::run(Arc::downgrade(engine), self.stop_triggers.clone()));
        self.tasks.close();
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
