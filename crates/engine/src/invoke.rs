//! The corridor: every call of a function ends here, whichever door it came in by.

mod prepare;
mod queued;

use std::{
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_instance::{AnswerSink, CallEnd, Instance, Listener, StartError, StartTimes, beside, failure};
use fungraph_model::{
    Alias, CallRecord, Caller, Ending, ErrorCode, Failure, FailureCode, Fault, FunctionRef, FunctionVersion, Language,
    Line, LogTail, Outcome, Phase, Phases, RequestId, Runtime, StartKind, Summary, Value, limits,
};
use fungraph_pool::{AcquireError, Group, Lease, Refusal};
use fungraph_store::logs::LogEntry;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use tokio_util::sync::CancellationToken;

use self::queued::FromQueue;
pub(crate) use self::queued::{Queued, QueuedCall};
use crate::{
    Engine, Error, OpenRecord, RequestHeaders, Stopwatch,
    call_record::{RefusedLog, word},
    called::Called,
    functions,
    resolve::Resolved,
    run_log::RunLog,
    statistics::{Counters, RunEnd, RunningCall},
    to_end::to_end,
    validate,
};

/// How often an initializer is tried, each time in a new instance (contract: runtimes.md section 4).
const INITIALIZER_TRIES: usize = 3;
/// How many instances may be gone before a call begins.
const CALL_TRIES: usize = 5;

/// A call that waited longer than this gets a note of what its function had: the line is locked for it.
const WORTH_A_WORD_US: u64 = 1000;

/// A call to make.
#[derive(Debug)]
pub struct InvokeRequest<'a> {
    /// Id of the run.
    pub request: RequestId,
    /// The event as it came.
    pub event: Bytes,
    /// Whether the caller wants the end of the log.
    pub tail: bool,
    /// `X-Cff-Instance-Memory` as it came.
    pub memory: Option<String>,
    /// All headers, for rules of aliases.
    pub headers: &'a dyn RequestHeaders,
    /// When the request arrived: its wait for an instance is bounded from here.
    pub arrived: Instant,
    /// What it has taken until now.
    pub watch: Stopwatch,
    /// Where the answer of a web server goes piece by piece; the functions that are none leave it alone.
    pub sink: Option<AnswerSink>,
}

/// A call that was made, whatever its outcome.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// How it ended.
    pub outcome: Outcome<Bytes>,
    /// Its numbers.
    pub summary: Summary,
    /// The end of its log; empty where nobody asked.
    pub tail: LogTail,
    /// The runtime that wrote the value.
    pub runtime: Runtime,
}

/// What a run needs once it has been let in.
struct Admitted {
    resolved: Arc<Resolved>,
    counters: Counters,
    alias: Option<Arc<Alias>>,
    version: Arc<FunctionVersion>,
    group: Arc<Group>,
    event: Bytes,
    memory_mb: u32,
    request: RequestId,
    tail: bool,
    arrived: Instant,
    watch: Stopwatch,
    sink: Option<AnswerSink>,
    /// What a call of the queue has beside; in a box, since calls of clients have none.
    queued: Option<Box<FromQueue>>,
}

/// A call that has ended.
struct Ended {
    running: RunningCall,
    version: Arc<FunctionVersion>,
    request: RequestId,
    memory_mb: u32,
    tail: bool,
    started: Timestamp,
}

/// What a run left behind.
struct Ran {
    outcome: Outcome<Bytes>,
    log: RunLog,
    duration: Duration,
    memory_used: u64,
    watch: Stopwatch,
    start: Option<StartKind>,
    line: Option<Line>,
    /// An http function's server answered with a status of 500 or more.
    is_server_error: bool,
}

