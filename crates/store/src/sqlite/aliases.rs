//! Aliases of functions.

use fungraph_model::{Alias, Combine, FunctionKey, Rule, RuleKind, Split};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use super::rows::{bad, get};
use super::transaction::Transaction;
use super::{Sqlite, functions, reservations};
use crate::{Conflict, Error};

macro_rules! select {
    () => {
        "SELECT a.name, a.version, a.additional_version, a.percent, a.rules, a.description, a.last_modified \
         FROM aliases a JOIN functions f ON f.id = a.function WHERE f.project = ? AND f.package = ? AND f.name = ?"
    };
}
pub(super) const SHOW: &str = concat!(select!(), " AND a.name = ?");
const LIST: &str = concat!(select!(), " ORDER BY a.id");

impl Sqlite {
    pub(crate) async fn aliases(&self, key: &FunctionKey) -> Result<Vec<Alias>, Error> {
        let rows = named(sqlx::query(LIST), key).fetch_all(&self.readers).await;
        rows.map_err(Error::during("list the aliases of a function"))?.iter().map(read).collect()
    }

    pub(crate) async fn alias(&self, key: &FunctionKey, name: &str) -> Result<Option<Alias>, Error> {
        let row = named(sqlx::query(SHOW), key).bind(name).fetch_optional(&self.readers).await;
        row.map_err(Error::during("read an alias"))?.as_ref().map(read).transpose()
    }

    pub(crate) async fn add_alias(&self, key: &FunctionKey, alias: &Alias, most: u32) -> Result<(), Error> {
        let failed = Error::during("store an alias");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = function(&mut change, key).await?;
        let (same_name, count): (i64, i64) =
            sqlx::query_as("SELECT count(*) FILTER (WHERE name = ?), count(*) FROM aliases WHERE function = ?")
                .bind(&alias.name)
                .bind(function)
                .fetch_one(&mut *change)
                .await
                .map_err(&failed)?;
        if same_name > 0 {
            return Err(Conflict::AliasExists.into());
        }
        if count >= i64::from(most) {
            return Err(Conflict::TooManyAliases.into());
        }
        check_versions(&mut change, function, alias).await?;
        let statement = sqlx::query(
            "INSERT INTO aliases (version, additional_version, percent, rules, description, last_modified, function, name)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let statement = bind(statement, alias, Some(&alias.description)).bind(function).bind(&alias.name);
        statement.execute(&mut *change).await.map_err(&failed)?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn update_alias(
        &self,
        key: &FunctionKey,
        alias: &Alias,
        description: Option<&str>,
    ) -> Result<Alias, Error> {
        let failed = Error::during("change an alias");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = function(&mut change, key).await?;
        check_versions(&mut change, function, alias).await?;
        if is_reserved(&mut change, function, &alias.name).await? {
            // What is reserved for it moves to its new version.
            reservations::check_version(&mut change, function, &alias.version).await?;
        }
        let statement = sqlx::query(
            "UPDATE aliases SET (version, additional_version, percent, rules, description, last_modified)
             = (?, ?, ?, ?, coalesce(?, description), ?) WHERE function = ? AND name = ? RETURNING description",
        );
        let statement = bind(statement, alias, description).bind(function).bind(&alias.name);
        let row = statement.fetch_optional(&mut *change).await.map_err(&failed)?.ok_or(Conflict::AliasMissing)?;
        let description = get(&row, "description")?;
        change.commit().await.map_err(failed)?;
        Ok(Alias { description, ..alias.clone() })
    }

    pub(crate) async fn delete_alias(&self, key: &FunctionKey, name: &str) -> Result<(), Error> {
        let failed = Error::during("delete an alias");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = function(&mut change, key).await?;
        if has_triggers(&mut change, function, name).await? {
            return Err(Conflict::AliasHasTriggers.into());
        }
        let deleted = sqlx::query("DELETE FROM aliases WHERE function = ? AND name = ?");
        if deleted.bind(function).bind(name).execute(&mut *change).await.map_err(&failed)?.rows_affected() == 0 {
            return Err(Conflict::AliasMissing.into());
        }
        for statement in [
            "DELETE FROM reservations WHERE function = ? AND qualifier = '!' || ?",
            "DELETE FROM async_configs WHERE function = ? AND qualifier = '!' || ?",
            "DELETE FROM function_tallies WHERE function = ? AND qualifier = '!' || ?",
        ] {
            sqlx::query(statement).bind(function).bind(name).execute(&mut *change).await.map_err(&failed)?;
        }
        change.commit().await.map_err(failed)
    }
}

type Statement<'q> = Query<'q, sqlx::Sqlite, SqliteArguments>;

fn named<'q>(statement: Statement<'q>, key: &'q FunctionKey) -> Statement<'q> {
    statement.bind(&key.project.0).bind(&key.package).bind(&key.name)
}

/// The columns that a change may change, in their order.
fn bind<'q>(statement: Statement<'q>, alias: &'q Alias, description: Option<&'q str>) -> Statement<'q> {
    let (percent, rules) = match &alias.split {
        None => (None, None),
        Some(Split::Weight { percent, .. }) => (Some(*percent), None),
        Some(Split::Rules { combine, rules, .. }) => (None, Some(write_rules(*combine, rules))),
    };
    statement
        .bind(&alias.version)
        .bind(alias.additional_version())
        .bind(percent)
        .bind(rules)
        .bind(description)
        .bind(alias.last_modified.as_microsecond())
}

