//! The oldest calls of a function, whatever they wait for, without their events: to see whether they are too old.

use fungraph_model::{CallSeq, Qualifier};
use sqlx::query;

use super::rows::{self, get};
use super::{FunctionNo, Queue, QueueError, QueueTime};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldCall {
    /// Its place.
    pub seq: CallSeq,
    /// What the caller asked for.
    pub qualifier: Qualifier,
    /// When it was accepted, for its age; never later than now.
    pub since: QueueTime,
    /// Bytes of its event.
    pub bytes: usize,
}

impl Queue {
    /// So many of them, the oldest first. Calls that run are among them.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::BadRow`].
    pub async fn oldest(&self, function: FunctionNo, most: usize) -> Result<Vec<OldCall>, QueueError> {
        let sql = "SELECT seq, qualifier, accepted, clock, length(body) AS bytes FROM waiting INDEXED BY waiting_no \
                   WHERE function = ? ORDER BY no LIMIT ?";
        let rows = query(sql).bind(function.0).bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = rows.fetch_all(&self.loader).await.map_err(QueueError::during("look for old calls"))?;
        rows.iter()
            .map(|row| {
                let seq = CallSeq(get(row, "seq")?);
                Ok(OldCall {
                    seq,
                    qualifier: rows::qualifier(get(row, "qualifier")?),
                    since: rows::since(row, seq, &self.shared)?,
                    bytes: usize::try_from(get::<i64>(row, "bytes")?).unwrap_or(usize::MAX),
                })
            })
            .collect()
    }
}
