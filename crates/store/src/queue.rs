//! The asynchronous queue: calls from their acceptance to their end, their records, and what is owed for them.
//!
//! A database file of its own, `queue.db`: its commits, its size and its checkpoints do not stand in the way of metadata. What ties the
//! two is the `func_id` of a function. One task writes (`queue/writer.rs`), in grouped commits with `synchronous=FULL`; what was answered with `Ok`
//! survives a power loss. Whether a call runs is not stored: a lease of one server is its process, and what ran when that died waits again at the
//! next start.
//!
//! Nothing here decides when a call runs, how often, or what is owed for it.

mod call;
mod change;
mod clock;
mod error;
mod functions;
mod notices;
mod oldest;
mod order;
mod plan;
mod recorded;
mod records;
mod retention;
mod rows;
mod share;
mod start;
mod statements;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fungraph_model::{CallSeq, ProjectId};
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqlitePool};
use sqlx::{ConnectOptions, QueryBuilder, Sqlite, query, query_scalar};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub use call::{Accepted, End, FunctionNo, NewCall, Owed, QueueCounts, QueueFunction, WaitingCall};
pub use clock::{Clock, QueueTime};
pub use error::QueueError;
pub use functions::Load;
pub use notices::{DueNotices, Notice, NoticeQuery};
pub use oldest::OldCall;
pub use recorded::RecordedEvent;
pub use records::{RecordPage, RecordQuery};
pub use retention::{Purged, Retention};
pub use start::{CancelledCall, Found};

use crate::sqlite;
use change::Change;
use functions::{Functions, Known};
use order::{Accept, Again, Asker, Begin, Ending, Order};
use plan::Plan;
use rows::waiting_columns;
use writer::{Pace, Writer};

const FILE: &str = "queue.db";
/// What a call costs on its way to the disk beside its event.
const CALL_BYTES: usize = 1024;
/// How long an acceptance waits for a place on the way to the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// Settings of the queue.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// The data folder, which exists; relative paths work.
    pub folder: PathBuf,
    /// Connections for reading, at least 1; writing has one of its own.
    pub readers: u32,
    /// Bytes that may be on their way to the disk.
    pub pending_bytes: usize,
    /// Where the time comes from.
    pub clock: Clock,
}

impl QueueConfig {
    /// The usual ones.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), readers: 2, pending_bytes: 64 << 20, clock: Clock::default() }
    }
}

/// The queue. Cheap to clone; all clones are one queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// For lists that people ask for.
    readers: SqlitePool,
    /// For what the queue itself needs to go on: nobody's lists stand in its way.
    loader: SqlitePool,
    orders: mpsc::UnboundedSender<Order>,
    room: Arc<Semaphore>,
    most_room: u32,
    shared: Arc<Shared>,
}

/// What the writer and everybody else see.
#[derive(Debug)]
struct Shared {
    functions: Mutex<Functions>,
    writable: AtomicBool,
    clock: Clock,
    /// The first place that this run may give away.
    first: CallSeq,
    /// The last place that was given away.
    newest: AtomicI64,
}

impl Shared {
    fn functions(&self) -> MutexGuard<'_, Functions> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    /// Whether that is new.
    fn set_writable(&self, writable: bool) -> bool {
        self.writable.swap(writable, Ordering::Relaxed) != writable
    }
}

impl Queue {
    /// Opens the queue of a data folder and brings its schema up to date; makes it where there is none. The task that writes runs until
    /// [`Queue::close`], or until the last clone is dropped.
    ///
    /// # Errors
    /// [`QueueError::Open`], [`QueueError::NewerSchema`], [`QueueError::Migrate`], [`QueueError::BadRow`].
    pub async fn open(config: &QueueConfig) -> Result<(Self, Found), QueueError> {
        Self::open_with(config, Plan::default()).await
    }