async fn function(change: &mut SqliteConnection, key: &FunctionKey) -> Result<i64, Error> {
    let found = functions::find(change, key).await?;
    found.map(|(id, _)| id).ok_or_else(|| Error::Missing { key: key.clone() })
}

async fn is_reserved(change: &mut SqliteConnection, function: i64, alias: &str) -> Result<bool, Error> {
    has(change, "SELECT 1 FROM reservations WHERE function = ? AND qualifier = '!' || ?", function, alias).await
}

async fn has_triggers(change: &mut SqliteConnection, function: i64, alias: &str) -> Result<bool, Error> {
    has(change, "SELECT 1 FROM triggers WHERE function = ? AND qualifier = '!' || ?", function, alias).await
}

/// Whether a function has an alias of this name; in the transaction that is to name it.
pub(super) async fn is_there(change: &mut SqliteConnection, function: i64, alias: &str) -> Result<bool, Error> {
    has(change, "SELECT 1 FROM aliases WHERE function = ? AND name = ?", function, alias).await
}

async fn has(
    change: &mut SqliteConnection,
    statement: &'static str,
    function: i64,
    alias: &str,
) -> Result<bool, Error> {
    let found = sqlx::query(statement).bind(function).bind(alias).fetch_optional(change).await;
    Ok(found.map_err(Error::during("look for what an alias has"))?.is_some())
}

/// The versions are there, and the main one is no other alias's. Keys of the table say the same; this says which it was.
async fn check_versions(change: &mut SqliteConnection, function: i64, alias: &Alias) -> Result<(), Error> {
    let failed = Error::during("look for the versions of an alias");
    let other: Option<String> =
        sqlx::query_scalar("SELECT name FROM aliases WHERE function = ? AND version = ? AND name <> ?")
            .bind(function)
            .bind(&alias.version)
            .bind(&alias.name)
            .fetch_optional(&mut *change)
            .await
            .map_err(&failed)?;
    if let Some(other) = other {
        return Err(Conflict::VersionHasAlias { alias: other }.into());
    }
    let missing = Conflict::VersionMissing { version: alias.version.clone() };
    let needed =
        [(Some(alias.version.as_str()), missing), (alias.additional_version(), Conflict::AdditionalVersionMissing)];
    for (version, missing) in needed {
        let Some(version) = version else { continue };
        let found: i64 =
            sqlx::query_scalar("SELECT count(*) FROM function_versions WHERE function = ? AND version = ?")
                .bind(function)
                .bind(version)
                .fetch_one(&mut *change)
                .await
                .map_err(&failed)?;
        if found == 0 {
            return Err(missing.into());
        }
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Alias, Error> {
    let (percent, rules): (Option<u32>, Option<String>) = (get(row, "percent")?, get(row, "rules")?);
    let split = match (get::<Option<String>>(row, "additional_version")?, percent, rules) {
        (None, ..) => None,
        (Some(version), Some(percent), _) => Some(Split::Weight { version, percent }),
        (Some(version), None, Some(text)) => {
            let (combine, rules) = read_rules(&text).ok_or_else(|| bad("rules", &"a field lacks"))?;
            Some(Split::Rules { version, combine, rules })
        }
        _ => return Err(bad("rules", &"neither a percentage nor rules")),
    };
    Ok(Alias {
        name: get(row, "name")?,
        version: get(row, "version")?,
        split,
        description: get(row, "description")?,
        last_modified: Timestamp::from_microsecond(get(row, "last_modified")?).map_err(|e| bad("last_modified", &e))?,
    })
}

fn write_rules(combine: Combine, rules: &[Rule]) -> String {
    let combine = if combine == Combine::And { "and" } else { "or" };
    let rule = |rule: &Rule| {
        let kind = if rule.kind == RuleKind::Header { "header" } else { "cookie" };
        json!({ "rule_type": kind, "param": rule.name, "op": if rule.is_list { "in" } else { "=" }, "values": rule.values })
    };
    json!({ "combine_type": combine, "rules": rules.iter().map(rule).collect::<Vec<_>>() }).to_string()
}

fn read_rules(text: &str) -> Option<(Combine, Vec<Rule>)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let combine = if value["combine_type"] == "or" { Combine::Or } else { Combine::And };
    let rule = |rule: &Value| {
        let values = rule["values"].as_array()?.iter().map(|value| value.as_str().map(str::to_owned));
        Some(Rule {
            kind: if rule["rule_type"] == "cookie" { RuleKind::Cookie } else { RuleKind::Header },
            name: rule["param"].as_str()?.to_owned(),
            is_list: rule["op"] == "in",
            values: values.collect::<Option<_>>()?,
        })
    };
    Some((combine, value["rules"].as_array()?.iter().map(rule).collect::<Option<_>>()?))
}
