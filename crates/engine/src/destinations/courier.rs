//! The jobs that deliver notices, one for each kind of destination: where one service is gone, the others are still told.
//!
//! A notice leaves the queue once it has arrived, so after a crash it may arrive twice, under the same name or number; it is never lost
//! before its time is up. Who was not to be had at all is asked again later without a word on disk: a dead service costs nothing but
//! a look now and then.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fungraph_model::DestinationKind;
use fungraph_store::queue::{Notice, QueueError};
use metrics::counter;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Address, Undelivered};
use crate::Engine;

/// Deliveries of one kind at a time.
const AT_ONCE: usize = 16;
/// The longest sleep.
const LOOK: Duration = Duration::from_secs(60);
/// Pauses after a failure: of one notice, and of all that were tried.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
const LONGEST_OF_ALL: Duration = Duration::from_secs(30);

/// Kinds that are told by notices; functions are called.
pub(crate) const KINDS: [DestinationKind; 3] = [DestinationKind::Obs, DestinationKind::Smn, DestinationKind::Dis];

/// What says that there is something to deliver, one for each kind.
#[derive(Debug, Default)]
pub(crate) struct Nudges([Notify; KINDS.len()]);

impl Nudges {
    fn of(&self, kind: DestinationKind) -> &Notify {
        &self.0[KINDS.iter().position(|known| *known == kind).unwrap_or(0)]
    }

    /// Something new may be there.
    pub(crate) fn nudge(&self) {
        self.0.iter().for_each(Notify::notify_one);
    }
}

/// What became of the notices that were tried together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Round {
    /// Arrived, given up, or due again at a time of its own.
    settled: usize,
    /// Nobody was there; or what became of it could not be stored, and it must not go out again at once.
    unreachable: usize,
}

/// Delivers notices of one kind until it is stopped.
pub(crate) async fn run(engine: Weak<Engine>, kind: DestinationKind, stop: CancellationToken) {
    let Some(nudges) = engine.upgrade().map(|engine| Arc::clone(&engine.destinations.nudges)) else { return };
    let nudge = nudges.of(kind);
    let mut failures = 0;
    loop {
        let Some(found) = engine.upgrade() else { return };
        let round = tokio::select! {
            // What was on its way may have arrived, and is tried again at the next start.
            () = stop.cancelled() => return,
            round = found.deliver(kind) => round,
        };
        drop(found);
        let (pause, may_be_nudged) = match round {
            Ok((Round { settled: 0, unreachable: 0 }, next)) => {
                (next.unwrap_or(LOOK).clamp(Duration::from_millis(10), LOOK), true)
            }
            Ok((Round { settled: 0, .. }, _)) | Err(_) => {
                failures += 1;
                (pause(failures, LONGEST_OF_ALL, kind as u32), false)
            }
            Ok(_) => {
                failures = 0;
                continue;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = nudge.notified(), if may_be_nudged => failures = 0,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Engine {
    /// Tries what is due; gives also how long until the next one is.
    async fn deliver(self: &Arc<Self>, kind: DestinationKind) -> Result<(Round, Option<Duration>), QueueError> {
        let due = self.queue.store.next_notices(kind.name(), AT_ONCE).await.inspect_err(|error| {
            tracing::warn!(
                cause = error as &dyn std::error::Error,
                kind = kind.name(),
                "what is owed to destinations cannot be read"
            );
        })?;
        let mut deliveries = JoinSet::new();
        for notice in due.notices {
            let engine = Arc::clone(self);
            deliveries.spawn(async move { engine.try_one(kind, notice).await });
        }
        let mut round = Round::default();
        while let Some(done) = deliveries.join_next().await {
            if matches!(done, Ok(true)) { round.settled += 1 } else { round.unreachable += 1 }
        }
        Ok((round, due.next))
    }

    /// Whether the notice is off the list, or at a later place of it: one that is refused holds nobody up.
    async fn try_one(&self, kind: DestinationKind, notice: Notice) -> bool {
        let Some(address) = Address::from_text(&notice.param) else {
            return self.give_up(kind, &notice, "its address cannot be read").await;
        };
        match self.destinations.deliver(&address, notice.payload.clone()).await {
            Ok(()) => {
                counter!("fungraph_notices_total", "kind" => kind.name(), "end" => "delivered").increment(1);
                self.queue.store.delivered(notice.id).await
            }
            Err(why) if self.queue.store.now().since(notice.created) >= self.destinations.give_up => {
                self.give_up(kind, &notice, &why.to_string()).await
            }
            Err(Undelivered::Unreachable(why)) => {
                tracing::debug!(call = %notice.call, kind = kind.name(), why, "a notice waits for its destination");
                false
            }
            Err(Undelivered::Refused(why)) => {
                let wait = pause(notice.tries + 1, LONGEST, notice.id as u32);
                tracing::debug!(call = %notice.call, kind = kind.name(), why, ?wait, "a notice was not taken; tried again");
                self.queue.store.notice_again(notice.id, self.queue.store.now().after(wait)).await
            }
        }
    }

    async fn give_up(&self, kind: DestinationKind, notice: &Notice, why: &str) -> bool {
        counter!("fungraph_notices_total", "kind" => kind.name(), "end" => "given_up").increment(1);
        tracing::error!(call = %notice.call, kind = kind.name(), tries = notice.tries, why, "a destination was never told of the end of a call");
        self.queue.store.notice_given_up(notice.id).await
    }
}

/// A second, doubled with each failure, a fifth shorter for some than for others, so that they do not all come back at once.
fn pause(failures: u32, longest: Duration, spread: u32) -> Duration {
    let doubled = SHORTEST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    doubled - doubled / 5 * (spread % 16) / 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        for (failures, expected) in [(0, 1), (1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (u32::MAX, 300)] {
            assert_eq!(pause(failures, LONGEST, 0), Duration::from_secs(expected), "{failures}");
        }
        assert_eq!(pause(1, LONGEST, 15), Duration::from_millis(800));
        assert!((0..64).all(|spread| (800..=1000).contains(&pause(1, LONGEST, spread).as_millis())));
    }
}
