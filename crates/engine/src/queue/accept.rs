//! The door of asynchronous calls: checked as a client's call is, put on disk, and answered with an id.

use std::sync::Arc;

use bytes::Bytes;
use fungraph_model::{Caller, ErrorCode, Fault, FunctionRef, FunctionVersion, Qualifier, RequestId, limits};
use fungraph_store::queue::{Accepted, NewCall, QueueError, QueueFunction};
use jiff::Timestamp;

use super::depth::{self, Depth};
use crate::{
    Engine, Error, RequestHeaders, called::Called, functions, invoke, recording, statistics::Counters, to_end::to_end,
    validate,
};

/// What a call takes on disk beside its event, roughly.
const CALL_BYTES: u64 = 512;

/// A call that nobody waits for.
#[derive(Debug)]
pub struct AsyncRequest<'a> {
    /// What to call.
    pub function: FunctionRef,
    /// The event as it came.
    pub event: Bytes,
    /// `X-Cff-Instance-Memory` as it came.
    pub memory: Option<String>,
    /// All headers, for rules of aliases.
    pub headers: &'a dyn RequestHeaders,
    /// The call that led to it, where it is another attempt by hand.
    pub parent: Option<RequestId>,
}

/// What a call names.
struct Chosen {
    qualifier: Qualifier,
    version: Arc<FunctionVersion>,
    alias: Option<String>,
    counters: Counters,
}

impl Engine {
    /// Accepts a call: once this returns, it is on disk and will come to an end that can be looked up.
    ///
    /// # Errors
    /// FSS.0404, FSS.0406, FSS.0426 for an http function, FSS.1201, FSS.0429 where the function is disabled or too much waits, FSS.0503
    /// where the disk takes nothing.
    pub async fn invoke_async(
        self: &Arc<Self>,
        caller: &Caller,
        request: AsyncRequest<'_>,
    ) -> Result<RequestId, Error> {
        let accepted = self.accept_new(caller, request).await;
        accepted.inspect_err(|_| self.telemetry.refused())
    }

    /// A call that is refused for its number is counted as one that found no instance would be.
    async fn accept_new(self: &Arc<Self>, caller: &Caller, request: AsyncRequest<'_>) -> Result<RequestId, Error> {
        let chosen = self.choose(caller, &request).await?;
        let counters = chosen.counters.clone();
        let accepted = self.accept_chosen(chosen, request).await;
        accepted.inspect_err(|error| {
            let is_refused = |fault: &Fault| matches!(fault.code, ErrorCode::TooManyRequests | ErrorCode::Unavailable);
            if matches!(error, Error::Refused(fault) if is_refused(fault)) {
                counters.refused();
            }
        })
    }

    async fn choose(&self, caller: &Caller, request: &AsyncRequest<'_>) -> Result<Chosen, Error> {
        let key = functions::key(caller, &request.function)?;
        let qualifier = request.function.version();
        // The version is chosen now, and by an id of its own: that of the call is made where it is stored.
        let called = self.called(&key, Some(&qualifier), RequestId::random(), request.headers).await;
        match called {
            Ok(Some(Called { resolved, alias })) => {
                let alias = alias.map(|alias| alias.name.clone());
                let counters = self.statistics.of_call(&resolved, alias.as_deref());
                Ok(Chosen { qualifier, version: Arc::clone(&resolved.version), alias, counters })
            }
            Ok(None) => Err(invoke::not_found()),
            // What it runs with may be there again before it is too old.
            Err(Error::ExecutorMissing { version, alias, .. }) => {
                let counters = self.statistics.of_unresolved(&version, alias.as_deref());
                Ok(Chosen { qualifier, version, alias, counters })
            }
            Err(error) => Err(error),
        }
    }

