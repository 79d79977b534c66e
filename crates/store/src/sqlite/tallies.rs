//! What calls came to: written behind them, a batch at a time, and read for statistics.

use std::collections::BTreeMap;

use fungraph_model::{Metric, MonthUsage, ProjectId, Qualifier, Ranking, Tally, TallyEntry};
use sqlx::query_builder::Separated;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};

use super::rows::{get, signed, unsigned};
use super::transaction::Transaction;
use super::{Sqlite, reservations};
use crate::{Error, RankQuery, TalliesOf, TallyQuery};

/// Rows that one statement removes: others wait for the writer meanwhile.
const REMOVED_AT_ONCE: i64 = 5000;

/// The numbers of both tables, in the order in which [`push`] has them.
macro_rules! numbers {
    () => {
        "calls, refused, function_errors, system_errors, duration_us, shortest_us, longest_us, running, instances, reserved"
    };
}

/// Adds to what the minute has; what was there at most is looked at several times a minute, and the most of it counts.
macro_rules! add {
    () => {
        " ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, refused = refused + excluded.refused, \
         function_errors = function_errors + excluded.function_errors, system_errors = system_errors + excluded.system_errors, \
         duration_us = duration_us + excluded.duration_us, \
         shortest_us = min(coalesce(shortest_us, excluded.shortest_us), coalesce(excluded.shortest_us, shortest_us)), \
         longest_us = max(longest_us, excluded.longest_us), running = max(running, excluded.running), \
         instances = max(instances, excluded.instances), reserved = max(reserved, excluded.reserved)"
    };
}

/// Of a function or project that is not there any more nothing is kept: what stands before the rows of a statement, and behind them. Rows are
/// looked up one by one, and a conflict needs the `WHERE` so as not to be read as a part of the join.
type Frame = (&'static str, &'static str);

const ADD_TO_FUNCTION: Frame = (
    concat!(
        "INSERT INTO function_tallies (",
        numbers!(),
        ", minute, qualifier, function) SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, \
         column10, column11, column12, id FROM ("
    ),
    concat!(") CROSS JOIN functions WHERE func_id = column13", add!()),
);
const ADD_FAILURES: Frame = (
    "INSERT INTO function_failures (hour, failures, function) SELECT column1, column2, id FROM (",
    ") CROSS JOIN functions WHERE func_id = column3 ON CONFLICT DO UPDATE SET failures = failures + excluded.failures",
);
const ADD_TO_PROJECT: Frame = (
    concat!(
        "INSERT INTO project_tallies (",
        numbers!(),
        ", minute, project) SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, \
         id FROM ("
    ),
    concat!(") CROSS JOIN projects WHERE id = column12", add!()),
);
const ADD_TO_MONTH: Frame = (
    "INSERT INTO project_months (month, calls, mb_ms, project) SELECT column1, column2, column3, id FROM (",
    ") CROSS JOIN projects WHERE id = column4 \
     ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, mb_ms = mb_ms + excluded.mb_ms",
);

/// Rows of one statement: each is a way to the thread of the database and back, and a hundred thousand functions may have been called.
/// SQLite takes 32,766 values in a statement.
const ROWS: usize = 1000;

/// Sums over what one minute has of several versions; what each had at most may have been at the same moment.
const MINUTES: &str = "SELECT minute, sum(calls) AS calls, sum(refused) AS refused, sum(function_errors) AS function_errors, \
     sum(system_errors) AS system_errors, sum(duration_us) AS duration_us, min(shortest_us) AS shortest_us, \
     max(longest_us) AS longest_us, sum(running) AS running, sum(instances) AS instances, sum(reserved) AS reserved FROM ";
/// Sums over minutes.
const STEPS: &str = "SELECT min(minute) AS minute, sum(calls) AS calls, sum(refused) AS refused, \
     sum(function_errors) AS function_errors, sum(system_errors) AS system_errors, sum(duration_us) AS duration_us, \
     min(shortest_us) AS shortest_us, max(longest_us) AS longest_us, max(running) AS running, max(instances) AS instances, \
     max(reserved) AS reserved FROM (";

type Statement = QueryBuilder<sqlx::Sqlite>;

