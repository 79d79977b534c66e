//! Accounts, projects and access keys.

use fungraph_model::{AccessKey, DomainId, ProjectId, Secret};
use sqlx::{Row, SqliteConnection};

use super::Sqlite;
use super::transaction::Transaction;
use crate::Error;
use crate::error::is_taken;

impl Sqlite {
    pub(crate) async fn access_keys(&self) -> Result<Vec<AccessKey>, Error> {
        let failed = Error::during("read the access keys");
        let rows = sqlx::query(
            "SELECT k.access, k.secret, k.domain, p.project
             FROM access_keys k LEFT JOIN access_key_projects p ON p.access = k.access
             ORDER BY k.access, p.position",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(&failed)?;
        let mut keys: Vec<AccessKey> = Vec::new();
        for row in rows {
            let access: String = row.try_get(0).map_err(&failed)?;
            if keys.last().is_none_or(|key| key.access != access) {
                let secret = Secret::new(row.try_get(1).map_err(&failed)?);
                let domain = DomainId(row.try_get(2).map_err(&failed)?);
                keys.push(AccessKey { access, secret, domain, projects: Vec::new() });
            }
            let project: Option<String> = row.try_get(3).map_err(&failed)?;
            if let Some(key) = keys.last_mut() {
                key.projects.extend(project.map(ProjectId));
            }
        }
        Ok(keys)
    }

    pub(crate) async fn add_access_key(&self, key: &AccessKey) -> Result<(), Error> {
        let failed = Error::during("store an access key");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        add_domain(&mut change, &key.domain).await?;
        sqlx::query("INSERT INTO access_keys (access, secret, domain) VALUES (?, ?, ?)")
            .bind(&key.access)
            .bind(key.secret.reveal())
            .bind(&key.domain.0)
            .execute(&mut *change)
            .await
            .map_err(|e| if is_taken(&e) { Error::KeyExists { access: key.access.clone() } } else { failed(e) })?;
        for (position, project) in (0_i64..).zip(&key.projects) {
            add_project(&mut change, &key.domain, project).await?;
            sqlx::query("INSERT INTO access_key_projects (access, position, project) VALUES (?, ?, ?)")
                .bind(&key.access)
                .bind(position)
                .bind(&project.0)
                .execute(&mut *change)
                .await
                .map_err(&failed)?;
        }
        change.commit().await.map_err(failed)
    }
}

async fn add_domain(change: &mut SqliteConnection, domain: &DomainId) -> Result<(), Error> {
    sqlx::query("INSERT INTO domains (id) VALUES (?) ON CONFLICT DO NOTHING")
        .bind(&domain.0)
        .execute(change)
        .await
        .map_err(Error::during("store a domain"))?;
    Ok(())
}

/// Makes sure that the project is there and belongs to the domain.
async fn add_project(change: &mut SqliteConnection, domain: &DomainId, project: &ProjectId) -> Result<(), Error> {
    let failed = Error::during("store a project");
    sqlx::query("INSERT INTO projects (id, domain) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(&project.0)
        .bind(&domain.0)
        .execute(&mut *change)
        .await
        .map_err(&failed)?;
    let owner: String = sqlx::query_scalar("SELECT domain FROM projects WHERE id = ?")
        .bind(&project.0)
        .fetch_one(change)
        .await
        .map_err(&failed)?;
    if owner == domain.0 { Ok(()) } else { Err(Error::OtherDomain { project: project.clone() }) }
}

/// As [`add_project`], with a domain that may be new too.
pub(super) async fn add_owner(
    change: &mut SqliteConnection,
    domain: &DomainId,
    project: &ProjectId,
) -> Result<(), Error> {
    add_domain(change, domain).await?;
    add_project(change, domain, project).await
}
