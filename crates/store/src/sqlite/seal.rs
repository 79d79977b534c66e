//! Which key belongs to this database, and the step that seals what older versions kept in the open.

use std::path::Path;

use fungraph_model::TriggerId;
use sqlx::sqlite::SqlitePool;
use sqlx::{Row, SqliteConnection};

use super::transaction::Transaction;
use crate::Error;
use crate::secrets::{self, SecretBox};

const PROOF: &str = "this key seals the secrets of this database";

/// What the secret of an access key is sealed for.
pub(super) fn key_purpose(access: &str) -> String {
    format!("access_keys.secret {access}")
}

/// What the encrypted variables of a function are sealed for; all its versions share them by this.
pub(super) fn variables_purpose(func_id: &str) -> String {
    format!("function_versions.encrypted_user_data {func_id}")
}

/// What the secrets of a trigger are sealed for.
pub(super) fn trigger_purpose(trigger: &TriggerId) -> String {
    format!("triggers.secrets {trigger}")
}

/// What the secret of a function's tracing keys is sealed for.
pub(super) fn tracing_purpose(func_id: &str) -> String {
    format!("tracing_keys.secret {func_id}")
}

/// The box of a data folder. A database that has sealed secrets takes no other key than its own; one that has none gets a new one.
pub(super) async fn open(folder: &Path, writer: &SqlitePool) -> Result<SecretBox, Error> {
    let failed = Error::during("look for the proof of the key");
    // Told to people, who may stand elsewhere.
    let path = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()).join(secrets::FILE);
    let unusable = |source| Error::KeyFile { path: path.clone(), source };
    let proof: Option<String> =
        sqlx::query_scalar("SELECT proof FROM seal").fetch_optional(writer).await.map_err(&failed)?;
    let found = SecretBox::read(folder).map_err(unusable)?;
    match (proof, found) {
        (Some(proof), Some(found)) if found.open_text(PROOF, &proof).as_deref() == Some(PROOF) => {
            pay_vacuum(writer).await;
            Ok(found)
        }
        (Some(_), Some(_)) => Err(Error::KeyDiffers { path }),
        (Some(_), None) => Err(Error::KeyLost { path }),
        (None, found) => {
            // The key is on disk before anything is sealed with it. A crash in between leaves a key that the next start takes.
            let found = found.map_or_else(|| SecretBox::create(folder), Ok).map_err(unusable)?;
            seal_all(writer, &found).await?;
            pay_vacuum(writer).await;
            Ok(found)
        }
    }
}

/// Seals everything and leaves the proof, in one change.
async fn seal_all(writer: &SqlitePool, secrets: &SecretBox) -> Result<(), Error> {
    let failed = Error::during("seal the secrets");
    let mut change = Transaction::write(writer).await.map_err(&failed)?;
    let mut sealed = 0;
    for (read, write, purpose) in [
        (
            "SELECT access, secret FROM access_keys",
            "UPDATE access_keys SET secret = ?1 WHERE access = ?2 AND secret = ?3",
            key_purpose as fn(&str) -> String,
        ),
        (
            "SELECT DISTINCT f.func_id, v.encrypted_user_data FROM function_versions v JOIN functions f ON f.id = v.function",
            "UPDATE function_versions SET encrypted_user_data = ?1 WHERE encrypted_user_data = ?3
             AND function = (SELECT id FROM functions WHERE func_id = ?2)",
            variables_purpose,
        ),
    ] {
        sealed += seal_column(&mut change, secrets, read, write, purpose).await?;
    }
    let proof = secrets.seal(PROOF, PROOF.as_bytes()).map_err(|source| Error::Seal { source })?;
    sqlx::query("INSERT INTO seal (id, proof, vacuum_owed) VALUES (1, ?, ?)")
        .bind(proof)
        .bind(sealed > 0)
        .execute(&mut *change)
        .await
        .map_err(&failed)?;
    change.commit().await.map_err(&failed)?;
    if sealed > 0 {
        tracing::info!(sealed, "secrets that an older version kept in the open are sealed now");
    }
    Ok(())
}

/// What was in the open still lies in free pages and in the log: both go. The debt stands in the database until that is done, so that a
/// crash in between, or a full disk, does not leave them for ever. Neither is a reason not to start.
async fn pay_vacuum(writer: &SqlitePool) {
    if let Err(error) = vacuum_if_owed(writer).await {
        tracing::warn!(%error, "texts of secrets from before they were sealed may still lie in the database; the next start clears them");
    }
}

async fn vacuum_if_owed(writer: &SqlitePool) -> Result<(), sqlx::Error> {
    let is_owed: bool = sqlx::query_scalar("SELECT vacuum_owed FROM seal").fetch_one(writer).await?;
    if !is_owed {
        return Ok(());
    }
    for statement in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)", "UPDATE seal SET vacuum_owed = 0"] {
        sqlx::query(statement).execute(writer).await?;
    }
    Ok(())
}

/// Seals the texts of one column; a row of `read` is the name it is bound to and the text.
async fn seal_column(
    change: &mut SqliteConnection,
    secrets: &SecretBox,
    read: &'static str,
    write: &'static str,
    purpose: fn(&str) -> String,
) -> Result<usize, Error> {
    let failed = Error::during("seal the secrets");
    let rows = sqlx::query(read).fetch_all(&mut *change).await.map_err(&failed)?;
    let mut sealed = 0;
    for row in rows {
        let (name, text): (String, String) = (row.try_get(0).map_err(&failed)?, row.try_get(1).map_err(&failed)?);
        if secrets::is_sealed(&text) {
            continue;
        }
        let new = secrets.seal(&purpose(&name), text.as_bytes()).map_err(|source| Error::Seal { source })?;
        sqlx::query(write).bind(new).bind(name).bind(text).execute(&mut *change).await.map_err(&failed)?;
        sealed += 1;
    }
    Ok(sealed)
}
