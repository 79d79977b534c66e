//! Our end of one function process.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode, FunctionVersion, Outcome, RequestId, StartKind, Value, limits};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    time::timeout,
};

use crate::{
    Death, FrameHeader, InTurn, Kind, LaunchError, Launched, Plan,
    death::failure,
    load, panics,
    programs::{Answers, Custom, Patience, Program},
    protocol,
    reader::{Answer, CONTROL_FRAMES, Reader, Reply, Shared},
    refusal::Looks,
    socket::Outgoing,
    stream::AnswerSink,
};

/// The serialised result may be this much over its limit (contract: limits.md, "plus or minus 100 bytes").
pub(crate) const RESULT_TOLERANCE: usize = 100;
/// How long the log of a call that ran into its limit is waited for once its process was killed.
const LAST_WORDS: Duration = Duration::from_secs(6);
/// How long a function may still send an answer that its caller did not take in time.
const UNHEARD: Duration = Duration::from_secs(5);

/// A loaded function that takes calls.
pub struct Instance {
    shared: Arc<Shared>,
    writer: Mutex<Outgoing>,
    control: Mutex<mpsc::Receiver<(FrameHeader, Bytes)>>,
    death: watch::Receiver<Option<Death>>,
    /// Who runs the calls, where the bootstrap only started it.
    program: Option<Program>,
    pub(crate) start: StartTimes,
    looks: Looks,
}

/// What an instance is asked.
#[derive(Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// To run its initializer.
    Initialize,
    /// To call the handler, for a caller who used this alias; empty for none.
    Call { alias: &'a str, event: &'a Bytes },
}

/// How an instance came to be, and what that took.
#[derive(Clone, Copy, Debug)]
pub struct StartTimes {
    /// Blank or new.
    pub kind: StartKind,
    /// A sandbox and its bootstrap up to HELLO, or what it took to get a blank one.
    pub launch: Duration,
    /// From there to the loaded function.
    pub load: Duration,
}

impl StartTimes {
    /// Of one that could not be launched: all of its time is the launch.
    pub const NEVER_LAUNCHED: Self = Self { kind: StartKind::New, launch: Duration::MAX, load: Duration::ZERO };
}

/// Why there is no instance.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The platform could not start a process.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The function could not be loaded: its own failure, with what it printed.
    #[error("the function could not be loaded ({})", failure.code.number())]
    Failed {
        /// What the caller is told.
        failure: Failure<Bytes>,
        /// What was printed until then.
        log: Bytes,
        /// Memory it had used, in bytes.
        memory_peak: u64,
        /// How far it came.
        start: StartTimes,
    },
}

/// Who waits for the answer of a call.
#[derive(Clone, Copy, Debug)]
pub enum Listener<'a> {
    /// A caller who wants the whole of it.
    Whole,
    /// A caller who gets it piece by piece, where a web server gives it.
    Pieces(&'a AnswerSink),
    /// Nobody: the call came by the queue. Programs of the user's own are told.
    Nobody,
}

/// The end of a call, or of an initializer.
#[derive(Debug)]
pub struct CallEnd {
    /// How it ended; an initializer that succeeds returns nothing.
    pub outcome: Outcome<Bytes>,
    /// What it logged.
    pub log: Bytes,
    /// From handing it the event to its answer.
    pub took: Duration,
    /// Peak memory of the instance meanwhile, in bytes.
    pub memory_peak: u64,
    /// For the function's log, once per instance: why its sandbox refused a connection.
    pub refused_connection: Option<&'static str>,
    /// The instance was gone before anything of the function had seen the call: another one may run it.
    pub not_begun: bool,
    /// Status of the answer of an http function's server, where that is how it returned.
    pub http_status: Option<u16>,
}

