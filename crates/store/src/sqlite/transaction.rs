//! Transactions in plain statements.
//!
//! Not sqlx's own: SQLite ends a transaction by itself on a full disk and some other failures, sqlx goes on counting
//! it as open, and from then on the connection refuses every new one. There is only one connection to write with,
//! and its file may be out of reach of a new one, so it must survive a full disk.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{Executor, Sqlite, SqliteConnection};

/// A transaction, undone unless it is committed, also if whoever runs it stops waiting.
pub(super) struct Transaction(PoolConnection<Sqlite>);

impl Transaction {
    /// Begins to change something: takes SQLite's write lock now, so that no later statement can fail for it.
    pub(super) async fn write(pool: &SqlitePool) -> Result<Self, sqlx::Error> {
        Self::begin(pool, "BEGIN IMMEDIATE").await
    }

    /// Begins to read: all statements see the same state.
    pub(super) async fn read(pool: &SqlitePool) -> Result<Self, sqlx::Error> {
        Self::begin(pool, "BEGIN").await
    }

    async fn begin(pool: &SqlitePool, statement: &'static str) -> Result<Self, sqlx::Error> {
        let mut connection = pool.acquire().await?;
        connection.execute(statement).await?;
        Ok(Self(connection))
    }

    /// Ends it; a change that this answers with `Ok` is on disk.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.execute("COMMIT").await.map(|_| ())
    }
}

impl Deref for Transaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }
}

/// Makes a pool undo what a connection that comes back left open. Statements of one connection run in order, so
/// this comes after whatever the connection is still doing.
pub(super) fn undo_on_release(options: SqlitePoolOptions) -> SqlitePoolOptions {
    options.after_release(|connection, _| {
        Box::pin(async move {
            // Most come back without a transaction; then this is an error and means nothing.
            let _ = connection.execute("ROLLBACK").await;
            Ok(true)
        })
    })
}