impl Sqlite {
    /// All or nothing, so that whoever hands it over knows what is still his to keep.
    pub(crate) async fn add_tallies(&self, minute: i64, month: i64, entries: &[TallyEntry]) -> Result<(), Error> {
        let failed = Error::during("store what calls came to");
        let hour = minute.div_euclid(60);
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        add(&mut change, ADD_TO_FUNCTION, entries, |row, entry| {
            push(row, &entry.tally)?;
            row.push_bind(minute).push_bind(entry.qualifier.to_string()).push_bind(entry.func_id.clone());
            Ok(())
        })
        .await?;
        let with_failures = |entry: &&TallyEntry| is_of_version(entry) && entry.tally.failed() > 0;
        let failures: Vec<_> = entries.iter().filter(with_failures).collect();
        add(&mut change, ADD_FAILURES, &failures, |row, entry| {
            let number = signed("failures", entry.tally.failed())?;
            row.push_bind(hour).push_bind(number).push_bind(entry.func_id.clone());
            Ok(())
        })
        .await?;
        let projects: Vec<_> = by_project(entries).into_iter().collect();
        add(&mut change, ADD_TO_PROJECT, &projects, |row, (project, (tally, _))| {
            push(row, tally)?;
            row.push_bind(minute).push_bind(project.0.clone());
            Ok(())
        })
        .await?;
        add(&mut change, ADD_TO_MONTH, &projects, |row, (project, (tally, mb_ms))| {
            row.push_bind(month).push_bind(signed("calls", tally.calls)?).push_bind(signed("mb_ms", *mb_ms)?);
            row.push_bind(project.0.clone());
            Ok(())
        })
        .await?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn tallies(&self, query: &TallyQuery) -> Result<Vec<(i64, Tally)>, Error> {
        let rows = tally_query(query).build().fetch_all(&self.readers).await;
        let rows = rows.map_err(Error::during("read what calls came to"))?;
        // A step begins at its multiple, whichever minute of it had something first.
        let begin = |minute: i64| minute - minute.rem_euclid(query.step);
        rows.iter().map(|row| Ok((begin(get(row, "minute")?), read(row)?))).collect()
    }

    pub(crate) async fn month_usage(&self, project: &ProjectId, months: &[i64]) -> Result<Vec<MonthUsage>, Error> {
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT month, calls, mb_ms FROM project_months WHERE project = ? AND month BETWEEN ? AND ?",
        )
        .bind(&project.0)
        .bind(months.iter().min())
        .bind(months.iter().max())
        .fetch_all(&self.readers)
        .await
        .map_err(Error::during("read what a project used"))?;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let known: BTreeMap<_, _> =
            rows.iter().map(|row| (row.0, MonthUsage { calls: count(row.1), mb_ms: count(row.2) })).collect();
        Ok(months.iter().map(|month| known.get(month).copied().unwrap_or_default()).collect())
    }

    pub(crate) async fn rank(&self, query: &RankQuery) -> Result<Ranking, Error> {
        let rows = rank_query(query).build().fetch_all(&self.readers).await;
        let rows = rows.map_err(Error::during("rank functions"))?;
        let functions = rows.iter().map(|row| Ok((reservations::key(row)?, unsigned(row, "value")?)));
        Ok(Ranking {
            functions: functions.collect::<Result<_, Error>>()?,
            total: rows.first().map_or(Ok(0), |row| unsigned(row, "total"))?,
        })
    }

    /// Removes what is older than `oldest`, and the oldest of what is more than `most` rows of a table, a slice at a time.
    pub(crate) async fn forget_tallies(&self, oldest: i64, most: u64) -> Result<(), Error> {
        for table in &TABLES {
            let failed = Error::during("count statistics");
            let beyond =
                sqlx::query_scalar(table.beyond).bind(signed("most", most)?).fetch_optional(&self.readers).await;
            // The time of the first row that has no room is over, and all of it goes.
            let first_to_stay = beyond.map_err(failed)?.map_or(i64::MIN, |time: i64| time + 1);
            self.remove_before(table, first_to_stay.max(oldest.div_euclid(table.minutes))).await?;
        }
        Ok(())
    }

    async fn remove_before(&self, table: &Table, time: i64) -> Result<(), Error> {
        loop {
            let removed = sqlx::query(table.remove).bind(time).bind(REMOVED_AT_ONCE).execute(&self.writer).await;
            if removed.map_err(Error::during("remove old statistics"))?.rows_affected() == 0 {
                return Ok(());
            }
        }
    }
}

/// How a table is bounded.
pub(super) struct Table {
    /// The newest time that has no room beside so many rows.
    pub(super) beyond: &'static str,
    /// Removes some of what is before a time.
    pub(super) remove: &'static str,
    /// Of its unit of time.
    minutes: i64,
}

pub(super) static TABLES: [Table; 3] = [
    Table {
        beyond: "SELECT minute FROM function_tallies ORDER BY minute DESC LIMIT 1 OFFSET ?",
        remove: "DELETE FROM function_tallies WHERE (function, minute, qualifier) IN \
                 (SELECT function, minute, qualifier FROM function_tallies WHERE minute < ? ORDER BY minute LIMIT ?)",
        minutes: 1,
    },
    Table {
        beyond: "SELECT hour FROM function_failures ORDER BY hour DESC LIMIT 1 OFFSET ?",
        remove: "DELETE FROM function_failures WHERE (function, hour) IN \
                 (SELECT function, hour FROM function_failures WHERE hour < ? ORDER BY hour LIMIT ?)",
        minutes: 60,
    },
    Table {
        beyond: "SELECT minute FROM project_tallies ORDER BY minute DESC LIMIT 1 OFFSET ?",
        remove: "DELETE FROM project_tallies WHERE (project, minute) IN \
                 (SELECT project, minute FROM project_tallies WHERE minute < ? ORDER BY minute LIMIT ?)",
        minutes: 1,
    },
];

/// What an alias has is in the entries of its versions too.
fn is_of_version(entry: &TallyEntry) -> bool {
    !matches!(entry.qualifier, Qualifier::Alias(_))
}

