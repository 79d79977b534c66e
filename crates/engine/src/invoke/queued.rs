//! A call of the queue in the corridor. It differs from a client's in little: its version was chosen when it was accepted, it may run as
//! long as its function says, it can be cancelled, and a pool that has nothing free is no refusal but a reason to come again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_instance::{CallEnd, Instance, Listener, StartError};
use fungraph_model::{FunctionVersion, Phase, RequestId};
use fungraph_pool::{AcquireError, Refusal};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Admitted, Ended, Invocation, executor_missing};
use crate::{Engine, Error, Stopwatch, resolve::Resolved};

/// A call that was accepted.
#[derive(Debug)]
pub(crate) struct QueuedCall {
    /// Its id, the same in each attempt.
    pub(crate) request: RequestId,
    /// The alias that led to its version.
    pub(crate) alias: Option<String>,
    /// The event, checked when it was accepted.
    pub(crate) event: Bytes,
    /// Memory asked for.
    pub(crate) memory_mb: Option<u32>,
    /// The sign for it to end.
    pub(crate) stop: CancellationToken,
    /// The sign to wait for an instance no longer.
    pub(crate) give_up: CancellationToken,
}

/// What such a call carries through the corridor.
#[derive(Debug)]
pub(super) struct FromQueue {
    alias: Option<String>,
    pub(super) stop: CancellationToken,
}

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Queued {
    /// It ran, or failed to start for a reason with a number.
    Ended(Box<Invocation>),
    /// The pool had nothing for it: nothing has happened.
    NoRoom(Refusal),
    /// It was told to give up before it had an instance.
    GaveUp,
}

impl Engine {
    /// One attempt of a call of the queue; `begin` is called once its code is about to run.
    pub(crate) async fn invoke_queued(
        self: &Arc<Self>,
        resolved: Arc<Resolved>,
        call: QueuedCall,
        begin: impl FnOnce() + Send,
    ) -> Result<Queued, Error> {
        let arrived = Instant::now();
        let give_up = call.give_up.clone();
        let admitted = self.admit_queued(resolved, call, arrived)?;
        let lease = tokio::select! {
            biased;
            () = give_up.cancelled() => return Ok(Queued::GaveUp),
            lease = admitted.group.acquire_for_queue(arrived) => lease,
        };
        match &lease {
            Err(AcquireError::Refused(why)) => return Ok(Queued::NoRoom(*why)),
            // Nothing of the function has run.
            Err(AcquireError::Start(StartError::Launch(_))) => {}
            Ok(_) | Err(AcquireError::Start(StartError::Failed { .. })) => begin(),
        }
        let (invocation, _record) = Arc::clone(self).execute(admitted, lease, Timestamp::now()).await?;
        Ok(Queued::Ended(Box::new(invocation)))
    }

    fn admit_queued(&self, resolved: Arc<Resolved>, call: QueuedCall, arrived: Instant) -> Result<Admitted, Error> {
        let version = Arc::clone(&resolved.version);
        let memory_mb = call.memory_mb.filter(|_| version.spec.dynamic_memory).unwrap_or(version.spec.memory_mb);
        let mut watch = Stopwatch::since(arrived);
        watch.lap(Phase::Resolve);
        Ok(Admitted {
            counters: self.statistics.of_call(&resolved, call.alias.as_deref()),
            group: self.group(&resolved, memory_mb)?,
            version,
            resolved,
            alias: None,
            event: call.event,
            memory_mb,
            request: call.request,
            tail: false,
            arrived,
            watch,
            sink: None,
            queued: Some(Box::new(FromQueue { alias: call.alias, stop: call.stop })),
        })
    }

    /// The end of a call whose version cannot be run by anything on this host: it is logged as a client's would be.
    pub(crate) fn queued_without_executor(
        self: &Arc<Self>,
        request: RequestId,
        message: &str,
        version: Arc<FunctionVersion>,
        alias: Option<&str>,
    ) -> Invocation {
        let (memory_mb, started) = (version.spec.memory_mb, Timestamp::now());
        let ran = executor_missing(message, request, &version, started, Stopwatch::since(Instant::now()));
        let running = self.statistics.of_unresolved(&version, alias).begin();
        Arc::clone(self).conclude(ran, Ended { running, version, request, memory_mb, tail: false, started }).0
    }
}

/// Calls the handler. Nobody waits, so the only limit is the function's own.
pub(super) async fn call(call: &Admitted, instance: &Instance) -> CallEnd {
    let limit = Duration::from_secs(call.version.spec.timeout_s.into());
    let alias = call.queued.as_ref().and_then(|queued| queued.alias.as_deref()).unwrap_or_default();
    let run = |instance| Instance::call(instance, call.request, alias, &call.event, limit, Listener::Nobody);
    unless_cancelled(call.stop(), instance, run).await
}

/// Runs something in an instance, which is ended where the call is cancelled meanwhile.
pub(super) async fn unless_cancelled<'a, F>(
    stop: Option<&CancellationToken>,
    instance: &'a Instance,
    run: impl FnOnce(&'a Instance) -> F,
) -> CallEnd
where
    F: Future<Output = CallEnd>,
{
    let Some(stop) = stop else { return run(instance).await };
    let mut running = Box::pin(run(instance));
    tokio::select! {
        biased;
        end = &mut running => return end,
        () = stop.cancelled() => instance.cancel(),
    }
    running.await
}
