//! Triggers. Those of a function, or all at a start, are read at once; those of a project page by page.

use std::collections::BTreeMap;

use fungraph_model::limits::LATEST;
use fungraph_model::{DomainId, FunctionKey, Qualifier, Secret, Trigger, TriggerId, TriggerKind};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{QueryBuilder, SqliteConnection};

use super::reservations::{key, qualifier};
use super::rows::{bad, get, unsigned};
use super::transaction::Transaction;
use super::{Sqlite, aliases, functions, seal};
use crate::Error;
use crate::listing::{TriggerPage, TriggerQuery, TriggersOf};
use crate::secrets::SecretBox;

/// Stores a trigger of a function that has what it is for.
pub(super) async fn insert(
    change: &mut SqliteConnection,
    function: i64,
    trigger: &Trigger,
    secrets: &SecretBox,
) -> Result<(), Error> {
    let statement = sqlx::query(
        "INSERT INTO triggers (enabled, data, secrets, updated, counts_from, trigger_id, function, qualifier, kind, created)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    let statement = bind(statement, trigger, secrets)?
        .bind(&trigger.id.0)
        .bind(function)
        .bind(trigger.qualifier.to_string())
        .bind(trigger.kind.code())
        .bind(trigger.created.as_microsecond());
    statement.execute(change).await.map_err(Error::during("store a trigger"))?;
    Ok(())
}

type Statement = QueryBuilder<sqlx::Sqlite>;

const SELECT: &str = "SELECT t.id, t.trigger_id, f.project, f.package, f.name, p.domain, t.qualifier, t.kind, t.enabled, t.data, \
     t.secrets, t.created, t.updated, t.counts_from";
const FROM: &str = " FROM triggers t JOIN functions f ON f.id = t.function JOIN projects p ON p.id = f.project";

impl Sqlite {
    pub(crate) async fn triggers(&self, query: &TriggerQuery) -> Result<TriggerPage, Error> {
        let failed = Error::during("list triggers");
        let mut view = Transaction::read(&self.readers).await.map_err(&failed)?;
        let rows = list_query(query).build().fetch_all(&mut *view).await.map_err(&failed)?;
        let total = match query.limit {
            None => rows.len() as u64,
            Some(_) => {
                let counted = count_query(query).build().fetch_one(&mut *view).await.map_err(&failed)?;
                unsigned(&counted, "count")?
            }
        };
        view.commit().await.map_err(&failed)?;
        let last = rows.last().map(|row| unsigned(row, "id")).transpose()?;
        let mut page = TriggerPage { total, last, ..TriggerPage::default() };
        for row in &rows {
            match read(row, &self.secrets) {
                Ok(trigger) => page.triggers.push(trigger),
                Err(why) => page.unreadable.push((TriggerId(get(row, "trigger_id")?), why)),
            }
        }
        Ok(page)
    }

    pub(crate) async fn add_trigger(&self, trigger: &Trigger) -> Result<(), Error> {
        let failed = Error::during("store a trigger");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let found = functions::find(&mut change, &trigger.key).await?;
        let missing = || Error::Missing { key: trigger.key.clone() };
        let (function, _) = found.ok_or_else(missing)?;
        if !is_there(&mut change, function, &trigger.qualifier).await? {
            return Err(missing());
        }
        insert(&mut change, function, trigger, &self.secrets).await?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn update_trigger(&self, trigger: &Trigger) -> Result<bool, Error> {
        let failed = Error::during("update a trigger");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let statement = sqlx::query(
            "UPDATE triggers SET (enabled, data, secrets, updated, counts_from) = (?, ?, ?, ?, ?) WHERE trigger_id = ?",
        );
        let statement = bind(statement, trigger, &self.secrets)?.bind(&trigger.id.0);
        let updated = statement.execute(&mut *change).await.map_err(&failed)?.rows_affected();
        change.commit().await.map_err(failed)?;
        Ok(updated > 0)
    }

    pub(crate) async fn delete_trigger(&self, id: &TriggerId) -> Result<bool, Error> {
        let failed = Error::during("delete a trigger");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let statement = sqlx::query("DELETE FROM triggers WHERE trigger_id = ?").bind(&id.0);
        let deleted = statement.execute(&mut *change).await.map_err(&failed)?.rows_affected();
        change.commit().await.map_err(failed)?;
        Ok(deleted > 0)
    }

    pub(crate) async fn delete_triggers(&self, key: &FunctionKey, qualifier: Option<&Qualifier>) -> Result<(), Error> {
        let failed = Error::during("delete the triggers of a function");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let found = functions::find(&mut change, key).await?;
        let (function, _) = found.ok_or_else(|| Error::Missing { key: key.clone() })?;
        let mut statement = Statement::new("DELETE FROM triggers WHERE function = ");
        statement.push_bind(function);
        if let Some(qualifier) = qualifier {
            statement.push(" AND qualifier = ").push_bind(qualifier.to_string());
        }
        statement.build().execute(&mut *change).await.map_err(&failed)?;
        change.commit().await.map_err(failed)
    }
}

impl Sqlite {
    pub(crate) async fn timers_looked_until(&self) -> Result<Option<Timestamp>, Error> {
        let found: Option<i64> = sqlx::query_scalar("SELECT until FROM timers_looked")
            .fetch_optional(&self.readers)
            .await
            .map_err(Error::during("read until when timers were looked at"))?;
        found.map(|until| Timestamp::from_microsecond(until).map_err(|error| bad("until", &error))).transpose()
    }

    /// Rounded up, since what came by then has been seen.
    pub(crate) async fn set_timers_looked_until(&self, until: Timestamp) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO timers_looked (id, until) VALUES (1, ?) ON CONFLICT DO UPDATE SET until = excluded.until",
        )
        .bind(until.as_microsecond() + 1)
        .execute(&self.writer)
        .await
        .map_err(Error::during("note until when timers were looked at"))?;
        Ok(())
    }
}

