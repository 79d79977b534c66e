//! The one task that writes: takes all that is there, makes one commit of it, answers everybody. While a commit is at the disk, the
//! next group gathers.
//!
//! A disk that refuses is waited for: what nobody would ask for again (ends, further attempts) stays here and is tried until it goes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fungraph_model::{CallSeq, RequestId};
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::error::is_disk;
use super::functions::Change;
use super::order::{Group, Order};
use super::plan::{Plan, Point};
use super::statements::{self, Left, Notice, Numbered};
use super::{Accepted, FunctionNo, NewCall, Owed, Shared};

/// How long a disk that refused is left alone.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a group waits for more: no less than a timer can tell, no more than somebody notices.
const SHORTEST_MOMENT: Duration = Duration::from_micros(500);
const LONGEST_MOMENT: Duration = Duration::from_millis(2);

pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) shared: Arc<Shared>,
    /// The largest there is.
    pub(super) last: CallSeq,
    pub(super) pace: Pace,
    pub(super) plan: Plan,
}

/// Says that nothing is written any more, however that came.
struct Unwritable(Arc<Shared>);

impl Drop for Unwritable {
    fn drop(&mut self) {
        self.0.set_writable(false);
        if std::thread::panicking() {
            tracing::error!(
                "what writes the queue broke off by a panic; the queue takes nothing until the server is started again"
            );
        }
    }
}

/// How the last commit went.
#[derive(Debug, Default)]
pub(super) struct Pace {
    orders: usize,
    took: Duration,
}

impl Pace {
    /// How long a group may wait for more.
    fn moment(&self) -> Duration {
        (self.took / 4).min(LONGEST_MOMENT)
    }

    /// How many orders need not wait for more: as many as the last commit had, or any where a moment is too short to be measured.
    fn enough(&self) -> usize {
        if self.moment() < SHORTEST_MOMENT { 1 } else { self.orders.max(1) }
    }
}

/// What a commit did.
#[derive(Default)]
struct Done {
    accepted: Vec<Accepted>,
    /// By call that ended, the calls that are its destinations.
    ended: HashMap<CallSeq, Vec<Accepted>>,
    /// Rows, by change.
    changed: Vec<u64>,
    counts: BTreeMap<FunctionNo, Change>,
}

impl Writer {
    /// Runs until it is told to close.
    pub(super) async fn run(mut self) {
        let _unwritable = Unwritable(Arc::clone(&self.shared));
        let mut kept = Group::default();
        loop {
            let (group, close) = self.gather(std::mem::take(&mut kept)).await;
            let Some(left) = self.settle(group).await else {
                tracing::error!(
                    "the connection to the queue is lost; it takes nothing until the server is started again"
                );
                return;
            };
            kept = left;
            if let Some(left) = close {
                if kept.len() > 0 {
                    tracing::error!(orders = kept.len(), "the queue is closed with changes that its disk refuses");
                }
                self.mark_leave().await;
                self.leave().await;
                drop(kept);
                let _ = left.send(());
                return;
            }
        }
    }

    /// The next group: what was kept, and what has come meanwhile. While the disk refuses, it is not asked all the time. A disk that is slow is
    /// given a moment's more: those who were answered by the last commit are about to come back, and without them every other commit would
    /// be of one.
    async fn gather(&mut self, mut group: Group) -> (Group, Option<oneshot::Sender<()>>) {
        let refuses = !self.shared.is_writable();
        let mut until = refuses.then(|| Instant::now() + PAUSE);
        loop {
            let order = match (self.orders.try_recv(), until) {
                (Ok(order), _) => Some(order),
                (Err(_), _) if !refuses && group.len() >= self.pace.enough() => return (group, None),
                (Err(_), None) => self.orders.recv().await,
                (Err(_), Some(until)) => match tokio::time::timeout_at(until, self.orders.recv()).await {
                    Ok(order) => order,
                    Err(_) => return (group, None),
                },
            };
            match order {
                None => return (group, Some(oneshot::channel().0)),
                Some(Order::Close(left)) => return (group, Some(left)),
                Some(order) if refuses => order.refuse().into_iter().for_each(|order| group.push(order)),
                Some(order) => group.push(order),
            }
            // Those who are sent away may come back faster than they are sent away.
            let late = refuses && until.is_some_and(|until| Instant::now() >= until);
            if late || (group.is_full() && !refuses) {
                return (group, None);
            }
            until = until.or_else(|| Some(Instant::now() + self.pace.moment()));
        }
    }

