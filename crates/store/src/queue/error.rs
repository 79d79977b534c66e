//! What can go wrong with the queue. Texts are for the operator.

use std::path::PathBuf;

use sqlx::error::DatabaseError;

/// A queue that cannot take, change or read something.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The file cannot be opened or made.
    #[error("cannot open the queue {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file was written by a newer version.
    #[error(
        "the queue {} has schema {found}, this fungraph knows up to {known}; start the version that made it, or a newer one",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Schema in the file.
        found: i64,
        /// Newest schema this binary knows.
        known: i64,
    },
    /// The schema could not be brought up to date; the queue is as it was.
    #[error("cannot bring the queue {} up to date", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: sqlx::migrate::MigrateError,
    },
    /// More is on its way to the disk than it takes. Nothing was stored; later it may be.
    #[error("the disk of the queue does not keep up")]
    Crowded,
    /// No room, or the disk refuses to write. Nothing was stored; once there is room it goes on by itself.
    #[error("the queue cannot be written; is the data folder's file system full?")]
    DiskFull,
    /// The queue was closed, since the server leaves.
    #[error("the queue is closed")]
    Closed,
    /// A stored value is out of range or cannot be read.
    #[error("the stored value of {column} cannot be read: {why}; the queue was changed by another program")]
    BadRow {
        /// Table column.
        column: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Any other failure of the database.
    #[error("cannot {action}")]
    Database {
        /// Verb phrase of what was being done.
        action: &'static str,
        /// What SQLite said.
        source: sqlx::Error,
    },
}

impl QueueError {
    /// For `map_err`: a failure while doing `action`.
    pub(super) fn during(action: &'static str) -> impl Fn(sqlx::Error) -> Self + Copy {
        move |source| if is_disk(&source) { Self::DiskFull } else { Self::Database { action, source } }
    }
}

/// Primary result codes; extended ones carry them in their low byte.
const SQLITE_READONLY: i64 = 8;
const SQLITE_IOERR: i64 = 10;
const SQLITE_FULL: i64 = 13;
const SQLITE_CANTOPEN: i64 = 14;

/// Whether the file system is to blame, so that the same may go well later. A quota that is used up and a full disk under an overlay
/// come as an I/O error.
pub(super) fn is_disk(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::Io(_)) {
        return true;
    }
    let code = error.as_database_error().and_then(DatabaseError::code).and_then(|code| code.parse::<i64>().ok());
    code.is_some_and(|code| matches!(code & 0xFF, SQLITE_READONLY | SQLITE_IOERR | SQLITE_FULL | SQLITE_CANTOPEN))
}
