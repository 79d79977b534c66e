//! Reserved instances. They are few, so that all of an account, or of all, are read at once.

use fungraph_model::limits::LATEST;
use fungraph_model::{DomainId, FunctionKey, MetricRule, ProjectId, Qualifier, Reservation, Reserved, Schedule};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::rows::{bad, get};
use super::transaction::Transaction;
use super::{Sqlite, functions};
use crate::{Conflict, Error, Reservations};

macro_rules! select {
    () => {
        "SELECT f.project, f.package, f.name, p.domain, r.qualifier, r.count, r.idle_mode, r.tactics \
         FROM reservations r JOIN functions f ON f.id = r.function JOIN projects p ON p.id = f.project"
    };
}

const SHOW: &str = concat!(select!(), " WHERE f.project = ? AND f.package = ? AND f.name = ? AND r.qualifier = ?");
const LIST: &str = concat!(select!(), " ORDER BY r.id");

impl Sqlite {
    pub(crate) async fn reservation(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Result<Option<Reservation>, Error> {
        let row = sqlx::query(SHOW)
            .bind(&key.project.0)
            .bind(&key.package)
            .bind(&key.name)
            .bind(qualifier.to_string())
            .fetch_optional(&self.readers)
            .await
            .map_err(Error::during("read the reserved instances"))?;
        Ok(row.as_ref().map(read).transpose()?.map(|reserved| reserved.reservation))
    }

    pub(crate) async fn reservations(&self) -> Result<Reservations, Error> {
        let rows = sqlx::query(LIST).fetch_all(&self.readers).await;
        let mut all = Reservations::default();
        for row in &rows.map_err(Error::during("read the reserved instances"))? {
            match read(row) {
                Ok(reserved) => all.reserved.push(reserved),
                Err(why) => all.unreadable.push((key(row)?, qualifier(get(row, "qualifier")?), why)),
            }
        }
        Ok(all)
    }

    pub(crate) async fn reserve(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
        reservation: Option<&Reservation>,
    ) -> Result<(), Error> {
        let failed = Error::during("store reserved instances");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let found = functions::find(&mut change, key).await?;
        let (function, _) = found.ok_or_else(|| Error::Missing { key: key.clone() })?;
        if reservation.is_some() {
            check(&mut change, function, qualifier).await?;
        }
        let statement = match reservation {
            None => sqlx::query("DELETE FROM reservations WHERE function = ? AND qualifier = ?"),
            Some(_) => sqlx::query(
                "INSERT INTO reservations (function, qualifier, count, idle_mode, tactics) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET count = excluded.count, idle_mode = excluded.idle_mode, tactics = excluded.tactics",
            ),
        };
        let mut statement = statement.bind(function).bind(qualifier.to_string());
        if let Some(reservation) = reservation {
            statement =
                statement.bind(reservation.count).bind(reservation.idle_mode).bind(tactics(reservation).to_string());
        }
        statement.execute(&mut *change).await.map_err(&failed)?;
        change.commit().await.map_err(failed)
    }
}

/// Something of that name is there, and its instances are not reserved under another name.
async fn check(change: &mut SqliteConnection, function: i64, qualifier: &Qualifier) -> Result<(), Error> {
    let version = named_version(change, function, qualifier).await?;
    match qualifier {
        Qualifier::Alias(_) => check_version(change, function, &version).await,
        _ => check_alias(change, function, &version).await,
    }
}

/// The version that a qualifier of a function names now.
pub(super) async fn named_version(
    change: &mut SqliteConnection,
    function: i64,
    qualifier: &Qualifier,
) -> Result<String, Error> {
    let (name, statement, missing) = match qualifier {
        Qualifier::Latest => return Ok(LATEST.to_owned()),
        Qualifier::Version(name) => (
            name,
            "SELECT version FROM function_versions WHERE function = ? AND version = ?",
            Conflict::VersionMissing { version: name.clone() },
        ),
        Qualifier::Alias(name) => {
            (name, "SELECT version FROM aliases WHERE function = ? AND name = ?", Conflict::AliasMissing)
        }
    };
    let found = sqlx::query_scalar(statement).bind(function).bind(name).fetch_optional(&mut *change).await;
    let version: Option<String> = found.map_err(Error::during("look for a version of a function"))?;
    Ok(version.ok_or(missing)?)
}

/// Whether the alias of a version has reserved instances.
async fn check_alias(change: &mut SqliteConnection, function: i64, version: &str) -> Result<(), Error> {
    refuse(
        change,
        "SELECT r.qualifier FROM reservations r JOIN aliases a ON a.function = r.function AND r.qualifier = '!' || a.name
         WHERE r.function = ? AND a.version = ?",
        function,
        version,
    )
    .await
}

/// Whether a version itself has reserved instances.
pub(super) async fn check_version(change: &mut SqliteConnection, function: i64, version: &str) -> Result<(), Error> {
    refuse(change, "SELECT qualifier FROM reservations WHERE function = ? AND qualifier = ?", function, version).await
}

async fn refuse(
    change: &mut SqliteConnection,
    statement: &'static str,
    function: i64,
    version: &str,
) -> Result<(), Error> {
    let found = sqlx::query_scalar(statement).bind(function).bind(version).fetch_optional(change).await;
    match found.map_err(Error::during("look for reserved instances"))? {
        Some(other) => Err(Conflict::ReservedTwice { other }.into()),
        None => Ok(()),
    }
}

fn read(row: &SqliteRow) -> Result<Reserved, Error> {
    let tactics: String = get(row, "tactics")?;
    let tactics = serde_json::from_str::<Value>(&tactics).map_err(|error| bad("tactics", &error))?;
    let list = |name: &str| tactics[name].as_array().cloned().unwrap_or_default();
    let read = |found: Option<Vec<_>>| found.ok_or_else(|| bad("tactics", &"a schedule lacks a field"));
    let metrics: Option<Vec<_>> = list("metric_configs").iter().map(metric).collect();
    Ok(Reserved {
        key: key(row)?,
        domain: DomainId(get(row, "domain")?),
        qualifier: qualifier(get(row, "qualifier")?),
        reservation: Reservation {
            count: get(row, "count")?,
            idle_mode: get(row, "idle_mode")?,
            schedules: read(list("cron_configs").iter().map(schedule).collect())?,
            metrics: metrics.ok_or_else(|| bad("tactics", &"a metric lacks a field"))?,
        },
    })
}

pub(super) fn key(row: &SqliteRow) -> Result<FunctionKey, Error> {
    Ok(FunctionKey { project: ProjectId(get(row, "project")?), package: get(row, "package")?, name: get(row, "name")? })
}

pub(super) fn qualifier(text: String) -> Qualifier {
    match text.strip_prefix('!') {
        Some(alias) => Qualifier::Alias(alias.to_owned()),
        None if text == LATEST => Qualifier::Latest,
        None => Qualifier::Version(text),
    }
}

fn tactics(reservation: &Reservation) -> Value {
    let schedule = |schedule: &Schedule| {
        let Schedule { name, cron, count, start_s, end_s } = schedule;
        json!({ "name": name, "cron": cron, "count": count, "start_time": start_s, "expired_time": end_s })
    };
    let metric = |rule: &MetricRule| json!({ "name": rule.name, "threshold": rule.threshold, "min": rule.min });
    json!({
        "cron_configs": reservation.schedules.iter().map(schedule).collect::<Vec<_>>(),
        "metric_configs": reservation.metrics.iter().map(metric).collect::<Vec<_>>(),
    })
}

fn schedule(value: &Value) -> Option<Schedule> {
    Some(Schedule {
        name: value["name"].as_str()?.to_owned(),
        cron: value["cron"].as_str()?.to_owned(),
        count: number(&value["count"])?,
        start_s: value["start_time"].as_i64(),
        end_s: value["expired_time"].as_i64(),
    })
}

fn metric(value: &Value) -> Option<MetricRule> {
    let name = value["name"].as_str()?.to_owned();
    Some(MetricRule { name, threshold: number(&value["threshold"])?, min: number(&value["min"])? })
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64()?.try_into().ok()
}
