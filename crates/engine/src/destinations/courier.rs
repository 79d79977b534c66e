//! The jobs that deliver notices, one for each kind of destination: where one service is gone, the others are still told.
//!
//! A notice leaves the queue once it has arrived, so after a crash it may arrive twice, under the same name or number; it is never lost
//! before its time is up. Who was not to be had at all is asked again later without a word on disk: a dead service costs nothing but
//! a look now and then, and one line in the log until it is back. Projects take turns, and none has all the places: whose own destination is slow
//! delays nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use fungraph_model::{DestinationKind, ProjectId};
use fungraph_store::queue::{Notice, NoticeQuery, QueueError};
use metrics::counter;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::payload::{self, Whose};
use super::{Address, Undelivered};
use crate::Engine;

/// Deliveries of one kind at a time, of all projects and of one.
const AT_ONCE: usize = 32;
const OF_PROJECT: usize = 16;
/// So many places are free before more is looked for: a look for each single one costs more than it brings.
const LEAST_ROOM: usize = 8;
/// The longest sleep, and the shortest.
const LOOK: Duration = Duration::from_secs(60);
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);
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

/// Notices on their way.
#[derive(Default)]
struct Flights {
    tasks: JoinSet<Tried>,
    which: HashMap<tokio::task::Id, (ProjectId, i64)>,
    /// The project that had its turn last.
    last: Option<ProjectId>,
}

impl Flights {
    /// What may go out beside them. Whose service was not there last is asked by one.
    fn query(&self, is_probe: bool) -> NoticeQuery {
        let free = AT_ONCE - self.which.len();
        let most = if is_probe { free.min(1) } else { free };
        let mut under_way: HashMap<ProjectId, Vec<i64>> = HashMap::new();
        for (project, id) in self.which.values() {
            under_way.entry(project.clone()).or_default().push(*id);
        }
        NoticeQuery { after: self.last.clone(), under_way, most, most_of_project: OF_PROJECT }
    }

    /// Whether it is worth while to look for more.
    fn has_room(&self) -> bool {
        self.which.len() <= AT_ONCE - LEAST_ROOM
    }

    fn start(&mut self, engine: &Arc<Engine>, kind: DestinationKind, notice: Notice) {
        let (engine, project, id) = (Arc::clone(engine), notice.project.clone(), notice.id);
        self.last = Some(project.clone());
        let task = self.tasks.spawn(async move { engine.try_one(kind, notice).await });
        self.which.insert(task.id(), (project, id));
    }

    /// Waits for one of them; `None` where none is on its way.
    async fn next(&mut self) -> Option<Tried> {
        let (task, tried) = match self.tasks.join_next_with_id().await? {
            Ok(done) => done,
            // A panic, which has been told.
            Err(error) => (error.id(), Tried { settled: false, silence: None }),
        };
        self.which.remove(&task);
        Some(tried)
    }
}

/// How often in a row nobody was there, and until when that is believed.
#[derive(Debug, Default)]
struct Rest {
    failures: u32,
    until: Option<Instant>,
}

impl Rest {
    /// Nobody was there; or what became of a notice could not be stored, and it must not go out again at once. Those that were on their way at the
    /// same time say no more than the first one.
    fn fail(&mut self, kind: DestinationKind, now: Instant) {
        if self.until.is_none() {
            self.failures = self.failures.saturating_add(1);
            self.until = Some(now + pause(self.failures, LONGEST_OF_ALL, kind as u32));
        }
    }

    /// How long nothing goes out.
    fn left(&mut self, now: Instant) -> Option<Duration> {
        self.until = self.until.filter(|until| *until > now);
        self.until.map(|until| until - now)
    }
}

/// What became of one notice.
#[derive(Debug)]
struct Tried {
    /// Whether it is off the list, or at a later place of it: one that is refused holds nobody up.
    settled: bool,
    /// Why nobody was there.
    silence: Option<String>,
}

/// Whether the operator has been told that a service is silent: once, and not for each try.
#[derive(Debug, Default)]
struct Watch {
    told: bool,
}

impl Watch {
    /// Rests in a row after which nobody is there: a connection may just be being made.
    const SILENT: u32 = 2;

    fn look(&mut self, kind: DestinationKind, tried: &Tried, rest: &Rest) {
        match &tried.silence {
            Some(why) if !self.told && rest.failures >= Self::SILENT => {
                tracing::warn!(
                    kind = kind.name(),
                    why,
                    "a destination cannot be reached; what it is owed is kept and tried again"
                );
                self.told = true;
            }
            None if self.told && tried.settled => {
                tracing::info!(kind = kind.name(), "a destination can be reached again");
                self.told = false;
            }
            _ => {}
        }
    }
}

