//! What the program answers, on its way to the calls.
//!
//! Where calls come one at a time, the call itself reads its answer, in its own task: nobody has to be woken in between. Between two calls,
//! and where several run at once, a task of the instance reads.

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode, Value};
use tokio::{
    io::{AsyncRead as _, ReadBuf},
    net::tcp::OwnedReadHalf,
    sync::watch,
    time::timeout,
};

use super::{
    super::fault::Fault,
    RESULT_LIMIT, cannot_load,
    rpc::{Answer, Broken, Replies},
    running::Running,
};
use crate::{
    Death,
    programs::{
        Answers,
        failure::{self, ErrorObject},
    },
};

/// How long a program that closed its connection may take to end, and one that ended, to have been read.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// How long a program that closed its connection may go on, since that may be how it begins to leave: longer than it has after SIGTERM.
const LEAVES: Duration = Duration::from_millis(2500);

/// Statuses from here on are failures. The libraries that are known send 200 and nothing else.
const FAILURE: i64 = 400;

/// Reads answers as long as there are any. Cheap to share.
#[derive(Clone)]
pub(super) struct Reader {
    line: Arc<Mutex<Line>>,
    answers: Answers,
    running: Arc<Running>,
}

/// What is read, and by whom.
struct Line {
    /// None once the instance has ended.
    stream: Option<OwnedReadHalf>,
    replies: Replies,
    /// A call reads; the instance's task waits until it has done so.
    is_taken: bool,
    /// Wakes the instance's task.
    idle: Waker,
    /// How it ended, until the instance's task takes it from here.
    end: Option<End>,
}

/// A call's turn to read. Dropped, it is the instance's again.
pub(super) struct ReadTurn {
    reader: Reader,
}

impl Reader {
    pub(super) fn new(stream: OwnedReadHalf, replies: Replies, answers: Answers, running: Arc<Running>) -> Self {
        let line = Line { stream: Some(stream), replies, is_taken: false, idle: Waker::noop().clone(), end: None };
        Self { line: Arc::new(Mutex::new(line)), answers, running }
    }

    /// Gives each call its answer, until the connection ends, and tells that. The instance ends with it.
    pub(super) async fn run(self, told: watch::Sender<bool>) {
        let _fault = Fault::of(&self.answers, "its answer was not understood");
        let end = poll_fn(|context| self.watch(context)).await;
        self.answers.takes_no_more();
        self.running.close();
        // A program that ends closes its connection too, and how it ended tells more; the instance sees that.
        if timeout(GRACE, self.answers.process_ended()).await.is_ok() {
            self.give_back(&end);
        } else {
            self.break_off(end).await;
        }
        told.send_replace(true);
    }

    /// The only call of an instance is about to be handed over, and reads from now on; none if another does already.
    pub(super) fn take_turn(&self) -> Option<ReadTurn> {
        let mut line = self.lock();
        let was_taken = std::mem::replace(&mut line.is_taken, true);
        (!was_taken).then(|| ReadTurn { reader: self.clone() })
    }

    /// Lets go of the connection.
    pub(super) fn close(&self) {
        self.lock().stream = None;
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads for the instance, while no call does.
    fn watch(&self, context: &mut Context<'_>) -> Poll<End> {
        let mut line = self.lock();
        line.idle.clone_from(context.waker());
        if line.is_taken && line.end.is_none() { Poll::Pending } else { self.read(&mut line, context) }
    }

    /// Gives the answers that have come.
    fn read(&self, line: &mut Line, context: &mut Context<'_>) -> Poll<End> {
        if let Some(end) = line.end.take() {
            return Poll::Ready(end);
        }
        loop {
            if let Err(broken) = self.answer_read(&mut line.replies) {
                return Poll::Ready(End::Broken(broken));
            }
            let Some(stream) = &mut line.stream else { return Poll::Ready(End::Closed) };
            let mut room = ReadBuf::new(line.replies.room());
            let read = Pin::new(stream).poll_read(context, &mut room);
            let filled = room.filled().len();
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if filled == 0 => return Poll::Ready(End::Closed),
                // It can fail in this one way only: reset, before or after the program said that nothing more would come.
                Poll::Ready(Err(_)) => return Poll::Ready(End::Reset),
                Poll::Ready(Ok(())) => line.replies.filled(filled),
            }
        }
    }

    fn answer_read(&self, replies: &mut Replies) -> Result<(), Broken> {
        while let Some(reply) = replies.reply()? {
            let call = self.running.find(reply.call).ok_or(Broken::Nobody(reply.call))?;
            match answer(&reply.answer, RESULT_LIMIT) {
                Ok([]) => self.answers.returned(call, Value::Nothing),
                Ok(value) => self.answers.returned(call, Value::Bytes(Bytes::copy_from_slice(value))),
                Err(failure) => self.answers.failed(call, &failure),
            }
            self.running.end(call);
        }
        Ok(())
    }

    /// Nobody has seen the call that the ended program had not read.
    fn give_back(&self, end: &End) {
        let reset = matches!(end, End::Reset) || self.has_failed();
        // What we ended ourselves is told why.
        if let Some(call) = self.running.unseen(reset).filter(|_| !self.answers.is_killed()) {
            self.answers.not_begun(call);
        }
    }

