//! The job that fires timers. It sleeps until the next time on the agenda, looks at the clock at least every second while there are
//! timers, since a clock can be set. The database is asked once, at the start, until when a server before this one looked; before a firing
//! that the next server could take for a missed one, the look is noted there.

use std::{
    pin::pin,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_model::{Caller, FunctionRef, RequestId, Trigger};
use fungraph_store::{Store, logs::LogEntry};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    agenda::{Agenda, Firing, Now, WRONG_CLOCK},
    board::{Board, Change},
    check::shown,
};
use crate::{AsyncRequest, Engine, NoHeaders, call_record::RefusedLog, error::chain, panics};

/// The longest sleep while there are timers, and while what is known may be out of date.
const LOOK: Duration = Duration::from_secs(1);
/// How often the call of one firing is tried to be put into the queue, a second apart.
const TRIES: u32 = 3;
/// How often the store is asked, a second apart, until when timers were looked at. What is late by less than a minute fires all the same.
const ASKED: u32 = 30;

/// Runs until it is stopped.
pub(crate) async fn run(engine: Weak<Engine>, stop: CancellationToken) {
    let found = engine.upgrade().map(|engine| (Arc::clone(&engine.board), engine.config.time_zone.clone()));
    let Some((board, zone)) = found else { return };
    let _known = KnownHere(Arc::clone(&board));
    let Some(mut mark) = Mark::read(&engine, &stop).await else { return };
    let mut known = Known::since(mark.0, zone);
    while let Some(engine) = engine.upgrade().filter(|_| !stop.is_cancelled()) {
        if board.is_stale()
            && let Err(error) = engine.read_triggers().await
        {
            tracing::warn!(cause = chain(&error), "the triggers cannot be read; tried again");
        }
        let firings = known.look(board.take_changes()).await.unwrap_or_else(|| {
            // A panic, which has been told, or the end of the runtime.
            board.tell_all();
            Vec::new()
        });
        if stop.is_cancelled() {
            // The next server makes up what came now.
            return;
        }
        if firings.iter().any(|firing| firing.would_be_made_up) {
            mark.advance(&engine.store, known.agenda.seen().unwrap_or_else(Timestamp::now)).await;
        }
        for firing in firings {
            engine.fire(firing);
        }
        drop(engine);
        tokio::select! {
            () = stop.cancelled() => return,
            () = board.nudge.notified() => {}
            () = tokio::time::sleep(sleep(&known.agenda, board.is_stale())) => {}
        }
    }
}

/// What this job knows of the timers: where it breaks off, the next one has to be told.
struct KnownHere(Arc<Board>);

impl Drop for KnownHere {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.tell_all();
        }
    }
}

/// Until when the times have been looked at, as the store has it.
struct Mark(Option<Timestamp>);