    /// Writes a group; what must be written later is handed back. `None` where there is nothing to write with any more: nobody gets an answer,
    /// since nobody knows what is on disk.
    async fn settle(&mut self, group: Group) -> Option<Group> {
        let begun = Instant::now();
        Some(match self.write(&group).await {
            Ok(done) => {
                self.pace = Pace { orders: group.len(), took: begun.elapsed() };
                if self.shared.set_writable(true) {
                    tracing::info!("the queue can be written again");
                }
                self.answer(group, done);
                Group::default()
            }
            Err(sqlx::Error::WorkerCrashed) => return None,
            Err(error) if is_disk(&error) => {
                if self.shared.set_writable(false) {
                    tracing::error!(%error, "the queue cannot be written; is the data folder's file system full?");
                }
                group.refuse()
            }
            Err(error) if group.len() > 1 => {
                tracing::warn!(%error, "a group of changes was refused; they are tried one by one");
                let mut kept = Group::default();
                for one in group.split() {
                    for order in Box::pin(self.settle(one)).await?.into_orders() {
                        kept.push(order);
                    }
                }
                kept
            }
            Err(error) => {
                tracing::error!(%error, "could not change the queue");
                group.fail(error);
                Group::default()
            }
        })
    }

    async fn write(&mut self, group: &Group) -> Result<Done, sqlx::Error> {
        self.connection.execute("BEGIN IMMEDIATE").await?;
        let written = match self.apply(group).await {
            Ok(done) => self.connection.execute("COMMIT").await.map(|_| done),
            Err(error) => Err(error),
        };
        self.plan.reach(Point::Committed)?;
        if written.is_err() {
            // SQLite has ended some failed transactions by itself; then this is an error and means nothing.
            let _ = self.connection.execute("ROLLBACK").await;
        }
        written
    }

    async fn apply(&mut self, group: &Group) -> Result<Done, sqlx::Error> {
        let mut done = Done::default();
        self.plan.reach(Point::Open)?;
        if group.len() == 0 {
            // Whether the disk takes anything is seen only by writing: this changes nothing, and writes a page.
            self.connection.execute("PRAGMA user_version = 0").await?;
        }
        statements::begin(&mut self.connection, &group.begins).await?;
        self.plan.reach(Point::Begun)?;
        statements::again(&mut self.connection, &group.agains).await?;
        self.plan.reach(Point::PutOff)?;
        let ends: Vec<_> = group.ends.iter().map(|ending| &ending.end).collect();
        let left = statements::end(&mut self.connection, &ends).await?;
        self.plan.reach(Point::Ended)?;
        let left: HashMap<CallSeq, Left> = left.into_iter().map(|left| (left.seq, left)).collect();

        let mut calls: Vec<Numbered<'_>> = Vec::new();
        let mut notices = Vec::new();
        for end in ends {
            // Who comes second finds nothing to end, and owes nothing.
            let Some(left) = left.get(&end.seq) else { continue };
            done.counts.entry(left.function).or_default().ended(end.status, left.bytes);
            let parent = RequestId::of_seq(left.seq, left.tail);
            let mut owed = Vec::new();
            for one in &end.owed {
                match one {
                    Owed::Call(call) => {
                        let numbered = self.number(call, &mut done.counts);
                        owed.push(numbered.accepted.clone());
                        calls.push(numbered);
                    }
                    Owed::Notice { kind, param, payload } => {
                        let at = self.shared.clock.now().0;
                        done.counts.entry(left.function).or_default().owes(payload.len());
                        let function = left.function;
                        let project = self.shared.functions().project(function);
                        notices.push(Notice { call: parent, function, project, kind, param, payload, at });
                    }
                }
            }
            done.ended.insert(left.seq, owed);
        }
        for accept in &group.accepts {
            let numbered = self.number(&accept.call, &mut done.counts);
            done.accepted.push(numbered.accepted.clone());
            calls.push(numbered);
        }
        statements::accept(&mut self.connection, &calls).await?;
        self.plan.reach(Point::Accepted)?;
        statements::notice(&mut self.connection, &notices).await?;
        self.plan.reach(Point::Owed)?;
        // Counts first: a function that is called again in this moment is not forgotten.
        self.count(&done.counts).await?;
        self.plan.reach(Point::Counted)?;
        let mut trimmed = BTreeMap::<_, Change>::new();
        for (change, _) in &group.changes {
            let changed = change.write(&mut self.connection).await?;
            done.changed.push(changed.rows);
            for (function, records) in changed.forgotten {
                trimmed.entry(function).or_default().records -= records;
                done.counts.entry(function).or_default().records -= records;
            }
            // On disk it is counted already.
            if let Some((function, bytes)) = changed.settled {
                done.counts.entry(function).or_default().bytes -= bytes;
            }
        }
        self.count(&trimmed).await?;
        self.plan.reach(Point::Changed)?;
        Ok(done)
    }

