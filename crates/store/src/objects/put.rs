//! Objects that this server writes: what asynchronous calls leave for their owners.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use rusty_s3::{Bucket, Credentials, S3Action as _};

use super::Objects;
use super::address::Place;

/// Longest that the store may take for one.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a signature counts: a request begins at once.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// Days after which the service's store removes an object; others leave it alone, as they do what they do not know.
const EXPIRES: &str = "x-obs-expires";

/// Why an object is not there. The text names no address: a tenant may read it.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The store cannot be asked.
    #[error("the object store cannot be reached")]
    Unreachable,
    /// It has answered, and not taken it.
    #[error("the object store answered with status {status}")]
    Refused {
        /// Of HTTP.
        status: u16,
    },
    /// It did not come to an answer.
    #[error("the object store did not answer, or sends us elsewhere")]
    Broken,
}

/// Whether it was the store that did not answer. Where a bucket is a host of its own, one that is mistyped tells nothing of the others.
fn is_store(asked: Option<&Url>, store: &Url) -> bool {
    asked.is_some_and(|asked| asked.host_str() == store.host_str())
}

impl Objects {
    /// Whether there is a store to write to.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.settings.endpoint.is_some()
    }

    /// Writes a JSON text as an object; whatever has its name already is replaced. `name` has no parts `.` and `..`.
    ///
    /// # Errors
    /// [`PutError`].
    pub async fn put_json(&self, bucket: &str, name: &str, expires_days: u32, body: Bytes) -> Result<(), PutError> {
        let endpoint = self.settings.endpoint.as_ref().ok_or(PutError::Unreachable)?;
        let style = Place::style(endpoint);
        let bucket = Bucket::new(endpoint.url.clone(), style, bucket.to_owned(), endpoint.region.clone());
        let bucket = bucket.map_err(|_| PutError::Broken)?;
        let account = endpoint.account.as_ref().map(|(key, secret)| Credentials::new(key.as_str(), secret.reveal()));
        let url = bucket.put_object(account.as_ref(), name).sign(SIGNED_FOR);
        let client = self.store_client().ok_or(PutError::Unreachable)?;
        let mut request = client.put(url).timeout(PATIENCE).header(CONTENT_TYPE, "application/json");
        request = request.header(CONTENT_LENGTH, body.len());
        if expires_days > 0 {
            request = request.header(EXPIRES, expires_days);
        }
        match request.body(body).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(PutError::Refused { status: answer.status().as_u16() }),
            Err(error) if error.is_connect() && is_store(error.url(), &endpoint.url) => Err(PutError::Unreachable),
            Err(_) => Err(PutError::Broken),
        }
    }
}
