//! Published versions of functions.

use fungraph_model::limits::LATEST;
use fungraph_model::{FunctionKey, FunctionVersion};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::dependencies::{self, attached};
use super::rows::{self, bound_columns, columns, get, placeholders};
use super::transaction::Transaction;
use super::{Sqlite, functions};
use crate::{Conflict, Error, Publication, VersionPage, VersionQuery};

const INSERT: &str = concat!(
    "INSERT INTO function_versions (",
    bound_columns!(),
    ", function, version, number) VALUES (",
    placeholders!(),
    ", ?, ?, (SELECT max(number) + 1 FROM function_versions WHERE function = ?))"
);
macro_rules! select {
    () => {
        concat!(
            "SELECT v.number, ",
            columns!(),
            ", ",
            attached!(),
            " FROM functions f JOIN projects p ON p.id = f.project JOIN function_versions v ON v.function = f.id"
        )
    };
}
const LIST: &str = concat!(select!(), " WHERE f.id = ? AND v.number >= ? ORDER BY v.number LIMIT ?");
const LAST: &str = concat!(select!(), " WHERE f.id = ? AND v.number > 0 ORDER BY v.number DESC LIMIT 1");

/// Of a version and of the alias whose main version it is.
macro_rules! theirs {
    () => {
        " WHERE function = ?1 AND (qualifier = ?2
          OR qualifier IN (SELECT '!' || name FROM aliases WHERE function = ?1 AND version = ?2))"
    };
}
const DELETE_RESERVATIONS: &str = concat!("DELETE FROM reservations", theirs!());
const DELETE_ASYNC_CONFIGS: &str = concat!("DELETE FROM async_configs", theirs!());
const DELETE_TRIGGERS: &str = concat!("DELETE FROM triggers", theirs!());
/// Its calls stay in the sums of its function, under a name that no version can have: the next one of its own would begin with them. What
/// the alias had is in no sum.
const RENAME_TALLIES: &str = "UPDATE function_tallies SET qualifier = ?2 || '@' ||
     coalesce((SELECT last_modified FROM function_versions WHERE function = ?1 AND version = ?2), 0)
     WHERE function = ?1 AND qualifier = ?2";
const DELETE_TALLIES_OF_ALIAS: &str = "DELETE FROM function_tallies WHERE function = ?1
     AND qualifier IN (SELECT '!' || name FROM aliases WHERE function = ?1 AND version = ?2)";

impl Sqlite {
    pub(crate) async fn versions(&self, query: &VersionQuery) -> Result<Option<VersionPage>, Error> {
        let failed = Error::during("list the versions of a function");
        let mut view = Transaction::read(&self.readers).await.map_err(&failed)?;
        let Some((id, _)) = functions::find(&mut view, &query.key).await? else { return Ok(None) };
        let total = count(&mut view, id).await?;
        let rows = sqlx::query(LIST)
            .bind(id)
            .bind(i64::try_from(query.marker).unwrap_or(i64::MAX))
            // One more than fits tells whether there is a next page.
            .bind(i64::from(query.limit) + 1)
            .fetch_all(&mut *view)
            .await
            .map_err(&failed)?;
        let fit = query.limit as usize;
        let next = rows.get(fit).map(|row| rows::unsigned(row, "number")).transpose()?;
        let versions = rows.iter().take(fit).map(|row| rows::read(row, &self.secrets)).collect::<Result<_, _>>()?;
        Ok(Some(VersionPage { versions, total, next }))
    }

    pub(crate) async fn publish(&self, new: &Publication) -> Result<FunctionVersion, Error> {
        let failed = Error::during("publish a version");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let found = functions::find(&mut change, &new.key).await?;
        let (id, _) = found.ok_or_else(|| Error::Missing { key: new.key.clone() })?;
        let latest = functions::show(&mut change, &new.key, LATEST, &self.secrets).await?;
        let latest = latest.ok_or_else(|| Error::Missing { key: new.key.clone() })?;
        self.check(&mut change, id, new, &latest).await?;
        let published = FunctionVersion {
            version: new.version.clone(),
            remark: new.description.clone(),
            last_modified: new.now,
            ..latest
        };
        let statement = rows::bind(sqlx::query(INSERT), &published, &self.secrets)?;
        let statement = statement.bind(id).bind(&published.version).bind(id);
        statement.execute(&mut *change).await.map_err(&failed)?;
        dependencies::attach(&mut change, id, &published).await?;
        let bytes = rows::signed("code_size", published.code.size)?;
        functions::count(&mut change, &new.key.project, 0, bytes).await?;
        change.commit().await.map_err(failed)?;
        Ok(published)
    }

