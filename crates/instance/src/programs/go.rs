//! Go functions: their executable serves Go's `net/rpc`, and this is its client (contract: runtimes.md 8.4).
//!
//! A call is one write to the program and its answer one read, both in the call's own task where calls come one at a time. Calls that run at
//! the same time share the connection and are told apart by their numbers.

mod connect;
mod gob;
mod output;
mod replies;
pub mod rpc;
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
use crate::{Death, instance::RESULT_TOLERANCE};

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
    reader: Reader,
    /// Who reads for the instance; ends with this.
    reading: AbortHandle,
    /// One call at a time, which reads its answer itself.
    is_alone: bool,
}

struct Writer {
    stream: OwnedWriteHalf,
    requests: Requests,
}

/// A call that is not written as a whole yet. Where that is given up, since its answer has come, nothing can follow on its connection.
struct HalfWritten<'a> {
    go: &'a Go,
    /// It is written, or cannot be.
    is_over: bool,
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
        let reader = Reader::new(stream, connected.replies, answers.clone(), Arc::clone(&running));
        let reading = tokio::spawn(reader.clone().run(told)).abort_handle();
        let writer = Mutex::new(Some(Writer { stream: writer, requests: Requests::default() }));
        Ok(Self { answers, running, writer, read, reader, reading, is_alone: concurrent_num == 1 })
    }

    /// There is nothing to run: the program's `main` has run already.
    pub(crate) fn initialize(&self, number: u32) {
        self.answers.log(number, NO_INITIALIZER);
        self.answers.initialized(number);
    }

    /// Hands a call over, and reads its answer where no other call can run. Otherwise whoever reads gives the answer.
    pub(crate) async fn call(&self, call: &Call) {
        let turn = if self.is_alone { self.reader.take_turn() } else { None };
        match turn {
            // The answer may come, and the connection end, before all is written.
            Some(turn) => _ = tokio::join!(self.hand_over(call), turn.read()),
            None => self.hand_over(call).await,
        }
    }

    async fn hand_over(&self, call: &Call) {
        if !self.running.begin(call.number, &call.id, call.event.len()) {
            // What we ended ourselves is told why.
            if !self.answers.is_killed() {
                self.answers.not_begun(call.number);
            }
            return;
        }
        let mut writer = self.writer.lock().await;
        let Some(writer) = writer.as_mut() else { return };
        let mut half = HalfWritten { go: self, is_over: false };
        let written = writer.hand_over(call).await;
        half.is_over = true;
        // Otherwise the connection is gone; the reader sees that too, and what there is to tell of it.
        if written.is_ok() {
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
        self.reading.abort();
        self.reader.close();
        // Whoever writes finds out by itself that there is nobody to write to.
        if let Ok(mut writer) = self.writer.try_lock() {
            *writer = None;
        }
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Drop for HalfWritten<'_> {
    fn drop(&mut self) {
        // Whoever reads has seen an end that comes before.
        if self.is_over || self.go.running.is_closed() {
            return;
        }
        // What the program has not read of it would be missing from the next call.
        self.go.answers.kill(Death::Garbage("it answered a call before it had read all of it".to_owned()));
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
