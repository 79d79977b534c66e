//! Objects: each notice is one, in the store that the operator names.

use bytes::Bytes;
use fungraph_store::objects::{Objects, PutError};

use super::{Undelivered, client};

pub(super) async fn put(
    objects: &Objects,
    bucket: &str,
    name: &str,
    expires_days: u32,
    payload: Bytes,
) -> Result<(), Undelivered> {
    objects.put_json(bucket, name, expires_days, payload).await.map_err(|error| match error {
        PutError::Unreachable => Undelivered::Unreachable(error.to_string()),
        PutError::Refused { status } => client::refused(status),
        PutError::Broken => Undelivered::Refused(error.to_string()),
    })
}
