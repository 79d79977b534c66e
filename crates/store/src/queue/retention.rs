//! What is not kept for ever: records of calls that ended, and events that were kept. In small steps through the writer, so that nobody
//! waits for it; of each function the oldest first.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fungraph_model::{AsyncStatus, CallSeq, FailureCode};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::{query_as, query_scalar};

use super::change::Change;
use super::{End, FunctionNo, Queue, QueueError, share};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// How long a record is kept after its call was accepted, and an event.
    pub age: Duration,
    /// Records of one function.
    pub per_function: u64,
    /// Records of all functions; beyond that the project that has most gives up, and in it the function that has most.
    pub total: u64,
    /// Bytes of events, sealed; given up in the same way.
    pub recorded_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        let age = Duration::from_secs(7 * 24 * 3600);
        Self { age, per_function: 1_000_000, total: 5_000_000, recorded_bytes: 1 << 30 }
    }
}

/// What was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many calls.
    pub calls: u64,
    /// The last one that there was: what stands behind it came later.
    pub up_to: CallSeq,
}

/// Rows of one step.
const STEP: i64 = 500;
/// Records with a place in the future that are looked at at once.
const AHEAD: i64 = 5000;

/// Pages that are never given back: 64 MB.
const LEAST_FREE: i64 = 16_384;
/// Pages that are given back in one step.
const SHRINK_STEP: i64 = 512;

impl Queue {
    /// Brings records and events down to what is kept, and gives room back to the file system; gives how many records went.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::Closed`].
    pub async fn trim(&self, keep: &Retention) -> Result<u64, QueueError> {
        let age = i64::try_from(keep.age.as_micros()).unwrap_or(i64::MAX);
        let oldest = self.shared.clock.wall().as_microsecond().saturating_sub(age);
        let first = CallSeq::first_at(Timestamp::from_microsecond(oldest).unwrap_or(Timestamp::MIN));
        let mut gone = self.trim_older(first).await?;
        gone += self.trim_ahead(oldest).await?;
        for (function, excess) in self.excess(keep.per_function) {
            gone += self.trim_function(function, excess).await?;
        }
        for (function, excess) in self.excess_of_all(keep.total) {
            gone += self.trim_function(function, excess).await?;
        }
        self.trim_recorded(oldest, keep.recorded_bytes).await?;
        self.forget_gone().await?;
        self.shrink().await?;
        Ok(gone)
    }

    /// Ends all calls of a function that were accepted until now as thrown away, except those of `keep`. Nothing is owed for them.
    ///
    /// # Errors
    /// As [`Queue::end`].
    pub async fn purge(&self, function: FunctionNo, keep: &HashSet<CallSeq>, why: &str) -> Result<Purged, QueueError> {
        let sql = "SELECT no, seq FROM waiting INDEXED BY waiting_no WHERE function = ? AND no > ? AND no <= ? \
                   ORDER BY no LIMIT ?";
        let last: Option<(i64, i64)> =
            query_as("SELECT no, seq FROM waiting INDEXED BY waiting_no WHERE function = ? ORDER BY no DESC LIMIT 1")
                .bind(function.0)
                .fetch_optional(&self.readers)
                .await
                .map_err(QueueError::during("find what waits"))?;
        let (last_no, up_to) = last.unwrap_or_default();
        let (mut calls, mut after) = (0, 0);
        loop {
            let step = query_as::<_, (i64, i64)>(sql).bind(function.0).bind(after).bind(last_no).bind(STEP);
            let step = step.fetch_all(&self.readers).await.map_err(QueueError::during("find what waits"))?;
            let Some((newest, _)) = step.last() else { return Ok(Purged { calls, up_to: CallSeq(up_to) }) };
            after = *newest;
            let seqs: Vec<_> = step.iter().map(|(_, seq)| CallSeq(*seq)).filter(|seq| !keep.contains(seq)).collect();
            calls += self.discard(&seqs, why).await?;
        }
    }

    /// The place of the newest call.
    #[must_use]
    pub fn newest(&self) -> CallSeq {
        CallSeq(self.shared.newest.load(Ordering::Relaxed))
    }

