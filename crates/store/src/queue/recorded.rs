//! Events that are kept so that they can be called again. They are sealed with the key of the data folder: what customers send is
//! nobody's business who has only a copy of the file.

use bytes::Bytes;
use fungraph_model::{FunctionKey, ProjectId, RequestId};
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, query};

use super::change::Change;
use super::order::{Asker, Order};
use super::rows::{self, get};
use super::{Queue, QueueError};
use crate::SecretBox;

/// An event with what it needs to be called again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The call.
    pub request: RequestId,
    /// Its function.
    pub key: FunctionKey,
    /// That one's id.
    pub func_id: String,
    /// The version that ran.
    pub version: String,
    /// Digest of its code.
    pub digest: String,
    /// The alias that led there.
    pub alias: Option<String>,
    /// Memory asked for, where that was another one than the version's.
    pub memory_mb: Option<u32>,
    /// When it was called.
    pub created: Timestamp,
    /// What it was called with.
    pub body: Bytes,
}

/// One on its way to the disk.
#[derive(Debug)]
pub(super) struct Sealed {
    event: RecordedEvent,
    sealed: String,
}

impl Sealed {
    pub(super) fn insert(&self) -> Query<'_, Sqlite, SqliteArguments> {
        query(
            "INSERT OR REPLACE INTO recorded (request, func_id, project, package, name, version, digest, alias, memory_mb, \
             created, size, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(bytes(self.event.request))
        .bind(&self.event.func_id)
        .bind(&self.event.key.project.0)
        .bind(&self.event.key.package)
        .bind(&self.event.key.name)
        .bind(&self.event.version)
        .bind(&self.event.digest)
        .bind(self.event.alias.as_deref())
        .bind(self.event.memory_mb)
        .bind(self.event.created.as_microsecond())
        .bind(i64::try_from(self.sealed.len()).unwrap_or(i64::MAX))
        .bind(&self.sealed)
    }
}

impl Queue {
    /// Keeps an event, with the next commit. Nobody waits for it; it is dropped where the disk does not keep up, and then the answer is
    /// false.
    pub fn record_event(&self, secrets: &SecretBox, mut event: RecordedEvent) -> bool {
        let Ok(sealed) = secrets.seal(&purpose(event.request), &event.body) else { return false };
        event.body = Bytes::new();
        let Some(room) = self.room_at_once(sealed.len()) else { return false };
        let change = Change::Record(Box::new(Sealed { event, sealed }));
        self.orders.send(Order::Change(change, Asker::Left(room))).is_ok()
    }

    /// The event of a call, where it was kept. One that the key does not open is as good as none.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::BadRow`].
    pub async fn recorded(&self, secrets: &SecretBox, request: RequestId) -> Result<Option<RecordedEvent>, QueueError> {
        let sql = "SELECT func_id, project, package, name, version, digest, alias, memory_mb, created, sealed FROM recorded \
                   WHERE request = ?";
        let row = query(sql).bind(bytes(request)).fetch_optional(&self.readers).await;
        let Some(row) = row.map_err(QueueError::during("read an event"))? else { return Ok(None) };
        let sealed: String = get(&row, "sealed")?;
        let Some(body) = secrets.open(&purpose(request), &sealed) else { return Ok(None) };
        Ok(Some(RecordedEvent {
            request,
            key: FunctionKey {
                project: ProjectId(get(&row, "project")?),
                package: get(&row, "package")?,
                name: get(&row, "name")?,
            },
            func_id: get(&row, "func_id")?,
            version: get(&row, "version")?,
            digest: get(&row, "digest")?,
            alias: get(&row, "alias")?,
            memory_mb: get(&row, "memory_mb")?,
            created: rows::time("created", get(&row, "created")?)?,
            body: Bytes::from(body),
        }))
    }
}

fn purpose(request: RequestId) -> String {
    format!("recorded.sealed {request}")
}

fn bytes(request: RequestId) -> Vec<u8> {
    request.bytes().to_vec()
}