/// What the functions of each project come to.
fn by_project(entries: &[TallyEntry]) -> BTreeMap<&ProjectId, (Tally, u64)> {
    let mut projects: BTreeMap<&ProjectId, (Tally, u64)> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| is_of_version(entry)) {
        let (tally, mb_ms) = projects.entry(&entry.project).or_default();
        tally.add(&entry.tally);
        *mb_ms = mb_ms.saturating_add(entry.mb_ms);
    }
    projects
}

pub(super) fn tally_query(query: &TallyQuery) -> Statement {
    let mut statement = Statement::new(STEPS);
    statement.push(MINUTES);
    match &query.of {
        TalliesOf::Project(project) => {
            statement.push("project_tallies WHERE project = ").push_bind(project.0.clone());
        }
        TalliesOf::Function(key, qualifier) => {
            statement.push("function_tallies WHERE function = (SELECT id FROM functions WHERE project = ");
            statement.push_bind(key.project.0.clone()).push(" AND package = ").push_bind(key.package.clone());
            statement.push(" AND name = ").push_bind(key.name.clone()).push(")");
            match qualifier {
                Some(qualifier) => statement.push(" AND qualifier = ").push_bind(qualifier.to_string()),
                None => statement.push(" AND substr(qualifier, 1, 1) <> '!'"),
            };
        }
    }
    statement.push(" AND minute >= ").push_bind(query.from).push(" AND minute < ").push_bind(query.to);
    statement.push(" GROUP BY minute) GROUP BY minute / ").push_bind(query.step).push(" ORDER BY minute");
    statement
}

/// Goes through the functions of the project, which a quota bounds, and not through the minutes of everybody.
pub(super) fn rank_query(query: &RankQuery) -> Statement {
    let mut statement = Statement::new("WITH ranked AS (SELECT f.id, f.project, f.package, f.name, ");
    statement.push(match query.metric {
        Metric::Failures => "sum(t.function_errors + t.system_errors)",
        Metric::Calls => "sum(t.calls)",
        Metric::Refusals => "sum(t.refused)",
        // Rounded up: a quick function took some time too.
        Metric::Duration => "(sum(t.duration_us) / max(sum(t.calls - t.refused), 1) + 999) / 1000",
        Metric::LongestDuration => "(max(t.longest_us) + 999) / 1000",
    });
    statement.push(" AS value FROM functions f CROSS JOIN function_tallies t WHERE f.project = ");
    statement.push_bind(query.project.0.clone());
    statement.push(" AND t.function = f.id AND t.minute >= ").push_bind(query.from);
    statement.push(" AND t.minute < ").push_bind(query.to);
    statement.push(
        " AND substr(t.qualifier, 1, 1) <> '!' GROUP BY f.id) \
         SELECT project, package, name, value, count(*) OVER () AS total FROM ranked WHERE value > 0 \
         ORDER BY value DESC, id LIMIT ",
    );
    statement.push_bind(query.limit);
    statement
}

type Row<'a> = Separated<'a, sqlx::Sqlite, &'static str>;

/// Adds rows to a table, many to a statement.
async fn add<T>(
    change: &mut SqliteConnection,
    (before, behind): Frame,
    rows: &[T],
    fill: impl Fn(&mut Row<'_>, &T) -> Result<(), Error>,
) -> Result<(), Error> {
    for some in rows.chunks(ROWS) {
        let (mut statement, mut filled) = (Statement::new(before), Ok(()));
        statement.push_values(some, |mut row, item| {
            if filled.is_ok() {
                filled = fill(&mut row, item);
            }
        });
        filled?;
        statement.push(behind);
        statement.build().execute(&mut *change).await.map_err(Error::during("store what calls came to"))?;
    }
    Ok(())
}

/// The numbers, in the order of the columns.
fn push(row: &mut Row<'_>, tally: &Tally) -> Result<(), Error> {
    row.push_bind(signed("calls", tally.calls)?)
        .push_bind(signed("refused", tally.refused)?)
        .push_bind(signed("function_errors", tally.function_errors)?)
        .push_bind(signed("system_errors", tally.system_errors)?)
        .push_bind(signed("duration_us", tally.duration_us)?)
        .push_bind(tally.shortest_us.map(|us| signed("shortest_us", us)).transpose()?)
        .push_bind(signed("longest_us", tally.longest_us)?)
        .push_bind(signed("running", tally.running)?)
        .push_bind(signed("instances", tally.instances)?)
        .push_bind(signed("reserved", tally.reserved)?);
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Tally, Error> {
    Ok(Tally {
        calls: unsigned(row, "calls")?,
        refused: unsigned(row, "refused")?,
        function_errors: unsigned(row, "function_errors")?,
        system_errors: unsigned(row, "system_errors")?,
        duration_us: unsigned(row, "duration_us")?,
        shortest_us: get::<Option<i64>>(row, "shortest_us")?.and_then(|us| u64::try_from(us).ok()),
        longest_us: unsigned(row, "longest_us")?,
        running: unsigned(row, "running")?,
        instances: unsigned(row, "instances")?,
        reserved: unsigned(row, "reserved")?,
    })
}