impl Instance {
    pub(crate) fn attach(launched: Launched, log_bytes: usize) -> Self {
        let shared = Arc::new(Shared::new(launched.process, launched.output, log_bytes));
        let (control_in, control) = mpsc::channel(CONTROL_FRAMES);
        let (death_in, death) = watch::channel(None);
        let reader = Reader {
            socket: launched.socket.incoming,
            shared: Arc::clone(&shared),
            control: control_in,
            death: death_in,
        };
        // Ends with the process, which ends with the instance; `death` tells when.
        tokio::spawn(reader.run());
        let start = StartTimes { kind: StartKind::New, launch: Duration::ZERO, load: Duration::ZERO };
        Self {
            shared,
            writer: Mutex::new(launched.socket.outgoing),
            control: Mutex::new(control),
            death,
            program: None,
            start,
            looks: Looks::new(),
        }
    }

    /// Waits until it has said HELLO.
    pub(crate) async fn greet(&self) -> Result<(), Failure<Bytes>> {
        let (header, hello) = self.control_frame().await?;
        check_hello(header, &hello)
    }

    /// Lets it load its function, which may take up to `limit`. `custom` is what its program asks, where it does.
    pub(crate) async fn load(
        &mut self,
        plan: &Plan,
        custom: Option<Custom>,
        limit: Duration,
    ) -> Result<(), Failure<Bytes>> {
        let patience = Patience::of(limit);
        let object = load::object(&plan.version, limit, custom.as_ref().map(Custom::address));
        if self.write(Kind::Load, 0, 0, [&[], &[], object.as_bytes()]).await.is_err() {
            return Err(self.dead().await.start_failure());
        }
        let (header, payload) = self.control_frame().await?;
        match header.kind {
            Kind::Loaded => {
                self.program = match custom {
                    Some(custom) => {
                        custom.is_ready(patience, self.dead()).await?;
                        Some(Program::Custom(Arc::new(custom)))
                    }
                    None => {
                        let answers = Answers::new(Arc::clone(&self.shared));
                        Program::reach(plan, &payload, patience, answers).await?
                    }
                };
                if let Some(program) = &self.program {
                    self.shared.answered_by(program.clone());
                }
                Ok(())
            }
            Kind::Failed => {
                let code = FailureCode::from_start(header.code).unwrap_or(FailureCode::LoadFailed);
                Err(Failure { code, object: payload })
            }
            kind => Err(Death::Garbage(format!("a frame {kind:?} instead of LOADED")).start_failure()),
        }
    }

    /// What a Custom function's program asks for its events; others have none.
    pub(crate) async fn open_api(&self, version: &FunctionVersion) -> Result<Option<Custom>, Failure<Bytes>> {
        if version.spec.runtime.name() != "Custom" {
            return Ok(None);
        }
        match Custom::open(version, Answers::new(Arc::clone(&self.shared))).await {
            Ok(custom) => Ok(Some(custom)),
            Err(_) if !self.is_alive() => Err(self.dead().await.start_failure()),
            Err(failure) => Err(failure),
        }
    }

    /// Gives it its code and its share of the host.
    pub(crate) async fn fit(&self, plan: &Plan) -> Result<(), LaunchError> {
        self.shared.process.fit(plan).await
    }

    /// Ends it, and tells what there is to tell of a start that failed.
    pub(crate) async fn give_up(self, failure: Failure<Bytes>, start: StartTimes) -> StartError {
        let memory_peak = self.shared.process.take_peak();
        self.shared.kill(Death::Retired);
        self.dead().await;
        StartError::Failed { failure, log: self.shared.take_stray(), memory_peak, start }
    }

    async fn control_frame(&self) -> Result<(FrameHeader, Bytes), Failure<Bytes>> {
        match self.control.lock().await.recv().await {
            Some(frame) => Ok(frame),
            None => Err(self.dead().await.start_failure()),
        }
    }

