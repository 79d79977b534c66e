//! Dependencies, and which of them functions have.

use fungraph_model::{Dependency, Digest, DomainId, FunctionVersion, ProjectId, Runtime};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};

use super::rows::{bad, get, signed, unsigned};
use super::transaction::Transaction;
use super::{Sqlite, functions, identity};
use crate::error::is_foreign;
use crate::{DependencyPage, DependencyQuery, Error};

const SELECT: &str = "SELECT d.id, n.dep_id, n.project, p.domain, n.name, d.version, d.runtime, d.description, d.size, d.digest, \
     d.last_modified FROM dependency_versions d JOIN dependencies n ON n.id = d.dependency JOIN projects p ON p.id = n.project";

/// A subquery of `functions f`, `projects p` and `function_versions v`: all dependencies of a version as JSON.
macro_rules! attached {
    () => {
        "(SELECT json_group_array(json_object('position', l.position, 'id', d.id, 'dependency', n.dep_id, 'name', n.name, \
         'version', d.version, 'runtime', d.runtime, 'description', d.description, 'size', d.size, 'digest', d.digest, \
         'last_modified', d.last_modified)) FROM function_dependencies l JOIN dependency_versions d ON d.id = l.dependency \
         JOIN dependencies n ON n.id = d.dependency \
         WHERE l.function = v.function AND l.function_version = v.version) AS dependencies"
    };
}
pub(super) use attached;