    /// Calls of one version of a function that have not ended, up to a place.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn waiting_of(
        &self,
        function: FunctionNo,
        version: &str,
        up_to: CallSeq,
    ) -> Result<Vec<CallSeq>, QueueError> {
        let sql =
            "SELECT seq FROM waiting INDEXED BY waiting_no WHERE function = ? AND version = ? AND seq <= ? ORDER BY no";
        // One by one: there may be a million, and a row takes far more room than what is kept of it.
        let seqs = query_scalar(sql).bind(function.0).bind(version).bind(up_to.0).fetch(&self.readers);
        seqs.map_ok(CallSeq).try_collect().await.map_err(QueueError::during("find what waits of a version"))
    }

    async fn discard(&self, seqs: &[CallSeq], why: &str) -> Result<u64, QueueError> {
        let (code, end) = (FailureCode::Cancelled.number(), self.shared.clock.wall());
        let ends = seqs.iter().map(|seq| {
            let (status, message, owed) = (AsyncStatus::Discard, why.to_owned(), Vec::new());
            self.end(End { seq: *seq, status, code, message, start: None, end, owed })
        });
        futures_util::future::try_join_all(ends).await?;
        Ok(seqs.len() as u64)
    }

    async fn trim_older(&self, first: CallSeq) -> Result<u64, QueueError> {
        let mut gone = 0;
        loop {
            let step =
                query_scalar("SELECT seq FROM ended WHERE seq < ? ORDER BY seq LIMIT ?").bind(first.0).bind(STEP);
            let step = step.fetch_all(&self.readers).await.map_err(QueueError::during("find old records"))?;
            if step.is_empty() {
                return Ok(gone);
            }
            gone += self.trim_these(step).await?;
        }
    }

    /// The same of records whose places are ahead of the clock, which it was once: their time is what the clock said. Some of those that have
    /// such places only: whoever stands behind them has his turn once they are gone.
    async fn trim_ahead(&self, oldest: i64) -> Result<u64, QueueError> {
        let mut gone = 0;
        let Some(first) = self.ahead() else { return Ok(0) };
        loop {
            let sql = "SELECT seq FROM (SELECT seq, accepted FROM ended WHERE seq >= ? ORDER BY seq LIMIT ?) \
                       WHERE accepted < ? LIMIT ?";
            let step = query_scalar(sql).bind(first.0).bind(AHEAD).bind(oldest).bind(STEP);
            let step = step.fetch_all(&self.readers).await.map_err(QueueError::during("find old records"))?;
            if step.is_empty() {
                return Ok(gone);
            }
            gone += self.trim_these(step).await?;
        }
    }

    fn excess(&self, most: u64) -> Vec<(FunctionNo, u64)> {
        let functions = self.shared.functions();
        let excess = |records: u64| records.checked_sub(most).filter(|excess| *excess > 0);
        functions.all().filter_map(|(no, known)| Some((no, excess(known.records)?))).collect()
    }

    fn excess_of_all(&self, most: u64) -> Vec<(FunctionNo, u64)> {
        let functions = self.shared.functions();
        if functions.records() <= most {
            return Vec::new();
        }
        share::excess(functions.all().map(|(no, known)| (&known.function.key.project, no, known.records)), most)
    }

    async fn trim_function(&self, function: FunctionNo, mut excess: u64) -> Result<u64, QueueError> {
        let mut gone = 0;
        while excess > 0 {
            let step = query_scalar("SELECT seq FROM ended WHERE function = ? ORDER BY no LIMIT ?")
                .bind(function.0)
                .bind(step(excess))
                .fetch_all(&self.readers)
                .await
                .map_err(QueueError::during("find old records"))?;
            let Some(left) = excess.checked_sub(step.len() as u64).filter(|_| !step.is_empty()) else { break };
            excess = left;
            gone += self.trim_these(step).await?;
        }
        Ok(gone)
    }

    async fn trim_these(&self, seqs: Vec<i64>) -> Result<u64, QueueError> {
        let seqs = seqs.into_iter().map(CallSeq).collect();
        self.change(Change::Trim(seqs)).await
    }

    async fn trim_recorded(&self, oldest: i64, most_bytes: u64) -> Result<(), QueueError> {
        while self.change(Change::TrimRecorded(oldest, STEP)).await? > 0 {}
        let held: Vec<(String, String, i64)> = query_as("SELECT project, func_id, bytes FROM recorded_sizes")
            .fetch_all(&self.readers)
            .await
            .map_err(QueueError::during("count the bytes of events"))?;
        let held = held.into_iter().map(|(project, func_id, bytes)| (project, func_id, bytes.unsigned_abs()));
        for (func_id, excess) in share::excess(held, most_bytes) {
            self.trim_recorded_of(&func_id, excess).await?;
        }
        Ok(())
    }

    async fn trim_recorded_of(&self, func_id: &str, mut excess: u64) -> Result<(), QueueError> {
        let sql = "SELECT request, size FROM recorded WHERE func_id = ? ORDER BY created LIMIT ?";
        while excess > 0 {
            let step = query_as::<_, (Vec<u8>, i64)>(sql).bind(func_id).bind(STEP).fetch_all(&self.readers).await;
            let step = step.map_err(QueueError::during("find old events"))?;
            if step.is_empty() {
                return Ok(());
            }
            let mut requests = Vec::new();
            for (request, size) in step {
                if excess > 0 {
                    excess = excess.saturating_sub(size.unsigned_abs());
                    requests.push(request);
                }
            }
            self.change(Change::ForgetRecorded(requests)).await?;
        }
        Ok(())
    }

    /// Functions that are gone leave once nothing is left of them.
    async fn forget_gone(&self) -> Result<(), QueueError> {
        let gone: Vec<_> = {
            let functions = self.shared.functions();
            let done =
                functions.all().filter(|(_, known)| known.gone && known.records == 0 && known.counts.waiting == 0);
            done.map(|(no, _)| no).collect()
        };
        for no in gone {
            self.change(Change::Forget(no)).await?;
        }
        Ok(())
    }

    /// Gives room back that a flood has left, once that is most of the file: what is needed again tomorrow stays.
    async fn shrink(&self) -> Result<(), QueueError> {
        loop {
            let count = |pragma| query_scalar::<_, i64>(pragma).fetch_one(&self.readers);
            let failed = QueueError::during("count the pages of the queue");
            let free = count("PRAGMA freelist_count").await.map_err(failed)?;
            let all = count("PRAGMA page_count").await.map_err(failed)?;
            if free < LEAST_FREE || free < all / 2 {
                return Ok(());
            }
            self.change(Change::Shrink(SHRINK_STEP)).await?;
        }
    }

    /// Drops what was kept of a function that is gone.
    pub(super) async fn drop_recorded(&self, function: FunctionNo) -> Result<(), QueueError> {
        let Some(known) = self.named(function) else { return Ok(()) };
        loop {
            let func_id = known.func_id.clone();
            if self.change(Change::DropRecorded(func_id, STEP)).await? == 0 {
                return Ok(());
            }
        }
    }
}

fn step(excess: u64) -> i64 {
    i64::try_from(excess).unwrap_or(i64::MAX).min(STEP)
}