    /// Gives a call its place. A place that is not stored in the end stays empty.
    fn number<'a>(&mut self, call: &'a NewCall, counts: &mut BTreeMap<FunctionNo, Change>) -> Numbered<'a> {
        let wall = self.shared.clock.wall();
        self.last = self.last.next_at(wall);
        self.shared.newest.store(self.last.0, Ordering::Relaxed);
        let (function, no) = self.shared.functions().number_call(&call.function);
        counts.entry(function).or_default().accepted(call.body.len());
        let request = RequestId::of_seq(self.last, RequestId::random().tail());
        let accepted = Accepted { request, seq: self.last, function, at: self.shared.clock.now() };
        Numbered { call, accepted, no, wall: wall.as_microsecond() }
    }

    async fn count(&mut self, counts: &BTreeMap<FunctionNo, Change>) -> Result<(), sqlx::Error> {
        let named: Vec<_> = {
            let functions = self.shared.functions();
            let named = |no: &FunctionNo| functions.get(*no).map(|known| Arc::clone(&known.function));
            counts.iter().filter_map(|(no, change)| Some((*no, named(no)?, *change))).collect()
        };
        let rows: Vec<_> = named.iter().map(|(no, function, change)| (*no, &**function, *change)).collect();
        statements::count(&mut self.connection, &rows).await
    }

    /// Memory first, then whoever waits: who has an answer sees what it says in the counts.
    fn answer(&self, group: Group, mut done: Done) {
        {
            let mut functions = self.shared.functions();
            functions.apply(&done.counts);
            for ((change, _), rows) in group.changes.iter().zip(&done.changed) {
                change.apply(*rows, &mut functions);
            }
        }
        for (accept, accepted) in group.accepts.into_iter().zip(done.accepted) {
            let _ = accept.answer.send(Ok(accepted));
        }
        for again in group.agains {
            let _ = again.answer.send(Ok(()));
        }
        for ending in group.ends {
            let _ = ending.answer.send(Ok(done.ended.remove(&ending.end.seq).unwrap_or_default()));
        }
        for late in group.late {
            let _ = late.answer.send(Ok(Vec::new()));
        }
        for ((_, asker), rows) in group.changes.into_iter().zip(done.changed) {
            asker.answer(Ok(rows));
        }
    }

    /// What runs still is ended with a server that leaves in order: no death that it might be the cause of. The next start counts up from
    /// here.
    async fn mark_leave(&mut self) {
        let marked = "UPDATE waiting SET deaths = -1 WHERE begun > 0 AND due = 0";
        if let Err(error) = self.connection.execute(marked).await {
            tracing::warn!(%error, "calls that run are taken for calls that a server died with");
        }
    }

    /// What stays in the log is read back at the next start, so a failure here costs nothing.
    async fn leave(self) {
        let mut connection = self.connection;
        if let Err(error) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await {
            tracing::warn!(%error, "could not fold the queue's write-ahead log into its file");
        }
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "could not close the queue");
        }
    }
}
