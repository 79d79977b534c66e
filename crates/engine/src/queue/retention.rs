//! The job that removes what is kept of calls no longer: old records first, in steps that nobody waits for.

use std::{sync::Weak, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{Engine, error::chain};

const PERIOD: Duration = Duration::from_secs(60);

/// Runs until the queue is stopped.
pub(crate) async fn keep(engine: Weak<Engine>) {
    let Some(stop) = engine.upgrade().map(|engine| engine.queue.stop.clone()) else { return };
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = period.tick() => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        tokio::select! {
            () = stop.cancelled() => return,
            trimmed = engine.queue.store.trim(&engine.config.queue.records) => match trimmed {
                Ok(0) => {}
                Ok(records) => tracing::debug!(records, "records of asynchronous calls were removed"),
                Err(error) => {
                    tracing::warn!(cause = chain(&error), "records of asynchronous calls cannot be removed; tried again");
                }
            }
        }
    }
}
