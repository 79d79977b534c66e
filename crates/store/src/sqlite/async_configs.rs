//! Settings of asynchronous calls.

use std::collections::BTreeMap;

use fungraph_model::{AsyncConfig, Destination, DestinationKind, FunctionKey, Qualifier};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;

use super::rows::{bad, get};
use super::transaction::Transaction;
use super::{Sqlite, functions, reservations};
use crate::Error;

macro_rules! select {
    () => {
        "SELECT c.qualifier, c.max_age_s, c.max_retries, c.on_success, c.on_failure, c.status_log, c.log, c.created, \
         c.last_modified FROM async_configs c JOIN functions f ON f.id = c.function \
         WHERE f.project = ? AND f.package = ? AND f.name = ?"
    };
}

impl Sqlite {
    pub(crate) async fn async_config(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Result<Option<AsyncConfig>, Error> {
        let row = sqlx::query(concat!(select!(), " AND c.qualifier = ?"))
            .bind(&key.project.0)
            .bind(&key.package)
            .bind(&key.name)
            .bind(qualifier.to_string())
            .fetch_optional(&self.readers)
            .await;
        row.map_err(Error::during("read asynchronous settings"))?.as_ref().map(read).transpose()
    }

    pub(crate) async fn async_configs(&self, key: &FunctionKey) -> Result<Vec<(Qualifier, AsyncConfig)>, Error> {
        let rows = sqlx::query(concat!(select!(), " ORDER BY c.created, c.qualifier"))
            .bind(&key.project.0)
            .bind(&key.package)
            .bind(&key.name)
            .fetch_all(&self.readers)
            .await
            .map_err(Error::during("list asynchronous settings"))?;
        rows.iter().map(|row| Ok((reservations::qualifier(get(row, "qualifier")?), read(row)?))).collect()
    }

    pub(crate) async fn set_async_config(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
        config: &AsyncConfig,
    ) -> Result<AsyncConfig, Error> {
        let failed = Error::during("store asynchronous settings");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = functions::row(&mut change, key).await?;
        reservations::named_version(&mut change, function, qualifier).await?;
        let created: i64 = sqlx::query_scalar(
            "INSERT INTO async_configs
             (function, qualifier, max_age_s, max_retries, on_success, on_failure, status_log, log, created, last_modified)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET max_age_s = excluded.max_age_s, max_retries = excluded.max_retries,
             on_success = excluded.on_success, on_failure = excluded.on_failure, status_log = excluded.status_log,
             log = excluded.log, last_modified = excluded.last_modified RETURNING created",
        )
        .bind(function)
        .bind(qualifier.to_string())
        .bind(config.max_age_s)
        .bind(config.max_retries)
        .bind(config.on_success.as_ref().map(write))
        .bind(config.on_failure.as_ref().map(write))
        .bind(config.status_log)
        .bind(json!(config.log).to_string())
        .bind(config.created.as_microsecond())
        .bind(config.last_modified.as_microsecond())
        .fetch_one(&mut *change)
        .await
        .map_err(&failed)?;
        change.commit().await.map_err(failed)?;
        Ok(AsyncConfig { created: time("created", created)?, ..config.clone() })
    }

    pub(crate) async fn delete_async_config(&self, key: &FunctionKey, qualifier: &Qualifier) -> Result<bool, Error> {
        let failed = Error::during("delete asynchronous settings");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = functions::row(&mut change, key).await?;
        let deleted = sqlx::query("DELETE FROM async_configs WHERE function = ? AND qualifier = ?")
            .bind(function)
            .bind(qualifier.to_string())
            .execute(&mut *change)
            .await
            .map_err(&failed)?;
        change.commit().await.map_err(failed)?;
        Ok(deleted.rows_affected() > 0)
    }
}

fn read(row: &SqliteRow) -> Result<AsyncConfig, Error> {
    let log: String = get(row, "log")?;
    let log: BTreeMap<String, String> = serde_json::from_str(&log).map_err(|error| bad("log", &error))?;
    Ok(AsyncConfig {
        max_age_s: get(row, "max_age_s")?,
        max_retries: get(row, "max_retries")?,
        on_success: destination(row, "on_success")?,
        on_failure: destination(row, "on_failure")?,
        status_log: get(row, "status_log")?,
        log,
        created: time("created", get(row, "created")?)?,
        last_modified: time("last_modified", get(row, "last_modified")?)?,
    })
}

fn write(destination: &Destination) -> String {
    json!({ "destination": destination.kind.name(), "param": destination.param }).to_string()
}

fn destination(row: &SqliteRow, column: &'static str) -> Result<Option<Destination>, Error> {
    let Some(text) = get::<Option<String>>(row, column)? else { return Ok(None) };
    let value: Value = serde_json::from_str(&text).map_err(|error| bad(column, &error))?;
    let kind = value["destination"].as_str().and_then(DestinationKind::parse);
    match (kind, value["param"].as_str()) {
        (Some(kind), Some(param)) => Ok(Some(Destination { kind, param: param.to_owned() })),
        _ => Err(bad(column, &"no such destination")),
    }
}

fn time(column: &'static str, microseconds: i64) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(microseconds).map_err(|error| bad(column, &error))
}
