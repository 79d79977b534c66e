//! Opening: what the file says of the time before.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fungraph_model::{CallSeq, DomainId, FunctionKey, ProjectId};
use futures_util::{TryStreamExt, future::ready};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row, SqliteConnection, query, query_scalar};

use super::functions::{Functions, Known};
use super::rows::get;
use super::{FunctionNo, QueueCounts, QueueError, QueueFunction, QueueTime};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations_queue");
/// The mark of a call that was cancelled while it ran.
const RAN: i64 = 2;

/// What waited when the server started.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Functions with calls that wait, and those that are paused: how many wait, and how many bytes of events.
    pub waiting: Vec<(FunctionNo, u64, u64)>,
    /// Calls that wait for a time, in that order: further attempts, and those that ran when the server before died.
    pub delayed: Vec<(QueueTime, CallSeq, FunctionNo)>,
    /// Calls that an earlier server was told to cancel, and that had not ended when it did. They are nowhere else in here.
    pub cancelled: Vec<CancelledCall>,
    /// How many ran when the server before died. They may run twice.
    pub rerun: u64,
    /// Messages that are owed.
    pub notices: u64,
}

/// A call whose cancel is on disk, and whose end is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelledCall {
    /// The call.
    pub seq: CallSeq,
    /// Whose.
    pub function: FunctionNo,
    /// Whether it ran when it was cancelled.
    pub ran: bool,
}

pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), QueueError> {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    MIGRATIONS.run(connection).await.map_err(|source| match source {
        MigrateError::VersionMissing(found) if found > known => {
            QueueError::NewerSchema { path: path.to_owned(), found, known }
        }
        source => QueueError::Migrate { path: path.to_owned(), source },
    })
}

/// What was cancelled and has not ended. It is due, so that nobody takes it for a call that was never tried.
pub(super) async fn cancelled(connection: &mut SqliteConnection) -> Result<Vec<CancelledCall>, QueueError> {
    let failed = QueueError::during("look at calls that were cancelled");
    let due = "UPDATE waiting INDEXED BY waiting_cancelled SET due = 1, deaths = max(deaths, 0) WHERE cancelled > 0";
    connection.execute(due).await.map_err(failed)?;
    let sql =
        "SELECT seq, function, cancelled FROM waiting INDEXED BY waiting_cancelled WHERE cancelled > 0 ORDER BY seq";
    let rows = query(sql).fetch_all(connection).await.map_err(failed)?;
    let call = |row: &SqliteRow| {
        let (seq, function) = (CallSeq(get(row, "seq")?), FunctionNo(get(row, "function")?));
        Ok(CancelledCall { seq, function, ran: get::<i64>(row, "cancelled")? == RAN })
    };
    rows.iter().map(call).collect()
}

/// What ran when the server before died is marked: it waits again, due at once, and the death is counted. What was cancelled is due already.
pub(super) async fn bury(connection: &mut SqliteConnection) -> Result<u64, QueueError> {
    let dead = "UPDATE waiting SET deaths = deaths + 1, due = 1 WHERE begun > 0 AND due = 0";
    let done = connection.execute(dead).await.map_err(QueueError::during("mark calls that a server died with"))?;
    Ok(done.rows_affected())
}

pub(super) async fn functions(connection: &mut SqliteConnection) -> Result<Functions, QueueError> {
    let failed = QueueError::during("read the functions of the queue");
    let mut functions = Functions::default();
    let newest: BTreeMap<i64, i64> = newest(connection).await.map_err(failed)?;
    let rows = query(
        "SELECT id, func_id, domain, project, package, name, paused, gone, waiting, bytes, succeeded, failed, discarded, \
         records FROM functions",
    );
    for row in rows.fetch_all(&mut *connection).await.map_err(failed)? {
        let count = |column| Ok::<_, QueueError>(u64::try_from(get::<i64>(&row, column)?).unwrap_or(0));
        let counts = QueueCounts {
            waiting: count("waiting")?,
            bytes: count("bytes")?,
            succeeded: count("succeeded")?,
            failed: count("failed")?,
            discarded: count("discarded")?,
            paused: get(&row, "paused")?,
        };
        let key = FunctionKey {
            project: ProjectId(get(&row, "project")?),
            package: get(&row, "package")?,
            name: get(&row, "name")?,
        };
        let function = QueueFunction { key, func_id: get(&row, "func_id")?, domain: DomainId(get(&row, "domain")?) };
        let no = FunctionNo(get(&row, "id")?);
        let known = Known {
            function: Arc::new(function),
            counts,
            last_no: newest.get(&no.0).copied().unwrap_or(0),
            gone: get(&row, "gone")?,
            records: count("records")?,
        };
        functions.insert(no, known);
    }
    Ok(functions)
}

/// By function, the number of its newest call.
async fn newest(connection: &mut SqliteConnection) -> Result<BTreeMap<i64, i64>, sqlx::Error> {
    let rows = query(
        "SELECT id, max(coalesce((SELECT max(no) FROM waiting WHERE function = id), 0), \
         coalesce((SELECT max(no) FROM ended WHERE function = id), 0)) FROM functions",
    );
    rows.fetch_all(connection).await?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The largest place that was given away.
pub(super) async fn last(connection: &mut SqliteConnection) -> Result<CallSeq, QueueError> {
    let sql = "SELECT max(coalesce((SELECT max(seq) FROM waiting), 0), coalesce((SELECT max(seq) FROM ended), 0))";
    let last = query_scalar(sql).fetch_one(connection).await.map_err(QueueError::during("find the newest call"))?;
    Ok(CallSeq(last))
}

/// The longest a call may be told to wait when the server starts: its time was that of another clock.
const LONGEST: Duration = Duration::from_secs(16);

/// The same for a message.
const LONGEST_NOTICE: Duration = Duration::from_secs(300);

pub(super) async fn delayed(
    connection: &mut SqliteConnection,
    now: QueueTime,
) -> Result<Vec<(QueueTime, CallSeq, FunctionNo)>, QueueError> {
    let failed = QueueError::during("read what waits for a time");
    let sql =
        "SELECT due, seq, function FROM waiting INDEXED BY waiting_due WHERE due > 0 AND cancelled = 0 ORDER BY due";
    let read = |row: SqliteRow| {
        let due = QueueTime(row.try_get(0)?);
        let due = if due > now.after(4 * LONGEST) { now.after(LONGEST) } else { due };
        Ok::<_, sqlx::Error>((due, CallSeq(row.try_get(1)?), FunctionNo(row.try_get(2)?)))
    };
    // One by one: there may be a million, and a row takes far more room than what is kept of it.
    query(sql).fetch(connection).and_then(|row| ready(read(row))).try_collect().await.map_err(failed)
}

/// How many messages are owed. Those that were told to wait by another clock wait no longer than they would have been told by this one.
pub(super) async fn notices(connection: &mut SqliteConnection, now: QueueTime) -> Result<u64, QueueError> {
    let late = query("UPDATE notices SET due = ?1 WHERE due > ?1").bind(now.after(LONGEST_NOTICE).0);
    late.execute(&mut *connection).await.map_err(QueueError::during("look at what is owed"))?;
    let count = query_scalar::<_, i64>("SELECT count(*) FROM notices").fetch_one(connection).await;
    Ok(u64::try_from(count.map_err(QueueError::during("count what is owed"))?).unwrap_or(0))
}
