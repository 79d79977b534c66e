//! Cancelling calls (contract: async.md sections 4 and 8): one that waits is thrown away, one that runs is stopped with its instance.

use std::{sync::Arc, time::Instant};

use fungraph_model::{AsyncRecord, CallSeq, Caller, ErrorCode, Fault, FunctionRef, RequestId};
use fungraph_store::queue::FunctionNo;

use super::{board::Place, ending::Reason};
use crate::{Engine, Error};

/// Calls that one cancelled call may have led to, and that are cancelled with it.
const DESCENDANTS: usize = 10_000;

/// What else is done.
#[derive(Clone, Copy, Debug)]
pub struct CancelKind {
    /// The calls that it led to are cancelled as well.
    pub recursive: bool,
    /// Its instance is ended where it runs. Without that it runs to its end, and is not tried again.
    pub force: bool,
}

impl Engine {
    /// Cancels a call that has not ended.
    ///
    /// # Errors
    /// FSS.1051; FSS.0400 for a call that this function never had, or that has ended already.
    pub async fn cancel_async(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        request: RequestId,
        kind: CancelKind,
    ) -> Result<(), Error> {
        let (no, record) = self.find_call(caller, function, request).await?;
        let ended = record.status.is_end();
        if ended && !kind.recursive {
            let message = format!("The asynchronous call {request} has ended already, as {}", record.status.name());
            return Err(Fault::new(ErrorCode::BadParameter, message).into());
        }
        if !ended {
            self.cancel_one(no, seq(&record), kind.force).await?;
        }
        if kind.recursive {
            self.cancel_descendants(seq(&record), kind.force).await?;
        }
        Ok(())
    }

    async fn cancel_descendants(self: &Arc<Self>, of: CallSeq, force: bool) -> Result<(), Error> {
        let (mut parents, mut seen) = (vec![of], 0);
        while let Some(parent) = parents.pop() {
            let children = self.queue.store.children(parent).await;
            for (no, child) in children.map_err(|source| Error::internal("read what followed from a call", source))? {
                seen += 1;
                if seen > DESCENDANTS {
                    return Ok(());
                }
                if !child.status.is_end() {
                    self.cancel_one(no, seq(&child), force).await?;
                }
                parents.push(seq(&child));
            }
        }
        Ok(())
    }

    async fn cancel_one(self: &Arc<Self>, no: FunctionNo, seq: CallSeq, force: bool) -> Result<(), Error> {
        let Some(function) = self.queue.store.named(no) else { return Ok(()) };
        let place = self.queue.board().cancel(&function, no, seq, Instant::now());
        match place {
            Place::Out(out) => {
                if force {
                    out.stop.cancel();
                }
            }
            Place::Struck => {
                let read = self.queue.store.take(&[seq]).await;
                let call = match read {
                    Ok(calls) => calls.into_iter().next(),
                    Err(source) => {
                        self.queue.board().unstrike(no, seq);
                        self.queue.nudge();
                        return Err(Error::internal("read a call", source));
                    }
                };
                match call {
                    Some(call) => self.discard(no, function, call, Reason::Cancelled).await,
                    // It ended this very moment.
                    None => self.queue.board().ended(no, seq, Instant::now()),
                }
            }
        }
        Ok(())
    }

    /// A call of a function.
    pub(super) async fn find_call(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        request: RequestId,
    ) -> Result<(FunctionNo, AsyncRecord), Error> {
        let no = self.queue_number(caller, function).await?;
        let found = self.queue.store.record(request).await;
        let found = found.map_err(|source| Error::internal("look for a call", source))?;
        let found = found.filter(|(_, of, _)| no == Some(*of));
        let (_, no, mut record) = found.ok_or_else(|| unknown(request))?;
        if self.queue.board().running_of(no).contains(&seq(&record)) && !record.status.is_end() {
            record.status = fungraph_model::AsyncStatus::Running;
        }
        Ok((no, record))
    }
}

fn seq(record: &AsyncRecord) -> CallSeq {
    record.request.seq().expect("the queue's ids name their places")
}

fn unknown(request: RequestId) -> Fault {
    let message = format!(
        "The function has no asynchronous call {request}. It may belong to another function, or its record may be too old to be kept"
    );
    Fault::new(ErrorCode::BadParameter, message)
}
