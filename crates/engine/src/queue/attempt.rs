//! One attempt of a call: what it is, whether it still may run, the corridor, and what becomes of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_model::{AsyncConfig, Outcome};
use fungraph_pool::Refusal;
use fungraph_store::queue::{FunctionNo, QueueFunction, WaitingCall};
use jiff::Timestamp;

use super::{
    board::Start,
    ending::{self, Ending, Reason},
    lane::Ready,
    out::Out,
    plan::Point,
    verdict::{self, Attempt, Tried, Verdict},
};
use crate::{
    Engine, Error, Invocation,
    error::chain,
    invoke::{Queued, QueuedCall},
    resolve::Resolved,
};

/// After so many servers in a row that died while it ran, a call is taken to be what kills them.
const DEATHS: u32 = 5;

/// A call that was given out.
pub(super) struct Given {
    pub(super) no: FunctionNo,
    pub(super) function: Arc<QueueFunction>,
    pub(super) call: WaitingCall,
    pub(super) stumbled: u32,
    pub(super) out: Arc<Out>,
    pub(super) settings: Option<Arc<AsyncConfig>>,
}

impl Given {
    /// Makes the call what it is after a failed attempt, as it would be read from disk.
    pub(super) fn remember(&mut self, outcome: Option<&Outcome<Bytes>>, started: Timestamp) {
        let call = &mut self.call;
        if self.out.has_begun() {
            call.begun += 1;
            call.first_start = call.first_start.or(Some(started));
        }
        (call.last_code, call.last_message) = ending::trouble(outcome);
        call.deaths = 0;
    }

    /// How the call ends that was cancelled while its next attempt was being stored: as it would if that had been a moment before. Until then
    /// it was said to run, if it had begun.
    fn cancelled_meanwhile(&self, outcome: Option<Outcome<Bytes>>, started: Timestamp) -> Ending {
        if self.out.has_begun() {
            Ending::with(outcome, true, started)
        } else {
            Ending::of(Reason::Cancelled, &self.call)
        }
    }
}

/// What an attempt left behind.
enum Left {
    /// It ended, or the platform failed it.
    Tried(Attempt, Option<Box<Invocation>>),
    /// Nothing has happened: it is the next one again.
    NotBegun,
    /// It must not run.
    Over(Reason),
    /// The server leaves, and the next one finds it waiting.
    Kept,
}

impl Engine {
    pub(super) async fn attempt_once(self: &Arc<Self>, start: Start) {
        let Start { function: no, of: function, ready: Ready { call, stumbled }, out } = start;
        let settings = self.async_settings(&function.key, &call.qualifier).await;
        let mut given = Given { no, function, call, stumbled, out, settings: None };
        let started = Timestamp::now();
        self.queue.plan.reach(Point::GivenOut);
        let left = match settings {
            Ok(settings) => {
                given.settings = settings;
                self.try_it(&given).await
            }
            Err(error) => not_now(&given, &error),
        };
        match left {
            Left::Tried(attempt, invocation) => self.conclude_attempt(given, attempt, invocation, started).await,
            Left::NotBegun => self.give_back(given).await,
            Left::Over(reason) => {
                self.queue.board().ran(given.no, &given.out, None, Instant::now());
                self.queue.nudge();
                self.queue.plan.reach(Point::Ended);
                let ending = Ending::of(reason, &given.call);
                self.end_call(given, ending).await;
            }
            Left::Kept => {}
        }
    }

    async fn try_it(self: &Arc<Self>, given: &Given) -> Left {
        let Given { no, function, call, out, .. } = given;
        if self.queue.store.now().since(call.since) >= verdict::most_age(given.settings.as_deref()) {
            return Left::Over(Reason::TooOld);
        }
        if call.deaths >= DEATHS {
            return Left::Over(Reason::KillsServers);
        }
        let resolved = match self.resolve(&function.key, &call.version).await {
            Ok(Some(resolved)) if resolved.version.func_id == function.func_id => resolved,
            Ok(Some(_)) => return Left::Over(Reason::FunctionGone),
            Ok(None) => return self.gone(given).await,
            Err(Error::ExecutorMissing { version, .. }) if version.func_id != function.func_id => {
                return Left::Over(Reason::FunctionGone);
            }
            Err(Error::ExecutorMissing { message, version, .. }) => {
                let alias = call.alias.as_deref();
                let invocation = self.queued_without_executor(call.request, &message, version, alias);
                return ended(Box::new(invocation));
            }
            Err(error) => return not_now(given, &error),
        };
        self.tell_board(*no, &resolved);
        let queued = QueuedCall {
            request: call.request,
            alias: call.alias.clone(),
            event: call.body.clone(),
            memory_mb: call.memory_mb,
            stop: out.stop.clone(),
            give_up: out.give_up.clone(),
        };
        let (queue, seq) = (&self.queue, call.seq);
        let begin = || {
            queue.store.begin(seq);
            queue.board().began(*no, out);
        };
        let tried = self.invoke_queued(resolved, queued, begin).await;
        if queue.is_leaving() && !matches!(&tried, Ok(Queued::Ended(invocation)) if invocation.returned()) {
            return Left::Kept;
        }
        match tried {
            Ok(Queued::Ended(invocation)) => ended(invocation),
            Ok(Queued::NoRoom(Refusal::Stopping)) => Left::Kept,
            Ok(Queued::NoRoom(_)) => Left::NotBegun,
            Ok(Queued::GaveUp) if out.is_cancelled() => Left::Over(Reason::Cancelled),
            Ok(Queued::GaveUp) => Left::Kept,
            Err(error) => {
                tracing::warn!(function = %function.key, request = %call.request, cause = chain(&error),
                    "the platform failed an asynchronous call; it is tried again");
                Left::Tried(Attempt::PlatformFailed, None)
            }
        }
    }

