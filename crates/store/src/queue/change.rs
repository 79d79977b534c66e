//! Rarer orders, each a statement or two of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use fungraph_model::CallSeq;
use sqlx::{AssertSqlSafe, SqliteConnection, query};

use super::functions::Functions;
use super::recorded::Sealed;
use super::{FunctionNo, QueueFunction, QueueTime, statements};

/// One of them.
#[derive(Debug)]
pub(super) enum Change {
    /// A function is to be known before it is called.
    Know(FunctionNo, Arc<QueueFunction>),
    /// A function's calls wait for somebody's word, or do so no longer.
    Pause(FunctionNo, bool),
    /// A function was deleted.
    Gone(FunctionNo),
    /// Nothing is left of a function that was deleted.
    Forget(FunctionNo),
    /// These calls ended long ago.
    Trim(Vec<CallSeq>),
    /// A call was cancelled, and has not ended yet.
    Cancel(CallSeq),
    /// A message has arrived, or never will.
    NoticeDone(i64),
    /// A message is tried again later.
    NoticeAgain(i64, QueueTime),
    /// An event is kept.
    Record(Box<Sealed>),
    /// Events of before that moment go, so many at most.
    TrimRecorded(i64, i64),
    /// These events go.
    ForgetRecorded(Vec<Vec<u8>>),
    /// Events of a function go, so many at most.
    DropRecorded(String, i64),
    /// Pages that are not used any more go back to the file system, so many at most.
    Shrink(i64),
    /// Whatever a test wants.
    #[cfg(test)]
    Sql(String),
}

/// What it did.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Rows.
    pub(super) rows: u64,
    /// By function, how many records went.
    pub(super) forgotten: BTreeMap<FunctionNo, i64>,
    /// The function whose message is not owed any more, and its bytes.
    pub(super) settled: Option<(FunctionNo, i64)>,
}

impl Change {
    /// Whether whoever asked cannot ask again: then a disk that refuses is waited for.
    pub(super) fn must_be(&self) -> bool {
        matches!(self, Self::Cancel(_) | Self::NoticeDone(_) | Self::NoticeAgain(..))
    }

    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> Result<Changed, sqlx::Error> {
        let statement = match self {
            Self::Know(no, function) => {
                statements::count(connection, &[(*no, function, Default::default())]).await?;
                return Ok(Changed::default());
            }
            Self::Trim(seqs) => {
                let forgotten = statements::trim(connection, seqs).await?;
                let rows = forgotten.values().map(|rows| rows.unsigned_abs()).sum();
                return Ok(Changed { rows, forgotten, settled: None });
            }
            Self::Pause(function, paused) => {
                query("UPDATE functions SET paused = ? WHERE id = ?").bind(paused).bind(function.0)
            }
            Self::Gone(function) => query("UPDATE functions SET gone = 1 WHERE id = ?").bind(function.0),
            Self::Forget(function) => query(
                "DELETE FROM functions WHERE id = ?1 AND gone = 1 AND waiting = 0 AND records = 0 \
                 AND NOT EXISTS (SELECT 1 FROM notices WHERE function = ?1)",
            )
            .bind(function.0),
            Self::Cancel(seq) => {
                query("UPDATE waiting SET cancelled = iif(begun > 0 AND due = 0, 2, 1) WHERE seq = ? AND cancelled = 0")
                    .bind(seq.0)
            }
            Self::NoticeDone(id) => {
                let settled = statements::settle(connection, *id).await?;
                return Ok(Changed { rows: u64::from(settled.is_some()), settled, ..Changed::default() });
            }
            Self::NoticeAgain(id, due) => {
                query("UPDATE notices SET due = ?, tries = tries + 1 WHERE id = ?").bind(due.0).bind(id)
            }
            Self::Record(sealed) => sealed.insert(),
            Self::TrimRecorded(before, most) => query(
                "DELETE FROM recorded WHERE rowid IN (SELECT rowid FROM recorded WHERE created < ? ORDER BY created LIMIT ?)",
            )
            .bind(before)
            .bind(most),
            Self::ForgetRecorded(requests) => {
                let rows = statements::forget_recorded(connection, requests).await?;
                return Ok(Changed { rows, ..Changed::default() });
            }
            Self::DropRecorded(func_id, most) => query(
                "DELETE FROM recorded WHERE rowid IN (SELECT rowid FROM recorded WHERE func_id = ? LIMIT ?)",
            )
            .bind(func_id)
            .bind(most),
            Self::Shrink(pages) => query(AssertSqlSafe(format!("PRAGMA incremental_vacuum({pages})"))),
            #[cfg(test)]
            Self::Sql(sql) => query(AssertSqlSafe(sql.as_str())),
        };
        let rows = statement.execute(connection).await?.rows_affected();
        Ok(Changed { rows, ..Changed::default() })
    }

    /// The same in memory, once it is on disk.
    pub(super) fn apply(&self, rows: u64, functions: &mut Functions) {
        match self {
            Self::Pause(function, paused) => {
                if let Some(known) = functions.get_mut(*function) {
                    known.counts.paused = *paused;
                }
            }
            Self::Gone(function) => {
                if let Some(known) = functions.get_mut(*function) {
                    known.gone = true;
                }
            }
            Self::Forget(function) if rows > 0 => functions.remove(*function),
            Self::Forget(_)
            | Self::Know(..)
            | Self::Trim(_)
            | Self::Cancel(_)
            | Self::NoticeDone(_)
            | Self::NoticeAgain(..)
            | Self::Record(_)
            | Self::TrimRecorded(..)
            | Self::ForgetRecorded(_)
            | Self::DropRecorded(..)
            | Self::Shrink(_) => {}
            #[cfg(test)]
            Self::Sql(_) => {}
        }
    }
}
