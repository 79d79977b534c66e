//! The receiving half of an instance: one task that reads frames and output, and hands each to the call it belongs to.

use std::{
    io,
    mem::MaybeUninit,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use fungraph_model::Failure;
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot, watch,
    },
    time::timeout,
};

use crate::{
    Death, Ended, FrameHeader, Kind, Process,
    call_log::CallLog,
    programs::{Lines, Program, Run},
    protocol::{BadFrame, HEADER_BYTES, LEAVING, NOT_BEGUN},
};

/// Room for frames; most fit many times over.
const BUFFER_BYTES: usize = 16 << 10;
/// Output that is taken at first; the rest follows.
const PRINTED_BYTES: usize = 1 << 10;
/// Frames up to here are copied out, so that the buffer stays ours and is used again.
const COPIED_BYTES: usize = 1 << 10;
/// How long a killed process may take to be gone before its calls are answered without its exit status.
const REAP_LIMIT: Duration = Duration::from_secs(5);
/// Frames outside any call that may wait to be looked at: HELLO, LOADED or FAILED, and STOPPED.
pub(crate) const CONTROL_FRAMES: usize = 3;
/// How long a process that closed its socket may take to exit by itself: a busy host takes its time with a killed one, and less than the shortest `timeout`.
const EXIT_GRACE: Duration = Duration::from_secs(2);
/// Most output taken in one go, so that endless output cannot keep the reader from its frames.
const OUTPUT_READS: usize = 64;

/// What both halves of an instance share.
pub(crate) struct Shared {
    calls: Mutex<Calls>,
    dead: AtomicBool,
    reason: OnceLock<Death>,
    pub(crate) process: Box<dyn Process>,
    log_limit: usize,
    /// What the process prints outside the protocol.
    output: pipe::Receiver,
    /// Held while output is taken: what was printed first is logged first, whoever takes it.
    taking: Mutex<()>,
    /// Whom the reader asks for answers at the end; none of a bootstrap that answers itself.
    program: Mutex<Option<Program>>,
}

struct Calls {
    last: u32,
    /// Few at a time, so a list is faster than a map.
    running: Vec<Running>,
    /// Output that belongs to no call; it goes in front of the next call's log.
    stray: CallLog,
    /// Whose each line of the output is, where it says so.
    lines: Option<Lines>,
    /// Set once; no call begins afterwards.
    death: Option<Death>,
}

struct Running {
    call: u32,
    log: CallLog,
    done: oneshot::Sender<Reply>,
}

/// The end of one exchange.
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) log: Bytes,
    pub(crate) at: Instant,
}

/// What came back.
pub(crate) enum Answer {
    Frame {
        header: FrameHeader,
        payload: Bytes,
    },
    Died(Death),
    /// The process died before it had read all that was sent to it, and this call was the only one; or before this one was sent.
    Unread(Death),
    /// The platform could not bring it to the program.
    Unreached(Failure<Bytes>),
}

impl Shared {
    pub(crate) fn new(process: Box<dyn Process>, output: pipe::Receiver, log_limit: usize) -> Self {
        let calls = Calls { last: 0, running: Vec::new(), stray: CallLog::new(log_limit), lines: None, death: None };
        Self {
            calls: Mutex::new(calls),
            dead: AtomicBool::new(false),
            reason: OnceLock::new(),
            process,
            log_limit,
            output,
            taking: Mutex::new(()),
            program: Mutex::new(None),
        }
    }

    /// From now on calls are answered by this program too.
    pub(crate) fn answered_by(&self, program: Program) {
        let mut lock = self.lock_program();
        // The reader takes it when it ends, and may have done so already.
        if !self.is_dead() {
            *lock = Some(program);
        }
    }

    fn lock_program(&self) -> MutexGuard<'_, Option<Program>> {
        self.program.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a call; its number is never used again.
    pub(crate) fn begin(&self) -> Result<(u32, oneshot::Receiver<Reply>), Death> {
        let (done, reply) = oneshot::channel();
        let mut calls = self.lock();
        if let Some(death) = &calls.death {
            return Err(death.clone());
        }
        calls.last += 1;
        let call = calls.last;
        let log = if calls.stray.is_empty() {
            CallLog::new(self.log_limit)
        } else {
            std::mem::replace(&mut calls.stray, CallLog::new(self.log_limit))
        };
        calls.running.push(Running { call, log, done });
        Ok((call, reply))
    }

