//! Cancelling calls (contract: async.md sections 4 and 8): one that waits is thrown away, one that runs is stopped with its instance.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fungraph_model::{AsyncRecord, CallSeq, Caller, ErrorCode, Fault, FunctionRef, RequestId};
use fungraph_store::queue::{CancelledCall, FunctionNo, QueueError, QueueFunction, WaitingCall};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::{accept::refused, board::Place, broken::Struck, ending::Reason, plan::Point};
use crate::{Engine, Error, error::chain, to_end::to_end};

/// Calls that one cancelled call may have led to, and that are cancelled with it.
const DESCENDANTS: usize = 10_000;
/// So long a client waits for a disk that takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before a call is read once more.
const AGAIN: Duration = Duration::from_secs(1);

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
    /// FSS.1051; FSS.0400 for a call that this function never had, or that has ended already; FSS.0503 while the disk takes nothing.
    pub async fn cancel_async(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        request: RequestId,
        kind: CancelKind,
    ) -> Result<(), Error> {
        let (no, record) = self.find_call(caller, function, request).await?;
        let (ended, seq) = (record.status.is_end(), seq(&record));
        if ended && !kind.recursive {
            let message = format!("The asynchronous call {request} has ended already, as {}", record.status.name());
            return Err(Fault::new(ErrorCode::BadParameter, message).into());
        }
        let engine = Arc::clone(self);
        let whole = async move {
            if !ended {
                engine.cancel_one(no, seq, kind.force).await?;
            }
            if kind.recursive {
                engine.cancel_descendants(seq, kind.force).await?;
            }
            Ok(())
        };
        self.on_disk(whole).await
    }

    /// Does what ends calls, to its end, and waits for it unless the disk takes nothing: then that may take until somebody has made room.
    /// Whoever leaves meanwhile leaves no call behind that waits no more and has not ended, and no function that is held.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let done = unless_refused(to_end(work, self.orphans.clone()), || !self.queue.store.is_writable()).await;
        done.unwrap_or_else(|| Err(not_yet().into()))
    }

    async fn cancel_descendants(self: &Arc<Self>, of: CallSeq, force: bool) -> Result<(), Error> {
        let (mut walk, mut running) = (Walk::from(of), Vec::new());
        while let Some(parent) = walk.next() {
            for (seq, no, has_ended) in walk.found(self.children(parent).await) {
                if !has_ended {
                    running.extend(walk.tried(self.reach(no, seq, force).await).flatten());
                }
            }
        }
        // All know by now; whether the disk takes it is another matter.
        for noted in join_all(running.into_iter().map(|seq| self.queue.store.cancel(seq))).await {
            walk.tried(noted.map_err(refused));
        }
        walk.refused.map_or(Ok(()), Err)
    }

    /// The calls that followed from one at once, and whether they have ended.
    async fn children(&self, parent: CallSeq) -> Result<Vec<(CallSeq, FunctionNo, bool)>, Error> {
        let found = self.queue.store.children(parent).await;
        let found = found.map_err(|source| Error::internal("read what followed from a call", source))?;
        Ok(found.into_iter().map(|(no, child)| (seq(&child), no, child.status.is_end())).collect())
    }

    /// What the client is told is on disk by then: that the call has ended, or that it is to end and does not run again.
    pub(super) async fn cancel_one(self: &Arc<Self>, no: FunctionNo, seq: CallSeq, force: bool) -> Result<(), Error> {
        match self.reach(no, seq, force).await? {
            // Its end may take as long as its instance does.
            Some(running) => self.queue.store.cancel(running).await.map_err(refused),
            None => Ok(()),
        }
    }

    /// Ends a call that waits, and tells one that was given out. Of that one it is not on disk that it is to end: whoever is given it notes that.
    async fn reach(self: &Arc<Self>, no: FunctionNo, seq: CallSeq, force: bool) -> Result<Option<CallSeq>, Error> {
        let Some(function) = self.queue.store.named(no) else { return Ok(None) };
        if !self.queue.store.is_writable() && !self.queue.board().is_out(no, seq) {
            // It waits, and nothing begins meanwhile: there is nothing to be done before the disk has room, and nobody's calls pile up in
            // memory until then.
            return Err(refused(QueueError::DiskFull));
        }
        let place = self.queue.board().cancel(&function, no, seq, Instant::now());
        match place {
            Place::Out { out, again } => {
                if force {
                    out.stop.cancel();
                }
                if again && !self.queue.store.is_writable() {
                    // It is on its way already, and nobody may pile up more of the same.
                    return Err(not_yet().into());
                }
                Ok(Some(seq))
            }
            Place::Struck => {
                let struck = Struck { queue: &self.queue, no, seq };
                self.end_struck(struck, function, Reason::Cancelled).await.map(|()| None)
            }
        }
    }

    /// Ends a call that was taken from the board, where it has not ended this very moment.
    pub(super) async fn end_struck(
        self: &Arc<Self>,
        struck: Struck<'_>,
        function: Arc<QueueFunction>,
        reason: Reason,
    ) -> Result<(), Error> {
        let Some(call) = self.read_struck(struck.seq).await? else { return Ok(()) };
        if self.discard(struck.no, function, call, reason).await { Ok(()) } else { Err(not_stored().into()) }
    }

    /// Until it can be read: it cannot be put back, since nobody knows any more where on the board it was, and would run twice.
    pub(super) async fn read_struck(&self, seq: CallSeq) -> Result<Option<WaitingCall>, Error> {
        self.queue.plan.reach(Point::Struck);
        loop {
            match self.queue.store.take(&[seq]).await {
                Ok(calls) => return Ok(calls.into_iter().next()),
                Err(error) => {
                    tracing::error!(cause = chain(&error), "a call that was cancelled cannot be read; tried again");
                }
            }
            tokio::select! {
                () = self.queue.stop.cancelled() => return Err(not_stored().into()),
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Ends what an earlier server was told to cancel and did not live to end.
    pub(crate) fn end_cancelled(self: &Arc<Self>, calls: Vec<CancelledCall>) {
        for CancelledCall { seq, function: no, ran } in calls {
            let Some(function) = self.queue.store.named(no) else { continue };
            let place = self.queue.board().cancel(&function, no, seq, Instant::now());
            // Nothing was given out yet.
            if let Place::Struck = place {
                let reason = if ran { Reason::Stopped } else { Reason::Cancelled };
                let engine = Arc::clone(self);
                self.queue.tasks.spawn(async move {
                    let struck = Struck { queue: &engine.queue, no, seq };
                    // Where it does not come to be stored, the next server does the same.
                    let _ = engine.end_struck(struck, function, reason).await;
                });
            }
        }
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

/// A walk through what followed from a call, and what followed from that. Whatever cannot be done now keeps nothing else from being done.
struct Walk {
    parents: Vec<CallSeq>,
    /// How many more it looks at.
    left: usize,
    /// The first thing that could not be done.
    refused: Option<Error>,
}

impl Walk {
    fn from(call: CallSeq) -> Self {
        Self { parents: vec![call], left: DESCENDANTS, refused: None }
    }

    fn next(&mut self) -> Option<CallSeq> {
        self.parents.pop()
    }

    /// The calls that were found to follow from one, as many as are looked at.
    fn found<T>(&mut self, found: Result<Vec<(CallSeq, FunctionNo, T)>, Error>) -> Vec<(CallSeq, FunctionNo, T)> {
        let mut found = self.tried(found).unwrap_or_default();
        found.truncate(self.left);
        self.left -= found.len();
        self.parents.extend(found.iter().map(|(seq, ..)| *seq));
        found
    }

    fn tried<T>(&mut self, tried: Result<T, Error>) -> Option<T> {
        tried.map_err(|error| self.refused.get_or_insert(error)).ok()
    }
}

/// Waits for some work, unless the disk refuses what it waits for.
async fn unless_refused<T>(mut work: impl Future<Output = T> + Unpin, refuses: impl Fn() -> bool) -> Option<T> {
    loop {
        match timeout(PATIENCE, &mut work).await {
            Ok(done) => return Some(done),
            Err(_) if refuses() => return None,
            Err(_) => {}
        }
    }
}

fn seq(record: &AsyncRecord) -> CallSeq {
    record.request.seq().expect("the queue's ids name their places")
}

/// Whether the call runs again is not known.
fn not_stored() -> Fault {
    Fault::new(
        ErrorCode::Unavailable,
        "The server is stopping, and the end of the call is not on disk. Look at the call and cancel it again when the server is back",
    )
}

/// It is done in memory, and waits for the disk.
fn not_yet() -> Fault {
    Fault::new(
        ErrorCode::Unavailable,
        "The disk of the server takes nothing at the moment. What was asked for is done as soon as it does, unless the server ends before: \
         look again later. The operator should look at the room in the data folder",
    )
}

fn unknown(request: RequestId) -> Fault {
    let message = format!(
        "The function has no asynchronous call {request}. It may belong to another function, or its record may be too old to be kept"
    );
    Fault::new(ErrorCode::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::{sync::oneshot, time::sleep};
    use tokio_util::task::TaskTracker;

    use super::*;

    #[test]
    fn one_that_cannot_be_cancelled_keeps_no_other_one_from_it() {
        let children = |parent: CallSeq| {
            let of: &[i64] = match parent.0 {
                1 => &[2, 3],
                2 => &[4],
                3 => &[5, 6],
                _ => &[],
            };
            if parent.0 == 6 {
                return Err(refused(QueueError::Closed));
            }
            Ok(of.iter().map(|seq| (CallSeq(*seq), FunctionNo(1), ())).collect())
        };
        let (mut walk, mut reached) = (Walk::from(CallSeq(1)), Vec::new());
        while let Some(parent) = walk.next() {
            for (seq, ..) in walk.found(children(parent)) {
                reached.push(seq.0);
                let full = [2, 5].contains(&seq.0);
                walk.tried(if full { Err(refused(QueueError::DiskFull)) } else { Ok(()) });
            }
        }
        reached.sort_unstable();
        assert_eq!(reached, [2, 3, 4, 5, 6]);
        let text = walk.refused.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("disk"), "the first is told: {text}");
    }

    #[test]
    fn no_more_than_so_many_are_looked_at() {
        let mut walk = Walk::from(CallSeq(1));
        let many = |_| (CallSeq(2), FunctionNo(1), ());
        assert_eq!(walk.found(Ok((1..DESCENDANTS).map(many).collect())).len(), DESCENDANTS - 1);
        assert_eq!(walk.found(Ok((0..5).map(many).collect())).len(), 1);
        assert!(walk.found(Ok(vec![many(0)])).is_empty() && walk.refused.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_disk_that_takes_nothing_and_what_he_asked_for_is_done_all_the_same() {
        let slow = to_end(sleep(10 * PATIENCE), TaskTracker::new());
        assert_eq!(unless_refused(slow, || false).await, Some(()), "a disk that is slow is waited for");
        let (looks, (room, made)) = (Cell::new(0), oneshot::channel::<()>());
        let (done, ended) = oneshot::channel();
        let work = async move {
            made.await.expect("somebody makes room");
            done.send(7).expect("the test waits");
        };
        let fills_up = || looks.replace(looks.get() + 1) == 2;
        assert_eq!(unless_refused(to_end(work, TaskTracker::new()), fills_up).await, None);
        assert_eq!(looks.get(), 3);
        room.send(()).expect("it is waited for");
        assert_eq!(ended.await, Ok(7));
    }
}
