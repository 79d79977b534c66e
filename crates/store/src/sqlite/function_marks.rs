//! What is set for a function beside its versions: its place in lists, its tracing keys.

use fungraph_model::{FunctionKey, Secret, TracingKeys};

use super::rows::bad;
use super::transaction::Transaction;
use super::{Sqlite, functions, seal};
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
        let found: Option<(String, String, String)> = sqlx::query_as(
            "SELECT f.func_id, t.access, t.secret FROM tracing_keys t JOIN functions f ON f.id = t.function
             WHERE f.project = ? AND f.package = ? AND f.name = ?",
        )
        .bind(&key.project.0)
        .bind(&key.package)
        .bind(&key.name)
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::during("read tracing keys"))?;
        let Some((func_id, access, sealed)) = found else { return Ok(None) };
        let secret = self.secrets.open_text(&seal::tracing_purpose(&func_id), &sealed);
        let secret = secret.ok_or_else(|| bad("secret", &"the key of this data folder does not open it"))?;
        Ok(Some(TracingKeys { access, secret: Secret::new(secret) }))
    }

    pub(crate) async fn set_tracing_keys(&self, key: &FunctionKey, keys: Option<&TracingKeys>) -> Result<(), Error> {
        let failed = Error::during("store tracing keys");
        let mut change = Transaction::write(&self.writer).await.map_err(&failed)?;
        let found = functions::find(&mut change, key).await?;
        let (function, func_id) = found.ok_or_else(|| Error::Missing { key: key.clone() })?;
        let seal = |keys: &TracingKeys| {
            let sealed = self.secrets.seal(&seal::tracing_purpose(&func_id), keys.secret.reveal().as_bytes());
            sealed.map_err(|source| Error::Seal { source })
        };
        let sealed = keys.map(seal).transpose()?;
        let statement = match keys {
            None => sqlx::query("DELETE FROM tracing_keys WHERE function = ?").bind(function),
            Some(keys) => sqlx::query(
                "INSERT INTO tracing_keys (function, access, secret) VALUES (?, ?, ?)
                 ON CONFLICT DO UPDATE SET access = excluded.access, secret = excluded.secret",
            )
            .bind(function)
            .bind(&keys.access)
            .bind(sealed),
        };
        statement.execute(&mut *change).await.map_err(&failed)?;
        change.commit().await.map_err(failed)
    }
}
