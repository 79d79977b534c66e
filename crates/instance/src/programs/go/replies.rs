//! What the program answers, on its way to the platform.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{io::AsyncReadExt as _, net::tcp::OwnedReadHalf, time::timeout};

use super::{
    output::Output,
    rpc::{Answer, Broken, Replies},
    running::Running,
};
use crate::{
    child::Program,
    failure::{self, Failure},
    frame::Form,
    link::Link,
};

/// How long a program that closed its connection may take to end, and one that ended, to have been read.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// Statuses from here on are failures. The libraries that are known send 200 and nothing else.
const FAILURE: i64 = 400;

/// Reads answers as long as there are any.
pub(super) struct Reader {
    pub(super) stream: OwnedReadHalf,
    pub(super) replies: Replies,
    pub(super) link: Link,
    pub(super) running: Arc<Running>,
    pub(super) program: Program,
    /// Where output does not go to the platform by itself.
    pub(super) output: Option<Arc<Output>>,
    pub(super) result_limit: usize,
}

impl Reader {
    /// Gives each call its answer, until the connection ends. The instance ends with it.
    pub(super) async fn run(mut self) {
        let why = match self.answer_all().await {
            Ok(()) => "it closed its connection to the platform".to_owned(),
            Err(broken) => broken.to_string(),
        };
        // A program that ends closes its connection too, and how it ended tells more; the session sees that.
        if timeout(GRACE, self.program.ended()).await.is_ok() {
            return;
        }
        let failure = Failure::new(failure::CALL, "FunctionCrashed", &why);
        for call in self.running.end_all() {
            self.link.failed_leaving(call, &failure).await;
        }
        self.program.stop().await;
    }

    async fn answer_all(&mut self) -> Result<(), Broken> {
        loop {
            while let Some(reply) = self.replies.reply()? {
                let call = self.running.find(reply.call).ok_or(Broken::Nobody(reply.call))?;
                if let Some(output) = &self.output {
                    output.take_before_answer().await;
                }
                self.running.end(call);
                match answer(&reply.answer, self.result_limit) {
                    Ok(value) if value.is_empty() => self.link.returned(call, Form::Nothing, value).await,
                    Ok(value) => self.link.returned(call, Form::Bytes, value).await,
                    Err(failure) => self.link.failed(call, &failure).await,
                }
            }
            match self.stream.read(self.replies.room()).await {
                Ok(0) | Err(_) => return Ok(()),
                Ok(read) => self.replies.filled(read),
            }
        }
    }
}

/// A value, or what went wrong.
fn answer<'a>(answer: &Answer<'a>, limit: usize) -> Result<&'a [u8], Failure> {
    match answer {
        Answer::Returned { payload, .. } if payload.len() > limit => Err(Failure::too_large()),
        Answer::Returned { status, payload } if *status < FAILURE => Ok(payload),
        Answer::Returned { payload, .. } => Err(reported(&String::from_utf8_lossy(payload))),
        Answer::Failed(text) => Err(reported(text)),
    }
}

/// The library's error object passes; its number follows from what it says.
fn reported(text: &str) -> Failure {
    if text.starts_with("rpc: can't find") {
        return super::cannot_load(&format!(
            "the program has no such function ({text}); `main` must call `runtime.Register(handler)` of the Go runtime library"
        ));
    }
    let failure = Failure::reported(text.as_bytes());
    match serde_json::from_str::<Value>(text) {
        Ok(object) if object["errorType"] == "FunctionResponseTooLarge" => {
            Failure { code: failure::TOO_LARGE, ..failure }
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &Answer<'_>, expected: Result<&str, (u16, &str)>) {
        match (answer(given, 10), expected) {
            (Ok(value), Ok(wanted)) => assert_eq!(value, wanted.as_bytes()),
            (Err(failure), Err((code, part))) => {
                assert_eq!(failure.code, code, "{given:?}");
                assert!(failure.object.contains(part), "{} lacks {part}", failure.object);
            }
            (got, _) => panic!("{given:?} gave {got:?}"),
        }
    }

    #[test]
    fn values_and_failures_have_their_numbers() {
        let returned = |status, text: &'static str| Answer::Returned { status, payload: text.as_bytes() };
        check(&returned(200, "\"ten\""), Ok("\"ten\""));
        check(&returned(0, ""), Ok(""));
        check(&returned(200, "ten is fine."), Err((4004, "exceeds the maximum")));
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