/// Delivers notices of one kind until it is stopped.
pub(crate) async fn run(engine: Weak<Engine>, kind: DestinationKind, stop: CancellationToken) {
    let Some(nudges) = engine.upgrade().map(|engine| Arc::clone(&engine.destinations.nudges)) else { return };
    let nudge = nudges.of(kind);
    let (mut flights, mut rest, mut watch) = (Flights::default(), Rest::default(), Watch::default());
    loop {
        let Some(found) = engine.upgrade() else { return };
        let mut sleep = LOOK;
        if rest.left(Instant::now()).is_none() && flights.has_room() {
            let sent = tokio::select! {
                () = stop.cancelled() => return,
                sent = found.send_due(kind, &mut flights, rest.failures > 0) => sent,
            };
            match sent {
                Ok(next) => sleep = next.unwrap_or(LOOK).clamp(SHORTEST_SLEEP, LOOK),
                Err(_) => rest.fail(kind, Instant::now()),
            }
        }
        drop(found);
        let resting = rest.left(Instant::now());
        tokio::select! {
            // What was on its way may have arrived, and is tried again at the next start.
            () = stop.cancelled() => return,
            Some(tried) = flights.next() => {
                if tried.settled { rest = Rest::default() } else { rest.fail(kind, Instant::now()) }
                watch.look(kind, &tried, &rest);
            }
            () = nudge.notified(), if resting.is_none() => {}
            () = tokio::time::sleep(resting.unwrap_or(sleep)) => {}
        }
    }
}

impl Engine {
    /// Sends what is due, as far as there is room; gives how long until something else is.
    async fn send_due(
        self: &Arc<Self>,
        kind: DestinationKind,
        flights: &mut Flights,
        is_probe: bool,
    ) -> Result<Option<Duration>, QueueError> {
        let due = self.queue.store.next_notices(kind.name(), &flights.query(is_probe)).await.inspect_err(|error| {
            tracing::warn!(
                cause = error as &dyn std::error::Error,
                kind = kind.name(),
                "what is owed to destinations cannot be read"
            );
        })?;
        for notice in due.notices {
            flights.start(self, kind, notice);
        }
        Ok(due.next)
    }

    async fn try_one(&self, kind: DestinationKind, notice: Notice) -> Tried {
        let Some(address) = Address::from_text(&notice.param) else {
            tracing::error!(call = %notice.call, kind = kind.name(), "the address of a notice cannot be read; was the queue changed by \
                another program?");
            return Tried { settled: self.give_up(kind, &notice, "its address cannot be read").await, silence: None };
        };
        if let Some(why) = self.destinations.closed_since(&notice.project, &address) {
            return Tried { settled: self.give_up(kind, &notice, &why).await, silence: None };
        }
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
        // The call's own record may be gone by now: messages are kept for longer where those are many.
        let whose = payload::whose(&notice.payload).zip(self.queue.store.named(notice.function));
        if let Some((Whose { version, is_success }, function)) = whose {
            self.note_untold((&function.key, &version, notice.call), is_success, kind, why).await;
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
    fn a_service_that_is_gone_is_asked_less_and_less_often_whatever_was_on_its_way() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        assert_eq!(rest.left(now), None);
        let kind = DestinationKind::Smn;
        for _ in 0..AT_ONCE {
            rest.fail(kind, now);
        }
        let first = rest.left(now).expect("it rests");
        assert!(first <= SHORTEST && rest.failures == 1, "{rest:?}");
        let now = now + first;
        assert_eq!(rest.left(now), None);
        rest.fail(kind, now);
        assert_eq!(rest.left(now), Some(pause(2, LONGEST_OF_ALL, kind as u32)));
    }

    #[tokio::test]
    async fn what_is_on_its_way_is_not_asked_for_again_and_a_task_that_breaks_leaves_its_place() {
        let mut flights = Flights::default();
        for id in 0..3 {
            let done = Tried { settled: true, silence: None };
            let task = flights.tasks.spawn(async move { if id == 1 { panic!("on purpose") } else { done } });
            flights.which.insert(task.id(), (ProjectId("p".to_owned()), id));
        }
        let query = flights.query(false);
        let mut ids = query.under_way[&ProjectId("p".to_owned())].clone();
        ids.sort_unstable();
        assert_eq!((ids, query.most), (vec![0, 1, 2], AT_ONCE - 3));
        assert_eq!(flights.query(true).most, 1);
        let mut settled = 0;
        while let Some(tried) = flights.next().await {
            settled += usize::from(tried.settled);
        }
        assert_eq!((settled, flights.which.len()), (2, 0));
    }

    #[test]
    fn a_silent_service_is_told_of_once_until_it_says_something() {
        let silent = |settled| Tried { settled, silence: Some("it cannot be reached".to_owned()) };
        let heard = || Tried { settled: true, silence: None };
        let broken = || Tried { settled: false, silence: None };
        let (mut watch, mut rest) = (Watch::default(), Rest::default());
        let mut told = Vec::new();
        for (failures, tried) in [
            (1, silent(false)),
            (2, silent(false)),
            (3, silent(false)),
            // Given up: it is as silent as before.
            (0, silent(true)),
            (1, broken()),
            (0, heard()),
            // It had begun before the service was back.
            (1, silent(false)),
            (0, heard()),
            (2, silent(false)),
        ] {
            rest.failures = failures;
            watch.look(DestinationKind::Smn, &tried, &rest);
            told.push(watch.told);
        }
        assert_eq!(told, [false, true, true, true, true, false, false, false, true]);
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