impl Sqlite {
    pub(crate) async fn add_dependency(&self, new: &Dependency) -> Result<Dependency, Error> {
        let failed = Error::during("store a dependency");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        identity::check_owner(&mut change, &new.domain, &new.project).await?;
        let (row, dependency, version): (i64, String, u32) = sqlx::query_as(
            "INSERT INTO dependencies (dep_id, project, name, last_version) VALUES (?, ?, ?, 1)
             ON CONFLICT (project, name) DO UPDATE SET last_version = last_version + 1
             RETURNING id, dep_id, last_version",
        )
        .bind(&new.dependency)
        .bind(&new.project.0)
        .bind(&new.name)
        .fetch_one(&mut *change)
        .await
        .map_err(&failed)?;
        sqlx::query(
            "INSERT INTO dependency_versions (id, dependency, version, runtime, description, size, digest, last_modified)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&new.id)
        .bind(row)
        .bind(version)
        .bind(new.runtime.name())
        .bind(&new.description)
        .bind(signed("size", new.size)?)
        .bind(&new.digest.0)
        .bind(new.last_modified.as_microsecond())
        .execute(&mut *change)
        .await
        .map_err(&failed)?;
        functions::count(&mut change, &new.project, 0, signed("size", new.size)?).await?;
        change.commit().await.map_err(failed)?;
        Ok(Dependency { dependency, version, ..new.clone() })
    }

    pub(crate) async fn dependency(&self, project: &ProjectId, id: &str) -> Result<Option<Dependency>, Error> {
        let mut statement = QueryBuilder::new(SELECT);
        statement.push(" WHERE n.project = ").push_bind(project.0.clone());
        statement.push(" AND (d.id = ").push_bind(id.to_owned());
        statement.push(" OR (n.dep_id = ").push_bind(id.to_owned()).push(")) ORDER BY d.version DESC LIMIT 1");
        let row = statement.build().fetch_optional(&self.readers).await;
        row.map_err(Error::during("read a dependency"))?.as_ref().map(read).transpose()
    }

    pub(crate) async fn dependency_version(
        &self,
        project: &ProjectId,
        dependency: &str,
        version: u32,
    ) -> Result<Option<Dependency>, Error> {
        let mut statement = QueryBuilder::new(SELECT);
        statement.push(" WHERE n.project = ").push_bind(project.0.clone());
        statement.push(" AND n.dep_id = ").push_bind(dependency.to_owned());
        statement.push(" AND d.version = ").push_bind(version);
        let row = statement.build().fetch_optional(&self.readers).await;
        row.map_err(Error::during("read a dependency"))?.as_ref().map(read).transpose()
    }

    pub(crate) async fn dependencies(&self, query: &DependencyQuery) -> Result<DependencyPage, Error> {
        let failed = Error::during("list dependencies");
        let mut view = Transaction::read(&self.readers).await.map_err(&failed)?;
        let rows = page_query(query).build().fetch_all(&mut *view).await.map_err(&failed)?;
        let dependencies = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let end = query.marker as usize + dependencies.len();
        // A page that is not full ends the list; only a page in the middle needs the count.
        let short = dependencies.len() < query.limit as usize && (query.marker == 0 || !dependencies.is_empty());
        let total = if short {
            end
        } else {
            let count: i64 = total_query(query).build_query_scalar().fetch_one(&mut *view).await.map_err(&failed)?;
            usize::try_from(count).map_err(|error| bad("count", &error))?
        };
        view.commit().await.map_err(&failed)?;
        Ok(DependencyPage { dependencies, total })
    }

    pub(crate) async fn delete_dependency(
        &self,
        project: &ProjectId,
        dependency: &str,
        version: u32,
    ) -> Result<bool, Error> {
        let failed = Error::during("delete a dependency");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let row: Option<i64> = sqlx::query_scalar("SELECT id FROM dependencies WHERE project = ? AND dep_id = ?")
            .bind(&project.0)
            .bind(dependency)
            .fetch_optional(&mut *change)
            .await
            .map_err(&failed)?;
        let Some(row) = row else { return Ok(false) };
        let size: Option<i64> =
            sqlx::query_scalar("DELETE FROM dependency_versions WHERE dependency = ? AND version = ? RETURNING size")
                .bind(row)
                .bind(version)
                .fetch_optional(&mut *change)
                .await
                .map_err(|error| if is_foreign(&error) { Error::DependencyInUse } else { failed(error) })?;
        functions::count(&mut change, project, 0, -size.unwrap_or(0)).await?;
        sqlx::query(
            "DELETE FROM dependencies WHERE id = ? AND NOT EXISTS
             (SELECT 1 FROM dependency_versions WHERE dependency = dependencies.id)",
        )
        .bind(row)
        .execute(&mut *change)
        .await
        .map_err(&failed)?;
        change.commit().await.map_err(failed)?;
        Ok(size.is_some())
    }
}

type Statement = QueryBuilder<sqlx::Sqlite>;

pub(super) fn page_query(query: &DependencyQuery) -> Statement {
    let mut statement = Statement::new(SELECT);
    filter(&mut statement, query);
    statement.push(" ORDER BY n.id, d.version LIMIT ").push_bind(query.limit);
    statement.push(" OFFSET ").push_bind(query.marker);
    statement
}

pub(super) fn total_query(query: &DependencyQuery) -> Statement {
    let mut statement =
        Statement::new("SELECT count(*) FROM dependency_versions d JOIN dependencies n ON n.id = d.dependency");
    filter(&mut statement, query);
    statement
}

fn filter(statement: &mut Statement, query: &DependencyQuery) {
    statement.push(" WHERE n.project = ").push_bind(query.project.0.clone());
    match &query.dependency {
        Some(dependency) => statement.push(" AND n.dep_id = ").push_bind(dependency.clone()),
        None => statement
            .push(" AND d.version = (SELECT max(version) FROM dependency_versions WHERE dependency = d.dependency)"),
    };
    for (column, wanted) in [("n.name", &query.name), ("d.runtime", &query.runtime)] {
        if let Some(wanted) = wanted {
            statement.push(format!(" AND {column} = ")).push_bind(wanted.clone());
        }
    }
}

/// Attaches to a version of a function what it has now; runs in the transaction of the change.
pub(super) async fn attach(change: &mut SqliteConnection, id: i64, function: &FunctionVersion) -> Result<(), Error> {
    let failed = Error::during("attach dependencies");
    sqlx::query("DELETE FROM function_dependencies WHERE function = ? AND function_version = ?")
        .bind(id)
        .bind(&function.version)
        .execute(&mut *change)
        .await
        .map_err(&failed)?;
    for (position, dependency) in (0_i64..).zip(&function.dependencies) {
        sqlx::query(
            "INSERT INTO function_dependencies (function, function_version, position, dependency) VALUES (?, ?, ?, ?)",
        )
        .bind(id)
        .bind(&function.version)
        .bind(position)
        .bind(&dependency.id)
        .execute(&mut *change)
        .await
        .map_err(|error| match is_foreign(&error) {
            true => Error::DependencyMissing { id: dependency.id.clone() },
            false => failed(error),
        })?;
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Dependency, Error> {
    Ok(Dependency {
        id: get(row, "id")?,
        dependency: get(row, "dep_id")?,
        project: ProjectId(get(row, "project")?),
        domain: DomainId(get(row, "domain")?),
        name: get(row, "name")?,
        version: get(row, "version")?,
        runtime: runtime(&get::<String>(row, "runtime")?)?,
        description: get(row, "description")?,
        size: unsigned(row, "size")?,
        digest: Digest(get(row, "digest")?),
        last_modified: time(get(row, "last_modified")?)?,
    })
}

/// The dependencies of a function, from its row.
pub(super) fn read_attached(row: &SqliteRow, project: &ProjectId, domain: &DomainId) -> Result<Vec<Dependency>, Error> {
    let text: String = get(row, "dependencies")?;
    let mut all: Vec<Value> = serde_json::from_str(&text).map_err(|error| bad("dependencies", &error))?;
    all.sort_by_key(|one| one["position"].as_u64());
    let whole = |one: &Value| {
        let text =
            |name: &str| one[name].as_str().map(str::to_owned).ok_or_else(|| bad("dependencies", &"a field lacks"));
        let number = |name: &str| one[name].as_i64().ok_or_else(|| bad("dependencies", &"a field lacks"));
        Ok(Dependency {
            id: text("id")?,
            dependency: text("dependency")?,
            project: project.clone(),
            domain: domain.clone(),
            name: text("name")?,
            version: u32::try_from(number("version")?).map_err(|error| bad("version", &error))?,
            runtime: runtime(&text("runtime")?)?,
            description: text("description")?,
            size: u64::try_from(number("size")?).map_err(|error| bad("size", &error))?,
            digest: Digest(text("digest")?),
            last_modified: time(number("last_modified")?)?,
        })
    };
    all.iter().map(whole).collect()
}

fn runtime(name: &str) -> Result<Runtime, Error> {
    Runtime::parse(name).ok_or_else(|| bad("runtime", &"no such runtime"))
}

fn time(microseconds: i64) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(microseconds).map_err(|error| bad("last_modified", &error))
}
