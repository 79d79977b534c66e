//! Rarer orders, each a statement or two of its own.

use sqlx::{SqliteConnection, query};

use super::FunctionNo;
use super::functions::Functions;

/// One of them.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// A function's calls wait, or do so no longer.
    Pause(FunctionNo, bool),
    /// A function was deleted.
    Gone(FunctionNo),
}

impl Change {
    /// How many rows it changed.
    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let statement = match self {
            Self::Pause(function, paused) => {
                query("UPDATE functions SET paused = ? WHERE id = ?").bind(paused).bind(function.0)
            }
            Self::Gone(function) => query("UPDATE functions SET gone = 1 WHERE id = ?").bind(function.0),
        };
        Ok(statement.execute(connection).await?.rows_affected())
    }

    /// The same in memory, once it is on disk.
    pub(super) fn apply(&self, functions: &mut Functions) {
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
        }
    }
}
