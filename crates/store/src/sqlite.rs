//! The SQLite backend: one file in WAL mode, one connection that writes, a few that read.
//!
//! SQLite has one writer at a time anyway; giving it one connection turns "database is locked" into a queue in our
//! own process. `synchronous` is FULL: with NORMAL a commit in WAL mode may be lost at a power failure, and an
//! answered create must not be.

mod aliases;
mod async_configs;
mod dependencies;
mod function_marks;
mod functions;
mod identity;
mod image;
mod mounts;
mod projects;
mod reservations;
mod rows;
mod seal;
mod tags;
mod tallies;
mod test_events;
#[cfg(test)]
mod tests;
mod transaction;
mod triggers;
mod versions;

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::{Config, Error, SecretBox};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");
const FILE: &str = "fungraph.db";

/// The database of one data folder.
#[derive(Clone, Debug)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    secrets: SecretBox,
}

impl Sqlite {
    pub(crate) async fn open(config: &Config) -> Result<Self, Error> {
        let path = config.folder.join(FILE);
        make_private(&path).map_err(|source| Error::Open { path: path.clone(), source: source.into() })?;
        let opened = |source: sqlx::Error| Error::Open { path: path.clone(), source: source.into() };
        let writer = connect(options(&path), 1).await.map_err(&opened)?;
        MIGRATIONS.run(&writer).await.map_err(|source| migration_error(&path, source))?;
        let secrets = seal::open(&config.folder, &writer).await?;
        // A page of a list is handed over at once, without going back and forth between two threads.
        let reading = options(&path).pragma("query_only", "ON").row_buffer_size(512);
        let readers = connect(reading, config.readers.max(1)).await;
        Ok(Self { writer, readers: readers.map_err(opened)?, secrets })
    }

    pub(crate) fn secrets(&self) -> &SecretBox {
        &self.secrets
    }

    pub(crate) async fn close(self) {
        self.readers.close().await;
        // What stays in the log is read back at the next start, so a failure here costs nothing.
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await {
            tracing::warn!(%error, "could not fold the write-ahead log into the database");
        }
        self.writer.close().await;
    }
}

/// The database holds what functions do and who may call them, so nobody else may read it; SQLite gives its side files the mode of the main one.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(never_a_uri(path))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

/// SQLite reads a name that starts with `file:` as a URI; a leading `./` makes it a name again.
fn never_a_uri(path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) }
}

/// A pool that opens all its connections now and keeps each for good.
pub(crate) async fn connect(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    let pool = transaction::undo_on_release(SqlitePoolOptions::new())
        .min_connections(connections)
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut connection = pool.acquire().await?;
        // A connection opens the log and its index with its first real read.
        sqlx::query("SELECT count(*) FROM sqlite_schema").execute(&mut *connection).await?;
        held.push(connection);
    }
    Ok(pool)
}

/// Before it changes anything, sqlx compares what was applied with what it knows.
fn migration_error(path: &Path, source: MigrateError) -> Error {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    match source {
        MigrateError::VersionMissing(found) if found > known => {
            Error::NewerSchema { path: path.to_owned(), found, known }
        }
        source => Error::Migrate { path: path.to_owned(), source },
    }
}