    /// Runs the initializer; `limit` is its time limit, past which the instance is ended.
    pub async fn initialize(&self, request: RequestId, limit: Duration) -> CallEnd {
        let end = self.exchange(request, Asked::Initialize, limit, Listener::Whole).await;
        end.into_call_end(|| {
            failure(
                FailureCode::InitializerTimedOut,
                "FunctionTimeout",
                &format!(
                    "function initialization exception, error: the initializer timed out after {} seconds",
                    limit.as_secs()
                ),
            )
        })
    }

    /// Calls the handler; past `limit` the instance and everything it started is ended. `alias` is the one that the caller used,
    /// empty for none: an instance serves the calls of its version, whichever way they came. Where the listener takes pieces, the
    /// outcome returns nothing.
    pub async fn call(
        &self,
        request: RequestId,
        alias: &str,
        event: &Bytes,
        limit: Duration,
        listener: Listener<'_>,
    ) -> CallEnd {
        let end = self.exchange(request, Asked::Call { alias, event }, limit, listener).await;
        end.into_call_end(|| {
            failure(
                FailureCode::TimedOut,
                "FunctionTimeout",
                &format!("invoke timed out: the function ran longer than its limit of {} seconds", limit.as_secs()),
            )
        })
    }

    async fn exchange(
        &self,
        request: RequestId,
        asked: Asked<'_>,
        limit: Duration,
        listener: Listener<'_>,
    ) -> Exchange {
        let started = Instant::now();
        let (call, reply) = match self.shared.begin() {
            Ok(begun) => begun,
            Err(death) => return Exchange::dead(death, started),
        };
        let mut answered = pin!(self.answered(reply, call, request, asked, listener));
        let in_time = timeout(limit, &mut answered).await;
        if let Ok(reply) = in_time {
            let reply = reply.unwrap_or_else(|_| died(Death::Retired));
            let memory_peak = self.memory_peak(&reply, started);
            let refused_connection = self.looks.look(&*self.shared.process, reply.is_failure(), reply.at);
            return Exchange { reply, timed_out: false, started, memory_peak, refused_connection };
        }
        let memory_peak = self.shared.process.take_peak();
        let refused_connection = self.looks.look(&*self.shared.process, true, Instant::now());
        // One that had to wait for its caller until its time was over may go on unheard: neither the function nor the other calls
        // of the instance pay for that.
        if let Listener::Pieces(sink) = listener
            && sink.hang_up()
            && let Ok(Ok(reply)) = timeout(UNHEARD, &mut answered).await
        {
            return Exchange { reply, timed_out: true, started, memory_peak, refused_connection };
        }
        self.shared.kill(Death::SiblingTimedOut);
        let last = timeout(LAST_WORDS, answered).await;
        let reply = last.ok().and_then(Result::ok).unwrap_or_else(|| died(Death::SiblingTimedOut));
        Exchange { reply, timed_out: true, started, memory_peak, refused_connection }
    }

    fn memory_peak(&self, reply: &Reply, started: Instant) -> u64 {
        let process = &self.shared.process;
        match reply.answer {
            Answer::Frame { .. } => process.take_peak_of(reply.at.saturating_duration_since(started), reply.at),
            // Memory may be what it died of.
            Answer::Died(_) | Answer::Unread(_) | Answer::Unreached(_) => process.take_peak(),
        }
    }

    /// Hands a call to whoever runs it, and waits for the answer.
    async fn answered(
        &self,
        reply: oneshot::Receiver<Reply>,
        call: u32,
        request: RequestId,
        asked: Asked<'_>,
        listener: Listener<'_>,
    ) -> Result<Reply, oneshot::error::RecvError> {
        let id = request.text();
        let Some(program) = &self.program else {
            let (reply, sent) = beside(reply, self.hand_over(call, id.as_str(), asked, listener)).await;
            return if sent == Some(true) { reply } else { reply.map(Reply::of_unsent) };
        };
        let (reply, polls) = (pin!(reply), AtomicU64::new(0));
        let taken = async {
            if panics(pin!(program.take(call, id.as_str(), asked, listener))).await.is_err() {
                // Of it nothing can be trusted any more.
                self.shared.kill(Death::Garbage("what it sent was more than the platform could read".to_owned()));
            }
        };
        // It wakes itself: for the parts of one connection, and by its answer.
        InTurn::new(beside(reply, taken), || polls.fetch_add(1, Ordering::Relaxed)).await.0
    }

