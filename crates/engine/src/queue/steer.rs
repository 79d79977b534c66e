//! What an operator or a project does to the queue of a function: pause and resume it, empty it, count it, call again.

use std::{sync::Arc, time::Instant};

use fungraph_model::{CallSeq, Caller, ErrorCode, Fault, FunctionRef, RequestId};
use fungraph_store::queue::{FunctionNo, NewCall, QueueError, QueueFunction};

use super::{
    AsyncQueue,
    accept::{self, queue_function},
    plan::Point,
};
use crate::{Engine, Error, functions};

/// Numbers of a function's asynchronous calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsyncCounts {
    /// Calls that wait.
    pub waiting: u64,
    /// Calls that run.
    pub running: u64,
    /// Calls that returned, since the function's first one.
    pub succeeded: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that were thrown away.
    pub discarded: u64,
    /// Whether what waits is kept waiting.
    pub paused: bool,
}

impl Engine {
    /// Pauses a function's asynchronous calls, or lets them go on. Paused, they are accepted and kept; their age goes on.
    ///
    /// # Errors
    /// FSS.1051.
    pub async fn pause_async(&self, caller: &Caller, function: &FunctionRef, paused: bool) -> Result<(), Error> {
        let (no, function) = self.queue_function_of(caller, function).await?;
        // Nothing begins from here on, whether the disk has heard of it or not.
        self.queue.board().pause(no, &function, paused, Instant::now());
        let stored = self.queue.store.pause(no, paused).await;
        self.queue.nudge();
        stored.map_err(accept::refused)
    }

    /// Throws away what waits of a function; gives how many calls that were. What runs goes on, and destinations are not told.
    ///
    /// # Errors
    /// FSS.1051; FSS.0503 while the disk takes nothing.
    pub async fn purge_async(self: &Arc<Self>, caller: &Caller, function: &FunctionRef) -> Result<u64, Error> {
        let Some(no) = self.queue_number(caller, function).await? else { return Ok(0) };
        if !self.queue.store.is_writable() {
            return Err(accept::refused(QueueError::DiskFull));
        }
        let engine = Arc::clone(self);
        let whole =
            async move { engine.throw_away(no, "The queue of the function was emptied while the call waited").await };
        self.on_disk(whole).await
    }

    /// How many calls of a function wait, run, and have ended in which way.
    ///
    /// # Errors
    /// FSS.1051.
    pub async fn async_counts(&self, caller: &Caller, function: &FunctionRef) -> Result<AsyncCounts, Error> {
        let Some(no) = self.queue_number(caller, function).await? else { return Ok(AsyncCounts::default()) };
        let running = self.queue.board().running_of(no).len() as u64;
        let counts = self.queue.store.counts(no);
        Ok(AsyncCounts {
            waiting: counts.waiting.saturating_sub(running),
            running,
            succeeded: counts.succeeded,
            failed: counts.failed,
            discarded: counts.discarded,
            paused: counts.paused,
        })
    }

    /// Calls again what has ended: the same event, version and memory, by the same alias.
    ///
    /// # Errors
    /// FSS.1051; FSS.0400 for a call that this function never had; FSS.0428 for one that has not ended, or whose event is not kept.
    pub async fn retry_async(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        request: RequestId,
    ) -> Result<RequestId, Error> {
        let (_, record) = self.find_call(caller, function, request).await?;
        if !record.status.is_end() {
            let message = format!("The asynchronous call {request} has not ended: it is {}", record.status.name());
            return Err(Fault::new(ErrorCode::Precondition, message).into());
        }
        let refused = |message: String| Error::from(Fault::new(ErrorCode::Precondition, message));
        let recorded = self.recorded_event(caller, request).await.map_err(|error| match error {
            Error::Refused(_) => refused(format!(
                "The event of the asynchronous call {request} is not kept: that is done where the function's extend_config has \
                 \"record_events\": true at the time of the call, up to a size and for some days"
            )),
            error => error,
        })?;
        let resolved = self.resolve(&recorded.key, &recorded.version).await?;
        let resolved = resolved.filter(|resolved| resolved.version.code.digest.0 == recorded.digest).ok_or_else(|| {
            refused(format!(
                "The code that the asynchronous call {request} ran is not there any more: version {} was changed or deleted since",
                recorded.version
            ))
        })?;
        let version = Arc::clone(&resolved.version);
        accept::check_kind(&version)?;
        let call = NewCall {
            function: queue_function(&version),
            qualifier: record.qualifier,
            version: recorded.version,
            alias: recorded.alias,
            memory_mb: recorded.memory_mb,
            body: recorded.body,
            parent: Some(request),
            hops: 0,
        };
        self.check_depth(&call.function, call.body.len())?;
        self.accept_recorded(call, &version).await
    }

    /// The queue's number of a function, which it gets if it has none.
    async fn queue_function_of(
        &self,
        caller: &Caller,
        function: &FunctionRef,
    ) -> Result<(FunctionNo, Arc<QueueFunction>), Error> {
        let key = functions::key(caller, function)?;
        let latest = self.read(&key).await?.ok_or_else(|| functions::missing(&key))?;
        let function = Arc::new(queue_function(&latest));
        // It may be paused before its first call.
        let no = self.queue.store.register(&function).await.map_err(accept::refused)?;
        Ok((no, function))
    }

    /// Ends what waits of a function. Calls that are accepted meanwhile stay.
    pub(super) async fn throw_away(&self, no: FunctionNo, why: &str) -> Result<u64, Error> {
        let Some(function) = self.queue.store.named(no) else { return Ok(0) };
        let out = self.queue.board().hold(no, &function, Instant::now());
        let mut held = Held { queue: &self.queue, no, ended_to: CallSeq(0) };
        let purged = self.queue.store.purge(no, &out, why).await;
        self.queue.plan.reach(Point::Emptied);
        held.ended_to = purged.as_ref().map_or(CallSeq(0), |purged| purged.up_to);
        purged.map(|purged| purged.calls).map_err(accept::refused)
    }
}

/// A function of which nothing begins, until this is dropped.
struct Held<'a> {
    queue: &'a AsyncQueue,
    no: FunctionNo,
    ended_to: CallSeq,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.queue.board().release(self.no, self.ended_to);
        self.queue.nudge();
    }
}