impl Engine {
    /// Calls a function and waits for its end. Once the call has reached an instance it runs to its end, even if this future is
    /// dropped.
    ///
    /// Whoever answers keeps the record until the response is made.
    ///
    /// # Errors
    /// A refusal: FSS.0404, FSS.0406, FSS.1201, FSS.0429; or a failure of the platform. A failure of the function is no
    /// error but an [`Outcome`].
    pub async fn invoke(
        self: &Arc<Self>,
        caller: &Caller,
        function: FunctionRef,
        request: InvokeRequest<'_>,
    ) -> Result<(Invocation, OpenRecord), Error> {
        let (id, tail, watch) = (request.request, request.tail, request.watch);
        let found = self.find(caller, function, id, request.headers).await;
        let mut admitted = match found.and_then(|called| self.admit(called, request)) {
            Ok(admitted) => admitted,
            Err(Error::ExecutorMissing { message, version, alias }) => {
                let (memory_mb, started) = (version.spec.memory_mb, Timestamp::now());
                let ran = executor_missing(&message, id, &version, started, watch);
                let running = self.statistics.of_unresolved(&version, alias.as_deref()).begin();
                let call = Ended { running, version, request: id, memory_mb, tail, started };
                return Ok(Arc::clone(self).conclude(ran, call));
            }
            Err(error) => {
                self.telemetry.refused();
                return Err(error);
            }
        };
        let started = Timestamp::now();
        let lease = admitted.group.acquire(admitted.arrived).await;
        match lease {
            Err(AcquireError::Refused(why)) => Err(self.refuse(&mut admitted, why, started).into()),
            lease => {
                // Not of calls that are refused: a flood of them would drive out what others want to keep.
                if admitted.resolved.records_events {
                    let alias = admitted.alias.as_ref().map(|alias| alias.name.clone());
                    let memory_mb =
                        Some(admitted.memory_mb).filter(|memory| *memory != admitted.version.spec.memory_mb);
                    self.keep_event(&admitted.version, admitted.request, &admitted.event, (alias, memory_mb));
                }
                to_end(Arc::clone(self).execute(admitted, lease, started), self.orphans.clone()).await
            }
        }
    }

    /// Runs a call on in a task of its own, for whoever gives its answer away piece by piece: its limits hold then even where nobody asks
    /// for the next piece. Gives whether it returned.
    pub fn run_on<F>(&self, call: F) -> impl Future<Output = bool> + Send + use<F>
    where
        F: Future<Output = Result<(Invocation, OpenRecord), Error>> + Send + 'static,
    {
        let task =
            self.orphans.spawn(async move { call.await.is_ok_and(|(invocation, _record)| invocation.returned()) });
        async move { task.await.unwrap_or(false) }
    }

    async fn find(
        &self,
        caller: &Caller,
        function: FunctionRef,
        request: RequestId,
        headers: &dyn RequestHeaders,
    ) -> Result<Called, Error> {
        let (key, qualifier) = functions::into_key(caller, function)?;
        if let Some(called) = self.called_by_version(&key, qualifier.as_ref()) {
            return Ok(called);
        }
        // In a box: most calls find what they name in memory.
        let called = Box::pin(self.called(&key, qualifier.as_ref(), request, headers)).await?;
        called.ok_or_else(not_found)
    }

    fn admit(&self, called: Called, request: InvokeRequest<'_>) -> Result<Admitted, Error> {
        let Called { resolved, alias } = called;
        let counters = self.statistics.of_call(&resolved, alias.as_ref().map(|alias| alias.name.as_str()));
        let version = &resolved.version;
        let event = event(request.event, version.spec.runtime, limits::EVENT_BYTES)?;
        let memory_mb = match request.memory.as_deref() {
            Some(text) if version.spec.dynamic_memory && !text.is_empty() => validate::memory_header(text)?,
            _ => version.spec.memory_mb,
        };
        let sink = request.sink.filter(|_| is_web_server(version));
        let mut admitted = Admitted {
            version: Arc::clone(version),
            group: self.group(&resolved, memory_mb)?,
            resolved,
            counters,
            alias,
            event,
            memory_mb,
            request: request.request,
            tail: request.tail,
            arrived: request.arrived,
            watch: request.watch,
            sink,
            queued: None,
        };
        admitted.watch.lap(Phase::Resolve);
        Ok(admitted)
    }

    fn group(&self, resolved: &Resolved, memory_mb: u32) -> Result<Arc<Group>, Error> {
        if memory_mb == resolved.version.spec.memory_mb {
            return Ok(Arc::clone(&resolved.group));
        }
        let mut version = FunctionVersion::clone(&resolved.version);
        version.spec.memory_mb = memory_mb;
        let plan = self.plan(&Arc::new(version))?;
        Ok(resolved.sized(memory_mb, || self.pool.sibling(&resolved.group, plan)))
    }

