//! Go functions: their executable serves Go's `net/rpc`, and this is its client (contract: runtimes.md 8.4).
//!
//! A call is one write to the program and its answer one read. Calls that run at the same time share the connection and are
//! told apart by their numbers.

mod connect;
mod gob;
mod output;
mod replies;
mod rpc;
mod running;
#[cfg(test)]
mod tests;

use std::{io, io::IoSlice, sync::Arc};

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode, limits};
use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::OwnedWriteHalf,
    sync::{Mutex, watch},
    task::AbortHandle,
    time::timeout,
};

pub(crate) use self::output::{Lines, Run};
use self::{
    replies::Reader,
    rpc::{EMPTY_EVENT, Request, Requests},
    running::Running,
};
use super::{Answers, Call, Patience, failure};
use crate::instance::RESULT_TOLERANCE;

/// The header that the library looks the request id up in.
const REQUEST_ID: &str = "X-Cff-Request-Id";
/// The header that the library looks the alias up in.
const VERSION_TAG: &str = "X-Cff-Origin-Version-Tag";
const INVOKE_TYPE: &str = "X-Cff-Invoke-Type";
const NO_INITIALIZER: &str = "WARN initializer_handler is not used: a Go1.x function has no initializer. Do such work in main, \
                              before runtime.Register";

/// More bytes than this are too large a result, or too long an error.
const RESULT_LIMIT: usize = limits::RESULT_BYTES + RESULT_TOLERANCE;

/// A running Go function.
pub(crate) struct Go {
    answers: Answers,
    running: Arc<Running>,
    /// None once the instance has ended.
    writer: Mutex<Option<Writer>>,
    /// Whether everything that the program said was read.
    read: watch::Receiver<bool>,
    /// Who reads it; ends with this.
    reader: AbortHandle,
}

struct Writer {
    stream: OwnedWriteHalf,
    requests: Requests,
}

impl Go {
    /// Connects to the program, which listens already, and waits until it agrees to speak RPC.
    pub(crate) async fn reach(
        handler: &str,
        concurrent_num: u32,
        loaded: &Bytes,
        patience: Patience,
        answers: Answers,
    ) -> Result<Self, Failure<Bytes>> {
        let connected = match connect::connect(loaded, patience, &answers).await {
            Ok(connected) => connected,
            Err(why) => return Err(why.failure(handler, &answers)),
        };
        let running = Arc::new(Running::default());
        if concurrent_num > 1 {
            answers.tell_lines_apart(Lines::of(Arc::clone(&running)));
        }
        let (stream, writer) = connected.stream.into_split();
        let (told, read) = watch::channel(false);
        let reader =
            Reader { stream, replies: connected.replies, answers: answers.clone(), running: Arc::clone(&running) };
        let reader = tokio::spawn(reader.run(told)).abort_handle();
        let writer = Mutex::new(Some(Writer { stream: writer, requests: Requests::default() }));
        Ok(Self { answers, running, writer, read, reader })
    }

    /// There is nothing to run: the program's `main` has run already.
    pub(crate) fn initialize(&self, number: u32) {
        self.answers.log(number, NO_INITIALIZER);
        self.answers.initialized(number);
    }

    /// Hands a call over; whoever reads gives the answer.
    pub(crate) async fn call(&self, call: &Call) {
        if !self.running.begin(call.number, &call.id, call.event.len()) {
            // What we ended ourselves is told why.
            if !self.answers.is_killed() {
                self.answers.not_begun(call.number);
            }
            return;
        }
        let mut writer = self.writer.lock().await;
        let Some(writer) = writer.as_mut() else { return };
        // Otherwise the connection is gone; the reader sees that too, and what there is to tell of it.
        if writer.hand_over(call).await.is_ok() {
            self.running.written(call.number);
        }
    }

    /// Waits until what the program said is read, or nothing comes any more.
    pub(crate) async fn ended(&self) {
        let mut read = self.read.clone();
        let _slow = timeout(replies::GRACE, read.wait_for(|read| *read)).await;
    }

    /// Lets go of the connection: nothing more comes, and it would keep the program's network alive.
    pub(crate) fn close(&self) {
        self.reader.abort();
        // Whoever writes finds out by itself that there is nobody to write to.
        if let Ok(mut writer) = self.writer.try_lock() {
            *writer = None;
        }
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Writer {
    async fn hand_over(&mut self, call: &Call) -> io::Result<()> {
        let payload = if call.event.is_empty() { EMPTY_EVENT } else { &call.event[..] };
        // The library takes the alias from it, and nothing else tells it of one.
        let tag = call.alias.as_ref().map(|alias| format!("!{alias}"));
        let mut header = vec![(REQUEST_ID, &*call.id)];
        header.extend(tag.as_deref().map(|tag| (VERSION_TAG, tag)));
        // The library drops the result then; of calls that somebody waits for it need not be told.
        header.extend(call.is_async.then_some((INVOKE_TYPE, "async")));
        let (before, after) = self.requests.next(&Request { call: call.number.into(), payload, header: &header });
        let mut slices = [IoSlice::new(&before), IoSlice::new(payload), IoSlice::new(&after)];
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            match self.stream.write_vectored(rest).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => IoSlice::advance_slices(&mut rest, written),
            }
        }
        Ok(())
    }
}

/// The program is not what it should be.
fn cannot_load(why: &str) -> Failure<Bytes> {
    failure::told(FailureCode::LoadFailed, "FunctionLoadError", why)
}
