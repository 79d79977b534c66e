//! The end of a call: its record, what is owed for it, and what is told of it. Everything is stored in one commit, so that each call ends
//! once and no notification is lost or owed twice.

use std::{pin::pin, sync::Arc, time::Instant};

use bytes::Bytes;
use fungraph_model::{AsyncStatus, FailureCode, Outcome};
use fungraph_store::queue::{End, FunctionNo, Owed, QueueFunction, WaitingCall};
use jiff::Timestamp;
use serde_json::Value;

use super::{attempt::Given, plan::Point, verdict};
use crate::{
    Engine,
    destinations::{CallEnd, Finished, Origin},
    error::chain,
    panics,
};

/// Number of a call that was too old before it could run.
const TOO_OLD: u32 = 150_430;
/// Number of a failure that only the operator can tell more of.
const PLATFORM: u32 = 500;
/// What is told of a call that was cancelled while it ran.
const STOPPED: &str = "function invocation canceled";
/// Characters of a record's `error_message`.
const MESSAGE_CHARS: usize = 1000;

/// Why a call ends without a run, or in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It could not run before it was too old.
    TooOld,
    /// Somebody cancelled it while it waited.
    Cancelled,
    /// Somebody cancelled it while it ran, and its server did not live to end it.
    Stopped,
    /// Its function was deleted.
    FunctionGone,
    /// Its version was deleted.
    VersionGone,
    /// Servers ended again and again while it ran.
    KillsServers,
    /// What was to become of it after its attempt is not known any more.
    Broken,
}

impl Reason {
    /// How it is told: state, number (contract: errors.md, "Codes of the function itself"), text.
    fn record(self) -> (AsyncStatus, u32, &'static str) {
        match self {
            Self::TooOld => (
                AsyncStatus::Discard,
                TOO_OLD,
                "The event was older than its function's max_async_event_age_in_seconds before it could run",
            ),
            Self::Cancelled => {
                (AsyncStatus::Discard, FailureCode::Cancelled.number(), "The call was cancelled while it waited")
            }
            Self::Stopped => (AsyncStatus::Fail, FailureCode::Cancelled.number(), STOPPED),
            Self::FunctionGone => (AsyncStatus::Discard, 150_424, "The function was deleted while the call waited"),
            Self::VersionGone => {
                (AsyncStatus::Discard, 150_424, "The version of the function was deleted while the call waited")
            }
            Self::KillsServers => (
                AsyncStatus::Fail,
                FailureCode::InstanceBroken.number(),
                "The server ended several times in a row while the call ran, so it is not tried again",
            ),
            Self::Broken => (
                AsyncStatus::Fail,
                PLATFORM,
                "The platform failed after the call had ended, and does not know any more how it ended. The operator finds the cause in \
                 the server's log",
            ),
        }
    }
}

/// How a call ends.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) status: AsyncStatus,
    pub(super) code: u32,
    pub(super) message: String,
    /// What the last attempt came to, where there was one.
    pub(super) outcome: Option<Outcome<Bytes>>,
    /// When the last attempt began; without one `None`.
    pub(super) started: Option<Timestamp>,
}

impl Ending {
    /// The end of a call that is not tried, or not tried again.
    pub(super) fn of(reason: Reason, call: &WaitingCall) -> Self {
        let (status, code, text) = reason.record();
        let more = if reason == Reason::TooOld { before(call) } else { String::new() };
        Self { status, code, message: clipped(&format!("{text}{more}")), outcome: None, started: None }
    }

    /// The end by an attempt.
    pub(super) fn with(outcome: Option<Outcome<Bytes>>, cancelled: bool, started: Timestamp) -> Self {
        // What the platform makes of a call that was cancelled is its cancel, whatever broke first.
        let outcome = outcome.filter(|outcome| !(cancelled && is_platforms(outcome)));
        let status = match outcome {
            Some(Outcome::Returned(_)) => AsyncStatus::Success,
            Some(Outcome::Failed(_)) | None => AsyncStatus::Fail,
        };
        let (code, message) = match &outcome {
            None if cancelled => (FailureCode::Cancelled.number(), STOPPED.to_owned()),
            outcome => trouble(outcome.as_ref()),
        };
        Self { status, code, message, outcome, started: Some(started) }
    }
}

impl Ending {
    /// As destinations are told.
    fn told(&self) -> CallEnd<'_> {
        match &self.outcome {
            Some(outcome) => CallEnd::of(outcome),
            None if self.code == TOO_OLD => CallEnd::TooOld(&self.message),
            None if self.code == FailureCode::Cancelled.number() => CallEnd::Cancelled(&self.message),
            None => CallEnd::Broken(&self.message),
        }
    }
}