    fn has_failed(&self) -> bool {
        self.lock().stream.as_ref().is_some_and(|stream| matches!(stream.as_ref().take_error(), Ok(Some(_))))
    }

    /// Ends a program that goes on without its connection.
    async fn break_off(&self, end: End) {
        let (why, patience) = match end {
            End::Closed | End::Reset => ("it closed its connection to the platform".to_owned(), LEAVES),
            End::Broken(broken) => (broken.to_string(), Duration::ZERO),
        };
        let failure = failure::told(FailureCode::HandlerFailed, "FunctionCrashed", &why);
        for call in self.running.end_all() {
            self.answers.failed_leaving(call, &failure);
        }
        if timeout(patience, self.answers.process_ended()).await.is_err() {
            self.answers.kill(Death::Garbage(why));
        }
    }
}

impl ReadTurn {
    /// Reads until the connection ends, which the instance's task goes on with. A call is answered long before that, and lets this go.
    pub(super) async fn read(&self) {
        poll_fn(|context| {
            let mut line = self.reader.lock();
            self.reader.read(&mut line, context).map(|end| line.hand_over(end))
        })
        .await;
        pending::<()>().await;
    }
}

impl Drop for ReadTurn {
    fn drop(&mut self) {
        let mut line = self.reader.lock();
        line.is_taken = false;
        if line.end.is_some() || std::thread::panicking() {
            return line.idle.wake_by_ref();
        }
        // A connection tells one task of what comes, the last that asked. What has come already, with the answer or behind it, is looked at
        // here: no call may be handed over to a program that has said something else or left.
        let idle = line.idle.clone();
        if let Poll::Ready(end) = self.reader.read(&mut line, &mut Context::from_waker(&idle)) {
            line.hand_over(end);
        }
    }
}

impl Line {
    /// To the instance's task.
    fn hand_over(&mut self, end: End) {
        self.end = Some(end);
        self.idle.wake_by_ref();
    }
}

/// How a conversation ended.
enum End {
    /// The program closed it.
    Closed,
    /// So the kernel tells that what we wrote last had not been read.
    Reset,
    /// The program said what cannot be understood.
    Broken(Broken),
}

/// A value, or what went wrong.
fn answer<'a>(answer: &Answer<'a>, limit: usize) -> Result<&'a [u8], Failure<Bytes>> {
    match answer {
        Answer::Returned { payload, .. } if payload.len() > limit => Err(failure::too_large()),
        Answer::Returned { status, payload } if *status < FAILURE => Ok(payload),
        Answer::Returned { payload, .. } => Err(reported(&String::from_utf8_lossy(payload))),
        Answer::Failed(text) if text.len() > limit => Err(failure::too_large()),
        Answer::Failed(text) => Err(reported(text)),
    }
}

/// The library's error object passes; its number follows from what it says.
fn reported(text: &str) -> Failure<Bytes> {
    if text.starts_with("rpc: can't find") {
        return cannot_load(&format!(
            "the program has no such function ({text}); `main` must call `runtime.Register(handler)` of the Go runtime library"
        ));
    }
    let failure = failure::reported(text.as_bytes());
    match ErrorObject::read(text) {
        Some(object) if object.kind == "FunctionResponseTooLarge" => {
            Failure { code: FailureCode::ResultTooLarge, ..failure }
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 100;

    fn check(given: &Answer<'_>, expected: Result<&str, (u32, &str)>) {
        match (answer(given, LIMIT), expected) {
            (Ok(value), Ok(wanted)) => assert_eq!(value, wanted.as_bytes()),
            (Err(failure), Err((code, part))) => {
                assert_eq!(failure.code.number(), code, "{given:?}");
                let object = String::from_utf8_lossy(&failure.object);
                assert!(object.contains(part), "{object} lacks {part}");
            }
            (got, _) => panic!("{given:?} gave {got:?}"),
        }
    }

    #[test]
    fn values_and_failures_have_their_numbers() {
        let returned = |status, text: &'static str| Answer::Returned { status, payload: text.as_bytes() };
        check(&returned(200, "\"ten\""), Ok("\"ten\""));
        check(&returned(0, ""), Ok(""));
        let long = "x".repeat(LIMIT + 1);
        check(&Answer::Returned { status: 200, payload: long.as_bytes() }, Err((4004, "exceeds the maximum")));
        check(&Answer::Failed(long), Err((4004, "exceeds the maximum")));
        check(&returned(500, "no"), Err((4002, "\"errorMessage\": \"no\"")));
        let failed = |text: &str| Answer::Failed(text.to_owned());
        check(&failed("bad request parameters"), Err((4002, "\"errorMessage\": \"bad request parameters\"")));
        check(&failed("rpc: can't find service Function.Invoke"), Err((4001, "runtime.Register")));
        let own = |kind: &str| format!("{{\n    \"errorMessage\": \"x\",\n    \"errorType\": \"{kind}\"\n}}");
        for (kind, code) in [("FunctionReturnError", 4002), ("panic", 4002), ("FunctionResponseTooLarge", 4004)] {
            let object = own(kind);
            check(&failed(&object), Err((code, &object)));
        }
    }
}
