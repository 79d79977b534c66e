//! The statements of a group. Each takes many rows at once, in powers of two, so that few texts stay prepared whatever the group's size.

use std::collections::BTreeMap;

use fungraph_model::{AsyncStatus, CallSeq, ProjectId, RequestId};
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, query};

use super::functions::Change;
use super::order::{Again, Begin};
use super::{Accepted, End, FunctionNo, NewCall, QueueFunction};

/// A call with what the writer gave it.
pub(super) struct Numbered<'a> {
    pub(super) call: &'a NewCall,
    pub(super) accepted: Accepted,
    pub(super) no: i64,
    /// Microseconds of the clock on the wall.
    pub(super) wall: i64,
}

/// A call that left.
pub(super) struct Left {
    pub(super) seq: CallSeq,
    pub(super) tail: i64,
    pub(super) function: FunctionNo,
    pub(super) bytes: i64,
}

/// Most rows of one statement.
const MOST_ROWS: usize = 128;

/// Parts of a slice, each as long as a power of two.
fn parts<T>(all: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = all;
    std::iter::from_fn(move || {
        let length = 1 << rest.len().min(MOST_ROWS).checked_ilog2()?;
        let (part, after) = rest.split_at(length);
        rest = after;
        Some(part)
    })
}

pub(super) async fn begin(connection: &mut SqliteConnection, begins: &[Begin]) -> Result<(), sqlx::Error> {
    for part in parts(begins) {
        let mut query = QueryBuilder::<Sqlite>::new("WITH b(seq, at) AS (");
        query.push_values(part, |mut row, begin| {
            row.push_bind(begin.seq.0).push_bind(begin.at.as_microsecond());
        });
        query.push(
            ") UPDATE waiting SET begun = begun + 1, due = 0, first_start = coalesce(first_start, b.at) \
             FROM b WHERE waiting.seq = b.seq",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn again(connection: &mut SqliteConnection, agains: &[Again]) -> Result<(), sqlx::Error> {
    for part in parts(agains) {
        let mut query = QueryBuilder::<Sqlite>::new("WITH a(seq, due, consumed, code, message) AS (");
        query.push_values(part, |mut row, again| {
            row.push_bind(again.seq.0)
                .push_bind(again.due.0.max(1))
                .push_bind(again.consumed)
                .push_bind(again.code)
                .push_bind(again.message.as_str());
        });
        query.push(
            ") UPDATE waiting SET due = a.due, failed = failed + a.consumed, deaths = 0, \
             last_code = iif(a.code = 0, last_code, a.code), last_message = iif(a.code = 0, last_message, a.message) \
             FROM a WHERE waiting.seq = a.seq",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Turns what waits into records, and says which calls these were: one that ended before is not among them.
pub(super) async fn end(connection: &mut SqliteConnection, ends: &[&End]) -> Result<Vec<Left>, sqlx::Error> {
    let mut left = Vec::with_capacity(ends.len());
    for part in parts(ends) {
        let mut query = QueryBuilder::<Sqlite>::new("WITH e(seq, status, code, message, started, at) AS (");
        query.push_values(part, |mut row, end| {
            row.push_bind(end.seq.0)
                .push_bind(status_number(end.status))
                .push_bind(end.code)
                .push_bind(end.message.as_str())
                .push_bind(end.start.map(Timestamp::as_microsecond))
                .push_bind(end.end.as_microsecond());
        });
        // CROSS JOIN: the few come first, each finds its row by its number.
        query.push(
            ") INSERT INTO ended (seq, tail, function, no, status, code, message, qualifier, version, accepted, started, \
             ended, begun, parent, parent_tail) SELECT w.seq, w.tail, w.function, w.no, e.status, e.code, e.message, \
             w.qualifier, w.version, w.accepted, coalesce(w.first_start, e.started), e.at, w.begun, w.parent, \
             w.parent_tail FROM e CROSS JOIN waiting w WHERE w.seq = e.seq",
        );
        query.build().execute(&mut *connection).await?;
        left.extend(leave(connection, part).await?);
    }
    Ok(left)
}

async fn leave(connection: &mut SqliteConnection, ends: &[&End]) -> Result<Vec<Left>, sqlx::Error> {
    let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM waiting WHERE seq IN (");
    let mut seqs = query.separated(", ");
    for end in ends {
        seqs.push_bind(end.seq.0);
    }
    query.push(") RETURNING seq, tail, function, length(body)");
    let rows = query.build().fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let (seq, function) = (CallSeq(row.try_get(0)?), FunctionNo(row.try_get(2)?));
            Ok(Left { seq, tail: row.try_get(1)?, function, bytes: row.try_get(3)? })
        })
        .collect()
}

pub(super) async fn accept(connection: &mut SqliteConnection, calls: &[Numbered<'_>]) -> Result<(), sqlx::Error> {
    for part in parts(calls) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO waiting (seq, tail, function, no, qualifier, version, alias, memory_mb, accepted, clock, parent, \
             parent_tail, hops, body) ",
        );
        query.push_values(part, |mut row, Numbered { call, accepted, no, wall }| {
            let parent = call.parent.and_then(|parent| Some((parent.seq()?, parent.tail())));
            row.push_bind(accepted.seq.0)
                .push_bind(accepted.request.tail())
                .push_bind(accepted.function.0)
                .push_bind(*no)
                .push_bind(call.qualifier.to_string())
                .push_bind(call.version.as_str())
                .push_bind(call.alias.as_deref())
                .push_bind(call.memory_mb)
                .push_bind(*wall)
                .push_bind(accepted.at.0)
                .push_bind(parent.map(|(seq, _)| seq.0))
                .push_bind(parent.map(|(_, tail)| tail))
                .push_bind(call.hops)
                .push_bind(&call.body[..]);
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Forgets calls that have ended, and says how many of which function these were.
pub(super) async fn trim(
    connection: &mut SqliteConnection,
    seqs: &[CallSeq],
) -> Result<BTreeMap<FunctionNo, i64>, sqlx::Error> {
    let mut forgotten = BTreeMap::new();
    for part in parts(seqs) {
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM ended WHERE seq IN (");
        let mut list = query.separated(", ");
        for seq in part {
            list.push_bind(seq.0);
        }
        query.push(") RETURNING function");
        for row in query.build().fetch_all(&mut *connection).await? {
            *forgotten.entry(FunctionNo(row.try_get(0)?)).or_default() += 1;
        }
    }
    Ok(forgotten)
}

/// Forgets events that were kept.
pub(super) async fn forget_recorded(
    connection: &mut SqliteConnection,
    requests: &[Vec<u8>],
) -> Result<u64, sqlx::Error> {
    let mut rows = 0;
    for part in parts(requests) {
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM recorded WHERE request IN (");
        let mut list = query.separated(", ");
        for request in part {
            list.push_bind(request.as_slice());
        }
        query.push(")");
        rows += query.build().execute(&mut *connection).await?.rows_affected();
    }
    Ok(rows)
}

/// A message that is owed.
pub(super) struct Notice<'a> {
    pub(super) call: RequestId,
    pub(super) function: FunctionNo,
    pub(super) project: ProjectId,
    pub(super) kind: &'a str,
    pub(super) param: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) at: i64,
}

pub(super) async fn notice(connection: &mut SqliteConnection, notices: &[Notice<'_>]) -> Result<(), sqlx::Error> {
    for part in parts(notices) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO notices (call, call_tail, function, project, kind, param, payload, created, due) ",
        );
        query.push_values(part, |mut row, notice| {
            row.push_bind(notice.call.seq().map(|seq| seq.0))
                .push_bind(notice.call.tail())
                .push_bind(notice.function.0)
                .push_bind(notice.project.0.as_str())
                .push_bind(notice.kind)
                .push_bind(notice.param)
                .push_bind(notice.payload)
                .push_bind(notice.at)
                .push_bind(notice.at);
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// A message is owed no more; whose it was, and its bytes.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
    notice: i64,
) -> Result<Option<(FunctionNo, i64)>, sqlx::Error> {
    let delete = query("DELETE FROM notices WHERE id = ? RETURNING function, length(payload)").bind(notice);
    let Some(row) = delete.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let (function, bytes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    // Not by `count`, which would bring a function back that is forgotten in the same commit.
    let update = query("UPDATE functions SET bytes = max(bytes - ?, 0) WHERE id = ?").bind(bytes).bind(function);
    update.execute(connection).await?;
    Ok(Some((FunctionNo(function), bytes)))
}

/// Makes functions known, and changes their counts.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    changes: &[(FunctionNo, &QueueFunction, Change)],
) -> Result<(), sqlx::Error> {
    for part in parts(changes) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO functions (id, func_id, domain, project, package, name, waiting, bytes, succeeded, failed, \
             discarded, records) ",
        );
        query.push_values(part, |mut row, (no, function, change)| {
            row.push_bind(no.0)
                .push_bind(function.func_id.as_str())
                .push_bind(function.domain.0.as_str())
                .push_bind(function.key.project.0.as_str())
                .push_bind(function.key.package.as_str())
                .push_bind(function.key.name.as_str())
                .push_bind(change.waiting)
                .push_bind(change.bytes)
                .push_bind(change.succeeded)
                .push_bind(change.failed)
                .push_bind(change.discarded)
                .push_bind(change.records);
        });
        query.push(
            " ON CONFLICT (id) DO UPDATE SET waiting = waiting + excluded.waiting, bytes = bytes + excluded.bytes, \
             succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed, \
             discarded = discarded + excluded.discarded, records = records + excluded.records",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// How an end is stored.
pub(super) fn status_number(status: AsyncStatus) -> i64 {
    match status {
        AsyncStatus::Success => 1,
        AsyncStatus::Discard => 3,
        AsyncStatus::Fail | AsyncStatus::Wait | AsyncStatus::Running => 2,
    }
}

/// The end that a number stands for.
pub(super) fn status_of(number: i64) -> Option<AsyncStatus> {
    [AsyncStatus::Success, AsyncStatus::Fail, AsyncStatus::Discard]
        .into_iter()
        .find(|status| status_number(*status) == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_powers_of_two() {
        let check = |length, expected: &[usize]| {
            let all = vec![(); length];
            assert_eq!(parts(&all).map(<[()]>::len).collect::<Vec<_>>(), expected, "{length}");
        };
        check(0, &[]);
        check(1, &[1]);
        check(63, &[32, 16, 8, 4, 2, 1]);
        check(300, &[128, 128, 32, 8, 4]);
    }
}
