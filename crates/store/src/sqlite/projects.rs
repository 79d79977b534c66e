//! What is set for a project as a whole.

use fungraph_model::{Caller, LogKind, LogPlace, ProjectId, VpcEndpoint};
use sqlx::sqlite::SqliteRow;

use super::rows::get;
use super::transaction::Transaction;
use super::{Sqlite, identity};
use crate::Error;

impl Sqlite {
    pub(crate) async fn add_vpc_endpoint(
        &self,
        owner: &Caller,
        endpoint: &VpcEndpoint,
        most: usize,
    ) -> Result<(), Error> {
        let failed = Error::during("store a VPC endpoint");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        identity::check_owner(&mut change, &owner.domain, &owner.project).await?;
        sqlx::query(
            "INSERT INTO vpc_endpoints (project, vpc_id, subnet_id, flavor, xrole) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET flavor = excluded.flavor, xrole = excluded.xrole",
        )
        .bind(&owner.project.0)
        .bind(&endpoint.vpc_id)
        .bind(&endpoint.subnet_id)
        .bind(&endpoint.flavor)
        .bind(&endpoint.xrole)
        .execute(&mut *change)
        .await
        .map_err(&failed)?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM vpc_endpoints WHERE project = ?")
            .bind(&owner.project.0)
            .fetch_one(&mut *change)
            .await
            .map_err(&failed)?;
        if usize::try_from(count).is_ok_and(|count| count > most) {
            return Err(Error::Full { most });
        }
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn delete_vpc_endpoint(
        &self,
        project: &ProjectId,
        vpc_id: &str,
        subnet_id: &str,
    ) -> Result<bool, Error> {
        let deleted = sqlx::query("DELETE FROM vpc_endpoints WHERE project = ? AND vpc_id = ? AND subnet_id = ?")
            .bind(&project.0)
            .bind(vpc_id)
            .bind(subnet_id)
            .execute(&self.writer)
            .await
            .map_err(Error::during("delete a VPC endpoint"))?;
        Ok(deleted.rows_affected() > 0)
    }

    pub(crate) async fn log_place(&self, project: &ProjectId, kind: LogKind) -> Result<Option<LogPlace>, Error> {
        let row = sqlx::query(
            "SELECT group_id, group_name, stream_id, stream_name FROM log_groups WHERE project = ? AND kind = ?",
        )
        .bind(&project.0)
        .bind(kind.name())
        .fetch_optional(&self.readers)
        .await;
        row.map_err(Error::during("read the log group of a project"))?.as_ref().map(read).transpose()
    }

    pub(crate) async fn add_log_place(&self, owner: &Caller, kind: LogKind, place: &LogPlace) -> Result<bool, Error> {
        let failed = Error::during("store the log group of a project");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        identity::check_owner(&mut change, &owner.domain, &owner.project).await?;
        let added = sqlx::query(
            "INSERT INTO log_groups (project, kind, group_id, group_name, stream_id, stream_name) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(&owner.project.0)
        .bind(kind.name())
        .bind(&place.group_id)
        .bind(&place.group_name)
        .bind(&place.stream_id)
        .bind(&place.stream_name)
        .execute(&mut *change)
        .await
        .map_err(&failed)?;
        change.commit().await.map_err(failed)?;
        Ok(added.rows_affected() > 0)
    }

    pub(crate) async fn delete_log_place(&self, project: &ProjectId, kind: LogKind) -> Result<(), Error> {
        sqlx::query("DELETE FROM log_groups WHERE project = ? AND kind = ?")
            .bind(&project.0)
            .bind(kind.name())
            .execute(&self.writer)
            .await
            .map_err(Error::during("delete the log group of a project"))?;
        Ok(())
    }
}

fn read(row: &SqliteRow) -> Result<LogPlace, Error> {
    Ok(LogPlace {
        group_id: get(row, "group_id")?,
        group_name: get(row, "group_name")?,
        stream_id: get(row, "stream_id")?,
        stream_name: get(row, "stream_name")?,
    })
}
