//! Tags of functions, and the search by them.

use std::collections::{BTreeMap, BTreeSet};

use fungraph_model::{FunctionKey, ProjectId};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};

use super::functions::pattern;
use super::rows::{bad, get};
use super::transaction::Transaction;
use super::{Sqlite, functions};
use crate::{Error, ResourcePage, ResourceQuery, TagMatch, TaggedFunction};

type Statement = QueryBuilder<sqlx::Sqlite>;

const COUNT: &str = "SELECT count(*) FROM functions f JOIN function_versions v ON v.function = f.id";
const PAGE: &str = "SELECT f.project, f.package, f.name, json_extract(v.passive, '$.enterprise_project_id') AS enterprise, \
     (SELECT json_group_object(t.key, t.value) FROM function_tags t WHERE t.function = f.id) AS tags \
     FROM functions f JOIN function_versions v ON v.function = f.id";

impl Sqlite {
    pub(crate) async fn tags(&self, key: &FunctionKey) -> Result<BTreeMap<String, String>, Error> {
        let tags: Vec<(String, String)> = sqlx::query_as(
            "SELECT t.key, t.value FROM function_tags t JOIN functions f ON f.id = t.function
             WHERE f.project = ? AND f.package = ? AND f.name = ?",
        )
        .bind(&key.project.0)
        .bind(&key.package)
        .bind(&key.name)
        .fetch_all(&self.readers)
        .await
        .map_err(Error::during("read tags"))?;
        Ok(tags.into_iter().collect())
    }

    pub(crate) async fn project_tags(&self, project: &ProjectId) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        let tags: Vec<(String, String)> = sqlx::query_as(
            "SELECT DISTINCT t.key, t.value FROM functions f JOIN function_tags t ON t.function = f.id WHERE f.project = ?",
        )
        .bind(&project.0)
        .fetch_all(&self.readers)
        .await
        .map_err(Error::during("list the tags of a project"))?;
        let mut all = BTreeMap::<String, BTreeSet<String>>::new();
        tags.into_iter().for_each(|(key, value)| {
            all.entry(key).or_default().insert(value);
        });
        Ok(all)
    }

    pub(crate) async fn enterprise_projects(&self, project: &ProjectId) -> Result<BTreeSet<String>, Error> {
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT json_extract(v.passive, '$.enterprise_project_id') AS enterprise FROM functions f
             JOIN function_versions v ON v.function = f.id AND v.version = 'latest' WHERE f.project = ? AND enterprise <> ''",
        )
        .bind(&project.0)
        .fetch_all(&self.readers)
        .await
        .map_err(Error::during("list the enterprise projects of functions"))?;
        Ok(found.into_iter().collect())
    }

    pub(crate) async fn put_tags(
        &self,
        key: &FunctionKey,
        tags: &BTreeMap<String, String>,
        most: usize,
    ) -> Result<(), Error> {
        let failed = Error::during("store tags");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = functions::row(&mut change, key).await?;
        put(&mut change, function, tags).await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM function_tags WHERE function = ?")
            .bind(function)
            .fetch_one(&mut *change)
            .await
            .map_err(&failed)?;
        if usize::try_from(count).is_ok_and(|count| count > most) {
            return Err(Error::Full { most });
        }
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn remove_tags(
        &self,
        key: &FunctionKey,
        tags: &BTreeSet<(String, Option<String>)>,
    ) -> Result<(), Error> {
        let failed = Error::during("remove tags");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = functions::row(&mut change, key).await?;
        for (key, value) in tags {
            sqlx::query("DELETE FROM function_tags WHERE function = ? AND key = ? AND value = coalesce(?, value)")
                .bind(function)
                .bind(key)
                .bind(value)
                .execute(&mut *change)
                .await
                .map_err(&failed)?;
        }
        change.commit().await.map_err(failed)
    }

    /// Reads and counts in one transaction, so that both see the same functions.
    pub(crate) async fn resources(&self, query: &ResourceQuery) -> Result<ResourcePage, Error> {
        let failed = Error::during("search functions by their tags");
        let mut view = Transaction::read(&self.readers).await.map_err(&failed)?;
        let mut count = Statement::new(COUNT);
        filter(&mut count, query);
        let total: i64 = count.build_query_scalar().fetch_one(&mut *view).await.map_err(&failed)?;
        let mut page = Statement::new(PAGE);
        filter(&mut page, query);
        page.push(" ORDER BY f.id LIMIT ").push_bind(query.limit).push(" OFFSET ").push_bind(query.offset);
        let rows = page.build().fetch_all(&mut *view).await.map_err(&failed)?;
        view.commit().await.map_err(&failed)?;
        let functions = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(ResourcePage { functions, total: u64::try_from(total).unwrap_or(0) })
    }
}

/// Adds tags, or gives those that are there another value; runs in the transaction of the change.
pub(super) async fn put(
    change: &mut SqliteConnection,
    function: i64,
    tags: &BTreeMap<String, String>,
) -> Result<(), Error> {
    for (key, value) in tags {
        sqlx::query(
            "INSERT INTO function_tags (function, key, value) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )
        .bind(function)
        .bind(key)
        .bind(value)
        .execute(&mut *change)
        .await
        .map_err(Error::during("store tags"))?;
    }
    Ok(())
}

fn filter(statement: &mut Statement, query: &ResourceQuery) {
    statement.push(" WHERE v.version = 'latest' AND f.project = ").push_bind(query.project.0.clone());
    if let Some(part) = query.name_part.as_ref().filter(|part| !part.is_empty()) {
        statement.push(" AND f.name LIKE ").push_bind(pattern(part)).push(r" ESCAPE '\'");
    }
    if query.without_any_tag {
        statement.push(" AND NOT EXISTS (SELECT 1 FROM function_tags t WHERE t.function = f.id)");
    }
    for ids in &query.enterprise_projects {
        statement.push(" AND json_extract(v.passive, '$.enterprise_project_id')");
        match ids {
            None => drop(statement.push(" <> ''")),
            Some(ids) => {
                statement.push(" IN ");
                values(statement, ids);
            }
        }
    }
    for (tags, word, before) in [
        (&query.all, " AND ", " AND ("),
        (&query.any, " OR ", " AND ("),
        (&query.not_all, " AND ", " AND NOT ("),
        (&query.not_any, " OR ", " AND NOT ("),
    ] {
        for (position, tag) in tags.iter().enumerate() {
            statement.push(if position == 0 { before } else { word });
            one(statement, tag);
        }
        if !tags.is_empty() {
            statement.push(")");
        }
    }
}

fn one(statement: &mut Statement, tag: &TagMatch) {
    statement.push("EXISTS (SELECT 1 FROM function_tags t WHERE t.function = f.id AND t.key = ");
    statement.push_bind(tag.key.clone());
    if !tag.values.is_empty() {
        statement.push(" AND t.value IN ");
        values(statement, &tag.values);
    }
    statement.push(")");
}

fn values(statement: &mut Statement, values: &[String]) {
    statement.push("(");
    let mut list = statement.separated(", ");
    values.iter().for_each(|value| {
        list.push_bind(value.clone());
    });
    statement.push(")");
}

fn read(row: &SqliteRow) -> Result<TaggedFunction, Error> {
    let key = FunctionKey {
        project: ProjectId(get(row, "project")?),
        package: get(row, "package")?,
        name: get(row, "name")?,
    };
    let tags: String = get(row, "tags")?;
    let tags = serde_json::from_str(&tags).map_err(|error| bad("tags", &error))?;
    Ok(TaggedFunction { key, tags, enterprise_project: get(row, "enterprise")? })
}
