//! Where programs' answers go: to the calls of their instance.

use std::{io, sync::Arc};

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode, Value};
use tokio::net::TcpSocket;

use super::{Lines, failure};
use crate::{
    Death, Ended, FrameHeader, Kind, death,
    protocol::{LEAVING, NOT_BEGUN},
    reader::Shared,
};

/// Characters of a line of the log; longer ones are cut.
const LINE: usize = 90 * 1024;

/// Answers calls of one instance. Cheap to share, and nothing of it waits; an answer to a call that has ended meanwhile is dropped.
#[derive(Clone)]
pub(crate) struct Answers {
    shared: Arc<Shared>,
}

impl Answers {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The initializer has run.
    pub(crate) fn initialized(&self, call: u32) {
        self.end(FrameHeader::new(Kind::Initialized, call, 0), Bytes::new());
    }

    /// The function returned this.
    pub(crate) fn returned(&self, call: u32, value: Value<Bytes>) {
        self.answered(call, 0, value);
    }

    /// The function's web server answered with this status.
    pub(crate) fn answered(&self, call: u32, status: u16, value: Value<Bytes>) {
        let (form, payload) = match value {
            Value::Nothing => (0, Bytes::new()),
            Value::Text(text) => (1, text),
            Value::Json(json) => (2, json),
            Value::Bytes(bytes) => (3, bytes),
        };
        self.end(FrameHeader { code: status, form, ..FrameHeader::new(Kind::Result, call, payload.len()) }, payload);
    }

    /// The call failed: the object goes to its log first, as bootstraps write it there.
    pub(crate) fn failed(&self, call: u32, failure: &Failure<Bytes>) {
        self.fail(call, failure, 0);
    }

    /// The same, and the instance takes no more calls.
    pub(crate) fn failed_leaving(&self, call: u32, failure: &Failure<Bytes>) {
        self.fail(call, failure, LEAVING);
    }

    /// The program has ended and never saw this call: another instance may run it.
    pub(crate) fn not_begun(&self, call: u32) {
        let message = "function invocation exception, error: the function's process ended before it took the call";
        let Failure { code, object } = death::failure(FailureCode::HandlerFailed, "FunctionCrashed", message);
        self.end(failed(call, code, NOT_BEGUN, &object), object);
    }

    /// The platform could not bring this call to the program: a fault of ours.
    pub(crate) fn unreached(&self, call: u32) {
        let failure = failure::unreachable();
        self.log(call, &String::from_utf8_lossy(&failure.object));
        let _late = self.shared.unreached(call, failure);
    }

    /// Writes into the log of a call; of one that has ended, or of none, it goes to the next.
    pub(crate) fn log(&self, call: u32, text: &str) {
        self.shared.log(call, lines(text).as_bytes());
    }

    /// From now on lines that the process prints say whose they are.
    pub(crate) fn tell_lines_apart(&self, lines: Lines) {
        self.shared.tell_lines_apart(lines);
    }

    /// A TCP socket of the process's network.
    pub(crate) async fn tcp_socket(&self) -> io::Result<TcpSocket> {
        self.shared.process.tcp_socket().await
    }

    /// Waits for the end of the process.
    pub(crate) async fn process_ended(&self) -> Ended {
        self.shared.process.exited().await
    }

    /// The instance takes no more calls; those that run go on.
    pub(crate) fn takes_no_more(&self) {
        self.shared.takes_no_more();
    }

    /// Whether the process was ended by us, so that its calls will be told why.
    pub(crate) fn is_killed(&self) -> bool {
        self.shared.is_killed()
    }

    /// Ends the process; its calls are told why.
    pub(crate) fn kill(&self, why: Death) {
        self.shared.kill(why);
    }

    fn fail(&self, call: u32, failure: &Failure<Bytes>, form: u8) {
        // What was printed before the failure stands before it.
        self.shared.drain_output();
        self.log(call, &String::from_utf8_lossy(&failure.object));
        self.end(failed(call, failure.code, form, &failure.object), failure.object.clone());
    }

    fn end(&self, header: FrameHeader, payload: Bytes) {
        // Nobody runs under this number any more.
        let _late = self.shared.end(header, payload);
    }
}

fn failed(call: u32, code: FailureCode, form: u8, object: &Bytes) -> FrameHeader {
    let code = u16::try_from(code.number()).expect("the numbers of functions' own failures are small");
    FrameHeader { code, form, ..FrameHeader::new(Kind::Failed, call, object.len()) }
}

/// Whole lines, none of them too long.
fn lines(text: &str) -> String {
    let mut all = String::with_capacity(text.len() + 1);
    for line in text.lines() {
        let mut length = 0;
        for character in line.chars() {
            if length == LINE {
                all.push('\n');
                length = 0;
            }
            all.push(character);
            length += 1;
        }
        all.push('\n');
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_not_too_long() {
        assert_eq!(lines("a\nb"), "a\nb\n");
        assert_eq!(lines(""), "");
        let cut = lines(&"ž".repeat(2 * LINE + 1));
        let lengths: Vec<usize> = cut.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lengths, [LINE, LINE, 1]);
    }
}
