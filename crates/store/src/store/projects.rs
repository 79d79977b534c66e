//! What is set for a project as a whole.

use fungraph_model::{Caller, LogKind, LogPlace, ProjectId, VpcEndpoint};

use super::Store;
use crate::Error;

impl Store {
    /// Stores a VPC endpoint of a project that may have so many; one of the same network is replaced.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::OtherDomain`], or [`Error::Gone`] where the project is not there.
    pub async fn add_vpc_endpoint(&self, owner: &Caller, endpoint: &VpcEndpoint, most: usize) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_vpc_endpoint(owner, endpoint, most).await,
        }
    }

    /// Removes a VPC endpoint; `false` where there was none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn delete_vpc_endpoint(&self, project: &ProjectId, vpc_id: &str, subnet_id: &str) -> Result<bool, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_vpc_endpoint(project, vpc_id, subnet_id).await,
        }
    }

    /// Where logs of a project go.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn log_place(&self, project: &ProjectId, kind: LogKind) -> Result<Option<LogPlace>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.log_place(project, kind).await,
        }
    }

    /// Stores where logs of a project go; `false`, and nothing changes, where that is set already.
    ///
    /// # Errors
    /// [`Error::Gone`] where the project is not there, [`Error::OtherDomain`] or [`Error::Database`].
    pub async fn add_log_place(&self, owner: &Caller, kind: LogKind, place: &LogPlace) -> Result<bool, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.add_log_place(owner, kind, place).await,
        }
    }

    /// Forgets where logs of a project go.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn delete_log_place(&self, project: &ProjectId, kind: LogKind) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.delete_log_place(project, kind).await,
        }
    }
}
