//! What the program answers, on its way to the calls.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode, Value};
use tokio::{io::AsyncReadExt as _, net::tcp::OwnedReadHalf, sync::watch, time::timeout};

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

/// Reads answers as long as there are any.
pub(super) struct Reader {
    pub(super) stream: OwnedReadHalf,
    pub(super) replies: Replies,
    pub(super) answers: Answers,
    pub(super) running: Arc<Running>,
}

impl Reader {
    /// Gives each call its answer, until the connection ends, and tells that. The instance ends with it.
    pub(super) async fn run(mut self, told: watch::Sender<bool>) {
        let _fault = Fault::of(&self.answers, "its answer was not understood");
        let end = self.answer_all().await;
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

    /// Nobody has seen the call that the ended program had not read.
    fn give_back(&self, end: &End) {
        let reset = matches!(end, End::Reset) || matches!(self.stream.as_ref().take_error(), Ok(Some(_)));
        // What we ended ourselves is told why.
        if let Some(call) = self.running.unseen(reset).filter(|_| !self.answers.is_killed()) {
            self.answers.not_begun(call);
        }
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

    async fn answer_all(&mut self) -> End {
        loop {
            if let Err(broken) = self.answer_read() {
                return End::Broken(broken);
            }
            match self.stream.read(self.replies.room()).await {
                Ok(0) => return End::Closed,
                // It can fail in this one way only: reset, before or after the program said that nothing more would come.
                Err(_) => return End::Reset,
                Ok(read) => self.replies.filled(read),
            }
        }
    }

    /// Gives the answers that have been read.
    fn answer_read(&mut self) -> Result<(), Broken> {
        while let Some(reply) = self.replies.reply()? {
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
