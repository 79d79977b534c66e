//! The job that fires timers. It sleeps until the next time on the agenda, looks at the clock at least every second while there are
//! timers, since a clock can be set, and asks the database nothing.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_model::{Caller, FunctionRef, RequestId, Trigger};
use fungraph_store::logs::LogEntry;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{
    agenda::{Agenda, Firing, Now},
    board::Change,
    check::shown,
    lanes::Lanes,
};
use crate::{Engine, InvokeRequest, NoHeaders, Stopwatch, error::chain, run_log::BareLog};

/// The longest sleep while there are timers, and while what is known may be out of date.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until it is stopped. A firing that waits for its turn then is given up; one that runs ends like any call.
pub(crate) async fn run(engine: Weak<Engine>, stop: CancellationToken) {
    let found = engine.upgrade().map(|engine| (Arc::clone(&engine.board), engine.config.time_zone.clone()));
    let Some((board, zone)) = found else { return };
    let (mut agenda, lanes) = (Agenda::new(zone.clone()), Lanes::default());
    while let Some(engine) = engine.upgrade().filter(|_| !stop.is_cancelled()) {
        if board.is_stale()
            && let Err(error) = engine.read_triggers().await
        {
            tracing::warn!(cause = chain(&error), "the triggers cannot be read; tried again");
        }
        let (known, firings) = look(agenda, board.take_changes()).await.unwrap_or_else(|| {
            // A panic, which has been told, or the end of the runtime. What was known is lost with it, and begun again.
            board.tell_all();
            (Agenda::new(zone.clone()), Vec::new())
        });
        agenda = known;
        for firing in firings {
            engine.fire(firing, &lanes, &stop);
        }
        drop(engine);
        tokio::select! {
            () = stop.cancelled() => return,
            () = board.nudge.notified() => {}
            () = tokio::time::sleep(sleep(&agenda, board.is_stale())) => {}
        }
    }
}

fn sleep(agenda: &Agenda, is_stale: bool) -> Duration {
    let wait = agenda.wait(now()).map(|wait| Duration::try_from(wait).unwrap_or(LOOK).min(LOOK));
    // Without timers only a nudge brings work.
    wait.unwrap_or(if is_stale { LOOK } else { Duration::from_secs(3600) })
}

/// Beside the threads that serve calls: thousands of times may have to be searched. `None` where the runtime ends.
async fn look(mut agenda: Agenda, changes: Vec<Change>) -> Option<(Agenda, Vec<Firing>)> {
    if changes.is_empty() && agenda.is_quiet(now()) {
        // A look at the clock costs no thread.
        let firings = agenda.take_due(now());
        return Some((agenda, firings));
    }
    let looked = spawn_blocking(move || {
        for change in changes {
            match change {
                Change::Set(timer) => agenda.set(timer, now()),
                Change::Remove(id) => agenda.remove(&id),
            }
        }
        let firings = agenda.take_due(now());
        (agenda, firings)
    });
    looked.await.ok()
}

fn now() -> Now {
    Now { wall: Timestamp::now(), steady: Instant::now() }
}

impl Engine {
    /// Calls the function of a timer in a task of its own.
    fn fire(self: &Arc<Self>, firing: Firing, lanes: &Lanes, stop: &CancellationToken) {
        let trigger = &firing.trigger;
        let Some(place) = lanes.enter(&trigger.id, &trigger.key.project) else {
            self.orphans.spawn(Arc::clone(self).leave_out(firing));
            return;
        };
        let (engine, stop) = (Arc::clone(self), stop.clone());
        self.orphans.spawn(async move {
            let turn = tokio::select! {
                () = stop.cancelled() => return,
                turn = place.turn() => turn,
            };
            if engine.board.is_live(&firing.trigger) {
                // In a box: most tasks only wait, and need no room for a call.
                Box::pin(engine.call_of(firing)).await;
            }
            drop((place, turn));
        });
    }

    async fn call_of(self: Arc<Self>, firing: Firing) {
        let Firing { trigger, time } = firing;
        let caller = Caller { domain: trigger.domain.clone(), project: trigger.key.project.clone() };
        let now = Instant::now();
        let request = InvokeRequest {
            request: RequestId::random(),
            function: function(&trigger),
            event: event(&trigger, &time),
            tail: false,
            memory: None,
            headers: &NoHeaders,
            arrived: now,
            watch: Stopwatch::since(now),
            sink: None,
        };
        let id = request.request;
        tracing::debug!(function = %trigger.key, trigger = %trigger.id, request = %id, time, "a timer fires");
        // How the function ended stands in its log and in the metrics; so does a refusal of the pool, which a tenant could otherwise
        // fill the server's log with.
        match self.invoke(&caller, request).await {
            Ok(_) => {}
            Err(error @ crate::Error::Refused(_)) => {
                tracing::debug!(request = %id, cause = chain(&error), "a timer's call was refused");
            }
            Err(error) => {
                tracing::warn!(function = %trigger.key, trigger = %trigger.id, request = %id, cause = chain(&error),
                "a timer's call failed");
            }
        }
    }

    /// Says in the function's log that a timer did not fire, and counts it as a refused call.
    async fn leave_out(self: Arc<Self>, Firing { trigger, time }: Firing) {
        self.telemetry.refused();
        let Ok(Some(resolved)) = self.resolve_main(&trigger.key, &trigger.qualifier).await else { return };
        let started = Timestamp::now();
        if !resolved.refusals.allows(started.as_second()) {
            return;
        }
        let data = shown(&trigger.data);
        let name = data.get("name").and_then(Value::as_str).unwrap_or_default();
        let second = Timestamp::new(started.as_second(), 0).unwrap_or(started);
        let text = format!("{second} Skip timer '{name}' of {time}: too many of its calls are not over yet\n");
        let (function, request) = (Arc::clone(&resolved.version), RequestId::random());
        self.logs.append(LogEntry { function, request, started, call: None, text: Box::new(BareLog(text.into())) });
    }
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
