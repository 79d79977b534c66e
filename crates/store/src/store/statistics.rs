//! What calls came to. It is written behind them and counts from what is there, so it is no place for money.

use fungraph_model::{MonthUsage, ProjectId, Ranking, Tally, TallyEntry};

use super::Store;
use crate::{Error, RankQuery, TallyQuery};

impl Store {
    /// Adds to what a minute and a month have, all or nothing. What is of a function that is gone counts for its project only.
    /// A month is `year * 12 + month - 1`.
    ///
    /// # Errors
    /// [`Error::Database`] or [`Error::DiskFull`].
    pub async fn add_tallies(&self, minute: i64, month: i64, entries: &[TallyEntry]) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_tallies(minute, month, entries).await,
        }
    }

    /// The steps that have something, with the minute at which each begins, in order.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn tallies(&self, query: &TallyQuery) -> Result<Vec<(i64, Tally)>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.tallies(query).await,
        }
    }

    /// What a project used in each of these months.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn month_usage(&self, project: &ProjectId, months: &[i64]) -> Result<Vec<MonthUsage>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.month_usage(project, months).await,
        }
    }

    /// The functions of a project with the most of something, the first created first where two have as much.
    ///
    /// # Errors
    /// [`Error::BadRow`] or [`Error::Database`].
    pub async fn rank(&self, query: &RankQuery) -> Result<Ranking, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.rank(query).await,
        }
    }

    /// Removes numbers of minutes before `oldest`, and the oldest where there are more than `most` rows of functions, or of projects.
    /// Months stay.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn forget_tallies(&self, oldest: i64, most: u64) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.forget_tallies(oldest, most).await,
        }
    }
}