    /// What the caller of a refused call is told; few of them are kept.
    #[cold]
    fn refuse(self: &Arc<Self>, call: &mut Admitted, why: Refusal, started: Timestamp) -> Fault {
        call.watch.lap(Phase::Wait);
        let fault = refused(why);
        let record = CallRecord {
            phases: *call.watch.phases(),
            start: None,
            end: Ending::Refused(word(why).to_owned()),
            memory_used: 0,
            memory_mb: call.memory_mb,
            line: Some(call.group.line()),
            is_server_error: false,
        };
        self.telemetry.ended(&record);
        call.counters.refused();
        if call.resolved.refusals.allows(started.as_second()) {
            let (function, request) = (Arc::clone(&call.version), call.request);
            let message = fault.message.clone();
            let text = Box::new(RefusedLog { request, function: Arc::clone(&function), started, message });
            self.logs.append(LogEntry { function, request, started, call: Some(record), text });
        }
        fault
    }

    async fn execute(
        self: Arc<Self>,
        mut call: Admitted,
        lease: Result<Lease, AcquireError>,
        started: Timestamp,
    ) -> Result<(Invocation, OpenRecord), Error> {
        let running = call.counters.clone().begin();
        let ran = match self.run(&mut call, lease, started).await {
            Ok(ran) => ran,
            Err(error) => {
                // There was no other instance for it when its own was gone.
                self.telemetry.refused();
                running.refused();
                return Err(error);
            }
        };
        let Admitted { version, request, memory_mb, tail, .. } = call;
        Ok(self.conclude(ran, Ended { running, version, request, memory_mb, tail, started }))
    }

    /// What the caller gets of a call that has ended, and what is kept of it.
    fn conclude(self: Arc<Self>, ran: Ran, call: Ended) -> (Invocation, OpenRecord) {
        let failure = match &ran.outcome {
            Outcome::Returned(_) => None,
            Outcome::Failed(failure) => Some(failure.code),
        };
        let duration_us = u64::try_from(ran.duration.as_micros()).unwrap_or(u64::MAX);
        let billed = failure.is_none_or(FailureCode::is_user_error);
        let summary = Summary {
            duration_us,
            billing_ms: if billed { Summary::billed(duration_us, self.config.billing_step_ms) } else { 0 },
            memory_mb: call.memory_mb,
            memory_used: ran.memory_used,
        };
        let log = ran.log.finish(summary, failure.is_some(), Timestamp::now());
        let tail = if call.tail { LogTail::of(&log.to_bytes()) } else { LogTail::of(b"") };
        let runtime = call.version.spec.runtime;
        let record = CallRecord {
            phases: Phases::default(),
            start: ran.start,
            end: failure.map_or(Ending::Returned, |code| Ending::Failed(code.number())),
            memory_used: ran.memory_used,
            memory_mb: call.memory_mb,
            line: ran.line,
            is_server_error: ran.is_server_error,
        };
        let counted = (call.running, RunEnd::new(failure, ran.is_server_error, &summary));
        let (function, request, text) = (call.version, call.request, Box::new(log));
        let entry = LogEntry { function, request, started: call.started, call: None, text };
        let record = OpenRecord::new(self, ran.watch, counted, record, entry);
        (Invocation { outcome: ran.outcome, summary, tail, runtime }, record)
    }

    async fn run(
        &self,
        call: &mut Admitted,
        first: Result<Lease, AcquireError>,
        started: Timestamp,
    ) -> Result<Ran, Error> {
        let mut ran = Ran::start(call.request, Arc::clone(&call.version), started, call.watch);
        ran.waited(call, &first);
        let mut lease = first;
        for attempt in 1.. {
            let ready = match self.ready_instance(call, lease, &mut ran).await? {
                Ok(lease) => lease,
                Err(failure) => {
                    ran.outcome = Outcome::Failed(failure);
                    break;
                }
            };
            if self.call_handler(call, ready, &mut ran, attempt).await {
                break;
            }
            // In a box, as above.
            lease = Box::pin(call.group.acquire(Instant::now())).await;
            ran.waited(call, &lease);
        }
        Ok(ran)
    }

