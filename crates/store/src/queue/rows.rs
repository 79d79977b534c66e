//! Rows that are read.

use bytes::Bytes;
use fungraph_model::{CallSeq, Qualifier, RequestId, limits};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

use super::{FunctionNo, QueueError, QueueTime, Shared, WaitingCall};

/// The columns of [`waiting`].
macro_rules! waiting_columns {
    () => {
        "seq, tail, function, no, qualifier, version, alias, memory_mb, accepted, clock, due, begun, failed, deaths, \
         last_code, last_message, first_start, parent, parent_tail, hops"
    };
}
pub(super) use waiting_columns;

/// A call with its event.
pub(super) fn waiting(row: &SqliteRow, shared: &Shared) -> Result<WaitingCall, QueueError> {
    let seq = CallSeq(get(row, "seq")?);
    let due: i64 = get(row, "due")?;
    Ok(WaitingCall {
        request: RequestId::of_seq(seq, get(row, "tail")?),
        seq,
        function: FunctionNo(get(row, "function")?),
        qualifier: qualifier(get(row, "qualifier")?),
        version: get(row, "version")?,
        alias: get(row, "alias")?,
        memory_mb: get(row, "memory_mb")?,
        accepted: time("accepted", get(row, "accepted")?)?,
        since: since(row, seq, shared)?,
        due: (due > 0).then_some(QueueTime(due)),
        begun: get(row, "begun")?,
        failed: get(row, "failed")?,
        deaths: get(row, "deaths")?,
        last_code: get(row, "last_code")?,
        last_message: get(row, "last_message")?,
        first_start: get::<Option<i64>>(row, "first_start")?.map(|at| time("first_start", at)).transpose()?,
        parent: parent(row)?,
        hops: get(row, "hops")?,
        body: Bytes::from(get::<Vec<u8>>(row, "body")?),
    })
}

/// When a call was accepted, for its age.
pub(super) fn since(row: &SqliteRow, seq: CallSeq, shared: &Shared) -> Result<QueueTime, QueueError> {
    // What an earlier run called its time means nothing now; the clock on the wall is the best there is.
    let since = get(row, if seq < shared.first { "accepted" } else { "clock" })?;
    Ok(QueueTime(since).min(shared.clock.now()))
}

/// The call that stands behind it.
pub(super) fn parent(row: &SqliteRow) -> Result<Option<RequestId>, QueueError> {
    let (seq, tail): (Option<i64>, Option<i64>) = (get(row, "parent")?, get(row, "parent_tail")?);
    Ok(seq.zip(tail).map(|(seq, tail)| RequestId::of_seq(CallSeq(seq), tail)))
}

/// Reads what a qualifier is written as.
pub(super) fn qualifier(text: String) -> Qualifier {
    match text.strip_prefix('!') {
        Some(alias) => Qualifier::Alias(alias.to_owned()),
        None if text == limits::LATEST => Qualifier::Latest,
        None => Qualifier::Version(text),
    }
}

pub(super) fn time(column: &'static str, microseconds: i64) -> Result<Timestamp, QueueError> {
    Timestamp::from_microsecond(microseconds).map_err(|error| bad(column, &error))
}

pub(super) fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    column: &'static str,
) -> Result<T, QueueError> {
    row.try_get(column).map_err(|error| bad(column, &error))
}

pub(super) fn bad(column: &'static str, why: &dyn std::fmt::Display) -> QueueError {
    QueueError::BadRow { column, why: why.to_string() }
}