/// The number and the text of a failure; a platform that failed has no more to tell than that.
pub(super) fn trouble(outcome: Option<&Outcome<Bytes>>) -> (u32, String) {
    match outcome {
        Some(Outcome::Returned(_)) => (0, String::new()),
        Some(Outcome::Failed(failure)) => (failure.code.number(), message(&failure.object)),
        None => (PLATFORM, "The platform failed; the operator finds the cause in the server's log".to_owned()),
    }
}

/// `errorMessage` of an error object; the whole of what is none.
fn message(object: &[u8]) -> String {
    let parsed: Option<Value> = serde_json::from_slice(object).ok();
    let text = parsed.as_ref().and_then(|object| object.get("errorMessage")?.as_str());
    let text = text.map_or_else(|| String::from_utf8_lossy(object), Into::into);
    clipped(&text)
}

fn clipped(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS).collect()
}

fn is_platforms(outcome: &Outcome<Bytes>) -> bool {
    matches!(outcome, Outcome::Failed(failure) if verdict::is_platforms(failure.code))
}

/// What has become of a call before it ends without another run, as the end of a sentence that says why: `before it could run`.
fn before(call: &WaitingCall) -> String {
    let again = if call.begun > 0 { " again" } else { "" };
    let why = match call.last_message.as_str() {
        // Nothing else leaves a call that has begun without a failure.
        _ if call.deaths > 0 => ". The server ended while it ran".to_owned(),
        "" if call.begun > 0 => ". The server ended while it ran".to_owned(),
        "" => String::new(),
        failure => format!(". Its last failure: {failure}"),
    };
    format!("{again}{why}")
}

impl Engine {
    /// Ends a call that was given out and runs no more; gives whether that is on disk.
    pub(super) async fn end_call(self: &Arc<Self>, given: Given, ending: Ending) -> bool {
        let (no, seq) = (given.no, given.call.seq);
        let is_stored = self.store_end(given, ending).await;
        self.queue.board().ended(no, seq, Instant::now());
        self.queue.nudge();
        is_stored
    }

    async fn store_end(self: &Arc<Self>, given: Given, ending: Ending) -> bool {
        let owed = panics(pin!(self.owed_for(&given, &ending))).await.unwrap_or_else(|why| {
            let (function, request) = (&given.function.key, given.call.request);
            tracing::error!(%function, %request, why, "what is owed for the end of an asynchronous call is not known; nobody is told");
            Vec::new()
        });
        let has_notice = owed.iter().any(|owed| matches!(owed, Owed::Notice { .. }));
        let followers: Vec<Arc<QueueFunction>> = owed.iter().filter_map(follower).collect();
        let call = given.call;
        let Ending { status, code, message, .. } = ending;
        let end = End { seq: call.seq, status, code, message, start: None, end: Timestamp::now(), owed };
        let now = Instant::now();
        let stored = self.queue.store.end(end).await;
        let is_stored = stored.is_ok();
        match stored {
            Ok(accepted) => {
                self.queue.numbers.ended(status);
                if has_notice {
                    self.destinations.nudges.nudge();
                }
                let mut board = self.queue.board();
                for (accepted, function) in accepted.iter().zip(&followers) {
                    board.followed(accepted.function, function, now);
                }
            }
            // Only a server that leaves, or a broken file: the next one finds it waiting.
            Err(error) => {
                tracing::error!(request = %call.request, cause = chain(&error), "the end of an asynchronous call is not stored");
            }
        }
        is_stored
    }

    /// What is owed to the destinations of a call that ends.
    async fn owed_for(&self, given: &Given, ending: &Ending) -> Vec<Owed> {
        self.queue.plan.reach(Point::Owed);
        let Some(settings) = given.settings.as_deref() else { return Vec::new() };
        let call = &given.call;
        let finished = Finished {
            request: call.request,
            key: &given.function.key,
            version: &call.version,
            started: ending.started.or(call.first_start).unwrap_or(call.accepted),
            attempts: call.begun + u32::from(ending.started.is_some()),
            event: &call.body,
            end: ending.told(),
        };
        self.owed(settings, &finished, Origin { domain: &given.function.domain, hops: call.hops }).await
    }

    /// Throws a call away that waited for too long, and of which the board knows nothing.
    pub(super) async fn discard_old(self: &Arc<Self>, no: FunctionNo, function: Arc<QueueFunction>, call: WaitingCall) {
        let ending = Ending::of(Reason::TooOld, &call);
        let given = self.waited(no, function, call).await;
        self.store_end(given, ending).await;
    }

    /// Ends a call that waited and was taken from the board; gives whether that is on disk.
    pub(super) async fn discard(
        self: &Arc<Self>,
        no: FunctionNo,
        function: Arc<QueueFunction>,
        call: WaitingCall,
        reason: Reason,
    ) -> bool {
        let ending = Ending::of(reason, &call);
        let given = self.waited(no, function, call).await;
        self.end_call(given, ending).await
    }

