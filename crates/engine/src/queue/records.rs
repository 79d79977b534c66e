//! What has become of asynchronous calls (contract: async.md section 4). Records are always kept, whether the settings ask for them or not.

use fungraph_model::{AsyncRecord, AsyncStatus, CallSeq, Caller, FunctionRef, RequestId};
use fungraph_store::queue::{FunctionNo, RecordQuery};
use jiff::{SignedDuration, Timestamp};

use crate::{Engine, Error, functions};

/// Which records are wanted.
#[derive(Clone, Debug, Default)]
pub struct AsyncQuery {
    /// Only these calls; empty for any.
    pub requests: Vec<RequestId>,
    /// Only those in this state.
    pub status: Option<AsyncStatus>,
    /// Accepted at this time or later.
    pub begin: Option<Timestamp>,
    /// Accepted before the end of this second.
    pub end: Option<Timestamp>,
    /// Where the page begins: `next_marker` of the one before, 0 at the start.
    pub marker: u32,
    /// Most records on the page.
    pub limit: u32,
    /// Only those that have not ended.
    pub active: bool,
}

/// One page of records, in the order in which the calls were accepted.
#[derive(Clone, Debug, Default)]
pub struct AsyncPage {
    /// The records.
    pub records: Vec<AsyncRecord>,
    /// Marker of the next page; 0 on the last.
    pub next_marker: u32,
}

impl Engine {
    /// Records of a function's calls.
    ///
    /// # Errors
    /// FSS.1051.
    pub async fn async_records(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        query: AsyncQuery,
    ) -> Result<AsyncPage, Error> {
        let Some(no) = self.queue_number(caller, function).await? else { return Ok(AsyncPage::default()) };
        let statuses = statuses(query.status, query.active);
        if query.active && statuses.is_empty() {
            return Ok(AsyncPage::default());
        }
        let query = RecordQuery {
            requests: query.requests,
            statuses,
            begin: query.begin.map(CallSeq::first_at),
            end: query.end.map(after).map(CallSeq::first_at),
            marker: query.marker,
            limit: query.limit,
        };
        let running = self.queue.board().running_of(no);
        let page = self.queue.store.records(no, &query, &running).await;
        let page = page.map_err(|source| Error::internal("list asynchronous calls", source))?;
        Ok(AsyncPage { records: page.records, next_marker: page.next.unwrap_or(0) })
    }

    /// The record of one call.
    ///
    /// # Errors
    /// FSS.1051; FSS.0400 for a call that this function never had.
    pub async fn async_record(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        request: RequestId,
    ) -> Result<AsyncRecord, Error> {
        Ok(self.find_call(caller, function, request).await?.1)
    }

    /// The queue's number of a function that is there; `None` where nothing of it was ever accepted.
    pub(super) async fn queue_number(
        &self,
        caller: &Caller,
        function: &FunctionRef,
    ) -> Result<Option<FunctionNo>, Error> {
        let key = functions::key(caller, function)?;
        let latest = self.read(&key).await?.ok_or_else(|| functions::missing(&key))?;
        Ok(self.queue.store.function(&latest.func_id))
    }
}

/// The states that are listed; none for any.
fn statuses(asked: Option<AsyncStatus>, active: bool) -> Vec<AsyncStatus> {
    match (asked, active) {
        (None, false) => Vec::new(),
        (None, true) => vec![AsyncStatus::Wait, AsyncStatus::Running],
        (Some(status), true) if status.is_end() => Vec::new(),
        (Some(status), _) => vec![status],
    }
}

/// Times of queries are in seconds, and the last one counts.
fn after(time: Timestamp) -> Timestamp {
    let second = Timestamp::from_second(time.as_second()).unwrap_or(time);
    second.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_of_a_window_counts() {
        let time = |text: &str| text.parse::<Timestamp>().expect(text);
        assert_eq!(after(time("2026-01-02T03:04:05Z")), time("2026-01-02T03:04:06Z"));
        assert_eq!(after(time("2026-01-02T03:04:05.999Z")), time("2026-01-02T03:04:06Z"));
        assert_eq!(after(Timestamp::MAX), Timestamp::MAX);
    }

    #[test]
    fn what_has_ended_is_not_active() {
        for status in AsyncStatus::ALL {
            assert_eq!(statuses(Some(status), true).is_empty(), status.is_end());
            assert_eq!(statuses(Some(status), false), [status]);
        }
    }
}