    async fn open_with(config: &QueueConfig, plan: Plan) -> Result<(Self, Found), QueueError> {
        let path = config.folder.join(FILE);
        sqlite::make_private(&path).map_err(|source| QueueError::Open { path: path.clone(), source: source.into() })?;
        let opened = |source: sqlx::Error| QueueError::Open { path: path.clone(), source: source.into() };
        let mut connection = options(&path).connect().await.map_err(opened)?;
        start::migrate(&mut connection, &path).await?;
        let cancelled = start::cancelled(&mut connection).await?;
        let rerun = start::bury(&mut connection).await?;
        let functions = start::functions(&mut connection).await?;
        let last = start::last(&mut connection).await?;
        let delayed = start::delayed(&mut connection, config.clock.now()).await?;
        let notices = start::notices(&mut connection, config.clock.now()).await?;
        let waiting = functions.all().filter(|(_, known)| known.has_news());
        let waiting = waiting.map(|(no, known)| (no, known.counts.waiting, known.counts.bytes)).collect();
        let reading = || options(&path).pragma("query_only", "ON").row_buffer_size(512);
        let readers = sqlite::connect(reading(), config.readers.max(1)).await.map_err(opened)?;
        let loader = sqlite::connect(reading(), 1).await.map_err(opened)?;
        let shared = Arc::new(Shared {
            functions: Mutex::new(functions),
            writable: AtomicBool::new(true),
            clock: config.clock.clone(),
            first: CallSeq(last.0 + 1),
            newest: AtomicI64::new(last.0),
        });
        let (orders, taken) = mpsc::unbounded_channel();
        let writer =
            Writer { connection, orders: taken, shared: Arc::clone(&shared), last, pace: Pace::default(), plan };
        tokio::spawn(writer.run());
        let most_room = u32::try_from(config.pending_bytes).unwrap_or(u32::MAX);
        let room = Arc::new(Semaphore::new(most_room as usize));
        Ok((
            Self { readers, loader, orders, room, most_room, shared },
            Found { waiting, delayed, cancelled, rerun, notices },
        ))
    }

    /// The queue's clock.
    #[must_use]
    pub fn now(&self) -> QueueTime {
        self.shared.clock.now()
    }