    /// A call that was never given out. Without settings nobody is told, and the call ends all the same.
    pub(super) async fn waited(&self, no: FunctionNo, function: Arc<QueueFunction>, call: WaitingCall) -> Given {
        let settings = self.async_settings(&function.key, &call.qualifier).await.unwrap_or_default();
        Given { no, function, call, stumbled: 0, out: Arc::default(), settings }
    }
}

fn follower(owed: &Owed) -> Option<Arc<QueueFunction>> {
    match owed {
        Owed::Call(call) => Some(Arc::new(call.function.clone())),
        Owed::Notice { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use fungraph_model::{Failure, Value as Returned};

    use super::{super::sample, *};

    fn failed(code: FailureCode, object: &'static str) -> Option<Outcome<Bytes>> {
        Some(Outcome::Failed(Failure { code, object: Bytes::from_static(object.as_bytes()) }))
    }

    #[test]
    fn a_record_tells_the_last_failure() {
        let check = |outcome: Option<Outcome<Bytes>>, status, code, message: &str| {
            let ending = Ending::with(outcome, false, Timestamp::UNIX_EPOCH);
            assert_eq!((ending.status, ending.code, ending.message.as_str()), (status, code, message));
        };
        check(Some(Outcome::Returned(Returned::Nothing)), AsyncStatus::Success, 0, "");
        check(failed(FailureCode::HandlerFailed, r#"{"errorMessage":"no"}"#), AsyncStatus::Fail, 4002, "no");
        check(failed(FailureCode::HandlerFailed, "own form"), AsyncStatus::Fail, 4002, "own form");
        check(failed(FailureCode::TimedOut, "[]"), AsyncStatus::Fail, 4010, "[]");
        let long = Bytes::from("\u{e4}".repeat(5000));
        let outcome = Some(Outcome::Failed(Failure { code: FailureCode::HandlerFailed, object: long }));
        assert_eq!(Ending::with(outcome, false, Timestamp::UNIX_EPOCH).message.chars().count(), MESSAGE_CHARS);
    }

    #[test]
    fn what_waits_is_thrown_away_and_what_ran_fails() {
        let call = sample::call(1);
        for reason in [Reason::TooOld, Reason::Cancelled, Reason::FunctionGone, Reason::VersionGone] {
            let ending = Ending::of(reason, &call);
            assert_eq!((ending.status, ending.started), (AsyncStatus::Discard, None));
            assert!(ending.code > 0 && !ending.message.is_empty());
        }
        let stopped = Ending::of(Reason::Stopped, &call);
        assert_eq!(
            (stopped.status, stopped.code, &*stopped.message),
            (AsyncStatus::Fail, 4208, "function invocation canceled")
        );
        assert_eq!(Ending::of(Reason::KillsServers, &call).status, AsyncStatus::Fail);
    }

    #[test]
    fn of_a_call_that_is_too_old_is_told_whether_it_ran_and_what_held_it_up() {
        let start = "The event was older than its function's max_async_event_age_in_seconds before it could run";
        for (begun, deaths, failure, end) in [
            (0, 0, "", ""),
            (0, 0, "no java", ". Its last failure: no java"),
            (1, 1, "", " again. The server ended while it ran"),
            (2, 1, "boom", " again. The server ended while it ran"),
            (1, 0, "", " again. The server ended while it ran"),
            (2, 0, "boom", " again. Its last failure: boom"),
        ] {
            let call = WaitingCall { begun, deaths, last_message: failure.to_owned(), ..sample::call(1) };
            let ending = Ending::of(Reason::TooOld, &call);
            assert_eq!((ending.status, ending.code), (AsyncStatus::Discard, TOO_OLD));
            assert_eq!(ending.message, format!("{start}{end}"));
            assert!(matches!(ending.told(), CallEnd::TooOld(_)));
        }
        let call = WaitingCall { begun: 1, last_message: "x".repeat(5000), ..sample::call(1) };
        assert_eq!(Ending::of(Reason::TooOld, &call).message.chars().count(), MESSAGE_CHARS);
    }

    #[test]
    fn a_cancelled_call_that_the_platform_broke_was_cancelled() {
        for outcome in [None, failed(FailureCode::InstanceBroken, "{}"), failed(FailureCode::ExecutorFailed, "{}")] {
            let ending = Ending::with(outcome, true, Timestamp::UNIX_EPOCH);
            assert_eq!((ending.status, ending.code, &*ending.message), (AsyncStatus::Fail, 4208, STOPPED));
            assert!(matches!(ending.told(), CallEnd::Cancelled(_)));
        }
        let own = Ending::with(failed(FailureCode::HandlerFailed, "own"), true, Timestamp::UNIX_EPOCH);
        assert_eq!((own.code, &*own.message), (4002, "own"), "a result is a result");
        assert_eq!(Ending::with(None, false, Timestamp::UNIX_EPOCH).code, 500);
    }
}