    /// Sends a call to a bootstrap that runs it; `false` where the process is gone, whose end answers the call.
    async fn hand_over(&self, call: u32, id: &str, asked: Asked<'_>, listener: Listener<'_>) -> bool {
        let form = if matches!(listener, Listener::Nobody) { protocol::ASYNCHRONOUS } else { 0 };
        let id = id.as_bytes();
        let written = match asked {
            Asked::Initialize => self.write(Kind::Initialize, form, call, [id, &[], &[]]).await,
            Asked::Call { alias: "", event } => self.write(Kind::Invoke, form, call, [id, &[], event]).await,
            Asked::Call { alias, event } => {
                self.write(Kind::InvokeAs, form, call, [id, &protocol::short_text(alias), event]).await
            }
        };
        written.is_ok()
    }

    /// Sends a frame; its payload may be in parts.
    async fn write(&self, kind: Kind, form: u8, call: u32, payload: [&[u8]; 3]) -> io::Result<()> {
        let [id, alias, rest] = payload;
        let length = id.len() + alias.len() + rest.len();
        let header = FrameHeader { form, ..FrameHeader::new(kind, call, length) }.encode();
        let mut slices = [&header[..], id, alias, rest].map(IoSlice::new);
        self.writer.lock().await.write_all(&mut slices).await
    }

    /// How it came to be.
    #[must_use]
    pub fn start_times(&self) -> StartTimes {
        self.start
    }

