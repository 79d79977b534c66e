//! The jobs that deliver notices, one for each kind of destination: where one service is gone, the others are still told.
//!
//! A notice leaves the queue once it has arrived, so after a crash it may arrive twice, under the same name or number; it is never lost
//! before its time is up. Who was not to be had at all is asked again later without a word on disk: a dead service costs nothing but
//! a look now and then, and one line in the log until it is back.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fungraph_model::{AsyncStatus, DestinationKind};
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
    unsettled: usize,
    /// The service said something.
    heard: usize,
    /// Why it did not, where it did not.
    silence: Option<String>,
}

impl Round {
    fn add(&mut self, tried: Tried) {
        if tried.settled {
            self.settled += 1;
        } else {
            self.unsettled += 1;
        }
        match tried.silence {
            None => self.heard += 1,
            silence => self.silence = silence,
        }
    }
}

/// What became of one notice.
struct Tried {
    /// Whether it is off the list, or at a later place of it: one that is refused holds nobody up.
    settled: bool,
    /// Why nobody was there.
    silence: Option<String>,
}

/// How long a service has been silent: the operator is told once, and not for each try.
#[derive(Debug, Default)]
struct Watch {
    rounds: u32,
}

impl Watch {
    /// Rounds in a row after which nobody is there: a connection may just be being made.
    const SILENT: u32 = 2;

    fn look(&mut self, kind: DestinationKind, round: &Round) {
        match &round.silence {
            Some(why) => {
                self.rounds = self.rounds.saturating_add(1);
                if self.rounds == Self::SILENT {
                    tracing::warn!(
                        kind = kind.name(),
                        why,
                        "a destination cannot be reached; what it is owed is kept and tried again"
                    );
                }
            }
            None if round.heard > 0 => {
                if self.is_told() {
                    tracing::info!(kind = kind.name(), "a destination can be reached again");
                }
                self.rounds = 0;
            }
            None => {}
        }
    }

    fn is_told(&self) -> bool {
        self.rounds >= Self::SILENT
    }
}

/// Delivers notices of one kind until it is stopped.
pub(crate) async fn run(engine: Weak<Engine>, kind: DestinationKind, stop: CancellationToken) {
    let Some(nudges) = engine.upgrade().map(|engine| Arc::clone(&engine.destinations.nudges)) else { return };
    let nudge = nudges.of(kind);
    let (mut failures, mut watch) = (0, Watch::default());
    loop {
        let Some(found) = engine.upgrade() else { return };
        let round = tokio::select! {
            // What was on its way may have arrived, and is tried again at the next start.
            () = stop.cancelled() => return,
            round = found.deliver(kind) => round,
        };
        drop(found);
        if let Ok((round, _)) = &round {
            watch.look(kind, round);
        }
        let (pause, may_be_nudged) = match round {
            Ok((Round { settled: 0, unsettled: 0, .. }, next)) => {
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
            match done {
                Ok(tried) => round.add(tried),
                // A panic, which has been told.
                Err(_) => round.unsettled += 1,
            }
        }
        Ok((round, due.next))
    }

    async fn try_one(&self, kind: DestinationKind, notice: Notice) -> Tried {
        let Some(address) = Address::from_text(&notice.param) else {
            tracing::error!(call = %notice.call, kind = kind.name(), "the address of a notice cannot be read; was the queue changed by \
                another program?");
            return Tried { settled: self.give_up(kind, &notice, "its address cannot be read").await, silence: None };
        };
        let why = match self.destinations.deliver(&address, notice.payload.clone()).await {
            Ok(()) => {
                counter!("fungraph_notices_total", "kind" => kind.name(), "end" => "delivered").increment(1);
                return Tried { settled: self.queue.store.delivered(notice.id).await, silence: None };
            }
            Err(why) => why,
        };
        let text = why.to_string();
        let is_late = self.queue.store.now().since(notice.created) >= self.destinations.give_up;
        let settled = match &why {
            // What its owner's calls leave is his to mend, and may come by the thousands.
            Undelivered::Impossible(why) => {
                tracing::debug!(call = %notice.call, kind = kind.name(), why, "a notice can never be taken; given up");
                self.give_up(kind, &notice, why).await
            }
            _ if is_late => {
                tracing::error!(call = %notice.call, kind = kind.name(), tries = notice.tries, why = text,
                    "a destination was never told of the end of a call");
                self.give_up(kind, &notice, &text).await
            }
            Undelivered::Unreachable(_) => false,
            Undelivered::Refused(why) => {
                let wait = pause(notice.tries + 1, LONGEST, notice.id as u32);
                tracing::debug!(call = %notice.call, kind = kind.name(), why, ?wait, "a notice was not taken; tried again");
                self.queue.store.notice_again(notice.id, self.queue.store.now().after(wait)).await
            }
        };
        Tried { settled, silence: matches!(why, Undelivered::Unreachable(_)).then_some(text) }
    }

    /// A notice leaves the list undelivered, and whoever owns the function finds that in its log.
    async fn give_up(&self, kind: DestinationKind, notice: &Notice, why: &str) -> bool {
        counter!("fungraph_notices_total", "kind" => kind.name(), "end" => "given_up").increment(1);
        if let Ok(Some((key, _, record))) = self.queue.store.record(notice.call).await {
            let is_success = record.status == AsyncStatus::Success;
            self.note_untold((&key, &record.version, notice.call), is_success, kind, why).await;
        }
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
    fn a_silent_service_is_told_of_once_until_it_says_something() {
        let silent = |settled| Tried { settled, silence: Some("it cannot be reached".to_owned()) };
        let heard = || Tried { settled: true, silence: None };
        let mut watch = Watch::default();
        let mut told = Vec::new();
        let rounds = [
            vec![silent(false)],
            vec![silent(false), silent(true)],
            vec![silent(false), heard()],
            vec![],
            vec![heard()],
            vec![heard()],
            vec![silent(false)],
        ];
        for tries in rounds {
            let mut round = Round::default();
            tries.into_iter().for_each(|tried| round.add(tried));
            watch.look(DestinationKind::Smn, &round);
            told.push(watch.is_told());
        }
        assert_eq!(told, [false, true, true, true, false, false, false]);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        for (failures, expected) in [(0, 1), (1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (u32::MAX, 300)] {
            assert_eq!(pause(failures, LONGEST, 0), Duration::from_secs(expected), "{failures}");
        }
        assert_eq!(pause(1, LONGEST, 15), Duration::from_millis(800));
        assert!((0..64).all(|spread| (800..=1000).contains(&pause(1, LONGEST, spread).as_millis())));
    }
}
