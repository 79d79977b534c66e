//! Messages that are owed to destinations which are no functions. Each came in the commit of the end that owes it, and leaves when it has
//! arrived or never will; after a crash in between it may arrive twice.

use std::time::Duration;

use bytes::Bytes;
use fungraph_model::{CallSeq, RequestId};
use sqlx::{query, query_scalar};

use super::change::Change;
use super::rows::get;
use super::{FunctionNo, Queue, QueueError, QueueTime};

/// One of them.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// The call whose end it tells.
    pub call: RequestId,
    /// Whose call that was.
    pub function: FunctionNo,
    /// Where it goes.
    pub param: String,
    /// What it says.
    pub payload: Bytes,
    /// When it came to be owed; never later than now.
    pub created: QueueTime,
    /// Attempts that failed.
    pub tries: u32,
}

/// What is due, and when there is more.
#[derive(Clone, Debug, Default)]
pub struct DueNotices {
    /// Those that are due, the longest due first.
    pub notices: Vec<Notice>,
    /// How long until the next one is due, where none is; `None` where none is owed.
    pub next: Option<Duration>,
}

impl Queue {
    /// Messages of a kind that are due.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::BadRow`].
    pub async fn next_notices(&self, kind: &str, most: usize) -> Result<DueNotices, QueueError> {
        let failed = QueueError::during("read what is owed to destinations");
        let now = self.now();
        let sql = "SELECT id, call, call_tail, function, param, payload, created, tries FROM notices \
                   WHERE kind = ? AND due <= ? ORDER BY due, id LIMIT ?";
        let rows = query(sql).bind(kind).bind(now.0).bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = rows.fetch_all(&self.loader).await.map_err(failed)?;
        let mut notices = Vec::with_capacity(rows.len());
        for row in &rows {
            notices.push(Notice {
                id: get(row, "id")?,
                call: RequestId::of_seq(CallSeq(get(row, "call")?), get(row, "call_tail")?),
                function: FunctionNo(get(row, "function")?),
                param: get(row, "param")?,
                payload: Bytes::from(get::<Vec<u8>>(row, "payload")?),
                created: QueueTime(get(row, "created")?).min(now),
                tries: get(row, "tries")?,
            });
        }
        if !notices.is_empty() {
            return Ok(DueNotices { notices, next: None });
        }
        let next = query_scalar::<_, Option<i64>>("SELECT min(due) FROM notices WHERE kind = ?").bind(kind);
        let next = next.fetch_one(&self.loader).await.map_err(failed)?;
        Ok(DueNotices { notices, next: next.map(|due| QueueTime(due).since(now)) })
    }

    /// A message has arrived. Returns when that is on disk; `false` where it is not, and the message will arrive twice.
    pub async fn delivered(&self, id: i64) -> bool {
        self.settle_notice(Change::NoticeDone(id)).await
    }

    /// A message is tried again later; `false` where that is not on disk, and it is due as before.
    pub async fn notice_again(&self, id: i64, due: QueueTime) -> bool {
        self.settle_notice(Change::NoticeAgain(id, due)).await
    }

    /// A message will never arrive; `false` where that is not on disk.
    pub async fn notice_given_up(&self, id: i64) -> bool {
        self.settle_notice(Change::NoticeDone(id)).await
    }

    async fn settle_notice(&self, change: Change) -> bool {
        let settled = self.change(change).await;
        if let Err(error @ QueueError::Database { .. }) = &settled {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "what became of a message to a destination is not stored"
            );
        }
        settled.is_ok()
    }
}
