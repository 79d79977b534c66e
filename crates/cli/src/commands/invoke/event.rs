//! The event of a call: `--data JSON`, `--data @FILE`, `--data -`.

use std::fs;
use std::io::{self, Read};

use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::exit::Stop;

/// The event as it was given.
///
/// # Errors
/// A file or the standard input cannot be read.
pub(super) fn read(data: &str) -> anyhow::Result<Bytes> {
    let unreadable = |what: &str, error: io::Error| Stop::usage(format!("--data: cannot read {what}: {error}"));
    let bytes = if data == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(|error| unreadable("the standard input", error))?;
        bytes
    } else if let Some(path) = data.strip_prefix('@') {
        fs::read(path).map_err(|error| unreadable(path, error))?
    } else {
        data.as_bytes().to_vec()
    };
    Ok(bytes.into())
}

/// Refuses what no handler of Python or Node.js could get, with the place of the mistake.
///
/// # Errors
/// It is no JSON.
pub(super) fn check_json(event: &[u8]) -> anyhow::Result<()> {
    if event.is_empty() {
        return Ok(());
    }
    let found: Result<IgnoredAny, serde_json::Error> = serde_json::from_slice(event);
    found.map(|_| ()).map_err(|error| {
        Stop::usage(format!(
            "--data is not JSON: {error}; in a shell, put it in single quotes: --data '{{\"name\": \"Ada\"}}'"
        ))
    })
}
