//! Functions and their versions.

use std::collections::HashSet;

use fungraph_model::{Digest, FunctionKey, FunctionVersion, ProjectId, Runtime};
use sqlx::{QueryBuilder, Row, SqliteConnection};

use super::dependencies::{self, attached};
use super::rows::{self, bound_columns, columns, placeholders};
use super::transaction::Transaction;
use super::{Sqlite, identity, tags, test_events, triggers};
use crate::error::is_taken;
use crate::{Belongings, Error, FunctionPage, FunctionQuery, SecretBox, Tree, Usage};

pub(super) const SHOW: &str = concat!(
    "SELECT ",
    columns!(),
    ", ",
    attached!(),
    " FROM functions f JOIN projects p ON p.id = f.project JOIN function_versions v ON v.function = f.id \
     WHERE f.project = ? AND f.package = ? AND f.name = ? AND v.version = ?"
);
/// Functions that may be skipped before it is worth while to know how many there are.
const FAR: u64 = 1000;
/// What is shown of each function on the page, but for the hour from which failures are counted.
const PAGE_COLUMNS: &str = concat!(
    ") SELECT ",
    columns!(),
    ", ",
    attached!(),
    ", f.place, (SELECT coalesce(sum(failures), 0) FROM function_failures WHERE function = f.id AND hour >= "
);
const PAGE_END: &str = ") AS failures FROM page JOIN functions f ON f.id = page.id JOIN projects p ON p.id = f.project \
     JOIN function_versions v ON v.function = f.id WHERE v.version = 'latest' ORDER BY page.place, page.id";
const INSERT_VERSION: &str = concat!(
    "INSERT INTO function_versions (",
    bound_columns!(),
    ", function, version) VALUES (",
    placeholders!(),
    ", ?, ?)"
);
const UPDATE_VERSION: &str = concat!(
    "UPDATE function_versions SET (",
    bound_columns!(),
    ") = (",
    placeholders!(),
    ") WHERE function = ? AND version = ?"
);

/// What the versions of a project's functions are unpacked to, but for latest of the function that is named; and its dependencies, as
/// [`Dependency::package`](fungraph_model::Dependency::package) has them. Images are no packages.
const TREES: &str = "SELECT DISTINCT v.code_type, v.code_filename, 0 AS code_size, v.code_digest, v.merged_digest \
     FROM functions f JOIN function_versions v ON v.function = f.id WHERE f.project = ?1 AND v.image IS NULL \
     AND NOT (v.version = 'latest' AND f.package IS ?2 AND f.name IS ?3) \
     UNION SELECT 'zip', n.name || '.zip', 0, d.digest, NULL \
     FROM dependencies n JOIN dependency_versions d ON d.dependency = n.id WHERE n.project = ?1";

impl Sqlite {
    pub(crate) async fn create_function(&self, function: &FunctionVersion) -> Result<(), Error> {
        self.create_function_with(function, &Belongings::default()).await
    }

