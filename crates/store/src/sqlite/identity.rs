//! Accounts, projects, users, what they may do, and their keys. All of it is read once, at the start: engine holds it in memory.

use fungraph_model::{Domain, DomainId, Grant, KeyRecord, Project, ProjectId, Register, Role, Secret, User, UserId};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::rows::{bad, get, signed, unsigned};
use super::transaction::Transaction;
use super::{Sqlite, seal};
use crate::error::{is_foreign, is_taken};
use crate::{Error, SecretBox};

impl Sqlite {
    /// Reads in one transaction, so that no grant names what is not there.
    pub(crate) async fn register(&self) -> Result<Register, Error> {
        let failed = Error::during("read users and keys");
        let mut view = Transaction::read(&self.readers).await.map_err(&failed)?;
        let mut rows =
            async |statement: &'static str| sqlx::query(statement).fetch_all(&mut *view).await.map_err(&failed);
        let domains = rows("SELECT id, name FROM domains ORDER BY id").await?;
        let projects = rows("SELECT id, domain, name, created FROM projects ORDER BY created, id").await?;
        let users =
            rows("SELECT id, domain, name, password, generation, created FROM users ORDER BY created, id").await?;
        let grants = rows("SELECT user, project, role FROM grants ORDER BY rowid").await?;
        let keys =
            rows("SELECT access, secret, user, enabled, created, rotated FROM access_keys ORDER BY created, access")
                .await?;
        view.commit().await.map_err(&failed)?;
        Ok(Register {
            domains: domains.iter().map(domain).collect::<Result<_, _>>()?,
            projects: projects.iter().map(project).collect::<Result<_, _>>()?,
            users: users.iter().map(user).collect::<Result<_, _>>()?,
            grants: grants.iter().map(grant).collect::<Result<_, _>>()?,
            keys: keys.iter().map(|row| key(row, &self.secrets)).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) async fn add_project(&self, project: &Project) -> Result<(), Error> {
        let failed = Error::during("store a project");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        insert_project(&mut change, project).await?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn delete_project(&self, id: &ProjectId) -> Result<(), Error> {
        let failed = Error::during("delete a project");
        let done = sqlx::query("DELETE FROM projects WHERE id = ?").bind(&id.0).execute(&self.writer).await;
        match done {
            Ok(done) if done.rows_affected() == 0 => Err(Error::Gone { what: "project" }),
            Ok(_) => Ok(()),
            Err(error) if is_foreign(&error) => Err(Error::ProjectInUse { project: id.clone() }),
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) async fn add_user(&self, user: &User) -> Result<(), Error> {
        let failed = Error::during("store a user");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        insert_user(&mut change, user).await?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn set_password(&self, user: &UserId, password: &Secret, generation: u64) -> Result<(), Error> {
        let generation = signed("generation", generation)?;
        let query = sqlx::query("UPDATE users SET password = ?, generation = ? WHERE id = ?")
            .bind(password.reveal())
            .bind(generation)
            .bind(&user.0);
        let done = query.execute(&self.writer).await.map_err(Error::during("store a password"))?;
        found("user", done.rows_affected())
    }

    /// Keys and grants go with it.
    pub(crate) async fn delete_user(&self, id: &UserId) -> Result<(), Error> {
        let done = sqlx::query("DELETE FROM users WHERE id = ?").bind(&id.0).execute(&self.writer).await;
        found("user", done.map_err(Error::during("delete a user"))?.rows_affected())
    }

    pub(crate) async fn add_grant(&self, grant: &Grant) -> Result<(), Error> {
        let failed = Error::during("store a grant");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        insert_grant(&mut change, grant).await?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn delete_grant(&self, grant: &Grant) -> Result<(), Error> {
        let done = sqlx::query("DELETE FROM grants WHERE user = ? AND project IS ? AND role = ?")
            .bind(&grant.user.0)
            .bind(grant.project.as_ref().map(|project| &project.0))
            .bind(grant.role.name())
            .execute(&self.writer)
            .await
            .map_err(Error::during("delete a grant"))?;
        found("grant", done.rows_affected())
    }

    pub(crate) async fn add_key(&self, key: &KeyRecord) -> Result<(), Error> {
        let failed = Error::during("store an access key");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        insert_key(&mut change, key, &self.secrets).await?;
        change.commit().await.map_err(failed)
    }

    /// Replaces all of a key but its name and its holder.
    pub(crate) async fn update_key(&self, key: &KeyRecord) -> Result<(), Error> {
        let done = sqlx::query("UPDATE access_keys SET secret = ?, enabled = ?, rotated = ? WHERE access = ?")
            .bind(sealed(key, &self.secrets)?)
            .bind(key.enabled)
            .bind(key.rotated.as_microsecond())
            .bind(&key.access)
            .execute(&self.writer)
            .await
            .map_err(Error::during("change an access key"))?;
        found("access key", done.rows_affected())
    }

    pub(crate) async fn delete_key(&self, access: &str) -> Result<(), Error> {
        let done = sqlx::query("DELETE FROM access_keys WHERE access = ?").bind(access).execute(&self.writer).await;
        found("access key", done.map_err(Error::during("delete an access key"))?.rows_affected())
    }

    /// All of a new data folder at once: half an account is none.
    pub(crate) async fn found(&self, register: &Register) -> Result<(), Error> {
        let failed = Error::during("store a new account");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        for domain in &register.domains {
            sqlx::query("INSERT INTO domains (id, name) VALUES (?, ?)")
                .bind(&domain.id.0)
                .bind(&domain.name)
                .execute(&mut *change)
                .await
                .map_err(&failed)?;
        }
        for project in &register.projects {
            insert_project(&mut change, project).await?;
        }
        for user in &register.users {
            insert_user(&mut change, user).await?;
        }
        for grant in &register.grants {
            insert_grant(&mut change, grant).await?;
        }
        for key in &register.keys {
            insert_key(&mut change, key, &self.secrets).await?;
        }
        change.commit().await.map_err(failed)
    }

    /// Keeps the id of a token until it would have ended, and forgets those that have.
    pub(crate) async fn revoke_token(&self, id: &str, expires: i64, now: i64) -> Result<(), Error> {
        let failed = Error::during("revoke a token");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        sqlx::query("DELETE FROM revoked_tokens WHERE expires < ?")
            .bind(now)
            .execute(&mut *change)
            .await
            .map_err(&failed)?;
        sqlx::query("INSERT INTO revoked_tokens (id, expires) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(id)
            .bind(expires)
            .execute(&mut *change)
            .await
            .map_err(&failed)?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn revoked_tokens(&self) -> Result<Vec<(String, i64)>, Error> {
        let rows = sqlx::query_as("SELECT id, expires FROM revoked_tokens").fetch_all(&self.readers).await;
        rows.map_err(Error::during("read the revoked tokens"))
    }
}

fn found(what: &'static str, rows: u64) -> Result<(), Error> {
    if rows == 0 { Err(Error::Gone { what }) } else { Ok(()) }
}

fn taken(what: &'static str, doing: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |error| {
        if is_taken(&error) {
            Error::Taken { what }
        } else if is_foreign(&error) {
            Error::Gone { what: "user or project" }
        } else {
            Error::during(doing)(error)
        }
    }
}

async fn insert_project(change: &mut SqliteConnection, project: &Project) -> Result<(), Error> {
    sqlx::query("INSERT INTO projects (id, domain, name, created) VALUES (?, ?, ?, ?)")
        .bind(&project.id.0)
        .bind(&project.domain.0)
        .bind(&project.name)
        .bind(project.created.as_microsecond())
        .execute(change)
        .await
        .map_err(taken("project", "store a project"))?;
    Ok(())
}

async fn insert_user(change: &mut SqliteConnection, user: &User) -> Result<(), Error> {
    sqlx::query("INSERT INTO users (id, domain, name, password, generation, created) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&user.id.0)
        .bind(&user.domain.0)
        .bind(&user.name)
        .bind(user.password.as_ref().map(Secret::reveal))
        .bind(signed("generation", user.generation)?)
        .bind(user.created.as_microsecond())
        .execute(change)
        .await
        .map_err(taken("user", "store a user"))?;
    Ok(())
}

async fn insert_grant(change: &mut SqliteConnection, grant: &Grant) -> Result<(), Error> {
    sqlx::query("INSERT INTO grants (user, project, role) VALUES (?, ?, ?)")
        .bind(&grant.user.0)
        .bind(grant.project.as_ref().map(|project| &project.0))
        .bind(grant.role.name())
        .execute(change)
        .await
        .map_err(taken("grant", "store a grant"))?;
    Ok(())
}

async fn insert_key(change: &mut SqliteConnection, key: &KeyRecord, secrets: &SecretBox) -> Result<(), Error> {
    let insert = "INSERT INTO access_keys (access, secret, user, enabled, created, rotated) VALUES (?, ?, ?, ?, ?, ?)";
    sqlx::query(insert)
        .bind(&key.access)
        .bind(sealed(key, secrets)?)
        .bind(&key.user.0)
        .bind(key.enabled)
        .bind(key.created.as_microsecond())
        .bind(key.rotated.as_microsecond())
        .execute(change)
        .await
        .map_err(taken("access key", "store an access key"))?;
    Ok(())
}

fn sealed(key: &KeyRecord, secrets: &SecretBox) -> Result<String, Error> {
    let sealed = secrets.seal(&seal::key_purpose(&key.access), key.secret.reveal().as_bytes());
    sealed.map_err(|source| Error::Seal { source })
}

fn domain(row: &SqliteRow) -> Result<Domain, Error> {
    Ok(Domain { id: DomainId(get(row, "id")?), name: get(row, "name")? })
}

fn project(row: &SqliteRow) -> Result<Project, Error> {
    Ok(Project {
        id: ProjectId(get(row, "id")?),
        domain: DomainId(get(row, "domain")?),
        name: get(row, "name")?,
        created: time(row, "created")?,
    })
}

fn user(row: &SqliteRow) -> Result<User, Error> {
    Ok(User {
        id: UserId(get(row, "id")?),
        domain: DomainId(get(row, "domain")?),
        name: get(row, "name")?,
        password: get::<Option<String>>(row, "password")?.map(Secret::new),
        generation: unsigned(row, "generation")?,
        created: time(row, "created")?,
    })
}

fn grant(row: &SqliteRow) -> Result<Grant, Error> {
    let role: String = get(row, "role")?;
    Ok(Grant {
        user: UserId(get(row, "user")?),
        project: get::<Option<String>>(row, "project")?.map(ProjectId),
        role: Role::parse(&role).ok_or_else(|| bad("role", &"no such role"))?,
    })
}

fn key(row: &SqliteRow, secrets: &SecretBox) -> Result<KeyRecord, Error> {
    let access: String = get(row, "access")?;
    let secret = secrets.open_text(&seal::key_purpose(&access), &get::<String>(row, "secret")?);
    Ok(KeyRecord {
        secret: Secret::new(secret.ok_or_else(|| bad("secret", &"the key of this data folder does not open it"))?),
        access,
        user: UserId(get(row, "user")?),
        enabled: get(row, "enabled")?,
        created: time(row, "created")?,
        rotated: time(row, "rotated")?,
    })
}

fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(get(row, column)?).map_err(|e| bad(column, &e))
}

/// Refuses what would belong to a project that is not there any more, or to another account's, in the transaction that is to store it.
pub(super) async fn check_owner(
    change: &mut SqliteConnection,
    domain: &DomainId,
    project: &ProjectId,
) -> Result<(), Error> {
    let owner: Option<String> = sqlx::query_scalar("SELECT domain FROM projects WHERE id = ?")
        .bind(&project.0)
        .fetch_optional(change)
        .await
        .map_err(Error::during("find the owner of a project"))?;
    match owner {
        None => Err(Error::Gone { what: "project" }),
        Some(owner) if owner == domain.0 => Ok(()),
        Some(_) => Err(Error::OtherDomain { project: project.clone() }),
    }
}