impl Mark {
    /// What a server before this one left. The first one begins now, so that the next can tell what came between. A store that cannot say
    /// is asked again, and no timer fires meanwhile: what was missed would be lost with the first look.
    async fn read(engine: &Weak<Engine>, stop: &CancellationToken) -> Option<Self> {
        let store = engine.upgrade()?.store.clone();
        for asked in 1.. {
            match store.timers_looked_until().await {
                Ok(Some(until)) => return Some(Self(Some(until))),
                Ok(None) => {
                    let mut first = Self(None);
                    first.advance(&store, Timestamp::now()).await;
                    return Some(first);
                }
                Err(error) if asked < ASKED => {
                    tracing::warn!(
                        cause = chain(&error),
                        "until when timers were looked at cannot be read; tried again"
                    );
                }
                Err(error) => {
                    tracing::error!(
                        cause = chain(&error),
                        "times of timers that came while no server ran are not made up"
                    );
                    return Some(Self(None));
                }
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        None
    }

    /// Notes a look before what it found is fired: a server that is killed in between rather loses a time than has it twice.
    async fn advance(&mut self, store: &Store, now: Timestamp) {
        let until = self.after_look(now);
        self.0 = Some(until);
        let why = match timeout(LOOK, store.set_timers_looked_until(until)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => chain(&error).to_string(),
            Err(_) => "the database is busy".to_owned(),
        };
        tracing::warn!(why, "after a crash, a timer that fires now may fire once more for the same time");
    }

    /// A clock that was set back does not make what has come unseen, unless it must have been wrong before.
    fn after_look(&self, now: Timestamp) -> Timestamp {
        let ahead = self.0.filter(|until| *until > now && until.duration_since(now) <= WRONG_CLOCK);
        ahead.unwrap_or(now)
    }
}

fn sleep(agenda: &Agenda, is_stale: bool) -> Duration {
    let wait = agenda.wait(now()).map(|wait| Duration::try_from(wait).unwrap_or(LOOK).min(LOOK));
    // Without timers only a nudge brings work.
    wait.unwrap_or(if is_stale { LOOK } else { Duration::from_secs(3600) })
}

/// The agenda, and what is known without it: a look that breaks off takes it along.
struct Known {
    agenda: Agenda,
    zone: TimeZone,
    /// Until when times were looked at.
    until: Option<Timestamp>,
}

impl Known {
    fn since(until: Option<Timestamp>, zone: TimeZone) -> Self {
        Self { agenda: Agenda::new(zone.clone(), until), zone, until }
    }

    /// `None` where the look broke off, or the runtime ends: then the agenda is empty, and makes up what has come since the look before.
    async fn look(&mut self, changes: Vec<Change>) -> Option<Vec<Firing>> {
        if changes.is_empty() && self.agenda.is_quiet(now()) {
            // A look at the clock costs no thread.
            return Some(self.agenda.take_due(now()));
        }
        let work = |agenda: &mut Agenda| {
            for change in changes {
                match change {
                    Change::Set(timer) => agenda.set(timer, now()),
                    Change::Remove(id) => agenda.remove(&id),
                }
            }
            agenda.take_due(now())
        };
        self.beside(work).await
    }

    /// Beside the threads that serve calls: thousands of times may have to be searched.
    async fn beside(&mut self, work: impl FnOnce(&mut Agenda) -> Vec<Firing> + Send + 'static) -> Option<Vec<Firing>> {
        self.until = self.agenda.seen().or(self.until);
        let mut agenda = std::mem::replace(&mut self.agenda, Agenda::new(self.zone.clone(), self.until));
        let looked = spawn_blocking(move || {
            let firings = work(&mut agenda);
            (agenda, firings)
        });
        let (agenda, firings) = looked.await.ok()?;
        self.agenda = agenda;
        Some(firings)
    }
}

fn now() -> Now {
    Now { wall: Timestamp::now(), steady: Instant::now() }
}

impl Engine {
    /// Puts a call of a timer's function into the queue, in a task of its own: a disk that is busy delays no other timer. Nothing is lost
    /// from there on, and what is set for the asynchronous calls of its version or alias holds for it.
    fn fire(self: &Arc<Self>, firing: Firing) {
        let engine = Arc::clone(self);
        self.orphans.spawn(async move {
            let stop = engine.queue.stop_sign();
            let queue = || async {
                if engine.board.is_live(&firing.trigger) {
                    engine.queue_call_of(&firing).await;
                }
            };
            if !tried(queue, &stop).await {
                let Firing { trigger, time, .. } = &firing;
                tracing::error!(function = %trigger.key, trigger = %trigger.id, time, "a timer's call is lost");
            }
        });
    }

    async fn queue_call_of(self: &Arc<Self>, firing: &Firing) {
        let Firing { trigger, time, .. } = firing;
        let caller = Caller { domain: trigger.domain.clone(), project: trigger.key.project.clone() };
        let request = AsyncRequest {
            function: function(trigger),
            event: event(trigger, time),
            memory: None,
            headers: &NoHeaders,
            parent: None,
        };
        match self.invoke_async(&caller, request).await {
            Ok(id) => {
                tracing::debug!(function = %trigger.key, trigger = %trigger.id, request = %id, time, "a timer fires");
            }
            Err(crate::Error::Refused(fault)) => self.note_refusal(firing, fault.message).await,
            Err(error) => {
                tracing::warn!(function = %trigger.key, trigger = %trigger.id, time, cause = chain(&error),
                    "a timer's call failed");
            }
        }
    }

    /// Says in the function's log that a timer's call was refused, as it does of other calls: a tenant could fill the server's with it.
    async fn note_refusal(&self, Firing { trigger, .. }: &Firing, message: String) {
        let Ok(Some(resolved)) = self.resolve_main(&trigger.key, &trigger.qualifier).await else { return };
        let started = Timestamp::now();
        if !resolved.refusals.allows(started.as_second()) {
            return;
        }
        let (function, request) = (Arc::clone(&resolved.version), RequestId::random());
        let text = Box::new(RefusedLog { request, function: Arc::clone(&function), started, message });
        self.logs.append(LogEntry { function, request, started, call: None, text });
    }
}

/// Does some work, and does it again a few times where it breaks off by a panic; `false` where it never came to its end. What broke off behind
/// the acceptance of a call leads to a second one: as after a crash of the server, once too often is better than never.
async fn tried<F: Future<Output = ()>>(work: impl Fn() -> F, stop: &CancellationToken) -> bool {
    for _ in 0..TRIES {
        let Err(why) = panics(pin!(work())).await else { return true };
        tracing::error!(why, "what a timer does broke off by a panic; it is tried again");
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    false
}

fn function(trigger: &Trigger) -> FunctionRef {
    FunctionRef {
        project: Some(trigger.key.project.clone()),
        package: trigger.key.package.clone(),
        name: trigger.key.name.clone(),
        qualifier: Some(trigger.qualifier.clone()),
    }
}

/// The event of a timer (contract: events.md section 3).
fn event(trigger: &Trigger, time: &str) -> Bytes {
    let data = shown(&trigger.data);
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let event = json!({
        "version": "v1.0",
        "time": time,
        "trigger_type": trigger.kind.code(),
        "trigger_name": text("name"),
        "user_event": text("user_event"),
    });
    event.to_string().into()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{super::agenda::sample::timer, *};

    #[tokio::test(start_paused = true)]
    async fn a_firing_that_breaks_off_is_tried_again_a_few_times() {
        let check = async |breaks: u32, expected: (bool, u32)| {
            let runs = Cell::new(0);
            let work = || async {
                runs.set(runs.get() + 1);
                assert!(runs.get() > breaks, "planned");
            };
            let done = tried(work, &CancellationToken::new()).await;
            assert_eq!((done, runs.get()), expected);
        };
        check(0, (true, 1)).await;
        check(TRIES - 1, (true, TRIES)).await;
        check(TRIES, (false, TRIES)).await;
    }

    #[tokio::test]
    async fn a_look_that_breaks_off_loses_no_time_of_a_timer() {
        let steady = Instant::now();
        let at = |text: &str| Now { wall: text.parse().expect("a time"), steady };
        let (before, behind) = (at("2026-11-28T02:59:59Z"), at("2026-11-28T03:00:05Z"));
        let nightly = timer("nightly", "Cron", "0 0 3 * * *", at("2026-11-27T12:00:00Z").wall);
        let mut known = Known::since(None, TimeZone::UTC);
        let set = Arc::clone(&nightly);
        let look = move |agenda: &mut Agenda| {
            agenda.set(set, before);
            agenda.take_due(before)
        };
        assert!(known.beside(look).await.is_some_and(|firings| firings.is_empty()));
        for _ in 0..2 {
            assert!(known.beside(|_| panic!("planned")).await.is_none());
        }
        let look = move |agenda: &mut Agenda| {
            agenda.set(nightly, behind);
            agenda.take_due(behind)
        };
        assert_eq!(known.beside(look).await.map(|firings| firings.len()), Some(1), "what came meanwhile is made up");
    }

    #[test]
    fn a_look_is_never_noted_as_earlier_than_the_one_before() {
        let at = |hour: i64| Timestamp::from_second(1_700_000_000 + hour * 3600).expect("a time");
        assert_eq!(Mark(None).after_look(at(5)), at(5));
        assert_eq!(Mark(Some(at(4))).after_look(at(5)), at(5));
        assert_eq!(Mark(Some(at(7))).after_look(at(5)), at(7), "the clock was set back");
        assert_eq!(Mark(Some(at(9))).after_look(at(5)), at(5), "it was wrong before");
    }
}