    /// What a call's function bears, now that it is known what it is.
    fn tell_board(&self, no: FunctionNo, resolved: &Resolved) {
        let spec = &resolved.version.spec;
        let most = spec.strategy.most_instances().map_or(usize::MAX, |most| most.saturating_mul(spec.calls_at_once()));
        self.queue.board().bears(no, most, resolved.group.free_slots());
    }

    /// There is no such version: the function may be there all the same.
    async fn gone(&self, given: &Given) -> Left {
        match self.read(&given.function.key).await {
            Ok(Some(latest)) if latest.func_id == given.function.func_id => Left::Over(Reason::VersionGone),
            Ok(_) => Left::Over(Reason::FunctionGone),
            Err(error) => not_now(given, &error),
        }
    }

    async fn give_back(self: &Arc<Self>, given: Given) {
        let Given { no, function, call, stumbled, out, settings } = given;
        let put_back = self.queue.board().put_back(no, Ready { call, stumbled }, chance(), Instant::now());
        if let Some(Ready { call, stumbled }) = put_back {
            self.queue.board().ran(no, &out, None, Instant::now());
            let ending = Ending::of(Reason::Cancelled, &call);
            let given = Given { no, function, call, stumbled, out, settings };
            self.end_call(given, ending).await;
        }
        self.queue.nudge();
    }

    pub(super) async fn conclude_attempt(
        self: &Arc<Self>,
        mut given: Given,
        attempt: Attempt,
        invocation: Option<Box<Invocation>>,
        started: Timestamp,
    ) {
        let outcome = invocation.map(|invocation| invocation.outcome);
        let tried = Tried {
            attempt,
            failed: given.call.failed,
            stumbled: given.stumbled,
            age: self.queue.store.now().since(given.call.since),
            settings: given.settings.as_deref(),
            cancelled: given.out.is_cancelled(),
            chance: chance(),
        };
        let verdict = verdict::judge(&tried);
        let stumbles = matches!(verdict, Verdict::Again { consumed: false, .. }).then(chance);
        self.queue.board().ran(given.no, &given.out, stumbles, Instant::now());
        self.queue.nudge();
        match verdict {
            Verdict::Again { after, consumed } => self.try_again(given, after, consumed, (outcome, started)).await,
            Verdict::TooOld => {
                given.remember(outcome.as_ref(), started);
                let ending = Ending::of(Reason::TooOld, &given.call);
                self.end_call(given, ending).await;
            }
            Verdict::Succeeds | Verdict::Fails => {
                let ending = Ending::with(outcome, given.out.is_cancelled(), started);
                self.end_call(given, ending).await;
            }
        }
    }

    async fn try_again(
        self: &Arc<Self>,
        given: Given,
        after: Duration,
        consumed: bool,
        (outcome, started): (Option<Outcome<Bytes>>, Timestamp),
    ) {
        let (code, message) = ending::trouble(outcome.as_ref());
        let due = self.queue.store.now().after(after);
        let (no, seq) = (given.no, given.call.seq);
        self.queue.numbers.retried();
        if let Err(error) = self.queue.store.again(seq, due, consumed, code, message).await {
            // Only a server that leaves, or a broken file: the call waits on disk as it is.
            tracing::debug!(request = %given.call.request, cause = chain(&error), "a further attempt is left to the next server");
            return self.queue.board().ended(no, seq, Instant::now());
        }
        let stumbled = given.stumbled.saturating_add(u32::from(!consumed));
        if !self.queue.board().put_off(no, seq, (due, stumbled), Instant::now()) {
            let ending = given.cancelled_meanwhile(outcome, started);
            self.end_call(given, ending).await;
            return;
        }
        self.queue.nudge();
    }
}

fn ended(invocation: Box<Invocation>) -> Left {
    let attempt = match &invocation.outcome {
        Outcome::Returned(_) => Attempt::Returned,
        Outcome::Failed(failure) => Attempt::Failed(failure.code),
    };
    Left::Tried(attempt, Some(invocation))
}

/// The store cannot be asked what the call is: that is no attempt.
fn not_now(given: &Given, error: &Error) -> Left {
    tracing::warn!(function = %given.function.key, request = %given.call.request, cause = chain(error),
        "an asynchronous call cannot be looked up; it is tried again");
    Left::NotBegun
}

/// Between 0 and 1; any would do if there were none.
pub(super) fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use fungraph_model::{AsyncStatus, Failure, FailureCode};

    use super::{super::sample, *};

    #[test]
    fn a_call_that_is_cancelled_while_its_next_attempt_is_stored_ends_as_one_that_ran_or_waited() {
        let failed = |code| Some(Outcome::Failed(Failure { code, object: Bytes::from_static(b"{}") }));
        let check = |begun: bool, outcome, expected| {
            let (function, call) = (sample::function("f"), sample::call(1));
            let given = Given { no: call.function, function, call, stumbled: 0, out: Arc::default(), settings: None };
            if begun {
                given.out.begin();
            }
            let ending = given.cancelled_meanwhile(outcome, Timestamp::UNIX_EPOCH);
            assert_eq!((ending.status, ending.code), expected);
        };
        check(true, failed(FailureCode::HandlerFailed), (AsyncStatus::Fail, 4002));
        check(true, failed(FailureCode::InstanceBroken), (AsyncStatus::Fail, 4208));
        check(true, None, (AsyncStatus::Fail, 4208));
        check(false, None, (AsyncStatus::Discard, 4208));
        check(false, failed(FailureCode::ExecutorFailed), (AsyncStatus::Discard, 4208));
    }
}
