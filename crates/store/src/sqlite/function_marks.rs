//! What is set for a function beside its versions: its place in lists, its tracing keys.

use fungraph_model::{FunctionKey, Secret, TracingKeys};

use super::transaction::Transaction;
use super::{Sqlite, functions};
use crate::Error;

impl Sqlite {
    pub(crate) async fn pin_function(&self, key: &FunctionKey, pinned: bool) -> Result<(), Error> {
        let failed = Error::during("pin a function");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = functions::row(&mut change, key).await?;
        sqlx::query("UPDATE functions SET place = ? WHERE id = ?")
            .bind(!pinned)
            .bind(function)
            .execute(&mut *change)
            .await
            .map_err(&failed)?;
        change.commit().await.map_err(failed)
    }

    pub(crate) async fn tracing_keys(&self, key: &FunctionKey) -> Result<Option<TracingKeys>, Error> {
        let found: Option<(String, String)> = sqlx::query_as(
            "SELECT t.access, t.secret FROM tracing_keys t JOIN functions f ON f.id = t.function
             WHERE f.project = ? AND f.package = ? AND f.name = ?",
        )
        .bind(&key.project.0)
        .bind(&key.package)
        .bind(&key.name)
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::during("read tracing keys"))?;
        Ok(found.map(|(access, secret)| TracingKeys { access, secret: Secret::new(secret) }))
    }

    pub(crate) async fn set_tracing_keys(&self, key: &FunctionKey, keys: Option<&TracingKeys>) -> Result<(), Error> {
        let failed = Error::during("store tracing keys");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let function = functions::row(&mut change, key).await?;
        let statement = match keys {
            None => sqlx::query("DELETE FROM tracing_keys WHERE function = ?").bind(function),
            Some(keys) => sqlx::query(
                "INSERT INTO tracing_keys (function, access, secret) VALUES (?, ?, ?)
                 ON CONFLICT DO UPDATE SET access = excluded.access, secret = excluded.secret",
            )
            .bind(function)
            .bind(&keys.access)
            .bind(keys.secret.reveal()),
        };
        statement.execute(&mut *change).await.map_err(&failed)?;
        change.commit().await.map_err(failed)
    }
}