    pub(crate) async fn create_function_with(
        &self,
        function: &FunctionVersion,
        belongings: &Belongings,
    ) -> Result<(), Error> {
        let failed = Error::during("store a function");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        identity::check_owner(&mut change, &function.domain, &function.key.project).await?;
        self.insert(&mut change, function, belongings).await?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn create_functions(&self, functions: &[FunctionVersion]) -> Result<(), Error> {
        let failed = Error::during("store functions");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let mut owner = None;
        for function in functions {
            let of = (&function.domain, &function.key.project);
            if owner.replace(of) != Some(of) {
                identity::check_owner(&mut change, of.0, of.1).await?;
            }
            self.insert(&mut change, function, &Belongings::default()).await?;
        }
        change.commit().await.map_err(failed)
    }

    /// A function whose owner is there.
    async fn insert(
        &self,
        change: &mut SqliteConnection,
        function: &FunctionVersion,
        belongings: &Belongings,
    ) -> Result<(), Error> {
        let failed = Error::during("store a function");
        let key = &function.key;
        let id = sqlx::query("INSERT INTO functions (func_id, project, package, name) VALUES (?, ?, ?, ?)")
            .bind(&function.func_id)
            .bind(&key.project.0)
            .bind(&key.package)
            .bind(&key.name)
            .execute(&mut *change)
            .await
            .map_err(|e| if is_taken(&e) { Error::Exists { key: key.clone() } } else { failed(e) })?
            .last_insert_rowid();
        rows::bind(sqlx::query(INSERT_VERSION), function, &self.secrets)?
            .bind(id)
            .bind(&function.version)
            .execute(&mut *change)
            .await
            .map_err(&failed)?;
        dependencies::attach(&mut *change, id, function).await?;
        tags::put(&mut *change, id, &belongings.tags).await?;
        for trigger in &belongings.triggers {
            triggers::insert(&mut *change, id, trigger, &self.secrets).await?;
        }
        for event in &belongings.events {
            test_events::insert(&mut *change, id, event).await?;
        }
        count(change, &key.project, 1, rows::signed("code_size", function.code.size)?).await
    }

    pub(crate) async fn version(&self, key: &FunctionKey, version: &str) -> Result<Option<FunctionVersion>, Error> {
        let mut view = self.readers.acquire().await.map_err(Error::during("read a function"))?;
        show(&mut view, key, version, &self.secrets).await
    }

    /// Reads and counts in one transaction, so that both see the same functions.
    pub(crate) async fn functions(&self, query: &FunctionQuery) -> Result<FunctionPage, Error> {
        let failed = Error::during("list functions");
        let mut view = Transaction::read(&self.readers).await.map_err(&failed)?;
        let near = if query.marker >= FAR && is_whole(query) {
            Near::of(query, total(&mut view, query).await?)
        } else {
            Near::begin(query)
        };
        let found = page_query(query, near).build().fetch_all(&mut *view).await.map_err(&failed)?;
        let functions = found.iter().map(|row| rows::read(row, &self.secrets)).collect::<Result<Vec<_>, _>>()?;
        let (mut pinned, mut failures) = (0, Vec::with_capacity(found.len()));
        for row in &found {
            pinned += usize::from(rows::get::<i64>(row, "place")? == 0);
            failures.push(rows::unsigned(row, "failures")?);
        }
        let end = query.marker.saturating_add(functions.len() as u64);
        // A page that is not full ends the list; only a page in the middle needs the count.
        let short = functions.len() < query.limit as usize && (query.marker == 0 || !functions.is_empty());
        let total = if short { end } else { total(&mut view, query).await? };
        view.commit().await.map_err(&failed)?;
        let next = (end < total && !functions.is_empty()).then_some(end);
        Ok(FunctionPage { functions, pinned, failures, total, next })
    }

    pub(crate) async fn update_function(&self, function: &FunctionVersion, expected: u64) -> Result<(), Error> {
        debug_assert!(function.revision > expected, "an update must raise the revision");
        let failed = Error::during("update a function");
        let key = &function.key;
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let stored = sqlx::query(
            "SELECT f.id, v.revision, v.code_size FROM functions f JOIN function_versions v ON v.function = f.id
             WHERE f.project = ? AND f.package = ? AND f.name = ? AND f.func_id = ? AND v.version = ?",
        )
        .bind(&key.project.0)
        .bind(&key.package)
        .bind(&key.name)
        .bind(&function.func_id)
        .bind(&function.version)
        .fetch_optional(&mut *change)
        .await
        .map_err(&failed)?
        .ok_or_else(|| Error::Missing { key: key.clone() })?;
        let found = rows::unsigned(&stored, "revision")?;
        if found != expected {
            return Err(Error::Changed { key: key.clone(), expected, found });
        }
        let id: i64 = stored.try_get("id").map_err(&failed)?;
        rows::bind(sqlx::query(UPDATE_VERSION), function, &self.secrets)?
            .bind(id)
            .bind(&function.version)
            .execute(&mut *change)
            .await
            .map_err(&failed)?;
        dependencies::attach(&mut change, id, function).await?;
        let before: i64 = stored.try_get("code_size").map_err(&failed)?;
        count(&mut change, &key.project, 0, rows::signed("code_size", function.code.size)? - before).await?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn delete_function(&self, key: &FunctionKey) -> Result<Option<String>, Error> {
        let failed = Error::during("delete a function");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let Some((id, func_id)) = find(&mut change, key).await? else { return Ok(None) };
        let bytes: i64 =
            sqlx::query_scalar("SELECT coalesce(sum(code_size), 0) FROM function_versions WHERE function = ?")
                .bind(id)
                .fetch_one(&mut *change)
                .await
                .map_err(&failed)?;
        for statement in ["DELETE FROM function_versions WHERE function = ?", "DELETE FROM functions WHERE id = ?"] {
            sqlx::query(statement).bind(id).execute(&mut *change).await.map_err(&failed)?;
        }
        count(&mut change, &key.project, -1, -bytes).await?;
        change.commit().await.map_err(failed)?;
        Ok(Some(func_id))
    }

    pub(crate) async fn usage(&self, project: &ProjectId) -> Result<Usage, Error> {
        let row = sqlx::query(
            "SELECT functions, code_bytes, (SELECT count(*) FROM dependency_versions d JOIN dependencies n ON n.id = d.dependency
             WHERE n.project = p.id) AS dependencies FROM projects p WHERE id = ?",
        )
            .bind(&project.0)
            .fetch_optional(&self.readers)
            .await
            .map_err(Error::during("read the usage of a project"))?;
        let Some(row) = row else { return Ok(Usage::default()) };
        Ok(Usage {
            functions: rows::unsigned(&row, "functions")?,
            code_bytes: rows::unsigned(&row, "code_bytes")?,
            dependencies: rows::unsigned(&row, "dependencies")?,
        })
    }

    /// The names of runtimes that this program does not know, in a database of a newer one, are left out.
    pub(crate) async fn runtimes_in_use(&self) -> Result<Vec<(Runtime, u32)>, Error> {
        let kinds: Vec<(String, u32)> =
            sqlx::query_as("SELECT DISTINCT runtime, memory_mb FROM function_versions ORDER BY runtime, memory_mb")
                .fetch_all(&self.readers)
                .await
                .map_err(Error::during("read the runtimes in use"))?;
        Ok(kinds.iter().filter_map(|(name, memory_mb)| Some((Runtime::parse(name)?, *memory_mb))).collect())
    }

    pub(crate) async fn images_in_use(&self) -> Result<Vec<(ProjectId, Digest)>, Error> {
        let images: Vec<(String, String)> = sqlx::query_as(
            "SELECT DISTINCT f.project, v.code_digest FROM function_versions v JOIN functions f ON f.id = v.function
             WHERE v.image IS NOT NULL",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::during("read the images in use"))?;
        Ok(images.into_iter().map(|(project, digest)| (ProjectId(project), Digest(digest))).collect())
    }

    pub(crate) async fn trees_in_use(
        &self,
        project: &ProjectId,
        but_latest_of: Option<&FunctionKey>,
    ) -> Result<HashSet<Tree>, Error> {
        let failed = Error::during("read the code of a project");
        let (package, name) = but_latest_of.map(|key| (key.package.as_str(), key.name.as_str())).unzip();
        let rows = sqlx::query(TREES).bind(&project.0).bind(package).bind(name).fetch_all(&self.readers).await;
        let mut trees = HashSet::new();
        for row in rows.map_err(failed)? {
            trees.insert(Tree::of(&rows::code(&row)?));
            trees.extend(
                rows::get::<Option<String>>(&row, "merged_digest")?.map(|digest| Tree::merged(&Digest(digest))),
            );
        }
        Ok(trees)
    }

    pub(crate) async fn digests_in_use(&self) -> Result<HashSet<Digest>, Error> {
        let digests: Vec<String> = sqlx::query_scalar(
            "SELECT code_digest FROM function_versions UNION SELECT digest FROM dependency_versions
             UNION SELECT merged_digest FROM function_versions WHERE merged_digest IS NOT NULL",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::during("read the digests in use"))?;
        Ok(digests.into_iter().map(Digest).collect())
    }
}

/// A version of a function.
pub(super) async fn show(
    view: &mut SqliteConnection,
    key: &FunctionKey,
    version: &str,
    secrets: &SecretBox,
) -> Result<Option<FunctionVersion>, Error> {
    let row = sqlx::query(SHOW)
        .bind(&key.project.0)
        .bind(&key.package)
        .bind(&key.name)
        .bind(version)
        .fetch_optional(view)
        .await
        .map_err(Error::during("read a function"))?;
    row.as_ref().map(|row| rows::read(row, secrets)).transpose()
}

/// The row of a function and its `func_id`.
pub(super) async fn find(view: &mut SqliteConnection, key: &FunctionKey) -> Result<Option<(i64, String)>, Error> {
    sqlx::query_as("SELECT id, func_id FROM functions WHERE project = ? AND package = ? AND name = ?")
        .bind(&key.project.0)
        .bind(&key.package)
        .bind(&key.name)
        .fetch_optional(view)
        .await
        .map_err(Error::during("find a function"))
}

/// The row of a function that is there.
pub(super) async fn row(view: &mut SqliteConnection, key: &FunctionKey) -> Result<i64, Error> {
    let found = find(view, key).await?;
    found.map(|(row, _)| row).ok_or_else(|| Error::Missing { key: key.clone() })
}

/// Keeps the project's counters in step; runs in the transaction of the change.
pub(super) async fn count(
    change: &mut SqliteConnection,
    project: &ProjectId,
    functions: i64,
    bytes: i64,
) -> Result<(), Error> {
    sqlx::query("UPDATE projects SET functions = functions + ?, code_bytes = code_bytes + ? WHERE id = ?")
        .bind(functions)
        .bind(bytes)
        .bind(&project.0)
        .execute(change)
        .await
        .map_err(Error::during("count the functions of a project"))?;
    Ok(())
}

type Statement = QueryBuilder<sqlx::Sqlite>;

/// Without a filter the project's counter knows; else the matches are counted, inside an index.
async fn total(view: &mut SqliteConnection, query: &FunctionQuery) -> Result<u64, Error> {
    let failed = Error::during("count functions");
    let counted = if is_whole(query) {
        sqlx::query("SELECT functions AS count FROM projects WHERE id = ?")
            .bind(&query.project.0)
            .fetch_optional(view)
            .await
    } else {
        total_query(query).build().fetch_optional(view).await
    };
    counted.map_err(failed)?.as_ref().map_or(Ok(0), |row| rows::unsigned(row, "count"))
}

fn is_whole(query: &FunctionQuery) -> bool {
    query.package.is_none() && query.name_part.is_none()
}

/// From which end of a list a page is looked for: what lies between is gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Near {
    is_end: bool,
    skipped: u64,
    limit: u64,
}

impl Near {
    pub(super) fn begin(query: &FunctionQuery) -> Self {
        Self { is_end: false, skipped: query.marker, limit: query.limit.into() }
    }

    /// The nearer end of a list of so many.
    pub(super) fn of(query: &FunctionQuery, total: u64) -> Self {
        let limit = total.saturating_sub(query.marker).min(query.limit.into());
        let behind = total.saturating_sub(query.marker).saturating_sub(limit);
        if behind < query.marker { Self { is_end: true, skipped: behind, limit } } else { Self::begin(query) }
    }
}

pub(super) fn total_query(query: &FunctionQuery) -> Statement {
    let mut statement = Statement::new("SELECT count(*) AS count FROM functions");
    filter(&mut statement, query);
    statement
}

/// Picks the ids of the page inside an index first, so that skipped functions are never read whole.
pub(super) fn page_query(query: &FunctionQuery, near: Near) -> Statement {
    let mut statement = Statement::new("WITH page AS MATERIALIZED (SELECT id, place FROM functions");
    filter(&mut statement, query);
    statement.push(if near.is_end { " ORDER BY place DESC, id DESC LIMIT " } else { " ORDER BY place, id LIMIT " });
    // A marker beyond what an offset can be is beyond every list.
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    statement.push_bind(signed(near.limit)).push(" OFFSET ").push_bind(signed(near.skipped));
    statement.push(PAGE_COLUMNS).push_bind(query.failures_from).push(PAGE_END);
    statement
}

fn filter(statement: &mut Statement, query: &FunctionQuery) {
    statement.push(" WHERE project = ").push_bind(query.project.0.clone());
    if let Some(package) = &query.package {
        statement.push(" AND package = ").push_bind(package.clone());
    }
    if let Some(part) = query.name_part.as_ref().filter(|part| !part.is_empty()) {
        statement.push(" AND name LIKE ").push_bind(pattern(part)).push(r" ESCAPE '\'");
    }
}

/// A LIKE pattern for names that hold `part`, whose own `_` and `%` are letters like any other.
///
/// SQLite refuses patterns over 50,000 bytes; no name has 1,000 characters, so cutting there changes no answer.
pub(super) fn pattern(part: &str) -> String {
    let mut pattern = String::from("%");
    for c in part.chars().take(1000) {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}