    /// False where the instance ended before anything of the function had seen the call, as a program may that has just answered
    /// another one: it goes to another instance then.
    async fn call_handler(&self, call: &mut Admitted, lease: Lease, ran: &mut Ran, attempt: usize) -> bool {
        let end = match &call.queued {
            None => self.call_for_client(call, lease.instance()).await,
            // In a box, as above.
            Some(_) => Box::pin(queued::call(call, lease.instance())).await,
        };
        if end.not_begun && attempt < CALL_TRIES {
            lease.destroy();
            ran.watch.lap_run(Duration::ZERO);
            ran.log.add(&end.log);
            return false;
        }
        if is_disk_full(&end.outcome) {
            // Nothing empties `/tmp` but a fresh instance.
            lease.dismiss();
        } else if lease.give_back(end.took) {
            let_the_next_go().await;
        }
        ran.watch.lap_run(end.took);
        ran.log.add(&end.log);
        ran.duration += end.took;
        ran.memory_used = ran.memory_used.max(end.memory_peak);
        ran.is_server_error = end.http_status.is_some_and(|status| status >= 500);
        ran.outcome = end.outcome;
        if let Outcome::Failed(failure) = &ran.outcome {
            log_failure(&mut ran.log, failure, &end.log);
        }
        end.refused_connection.iter().for_each(|text| ran.log.remark(text));
        true
    }

    async fn call_for_client(&self, call: &mut Admitted, instance: &Instance) -> CallEnd {
        let limit = Duration::from_secs(call.version.spec.timeout_s.into()).min(self.config.sync_ceiling);
        let alias = call.alias.as_ref().map_or("", |alias| &alias.name);
        let listener = call.sink.as_ref().map_or(Listener::Whole, Listener::Pieces);
        instance.call(call.request, alias, &call.event, limit, listener).await
    }

    /// An instance whose initializer has run: the leased one, or another where the initializer fails, up to three times.
    async fn ready_instance(
        &self,
        call: &Admitted,
        first: Result<Lease, AcquireError>,
        ran: &mut Ran,
    ) -> Result<Result<Lease, Failure<Bytes>>, Error> {
        match first {
            Ok(lease) if !lease.needs_initializer() => Ok(Ok(lease)),
            // In a box: hardly a call goes this way, and all would carry the room for it.
            first => Box::pin(self.initialized_instance(call, first, ran)).await,
        }
    }

    /// The same, where the initializer has not run in the leased instance, or there is none.
    async fn initialized_instance(
        &self,
        call: &Admitted,
        first: Result<Lease, AcquireError>,
        ran: &mut Ran,
    ) -> Result<Result<Lease, Failure<Bytes>>, Error> {
        let mut lease = first;
        for attempt in 1.. {
            let mut leased = match lease {
                Ok(leased) => leased,
                Err(AcquireError::Refused(why)) => return Err(refused(why).into()),
                Err(AcquireError::Start(error)) => return Ok(Err(note_start_failure(error, call.request, ran))),
            };
            let paying = (&*call.version, call.request);
            let Some(failure) = self.initialize(paying, call.stop(), &mut leased, ran).await else {
                return Ok(Ok(leased));
            };
            leased.destroy();
            if attempt == INITIALIZER_TRIES || call.stop().is_some_and(CancellationToken::is_cancelled) {
                return Ok(Err(initializer_failure(failure)));
            }
            lease = call.group.acquire(Instant::now()).await;
            ran.waited(call, &lease);
            if matches!(lease, Err(AcquireError::Refused(_))) {
                // There is no room for another try; what went wrong is the initializer all the same.
                return Ok(Err(initializer_failure(failure)));
            }
        }
        unreachable!("the last try returns")
    }

    /// Runs the initializer once in an instance that needs it, for a call that pays for it; gives its failure.
    async fn initialize(
        &self,
        (version, request): (&FunctionVersion, RequestId),
        stop: Option<&CancellationToken>,
        leased: &mut Lease,
        ran: &mut Ran,
    ) -> Option<Failure<Bytes>> {
        let hook = version.spec.initializer.as_ref().filter(|_| leased.needs_initializer())?;
        let begun = Timestamp::now();
        let limit = Duration::from_secs(hook.timeout_s.into());
        let end = queued::unless_cancelled(stop, leased.instance(), |instance| instance.initialize(request, limit));
        let end = end.await;
        ran.watch.lap(Phase::Initialize);
        let took_us = u64::try_from(end.took.as_micros()).unwrap_or(u64::MAX);
        ran.duration += end.took;
        ran.memory_used = ran.memory_used.max(end.memory_peak);
        let failed = matches!(end.outcome, Outcome::Failed(_));
        ran.log.initializer(&end.log, begun, took_us, failed);
        end.refused_connection.iter().for_each(|text| ran.log.remark(text));
        let Outcome::Failed(failure) = end.outcome else {
            leased.initialized();
            return None;
        };
        log_failure(&mut ran.log, &failure, &end.log);
        Some(failure)
    }
}

