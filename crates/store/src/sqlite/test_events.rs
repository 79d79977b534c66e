//! Test events of functions.

use fungraph_model::{FunctionKey, TestEvent, TestEventChange};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::rows::{bad, get};
use super::transaction::Transaction;
use super::{Sqlite, functions};
use crate::Error;
use crate::error::is_taken;

macro_rules! select {
    () => {
        "SELECT e.id, e.name, e.content, e.last_modified FROM test_events e JOIN functions f ON f.id = e.function \
         WHERE f.project = ? AND f.package = ? AND f.name = ?"
    };
}

impl Sqlite {
    pub(crate) async fn test_events(&self, key: &FunctionKey) -> Result<Vec<TestEvent>, Error> {
        let rows = sqlx::query(concat!(select!(), " ORDER BY e.seq"))
            .bind(&key.project.0)
            .bind(&key.package)
            .bind(&key.name)
            .fetch_all(&self.readers)
            .await;
        rows.map_err(Error::during("list test events"))?.iter().map(read).collect()
    }

    pub(crate) async fn test_event(&self, key: &FunctionKey, id: &str) -> Result<Option<TestEvent>, Error> {
        let row = sqlx::query(concat!(select!(), " AND e.id = ?"))
            .bind(&key.project.0)
            .bind(&key.package)
            .bind(&key.name)
            .bind(id)
            .fetch_optional(&self.readers)
            .await;
        row.map_err(Error::during("read a test event"))?.as_ref().map(read).transpose()
    }

    pub(crate) async fn add_test_event(&self, key: &FunctionKey, event: &TestEvent, most: usize) -> Result<(), Error> {
        let failed = Error::during("store a test event");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = functions::row(&mut change, key).await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM test_events WHERE function = ?")
            .bind(function)
            .fetch_one(&mut *change)
            .await
            .map_err(&failed)?;
        if usize::try_from(count).is_ok_and(|count| count >= most) {
            return Err(Error::Full { most });
        }
        insert(&mut change, function, event).await?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn update_test_event(
        &self,
        key: &FunctionKey,
        id: &str,
        change: &TestEventChange,
    ) -> Result<Option<String>, Error> {
        let failed = Error::during("update a test event");
        let mut transaction = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = functions::row(&mut transaction, key).await?;
        let name = sqlx::query_scalar(
            "UPDATE test_events SET name = coalesce(?, name), content = ?, last_modified = ? WHERE function = ? AND id = ?
             RETURNING name",
        )
        .bind(&change.name)
        .bind(&change.content)
        .bind(change.last_modified.as_microsecond())
        .bind(function)
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(|error| if is_taken(&error) { Error::Taken { what: "test event" } } else { failed(error) })?;
        transaction.commit().await.map_err(failed)?;
        Ok(name)
    }

    pub(crate) async fn delete_test_event(&self, key: &FunctionKey, id: &str) -> Result<bool, Error> {
        let failed = Error::during("delete a test event");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = functions::row(&mut change, key).await?;
        let deleted = sqlx::query("DELETE FROM test_events WHERE function = ? AND id = ?")
            .bind(function)
            .bind(id)
            .execute(&mut *change)
            .await
            .map_err(&failed)?;
        change.commit().await.map_err(failed)?;
        Ok(deleted.rows_affected() > 0)
    }
}

/// Stores a test event of a function that has room for it.
pub(super) async fn insert(change: &mut SqliteConnection, function: i64, event: &TestEvent) -> Result<(), Error> {
    let failed = Error::during("store a test event");
    sqlx::query("INSERT INTO test_events (id, function, name, content, last_modified) VALUES (?, ?, ?, ?, ?)")
        .bind(&event.id)
        .bind(function)
        .bind(&event.name)
        .bind(&event.content)
        .bind(event.last_modified.as_microsecond())
        .execute(change)
        .await
        .map_err(|error| if is_taken(&error) { Error::Taken { what: "test event" } } else { failed(error) })?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<TestEvent, Error> {
    Ok(TestEvent {
        id: get(row, "id")?,
        name: get(row, "name")?,
        content: get(row, "content")?,
        last_modified: Timestamp::from_microsecond(get(row, "last_modified")?)
            .map_err(|error| bad("last_modified", &error))?,
    })
}