    async fn accept_chosen(self: &Arc<Self>, chosen: Chosen, request: AsyncRequest<'_>) -> Result<RequestId, Error> {
        let Chosen { qualifier, version, alias, .. } = chosen;
        check_kind(&version)?;
        let body = invoke::event(request.event, version.spec.runtime, limits::ASYNC_EVENT_BYTES)?;
        let memory_mb = match request.memory.as_deref() {
            Some(text) if version.spec.dynamic_memory && !text.is_empty() => Some(validate::memory_header(text)?),
            _ => None,
        };
        let function = queue_function(&version);
        self.check_depth(&function, body.len())?;
        let (name, parent) = (version.version.clone(), request.parent);
        let call = NewCall { function, qualifier, version: name, alias, memory_mb, body, parent, hops: 0 };
        self.accept_recorded(call, &version).await
    }

    pub(super) fn check_depth(&self, function: &QueueFunction, bytes: usize) -> Result<(), Fault> {
        let store = &self.queue.store;
        let of_project = store.project_load(&function.key.project);
        let waiting = store.function(&function.func_id).map_or(0, |no| store.counts(no).waiting);
        // Millions of empty events fill a disk, too.
        let bytes_of_project = of_project.bytes.saturating_add(of_project.calls.saturating_mul(CALL_BYTES));
        let depth = Depth { of_function: waiting, of_project: of_project.calls, bytes_of_project };
        depth::check(depth, &self.queue.most, CALL_BYTES + bytes as u64)
    }

    /// Accepts a call, and keeps its event where its function wants that.
    pub(super) async fn accept_recorded(
        self: &Arc<Self>,
        call: NewCall,
        version: &FunctionVersion,
    ) -> Result<RequestId, Error> {
        let kept = recording::is_wanted(&version.spec).then(|| call.clone());
        let request = self.accept(call).await?;
        if let Some(NewCall { body, alias, memory_mb, .. }) = kept {
            self.keep_event(version, request, &body, (alias, memory_mb));
        }
        Ok(request)
    }

    /// Stores a call and lets it run. Both happen even if the client leaves in between: else it would run at the next start only.
    pub(crate) async fn accept(self: &Arc<Self>, call: NewCall) -> Result<RequestId, Error> {
        let engine = Arc::clone(self);
        let whole = async move {
            let accepted = engine.queue.store.accept(call.clone()).await.map_err(refused)?;
            engine.take_up(call, &accepted);
            Ok(accepted.request)
        };
        to_end(whole, self.orphans.clone()).await
    }

    fn take_up(&self, call: NewCall, accepted: &Accepted) {
        let function = Arc::new(call.function.clone());
        let call = call.waiting(accepted, Timestamp::now());
        self.queue.board().accepted(&function, call, std::time::Instant::now());
        self.queue.nudge();
    }
}

/// The name that the queue knows a function by.
pub(crate) fn queue_function(version: &FunctionVersion) -> QueueFunction {
    let (key, func_id, domain) = (version.key.clone(), version.func_id.clone(), version.domain.clone());
    QueueFunction { key, func_id, domain }
}

/// Whether a version can be called by nobody who waits.
pub(crate) fn check_kind(version: &FunctionVersion) -> Result<(), Fault> {
    if invoke::is_web_server(version) {
        return Err(Fault::new(
            ErrorCode::WrongKind,
            "A function that is an HTTP server cannot be called asynchronously: its answer would have nobody to go to. Call it \
             synchronously, or through an APIG trigger",
        ));
    }
    if version.spec.strategy.most_instances() == Some(0) {
        return Err(invoke::disabled());
    }
    Ok(())
}

/// What a caller is told of a queue that takes nothing.
pub(crate) fn refused(error: QueueError) -> Error {
    let fault = match error {
        QueueError::Crowded => Fault::new(
            ErrorCode::TooManyRequests,
            "More asynchronous calls come than the disk of the server can store. Nothing was stored; send the request again",
        ),
        QueueError::DiskFull => Fault::new(
            ErrorCode::Unavailable,
            "The disk of the server takes nothing of asynchronous calls at the moment. Nothing was stored; send the request again later. \
             The operator should look at the room in the data folder",
        ),
        QueueError::Closed => Fault::new(ErrorCode::Unavailable, "The server is stopping. Send the request again"),
        error => return Error::internal("use the queue", error),
    };
    fault.into()
}