impl Admitted {
    /// The sign for a call of the queue to end.
    fn stop(&self) -> Option<&CancellationToken> {
        self.queued.as_ref().map(|queued| &queued.stop)
    }
}

impl Ran {
    fn start(request: RequestId, version: Arc<FunctionVersion>, started: Timestamp, watch: Stopwatch) -> Self {
        Self {
            outcome: Outcome::Returned(Value::Nothing),
            log: RunLog::start(request, version, started),
            duration: Duration::ZERO,
            memory_used: 0,
            watch,
            start: None,
            line: None,
            is_server_error: false,
        }
    }

    /// The call has waited for an instance, and got one or not.
    fn waited(&mut self, call: &Admitted, lease: &Result<Lease, AcquireError>) {
        let start = match lease {
            Ok(lease) => lease.start(),
            Err(AcquireError::Start(StartError::Failed { start, .. })) => Some(*start),
            Err(AcquireError::Start(StartError::Launch(_))) => Some(StartTimes::NEVER_LAUNCHED),
            Err(AcquireError::Refused(_)) => None,
        };
        let waited = self.watch.phases().get(Phase::Wait);
        self.watch.lap_wait(start);
        self.start = start.map(|start| start.kind).or(self.start).or(lease.is_ok().then_some(StartKind::Warm));
        if self.watch.phases().get(Phase::Wait) - waited >= WORTH_A_WORD_US {
            self.line = Some(call.group.line());
        }
    }
}

/// Whether its answers are HTTP already: an http function, or an image that says so.
pub(crate) fn is_web_server(version: &FunctionVersion) -> bool {
    match version.spec.runtime.language() {
        Language::Http => true,
        Language::Image => version.spec.handler == "http",
        _ => false,
    }
}

fn is_disk_full(outcome: &Outcome<Bytes>) -> bool {
    matches!(outcome, Outcome::Failed(Failure { code: FailureCode::DiskFull, .. }))
}