    /// Whether it can take a call: asked before it is leased, since a process may die while it is idle.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.shared.is_dead() && self.writer.try_lock().map_or(true, |writer| writer.is_open())
    }

    /// Whether its end has been noticed already; cheaper than [`Self::is_alive`], and later.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.shared.is_dead()
    }

    /// Waits for the end, and tells why.
    pub async fn dead(&self) -> Death {
        let mut death = self.death.clone();
        let ended = death.wait_for(Option::is_some).await;
        ended.ok().and_then(|death| death.clone()).unwrap_or(Death::Retired)
    }

    /// Leaves in order: the pre-stop handler gets `limit`, then the process is ended. Without a limit it is ended at once. Gives
    /// what was printed since the last call.
    pub async fn stop(&self, limit: Option<Duration>) -> Bytes {
        if let Some(limit) = limit
            && self.write(Kind::Stop, 0, 0, [&[]; 3]).await.is_ok()
        {
            // Both ways out are fine: it said STOPPED, or its time is over.
            let _ = timeout(limit, self.control_frame()).await;
        }
        self.shared.kill(Death::Retired);
        self.dead().await;
        self.shared.take_stray()
    }

    /// Ends the process at once, without waiting.
    pub fn kill(&self) {
        self.shared.kill(Death::Retired);
    }

    /// Ends the process at once for a call that was cancelled: all that run in it end with 4208.
    pub fn cancel(&self) {
        self.shared.kill(Death::Cancelled);
    }

    /// Ends the process at once; the future resolves when it is gone, and may outlive the instance.
    pub fn kill_and_wait(&self) -> impl Future<Output = ()> + Send + use<> {
        self.kill();
        let shared = Arc::clone(&self.shared);
        async move {
            shared.process.exited().await;
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for an answer, and lets work go on meanwhile; gives what the work came to, if it has ended.
async fn beside<T, W>(answer: impl Future<Output = T>, work: impl Future<Output = W>) -> (T, Option<W>) {
    let (mut answer, mut work) = (pin!(answer), pin!(work));
    let mut done = None;
    let answer = poll_fn(|context| {
        if done.is_none()
            && let Poll::Ready(what) = work.as_mut().poll(context)
        {
            done = Some(what);
        }
        answer.as_mut().poll(context)
    })
    .await;
    (answer, done)
}

struct Exchange {
    reply: Reply,
    timed_out: bool,
    started: Instant,
    memory_peak: u64,
    refused_connection: Option<&'static str>,
}

impl Reply {
    /// The same for a call of which not all was sent: nothing of the function has seen it.
    fn of_unsent(self) -> Self {
        match self.answer {
            Answer::Died(death) if death.is_its_own() => Self { answer: Answer::Unread(death), ..self },
            _ => self,
        }
    }

    fn is_failure(&self) -> bool {
        match &self.answer {
            Answer::Frame { header, .. } => header.kind == Kind::Failed,
            Answer::Unreached(_) => true,
            Answer::Died(_) | Answer::Unread(_) => false,
        }
    }

    fn is_not_begun(&self) -> bool {
        match &self.answer {
            Answer::Frame { header, .. } => header.kind == Kind::Failed && header.form == protocol::NOT_BEGUN,
            Answer::Unread(_) => true,
            Answer::Died(_) | Answer::Unreached(_) => false,
        }
    }

    fn http_status(&self) -> Option<u16> {
        match &self.answer {
            Answer::Frame { header, .. } if header.kind == Kind::Result => Some(header.code).filter(|code| *code > 0),
            _ => None,
        }
    }
}

impl Exchange {
    /// It could not begin.
    fn dead(death: Death, started: Instant) -> Self {
        Self { reply: died(death).of_unsent(), timed_out: false, started, memory_peak: 0, refused_connection: None }
    }

    fn into_call_end(self, too_slow: impl FnOnce() -> Failure<Bytes>) -> CallEnd {
        let not_begun = !self.timed_out && self.reply.is_not_begun();
        let http_status = self.reply.http_status().filter(|_| !self.timed_out);
        let outcome = if self.timed_out {
            Outcome::Failed(too_slow())
        } else {
            match self.reply.answer {
                Answer::Frame { header, payload } => outcome(header, payload),
                Answer::Died(death) | Answer::Unread(death) => Outcome::Failed(death.failure()),
                Answer::Unreached(failure) => Outcome::Failed(failure),
            }
        };
        let took = self.reply.at.saturating_duration_since(self.started);
        let (log, refused_connection) = (self.reply.log, self.refused_connection);
        CallEnd { outcome, log, took, memory_peak: self.memory_peak, refused_connection, not_begun, http_status }
    }
}

fn died(death: Death) -> Reply {
    Reply { answer: Answer::Died(death), log: Bytes::new(), at: Instant::now() }
}

fn outcome(header: FrameHeader, payload: Bytes) -> Outcome<Bytes> {
    match (header.kind, header.form) {
        (Kind::Failed, _) => {
            let code = FailureCode::from_bootstrap(header.code).unwrap_or(FailureCode::HandlerFailed);
            Outcome::Failed(Failure { code, object: payload })
        }
        _ if payload.len() > limits::RESULT_BYTES + RESULT_TOLERANCE => Outcome::Failed(failure(
            FailureCode::ResultTooLarge,
            "FunctionResultTooLarge",
            "the return value of the function exceeds the maximum allowed limit",
        )),
        (Kind::Result, 1) => Outcome::Returned(Value::Text(payload)),
        (Kind::Result, 2) => Outcome::Returned(Value::Json(payload)),
        (Kind::Result, 3) => Outcome::Returned(Value::Bytes(payload)),
        _ => Outcome::Returned(Value::Nothing),
    }
}

fn check_hello(header: FrameHeader, payload: &[u8]) -> Result<(), Failure<Bytes>> {
    let hello: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    if header.kind == Kind::Hello && hello["protocol"].as_u64() == Some(protocol::VERSION) {
        return Ok(());
    }
    Err(Death::Garbage("it did not begin with HELLO of this protocol".to_owned()).start_failure())
}