    /// Whether the last commit went well. While it did not, nothing should be started: its end could not be stored.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.shared.is_writable()
    }

    /// Puts a call on disk; the answer comes when it is there. Commits are in the order of the calls' places, answers of one commit come at
    /// about the same time and may be seen in any order. Dropping the future does not take the call back: it may be accepted without
    /// anybody being told, so run this in a task of its own.
    ///
    /// # Errors
    /// [`QueueError::Crowded`], [`QueueError::DiskFull`], [`QueueError::Closed`]; nothing is stored then.
    pub async fn accept(&self, call: NewCall) -> Result<Accepted, QueueError> {
        let room = Arc::clone(&self.room).acquire_many_owned(self.cost(call.body.len()));
        let room = tokio::time::timeout(PATIENCE, room).await.map_err(|_| QueueError::Crowded)?;
        let room = room.map_err(|_| QueueError::Closed)?;
        self.order(|answer| Order::Accept(Accept { call, answer, _room: room })).await
    }

    /// Notes that an attempt of a call begins, with the next commit. Nobody waits for it: where it is lost with the server, so is the attempt.
    pub fn begin(&self, seq: CallSeq) {
        let _ = self.orders.send(Order::Begin(Begin { seq, at: self.shared.clock.wall() }));
    }

    /// Ends a call and stores what is owed for that, in one commit. Returns the calls that are owed, in their order. A call that has ended
    /// before stays as it is, and nothing is owed. A disk that refuses is waited for.
    ///
    /// # Errors
    /// [`QueueError::Closed`]; [`QueueError::Database`] for a change that no disk would take.
    pub async fn end(&self, end: End) -> Result<Vec<Accepted>, QueueError> {
        self.order(|answer| Order::End(Ending { end, answer })).await
    }

    /// Makes a call wait for another attempt, which may begin at `due`. The last attempt counts where it is `consumed`. A `code` of 0 leaves
    /// the last failure as it was. A disk that refuses is waited for.
    ///
    /// # Errors
    /// As [`Queue::end`].
    pub async fn again(
        &self,
        seq: CallSeq,
        due: QueueTime,
        consumed: bool,
        code: u32,
        message: String,
    ) -> Result<(), QueueError> {
        self.order(|answer| Order::Again(Again { seq, due, consumed, code, message, answer })).await
    }

    /// Notes that a call is not to run any more, and returns once that is on disk: where the server ends before the call does, the next one finds it
    /// among [`Found::cancelled`]. One that has ended stays as it is. A disk that refuses is waited for.
    ///
    /// # Errors
    /// As [`Queue::end`].
    pub async fn cancel(&self, seq: CallSeq) -> Result<(), QueueError> {
        self.change(Change::Cancel(seq)).await.map(|_| ())
    }

    /// Calls of a function that wait for their first attempt, in order, behind a place. Calls that run are among them: they stand before
    /// the place up to which all was read.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::BadRow`].
    pub async fn load(
        &self,
        function: FunctionNo,
        after: CallSeq,
        most: usize,
    ) -> Result<Vec<WaitingCall>, QueueError> {
        Ok(self.load_some(function, after, most, usize::MAX).await?.0)
    }

    /// The same, of no more than so many bytes of events, but one in any case. Says also whether there were no more.
    ///
    /// # Errors
    /// As [`Queue::load`].
    pub async fn load_some(
        &self,
        function: FunctionNo,
        after: CallSeq,
        most: usize,
        most_bytes: usize,
    ) -> Result<(Vec<WaitingCall>, bool), QueueError> {
        let fit = self.fit(function, after, most, most_bytes).await?;
        let sql = concat!(
            "SELECT ",
            waiting_columns!(),
            ", body FROM waiting INDEXED BY waiting_fresh WHERE function = ? AND seq > ? AND due = 0 ORDER BY seq LIMIT ?"
        );
        let rows = query(sql).bind(function.0).bind(after.0).bind(i64::try_from(fit).unwrap_or(i64::MAX));
        let rows = rows.fetch_all(&self.loader).await.map_err(QueueError::during("read what waits"))?;
        let calls = rows.iter().map(|row| rows::waiting(row, &self.shared)).collect::<Result<Vec<_>, _>>()?;
        // Where not all were to be read, nobody knows what stands behind them.
        let all = fit == most && calls.len() < most;
        Ok((calls, all))
    }

    /// How many of these calls fit, at least one. Sizes are read without the events.
    async fn fit(
        &self,
        function: FunctionNo,
        after: CallSeq,
        most: usize,
        most_bytes: usize,
    ) -> Result<usize, QueueError> {
        if self.counts(function).bytes <= most_bytes as u64 {
            return Ok(most);
        }
        let sql = "SELECT length(body) FROM waiting INDEXED BY waiting_fresh WHERE function = ? AND seq > ? AND due = 0 \
                   ORDER BY seq LIMIT ?";
        let sizes = query_scalar::<_, i64>(sql).bind(function.0).bind(after.0);
        let sizes = sizes.bind(i64::try_from(most).unwrap_or(i64::MAX)).fetch_all(&self.loader).await;
        let mut left = i64::try_from(most_bytes).unwrap_or(i64::MAX);
        let over = sizes.map_err(QueueError::during("read what waits"))?.into_iter().position(|size| {
            left = left.saturating_sub(size);
            left < 0
        });
        Ok(over.map_or(most, |over| over.max(1)))
    }

    /// Calls by their places; those that ended are left out.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::BadRow`].
    pub async fn take(&self, seqs: &[CallSeq]) -> Result<Vec<WaitingCall>, QueueError> {
        let mut calls = Vec::with_capacity(seqs.len());
        for part in seqs.chunks(128) {
            let mut query = QueryBuilder::<Sqlite>::new(concat!(
                "SELECT ",
                waiting_columns!(),
                ", body FROM waiting WHERE seq IN ("
            ));
            let mut list = query.separated(", ");
            for seq in part {
                list.push_bind(seq.0);
            }
            query.push(") ORDER BY seq");
            let rows = query.build().fetch_all(&self.loader).await.map_err(QueueError::during("read calls"))?;
            for row in &rows {
                calls.push(rows::waiting(row, &self.shared)?);
            }
        }
        Ok(calls)
    }

    /// The number of a function by its id; `None` where nothing of it was ever accepted.
    #[must_use]
    pub fn function(&self, func_id: &str) -> Option<FunctionNo> {
        self.shared.functions().no(func_id)
    }

    /// The number of a function, which it gets if it has none.
    ///
    /// # Errors
    /// As [`Queue::end`].
    pub async fn register(&self, function: &QueueFunction) -> Result<FunctionNo, QueueError> {
        let no = self.shared.functions().number(function);
        let known = Arc::new(function.clone());
        self.change(Change::Know(no, known)).await.map(|_| no)
    }

    /// Who a number stands for.
    #[must_use]
    pub fn named(&self, function: FunctionNo) -> Option<Arc<QueueFunction>> {
        self.shared.functions().get(function).map(|known| Arc::clone(&known.function))
    }

    /// Every function that the queue knows, but for those that were deleted and of which nothing waits any more.
    #[must_use]
    pub fn functions(&self) -> Vec<(FunctionNo, Arc<QueueFunction>)> {
        let functions = self.shared.functions();
        let there = |known: &Known| !known.gone || known.counts.waiting > 0;
        functions.all().filter(|(_, known)| there(known)).map(|(no, known)| (no, Arc::clone(&known.function))).collect()
    }

    /// Numbers of a function's calls.
    #[must_use]
    pub fn counts(&self, function: FunctionNo) -> QueueCounts {
        self.shared.functions().get(function).map(|known| known.counts).unwrap_or_default()
    }

    /// What waits of a project.
    #[must_use]
    pub fn project_load(&self, project: &ProjectId) -> Load {
        self.shared.functions().load(project)
    }

    /// Says whether the calls of a function wait for somebody's word; that is kept over restarts.
    ///
    /// # Errors
    /// As [`Queue::end`].
    pub async fn pause(&self, function: FunctionNo, paused: bool) -> Result<(), QueueError> {
        self.change(Change::Pause(function, paused)).await.map(|_| ())
    }

    /// Notes that a function was deleted, and drops the events that were kept of it. Its calls end by [`Queue::purge`], or as they end.
    ///
    /// # Errors
    /// As [`Queue::end`].
    pub async fn gone(&self, function: FunctionNo) -> Result<(), QueueError> {
        self.change(Change::Gone(function)).await?;
        self.drop_recorded(function).await
    }

    /// Writes what was asked for, and closes. What is asked for later is refused.
    pub async fn close(&self) {
        let (left, closed) = oneshot::channel();
        if self.orders.send(Order::Close(left)).is_ok() {
            let _ = closed.await;
        }
        self.readers.close().await;
        self.loader.close().await;
    }

    /// A place on the way to the disk for so many bytes, where there is one.
    fn room_at_once(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_many_owned(self.cost(bytes)).ok()
    }

    fn cost(&self, bytes: usize) -> u32 {
        u32::try_from(bytes + CALL_BYTES).unwrap_or(u32::MAX).min(self.most_room)
    }

    /// Asks for a change, and waits until it is on disk; gives how many rows it changed.
    async fn change(&self, change: Change) -> Result<u64, QueueError> {
        self.order(|answer| Order::Change(change, Asker::Waits(answer))).await
    }

    async fn order<T>(&self, order: impl FnOnce(order::Answer<T>) -> Order) -> Result<T, QueueError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).map_err(|_| QueueError::Closed)?;
        answered.await.map_err(|_| QueueError::Closed)?
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    sqlite::options(path).auto_vacuum(SqliteAutoVacuum::Incremental).statement_cache_capacity(256)
}