/// Lets the call that just got the slot hand its event to the instance, before this one writes its log and answer: the instance
/// would be idle meanwhile. Unlike tokio's own yield, this waits for the next turn of this thread only, not for the system.
async fn let_the_next_go() {
    let mut went = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut went, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A crash or a thrown error of the initializer is 4009; its own number stays where it has one.
fn initializer_failure(failure: Failure<Bytes>) -> Failure<Bytes> {
    match failure.code {
        FailureCode::HandlerFailed => Failure { code: FailureCode::InitializerFailed, ..failure },
        _ => failure,
    }
}

/// A bootstrap logs the error objects it sends; what the platform found out is logged here.
fn log_failure(log: &mut RunLog, failure: &Failure<Bytes>, lines: &[u8]) {
    const MARK: &[u8] = b"\"errorMessage\"";
    if !lines.windows(MARK.len()).any(|window| window == MARK) {
        log.failure(failure);
    }
}

fn note_start_failure(error: StartError, request: RequestId, ran: &mut Ran) -> Failure<Bytes> {
    match error {
        StartError::Failed { failure, log, memory_peak, .. } => {
            ran.memory_used = ran.memory_used.max(memory_peak);
            ran.log.add(&log);
            log_failure(&mut ran.log, &failure, &log);
            failure
        }
        StartError::Launch(error) => {
            tracing::error!(%request, cause = crate::error::chain(&error), "an instance could not be started");
            let why = error
                .told
                .as_deref()
                .unwrap_or("the operator finds the cause in the server's log under the request id");
            let failure =
                executor_failure(&format!("the platform could not start the runtime of this function; {why}"));
            ran.log.failure(&failure);
            failure
        }
    }
}

fn executor_failure(message: &str) -> Failure<Bytes> {
    failure(FailureCode::ExecutorFailed, "ExecutorStartFailed", message)
}

/// The interpreter was there when the function was created and is gone now (SETTLED.md, "Management").
fn executor_missing(
    message: &str,
    request: RequestId,
    version: &Arc<FunctionVersion>,
    started: Timestamp,
    mut watch: Stopwatch,
) -> Ran {
    tracing::error!(function = %version.key, %request, message, "what a function runs with is not there any more");
    watch.lap(Phase::Resolve);
    let mut ran = Ran::start(request, Arc::clone(version), started, watch);
    let failure = executor_failure(message);
    ran.log.failure(&failure);
    ran.outcome = Outcome::Failed(failure);
    ran
}

pub(crate) fn not_found() -> Error {
    // Word for word the reference document's (contract: SETTLED.md).
    Fault::new(ErrorCode::NotFound, "Not found the specified resource").into()
}

/// Checks the event; runtimes that parse it get JSON, the others the bytes (SETTLED.md, "Event").
pub(crate) fn event(event: Bytes, runtime: Runtime, most: usize) -> Result<Bytes, Fault> {
    if event.len() > most {
        return Err(Fault::new(
            ErrorCode::EventTooLarge,
            format!(
                "The event has {} bytes; {most} are allowed. Put large data into a store and send its address",
                event.len()
            ),
        ));
    }
    if event.iter().all(u8::is_ascii_whitespace) {
        return Ok(Bytes::from_static(b"{}"));
    }
    if runtime.parses_event()
        && let Err(why) = beside(event.len(), || check_json(&event))
    {
        return Err(Fault::new(
            ErrorCode::NotAcceptable,
            format!("The body is not JSON ({why}). {} functions take any JSON value; quote a text", runtime.name()),
        ));
    }
    Ok(event)
}

/// Whether a parser of any language takes it. Text that is passed over is not looked at by serde, hence the first check.
fn check_json(event: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(event).map_err(|error| error.to_string())?;
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| error.to_string())
}

fn refused(why: Refusal) -> Fault {
    let (code, message) = match why {
        Refusal::Disabled => return disabled(),
        Refusal::QueueFull | Refusal::WaitedTooLong => {
            (ErrorCode::TooManyRequests, "Your request has been controlled by overload sdk, please retry later")
        }
        Refusal::NeverFits => (
            ErrorCode::Unavailable,
            "The function needs more memory than this server gives to all functions together. \
             Lower memory_size, or raise pool.memory_mb in the server's settings",
        ),
        Refusal::Stopping => (ErrorCode::Unavailable, "The server is stopping. Send the request again"),
    };
    Fault::new(code, message)
}

/// The function may have no instances.
pub(crate) fn disabled() -> Fault {
    let message =
        "Function Disabled: its strategy_config.concurrency is 0. Set it to -1 or more instances to enable it";
    Fault::new(ErrorCode::TooManyRequests, message)
}

impl Invocation {
    /// Whether the function returned.
    #[must_use]
    pub fn returned(&self) -> bool {
        matches!(self.outcome, Outcome::Returned(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_checked_by_runtime() {
        let python = Runtime::parse("Python3.9").expect("in the list");
        let go = Runtime::parse("Go1.x").expect("in the list");
        for (body, runtime, expected) in [
            ("", python, Ok("{}")),
            (" \n", python, Ok("{}")),
            ("7", python, Ok("7")),
            ("plain", python, Err(ErrorCode::NotAcceptable)),
            ("{} x", python, Err(ErrorCode::NotAcceptable)),
            ("plain", go, Ok("plain")),
        ] {
            let got = event(Bytes::from_static(body.as_bytes()), runtime, limits::EVENT_BYTES);
            assert_eq!(got.map_err(|fault| fault.code), expected.map(Bytes::from), "{body} for {}", runtime.name());
        }
        let no_text = event(Bytes::from_static(b"\"\xff\""), python, limits::EVENT_BYTES);
        assert_eq!(no_text.expect_err("JSON is UTF-8").code, ErrorCode::NotAcceptable);
        let large = Bytes::from(vec![b' '; limits::EVENT_BYTES + 1]);
        assert_eq!(event(large, python, limits::EVENT_BYTES).expect_err("too large").code, ErrorCode::EventTooLarge);
    }
}
