//! Why metadata could not be read or written. Texts are for the operator; none holds a secret.

use std::path::PathBuf;

use fungraph_model::{FunctionKey, ProjectId};

use crate::Conflict;

/// A failed operation of [`Store`](crate::Store).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database file cannot be opened or made.
    #[error("cannot open the database {}; check that the folder exists, can be written and holds no foreign file of that name", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database was made by a newer fungraph; nothing was changed in it.
    #[error(
        "the database {} has schema {found}, this fungraph knows up to {known}; start the version that made it, or a newer one, or use another data folder",
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
    /// The schema could not be brought up to date; the database is as it was.
    #[error("cannot bring the database {} up to date", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: sqlx::migrate::MigrateError,
    },
    /// The key file cannot be used or made.
    #[error(
        "cannot use {}, the key to the secrets in the database; put the file back from a backup of this data folder",
        path.display()
    )]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The database has secrets and their key is gone. A new key would lose them for good, so none is made.
    #[error(
        "{} is missing, the key to the secrets in the database; put the file back from a backup of this data folder. Without it \
         access keys and encrypted variables are lost: then start anew with another data folder",
        path.display()
    )]
    KeyLost {
        /// Where it belongs.
        path: PathBuf,
    },
    /// The key file is one of another data folder.
    #[error(
        "{} is not the key that the secrets in the database were sealed with; put the right file back from a backup of this data \
         folder",
        path.display()
    )]
    KeyDiffers {
        /// The file.
        path: PathBuf,
    },
    /// The system cannot seal.
    #[error("cannot seal a secret")]
    Seal {
        /// What it said.
        source: std::io::Error,
    },
    /// Something of that name is there already.
    #[error("that {what} exists already")]
    Taken {
        /// Which of them.
        what: &'static str,
    },
    /// A project, user or key is not there.
    #[error("that {what} does not exist")]
    Gone {
        /// Which of them.
        what: &'static str,
    },
    /// Something in the project is still there.
    #[error("project {project} is not empty")]
    ProjectInUse {
        /// The project.
        project: ProjectId,
    },
    /// A function of that name is there already.
    #[error("function {key} exists already")]
    Exists {
        /// The name.
        key: FunctionKey,
    },
    /// The function is not there.
    #[error("function {key} does not exist")]
    Missing {
        /// The name.
        key: FunctionKey,
    },
    /// Somebody else changed the function in the meantime; read it again and decide anew.
    #[error("function {key} has revision {found}, not {expected}: it was changed in the meantime")]
    Changed {
        /// The name.
        key: FunctionKey,
        /// What the change was based on.
        expected: u64,
        /// What is stored.
        found: u64,
    },
    /// It does not fit the versions and aliases there are.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A dependency that a function names is gone.
    #[error("the dependency {id} does not exist any more")]
    DependencyMissing {
        /// Id of the version.
        id: String,
    },
    /// A function has the dependency, so it stays.
    #[error("the dependency is in use")]
    DependencyInUse,
    /// There may be no more of them.
    #[error("there are {most} already, the most there may be")]
    Full {
        /// The limit.
        most: usize,
    },
    /// The project belongs to another account.
    #[error("project {project} belongs to another domain")]
    OtherDomain {
        /// The project.
        project: ProjectId,
    },
    /// A stored function names a runtime that this binary does not have in its list.
    #[error(
        "function {key} has the runtime '{runtime}', which this fungraph does not know; was the database written by a newer version?"
    )]
    UnknownRuntime {
        /// The function.
        key: FunctionKey,
        /// The stored name.
        runtime: String,
    },
    /// A stored value is out of range or cannot be read.
    #[error("the stored value of {column} cannot be read: {why}; the database was changed by another program")]
    BadRow {
        /// Table column.
        column: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// No room left on the file system of the database; nothing of the change was stored.
    #[error("no space left for the database; free space on the data folder's file system")]
    DiskFull {
        /// What SQLite said.
        source: sqlx::Error,
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

/// Primary result code SQLITE_FULL; extended codes carry it in their low byte.
const SQLITE_FULL: i64 = 13;
/// SQLITE_IOERR_WRITE and SQLITE_IOERR_FSYNC do not say why, so they are not taken for a full disk.
const PRIMARY: i64 = 0xFF;

impl Error {
    /// For `map_err`: a failure while doing `action`.
    pub(crate) fn during(action: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| if is_full(&source) { Self::DiskFull { source } } else { Self::Database { action, source } }
    }
}

fn is_full(error: &sqlx::Error) -> bool {
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).and_then(|code| code.parse::<i64>().ok());
    code.is_some_and(|code| code & PRIMARY == SQLITE_FULL)
}

/// Whether a reference to another row refused the change.
pub(crate) fn is_foreign(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
}

/// Whether a unique index or primary key refused the row.
pub(crate) fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
