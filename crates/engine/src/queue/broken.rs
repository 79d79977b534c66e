//! What a panic costs: the piece of work in which it happened. Its call is tried again or ends, and what it held on the board comes back.

use std::{pin::pin, sync::Arc, time::Instant};

use fungraph_model::{CallSeq, RequestId};
use fungraph_store::queue::{FunctionNo, QueueFunction, WaitingCall};
use jiff::Timestamp;

use super::{
    AsyncQueue,
    attempt::Given,
    board::{Stage, Start},
    ending::{Ending, Reason},
    out::Out,
    verdict::Attempt,
};
use crate::{Engine, panics};

/// What is known of a call, whatever its attempt has done with the rest.
struct Known {
    no: FunctionNo,
    function: Arc<QueueFunction>,
    seq: CallSeq,
    request: RequestId,
    stumbled: u32,
    /// Attempts that had begun before this one.
    begun: u32,
    out: Arc<Out>,
    started: Timestamp,
}

impl Known {
    fn of(start: &Start) -> Self {
        let (call, function, out) = (&start.ready.call, Arc::clone(&start.of), Arc::clone(&start.out));
        let (no, stumbled, started) = (start.function, start.ready.stumbled, Timestamp::now());
        Self { no, function, seq: call.seq, request: call.request, stumbled, begun: call.begun, out, started }
    }

    /// A call that was read again, as it was given out: whether the disk knows by now that its attempt has begun is not certain.
    fn as_given_out(&self, call: WaitingCall) -> WaitingCall {
        WaitingCall { begun: self.begun, ..call }
    }
}

impl Engine {
    /// Does what there is to do for a call that was given out.
    pub(super) async fn attempt(self: Arc<Self>, start: Start) {
        let known = Known::of(&start);
        let attempt = pin!(self.attempt_once(start));
        let Err(why) = panics(attempt).await else { return };
        let (function, request) = (&known.function.key, known.request);
        tracing::error!(%function, %request, why, "an attempt of an asynchronous call broke off by a panic");
        // In a box: no other call carries the room for it.
        if panics(Box::pin(self.pick_up(&known)).as_mut()).await.is_err() {
            tracing::error!(%function, %request, "what broke off cannot be ended; the call is left to the next server");
            self.queue.board().let_go(known.no, known.seq, &known.out, Instant::now());
        }
        self.queue.nudge();
    }

    /// What an attempt left that broke off: as long as the call could run it is tried again a few times, as where the platform fails otherwise.
    /// What broke off behind that would run, and break off, again and again.
    async fn pick_up(self: &Arc<Self>, known: &Known) {
        let (no, seq, out) = (known.no, known.seq, Arc::clone(&known.out));
        let stage = self.queue.board().stage(no, seq, &out);
        if stage == Stage::Gone {
            return;
        }
        let Ok(call) = self.read_struck(seq).await else { return };
        let Some(call) = call else { return self.queue.board().let_go(no, seq, &out, Instant::now()) };
        let waited = self.waited(no, Arc::clone(&known.function), known.as_given_out(call)).await;
        let mut given = Given { stumbled: known.stumbled, out, ..waited };
        if stage == Stage::Ending {
            given.remember(None, known.started);
            let ending = Ending::of(Reason::Broken, &given.call);
            self.end_call(given, ending).await;
        } else {
            self.conclude_attempt(given, Attempt::BrokeOff, None, known.started).await;
        }
    }
}

/// A call that was taken from where it waited: whoever ends it may break off, and then it has ended as far as the board is concerned.
pub(super) struct Struck<'a> {
    pub(super) queue: &'a AsyncQueue,
    pub(super) no: FunctionNo,
    pub(super) seq: CallSeq,
}

impl Drop for Struck<'_> {
    fn drop(&mut self) {
        self.queue.board().ended(self.no, self.seq, Instant::now());
        self.queue.nudge();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{lane::Ready, sample},
        *,
    };

    #[test]
    fn an_attempt_that_breaks_off_counts_once_whether_its_beginning_is_on_disk_or_not() {
        let check = |began: bool, expected: u32| {
            let (call, out) = (WaitingCall { begun: 1, ..sample::call(1) }, Arc::<Out>::default());
            let (of, ready) = (sample::function("f"), Ready { call: call.clone(), stumbled: 0 });
            let start = Start { function: call.function, of: Arc::clone(&of), ready, out: Arc::clone(&out) };
            let known = Known::of(&start);
            if began {
                out.begin();
            }
            for on_disk in [1, expected] {
                let read = WaitingCall { begun: on_disk, ..call.clone() };
                let (no, function, out) = (known.no, Arc::clone(&of), Arc::clone(&out));
                let mut given =
                    Given { no, function, call: known.as_given_out(read), stumbled: 0, out, settings: None };
                given.remember(None, known.started);
                assert_eq!(given.call.begun, expected, "{on_disk} on disk");
            }
        };
        check(false, 1);
        check(true, 2);
    }
}