    pub(crate) async fn delete_version(&self, key: &FunctionKey, version: &str) -> Result<(), Error> {
        let failed = Error::during("delete a version");
        let missing = || Conflict::VersionMissing { version: version.to_owned() };
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let found = functions::find(&mut change, key).await?;
        let (id, _) = found.ok_or_else(|| Error::Missing { key: key.clone() })?;
        if let Some(alias) = user(&mut change, id, version).await? {
            return Err(Conflict::VersionInUse { alias }.into());
        }
        // What is theirs goes with it, and with the alias that goes with it.
        for statement in
            [DELETE_RESERVATIONS, DELETE_ASYNC_CONFIGS, DELETE_TRIGGERS, DELETE_TALLIES_OF_ALIAS, RENAME_TALLIES]
        {
            sqlx::query(statement).bind(id).bind(version).execute(&mut *change).await.map_err(&failed)?;
        }
        let bytes: Option<i64> = sqlx::query_scalar(
            "DELETE FROM function_versions WHERE function = ? AND version = ? AND number > 0 RETURNING code_size",
        )
        .bind(id)
        .bind(version)
        .fetch_optional(&mut *change)
        .await
        .map_err(&failed)?;
        functions::count(&mut change, &key.project, 0, -bytes.ok_or_else(missing)?).await?;
        change.commit().await.map_err(failed)
    }

    /// Whether latest may become this version now.
    async fn check(
        &self,
        change: &mut SqliteConnection,
        id: i64,
        new: &Publication,
        latest: &FunctionVersion,
    ) -> Result<(), Error> {
        let failed = Error::during("look at what is published");
        if new.digest.as_ref().is_some_and(|digest| *digest != latest.code.digest) {
            return Err(Conflict::OtherCode.into());
        }
        if functions::show(&mut *change, &new.key, &new.version, &self.secrets).await?.is_some() {
            return Err(Conflict::VersionExists { version: new.version.clone() }.into());
        }
        let last = sqlx::query(LAST).bind(id).fetch_optional(&mut *change).await.map_err(&failed)?;
        if let Some(last) = last
            .as_ref()
            .map(|row| rows::read(row, &self.secrets))
            .transpose()?
            .filter(|last| last.does_the_same(latest))
        {
            return Err(Conflict::Unchanged { version: last.version }.into());
        }
        if count(&mut *change, id).await? >= u64::from(new.most_versions) {
            return Err(Conflict::TooManyVersions.into());
        }
        let bytes: i64 = sqlx::query_scalar("SELECT code_bytes FROM projects WHERE id = ?")
            .bind(&new.key.project.0)
            .fetch_one(change)
            .await
            .map_err(&failed)?;
        if u64::try_from(bytes).unwrap_or(0).saturating_add(latest.code.size) > new.most_code_bytes {
            return Err(Conflict::CodeQuota.into());
        }
        Ok(())
    }
}

/// All versions of a function, latest among them.
async fn count(view: &mut SqliteConnection, id: i64) -> Result<u64, Error> {
    let counted = sqlx::query("SELECT count(*) AS number FROM function_versions WHERE function = ?").bind(id);
    let row: SqliteRow = counted.fetch_one(view).await.map_err(Error::during("count the versions of a function"))?;
    rows::unsigned(&row, "number")
}

/// An alias that sends some of its calls to a version.
async fn user(view: &mut SqliteConnection, id: i64, version: &str) -> Result<Option<String>, Error> {
    let found =
        sqlx::query("SELECT name FROM aliases WHERE function = ? AND additional_version = ? ORDER BY id LIMIT 1");
    let row = found.bind(id).bind(version).fetch_optional(view).await;
    row.map_err(Error::during("look for the aliases of a version"))?.as_ref().map(|row| get(row, "name")).transpose()
}