/// Whether a function has the version or alias, in the transaction that is to name it.
async fn is_there(change: &mut SqliteConnection, function: i64, qualifier: &Qualifier) -> Result<bool, Error> {
    let version = match qualifier {
        Qualifier::Latest => LATEST,
        Qualifier::Version(version) => version,
        Qualifier::Alias(alias) => return aliases::is_there(change, function, alias).await,
    };
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM function_versions WHERE function = ? AND version = ?")
        .bind(function)
        .bind(version)
        .fetch_optional(change)
        .await
        .map_err(Error::during("find the version of a trigger"))?;
    Ok(found.is_some())
}

/// Binds the columns that change.
fn bind<'q>(
    statement: Query<'q, sqlx::Sqlite, SqliteArguments>,
    trigger: &'q Trigger,
    secrets: &SecretBox,
) -> Result<Query<'q, sqlx::Sqlite, SqliteArguments>, Error> {
    Ok(statement
        .bind(trigger.enabled)
        .bind(&trigger.data)
        .bind(sealed(trigger, secrets)?)
        .bind(trigger.updated.as_microsecond())
        .bind(trigger.counts_from.as_microsecond()))
}

/// The secrets of a trigger as its row has them; an empty text where there are none, as nearly always.
fn sealed(trigger: &Trigger, secrets: &SecretBox) -> Result<String, Error> {
    if trigger.secrets.is_empty() {
        return Ok(String::new());
    }
    let texts: BTreeMap<&str, &str> =
        trigger.secrets.iter().map(|(name, secret)| (name.as_str(), secret.reveal())).collect();
    let sealed = secrets.seal(&seal::trigger_purpose(&trigger.id), json!(texts).to_string().as_bytes());
    sealed.map_err(|source| Error::Seal { source })
}

fn opened(id: &TriggerId, sealed: &str, secrets: &SecretBox) -> Result<BTreeMap<String, Secret>, Error> {
    if sealed.is_empty() {
        return Ok(BTreeMap::new());
    }
    let text = secrets.open_text(&seal::trigger_purpose(id), sealed);
    let text = text.ok_or_else(|| bad("secrets", &"it is not sealed by this folder's key"))?;
    // The parser's own text may quote the value.
    let texts: BTreeMap<String, String> =
        serde_json::from_str(&text).map_err(|_| bad("secrets", &"not a JSON object of texts"))?;
    Ok(texts.into_iter().map(|(name, secret)| (name, Secret::new(secret))).collect())
}

pub(super) fn list_query(query: &TriggerQuery) -> Statement {
    let mut statement = Statement::new(SELECT);
    statement.push(FROM);
    filter(&mut statement, query);
    if query.limit.is_some() {
        statement.push(" AND t.id > ").push_bind(i64::try_from(query.after).unwrap_or(i64::MAX));
    }
    statement.push(" ORDER BY t.id");
    if let Some(limit) = query.limit {
        statement.push(" LIMIT ").push_bind(limit);
    }
    statement
}

fn count_query(query: &TriggerQuery) -> Statement {
    let mut statement = Statement::new("SELECT count(*) AS count");
    statement.push(FROM);
    filter(&mut statement, query);
    statement
}

fn filter(statement: &mut Statement, query: &TriggerQuery) {
    match &query.of {
        TriggersOf::All => statement.push(" WHERE true"),
        TriggersOf::Domain(domain) => statement.push(" WHERE p.domain = ").push_bind(domain.0.clone()),
        TriggersOf::Project(project) => statement.push(" WHERE f.project = ").push_bind(project.0.clone()),
        TriggersOf::Function(key) => {
            statement.push(" WHERE f.project = ").push_bind(key.project.0.clone());
            statement.push(" AND f.package = ").push_bind(key.package.clone());
            statement.push(" AND f.name = ").push_bind(key.name.clone())
        }
    };
    if let Some(kind) = query.kind {
        statement.push(" AND t.kind = ").push_bind(kind.code());
    }
}

fn read(row: &SqliteRow, secrets: &SecretBox) -> Result<Trigger, Error> {
    let id = TriggerId(get(row, "trigger_id")?);
    let kind: String = get(row, "kind")?;
    let data: String = get(row, "data")?;
    if !serde_json::from_str::<Value>(&data).is_ok_and(|data| data.is_object()) {
        return Err(bad("data", &"not a JSON object"));
    }
    let time = |column| Timestamp::from_microsecond(get(row, column)?).map_err(|error| bad(column, &error));
    Ok(Trigger {
        key: key(row)?,
        domain: DomainId(get(row, "domain")?),
        qualifier: qualifier(get(row, "qualifier")?),
        kind: TriggerKind::parse(&kind).ok_or_else(|| bad("kind", &"no such kind of trigger"))?,
        enabled: get(row, "enabled")?,
        data,
        secrets: opened(&id, &get::<String>(row, "secrets")?, secrets)?,
        created: time("created")?,
        updated: time("updated")?,
        counts_from: time("counts_from")?,
        id,
    })
}