    /// Ends the process; the first reason given is the one its calls are told.
    pub(crate) fn kill(&self, reason: Death) {
        // A second reason loses: the process is ending for the first one already.
        let _ = self.reason.set(reason);
        self.dead.store(true, Ordering::Release);
        self.process.kill();
    }

    /// Whether we ended the process, for a reason that its calls are told.
    pub(crate) fn is_killed(&self) -> bool {
        self.reason.get().is_some()
    }

    /// Calls that run go on; none begins.
    pub(crate) fn takes_no_more(&self) {
        self.dead.store(true, Ordering::Release);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Output printed so far that no call has taken.
    pub(crate) fn take_stray(&self) -> Bytes {
        std::mem::replace(&mut self.lock().stray, CallLog::new(self.log_limit)).finish()
    }

    /// The answer to a call, after all that was printed before it.
    pub(crate) fn end(&self, header: FrameHeader, payload: Bytes) -> Result<(), String> {
        // What was printed before the answer belongs to it.
        self.drain_output();
        if header.kind == Kind::Failed && matches!(header.form, LEAVING | NOT_BEGUN) {
            // Before its caller gives it back: the next call must not meet a process on its way out.
            self.takes_no_more();
        }
        self.finish(header.call, Answer::Frame { header, payload })
    }

    /// The end of a call by a fault of the platform's own.
    pub(crate) fn unreached(&self, call: u32, failure: Failure<Bytes>) -> Result<(), String> {
        self.drain_output();
        self.finish(call, Answer::Unreached(failure))
    }

    fn finish(&self, call: u32, answer: Answer) -> Result<(), String> {
        let at = Instant::now();
        let mut calls = self.lock();
        let Some(index) = calls.running.iter().position(|running| running.call == call) else {
            return Err(format!("an answer to call {call}, which is not running"));
        };
        if calls.running.len() == 1 {
            calls.end_line();
        }
        // In order, because raw output goes to the one that began last.
        let running = calls.running.remove(index);
        drop(calls);
        let reply = Reply { answer, log: running.log.finish(), at };
        // The caller may be gone; then nobody wants the reply.
        let _ = running.done.send(reply);
        Ok(())
    }

    /// Lines that a bootstrap tagged.
    pub(crate) fn log(&self, call: u32, lines: &[u8]) {
        self.lock().log(call, lines);
    }

    /// From now on raw output is told apart by its lines.
    pub(crate) fn tell_lines_apart(&self, lines: Lines) {
        self.lock().lines = Some(lines);
    }

    /// Takes what has been printed; `false` once the pipe is closed.
    pub(crate) fn drain_output(&self) -> bool {
        let _turn = self.take_turn();
        self.read_output()
    }

    /// The same where the runtime has said that there is some; where that was another's already, it learns so.
    fn take_ready_output(&self) -> bool {
        let _turn = self.take_turn();
        let mut chunk = [0; PRINTED_BYTES];
        match self.output.try_read(&mut chunk) {
            Ok(0) => false,
            Ok(read) => {
                self.lock().print(&chunk[..read]);
                self.read_output()
            }
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.taking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_output(&self) -> bool {
        // Not cleared before it is read into, since mostly nothing was printed.
        let mut chunk = [MaybeUninit::uninit(); 8192];
        for _ in 0..OUTPUT_READS {
            // Read directly: the readiness tokio remembers may be older than the answer just received.
            match rustix::io::read(&self.output, &mut chunk) {
                Ok(([], _)) => return false,
                Ok((bytes, _)) => self.lock().print(bytes),
                // Tokio is not told: it would forget output that arrived since, and finds out by itself.
                Err(rustix::io::Errno::AGAIN) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// `unread`: something was written to it that it had not read.
    pub(crate) fn die(&self, death: &Death, unread: bool) {
        let at = Instant::now();
        let running = {
            let mut calls = self.lock();
            calls.end_line();
            calls.death = Some(death.clone());
            std::mem::take(&mut calls.running)
        };
        // Of several, nobody knows whose frame it was that nobody read.
        let unread = unread && running.len() == 1 && death.is_its_own();
        for call in running {
            let death = death.clone();
            let answer = if unread { Answer::Unread(death) } else { Answer::Died(death) };
            let _ = call.done.send(Reply { answer, log: call.log.finish(), at });
        }
    }
}

impl Calls {
    /// Lines of a call. Those of one that has ended belong to none.
    fn log(&mut self, call: u32, lines: &[u8]) {
        match self.running.iter_mut().find(|running| running.call == call) {
            Some(running) => running.log.push(lines),
            None => self.stray.push(lines),
        }
    }

    /// Raw output. Where it does not say whose it is, it goes to the call that began last.
    fn print(&mut self, bytes: &[u8]) {
        if let Some(lines) = &mut self.lines {
            let runs = lines.add(bytes);
            return self.log_runs(runs);
        }
        match self.running.last_mut() {
            Some(running) => running.log.push(bytes),
            None => self.stray.push(bytes),
        }
    }

    /// A line without an end is one, since nothing follows it.
    fn end_line(&mut self) {
        if let Some(lines) = &mut self.lines {
            let runs = lines.end();
            self.log_runs(runs);
        }
    }

    fn log_runs(&mut self, runs: Vec<Run>) {
        for run in runs {
            self.log(run.call, run.text.as_bytes());
        }
    }
}

/// How a stream of frames ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamEnd {
    Plain,
    /// Something that was written to it had not been read.
    Unread,
}

/// The reader's own ends.
pub(crate) struct Reader {
    pub(crate) socket: pipe::Receiver,
    pub(crate) shared: Arc<Shared>,
    /// HELLO, LOADED, STOPPED and failures outside any call.
    pub(crate) control: mpsc::Sender<(FrameHeader, Bytes)>,
    /// Told the end of the instance.
    pub(crate) death: watch::Sender<Option<Death>>,
}

impl Reader {
    /// Reads until the instance ends, then tells every call and everyone who waits.
    pub(crate) async fn run(mut self) {
        let (broken, unread) = match self.read_frames().await {
            Ok(end) => (None, end == StreamEnd::Unread),
            Err(what) => (Some(what), false),
        };
        self.shared.takes_no_more();
        let (ended, killed) = self.end(broken.is_some()).await;
        let program = self.shared.lock_program().take();
        if let Some(program) = program {
            if !self.shared.is_killed() {
                program.ended().await;
            }
            program.close();
        }
        self.shared.drain_output();
        let death = self.cause(broken, ended, killed);
        self.shared.die(&death, unread);
        self.death.send_replace(Some(death));
    }

    /// A process that closed its socket is usually exiting, and how it does so tells why; one that goes on regardless is ended, which
    /// is told too.
    async fn end(&self, broken: bool) -> (Option<Ended>, bool) {
        if !broken && let Ok(ended) = timeout(EXIT_GRACE, self.shared.process.exited()).await {
            return (Some(ended), false);
        }
        self.shared.process.kill();
        (timeout(REAP_LIMIT, self.shared.process.exited()).await.ok(), true)
    }

    fn cause(&self, broken: Option<String>, ended: Option<Ended>, killed: bool) -> Death {
        if let Some(reason) = self.shared.reason.get() {
            return reason.clone();
        }
        match (broken, ended) {
            // Out of memory explains a broken frame, not the other way round.
            (Some(what), ended) if !ended.is_some_and(|ended| ended.out_of_memory) => Death::Garbage(what),
            // The signal was ours. An exit code, or its use of memory, says what it came to by itself in the last moment.
            (_, ended) if killed && ended.is_none_or(|ended| ended.code.is_none() && !ended.out_of_memory) => {
                Death::Lingered
            }
            (_, Some(ended)) => Death::Ended(ended),
            (_, None) => Death::Ended(Ended { code: None, signal: None, out_of_memory: false }),
        }
    }

    /// `Ok` at the end of the stream, the text of what was wrong otherwise.
    async fn read_frames(&mut self) -> Result<StreamEnd, String> {
        let mut buffer = BytesMut::with_capacity(BUFFER_BYTES);
        let mut output_open = true;
        loop {
            tokio::select! {
                biased;
                read = self.socket.read_buf(&mut buffer) => {
                    let end = match read {
                        Ok(0) => Some(StreamEnd::Plain),
                        Ok(_) => None,
                        // So the kernel tells that what we wrote last was still in the socket when that was closed.
                        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Some(StreamEnd::Unread),
                        Err(error) => return Err(format!("reading failed: {}", error.kind())),
                    };
                    if let Some(end) = end {
                        return if buffer.is_empty() { Ok(end) } else { Err("a frame broke off".to_owned()) };
                    }
                    while let Some((header, payload)) = take_frame(&mut buffer).map_err(|bad| bad.to_string())? {
                        self.take(header, payload)?;
                    }
                }
                ready = self.shared.output.readable(), if output_open => {
                    output_open = ready.is_ok() && self.shared.take_ready_output();
                }
            }
        }
    }

    fn take(&mut self, header: FrameHeader, payload: Bytes) -> Result<(), String> {
        match header.kind {
            Kind::Log => self.shared.log(header.call, &payload),
            // Whether nothing of a function has seen a call is not for it to say: another instance runs it then.
            Kind::Failed if header.form == NOT_BEGUN => return Err("a failure of a form that there is not".to_owned()),
            Kind::Result | Kind::Failed | Kind::Initialized if header.call != 0 => {
                self.shared.end(header, payload)?;
            }
            Kind::Hello | Kind::Loaded | Kind::Stopped | Kind::Failed if header.call == 0 => {
                // The function can write to the socket too: what nobody asked for must not fill our memory. Nobody listens any
                // more once the instance was given up.
                if let Err(TrySendError::Full(_)) = self.control.try_send((header, payload)) {
                    return Err(format!("a frame {:?} that nobody waits for", header.kind));
                }
            }
            Kind::Leaving => self.shared.takes_no_more(),
            kind => return Err(format!("a frame {kind:?} for call {}, out of order", header.call)),
        }
        Ok(())
    }
}

fn take_frame(buffer: &mut BytesMut) -> Result<Option<(FrameHeader, Bytes)>, BadFrame> {
    let Some(bytes) = buffer.first_chunk::<HEADER_BYTES>() else {
        buffer.reserve(BUFFER_BYTES);
        return Ok(None);
    };
    let header = FrameHeader::decode(*bytes)?;
    let whole = HEADER_BYTES + header.length as usize;
    if buffer.len() < whole {
        buffer.reserve(whole - buffer.len());
        return Ok(None);
    }
    if whole <= COPIED_BYTES {
        let payload = Bytes::copy_from_slice(&buffer[HEADER_BYTES..whole]);
        buffer.advance(whole);
        return Ok(Some((header, payload)));
    }
    let mut frame = buffer.split_to(whole);
    frame.advance(HEADER_BYTES);
    Ok(Some((header, frame.freeze())))
}

#[cfg(test)]
mod tests {
    use fungraph_model::{Outcome, RequestId};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixStream,
        sync::watch,
    };

    use super::*;
    use crate::{BoxFuture, CallEnd, Instance, LaunchError, Launched, Listener, Plan, Socket};

    /// A process that has ended once its socket is closed.
    struct Fake(watch::Sender<Option<Ended>>);

    const LEFT: Ended = Ended { code: Some(0), signal: None, out_of_memory: false };
    const KILLED: Ended = Ended { code: None, signal: Some(9), out_of_memory: false };

    impl Process for Fake {
        fn fit<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Result<(), LaunchError>> {
            Box::pin(async { Ok(()) })
        }

        fn kill(&self) {
            self.0.send_replace(Some(KILLED));
        }

        fn exited(&self) -> BoxFuture<'_, Ended> {
            Box::pin(async {
                let mut ended = self.0.subscribe();
                let how = ended.wait_for(Option::is_some).await.ok().and_then(|how| *how);
                how.unwrap_or(KILLED)
            })
        }

        fn take_peak(&self) -> u64 {
            0
        }
    }

    /// The ends of so many calls to a process that reads so many bytes and exits.
    async fn calls(count: usize, reads: usize) -> Vec<CallEnd> {
        let (instance, mut theirs, ended, _printed) = instance();
        let instance = Arc::new(instance);
        let running: Vec<_> = (0..count)
            .map(|_| {
                let instance = Arc::clone(&instance);
                tokio::spawn(async move {
                    instance.call(RequestId::random(), "", &EVENT, Duration::from_secs(60), Listener::Whole).await
                })
            })
            .collect();
        let mut read = vec![0; reads];
        theirs.read_exact(&mut read).await.expect("the frames come");
        theirs.readable().await.expect("more comes, or nothing was wanted");
        drop(theirs);
        ended.send_replace(Some(LEFT));
        let mut ends = Vec::new();
        for call in running {
            ends.push(call.await.expect("no panic"));
        }
        ends
    }

    static EVENT: Bytes = Bytes::from_static(b"{}");
    const FRAME: usize = HEADER_BYTES + 36 + 2;

    fn instance() -> (Instance, UnixStream, watch::Sender<Option<Ended>>, rustix::fd::OwnedFd) {
        let (socket, theirs) = Socket::pair().expect("a runtime");
        theirs.set_nonblocking(true).expect("it is open");
        let theirs = UnixStream::from_std(theirs).expect("a runtime");
        let (output, printed) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).expect("a pipe");
        let output = pipe::Receiver::from_owned_fd(output).expect("a pipe");
        let ended = watch::Sender::new(None);
        let process = Box::new(Fake(ended.clone()));
        (Instance::attach(Launched { socket, output, process }, 1024), theirs, ended, printed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_closes_its_connection_and_goes_on_is_told_as_killed_by_us() {
        let told = async |how: Option<Ended>| {
            let (instance, mut theirs, ended, _printed) = instance();
            let call = instance.call(RequestId::random(), "", &EVENT, Duration::from_secs(60), Listener::Whole);
            let closes = async {
                theirs.read_exact(&mut [0; FRAME]).await.expect("the call comes");
                drop(theirs);
                ended.send_replace(how);
            };
            let (end, ()) = tokio::join!(call, closes);
            let Outcome::Failed(failure) = end.outcome else { panic!("{:?}", end.outcome) };
            assert_eq!(failure.code.number(), 4002);
            String::from_utf8_lossy(&failure.object).into_owned()
        };
        let lingered = told(None).await;
        assert!(
            lingered.contains("closed its connection") && lingered.contains("killed by the platform"),
            "{lingered}"
        );
        assert!(!lingered.contains("signal"), "{lingered}");
        assert!(told(Some(KILLED)).await.contains("ended by signal 9"), "that was not us");
        assert!(told(Some(LEFT)).await.contains("exited with code 0"));
    }

    #[tokio::test]
    async fn a_function_cannot_send_its_calls_to_other_instances() {
        let (instance, mut theirs, ended, _printed) = instance();
        let call = instance.call(RequestId::random(), "", &EVENT, Duration::from_secs(60), Listener::Whole);
        let says = async {
            theirs.read_exact(&mut [0; FRAME]).await.expect("the call comes");
            let header = FrameHeader { code: 4002, form: NOT_BEGUN, ..FrameHeader::new(Kind::Failed, 1, 2) };
            theirs.write_all(&[&header.encode()[..], b"{}"].concat()).await.expect("it is read");
        };
        let (end, ()) = tokio::join!(call, says);
        assert!(!end.not_begun && ended.borrow().is_some(), "{:?}", end.outcome);
    }

    #[tokio::test]
    async fn a_call_that_nobody_read_has_not_begun() {
        for reads in [0, 5, FRAME - 1] {
            let ends = calls(1, reads).await;
            assert!(ends[0].not_begun, "{reads} bytes of it were read");
            assert!(matches!(&ends[0].outcome, Outcome::Failed(failure) if failure.code.number() == 4002));
        }
        // Of two it is not known which one was read.
        assert!(calls(2, FRAME).await.iter().all(|end| !end.not_begun));
    }

    #[tokio::test]
    async fn a_call_that_came_too_late_to_be_sent_has_not_begun() {
        let (instance, mut theirs, ended, _printed) = instance();
        let call = || instance.call(RequestId::random(), "", &EVENT, Duration::from_secs(60), Listener::Whole);
        let leaves = async {
            theirs.read_exact(&mut [0; FRAME]).await.expect("the first call comes");
            drop(theirs);
            let late = call();
            let exits = async { ended.send_replace(Some(LEFT)) };
            tokio::join!(late, exits).0
        };
        let (first, late) = tokio::join!(call(), leaves);
        assert!(!first.not_begun, "its frame was read");
        assert!(late.not_begun, "its end was not noticed yet");
        instance.dead().await;
        assert!(call().await.not_begun, "it was");
    }
}
