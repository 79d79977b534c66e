//! Finding the log of one call whose function nobody named.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fungraph_model::{FunctionKey, ProjectId, RequestId};

use super::reader::{LogFilter, LogReader, LogRecord};
use super::{LogError, segment};

/// The log of a call, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The function that was called.
    pub function: FunctionKey,
    /// What was kept of the call.
    pub record: LogRecord,
}

/// Looks for a call in the logs of all functions below a data folder, those written last first. What vanishes meanwhile, because its
/// turn to leave has come, is not found.
///
/// # Errors
/// [`LogError::Io`] where a segment cannot be read.
pub fn find(folder: &Path, request: RequestId) -> Result<Option<Found>, LogError> {
    let filter = LogFilter { request: Some(request), ..LogFilter::default() };
    for (_, path, function) in newest_first(&segment::root(folder)) {
        if let Some(record) = LogReader::of_segment(path, filter.clone()).next() {
            return Ok(Some(Found { function, record: record? }));
        }
    }
    Ok(None)
}

/// Every function that has a folder here.
pub(super) fn functions(root: &Path) -> Vec<FunctionKey> {
    folders(root).map(|(_, key)| key).collect()
}

/// The folder of each function.
fn folders(root: &Path) -> impl Iterator<Item = (PathBuf, FunctionKey)> {
    let packages = entries(root).into_iter().flat_map(|project| entries(&project));
    packages.flat_map(|package| entries(&package)).map(|function| {
        let key = key(&function);
        (function, key)
    })
}

/// Every segment with the time of its last change and its function.
fn newest_first(root: &Path) -> Vec<(SystemTime, PathBuf, FunctionKey)> {
    let mut found = Vec::new();
    for (function, key) in folders(root) {
        for path in entries(&function).into_iter().filter(|path| segment::number(path).is_some()) {
            let changed = fs::metadata(&path).and_then(|about| about.modified());
            found.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), path, key.clone()));
        }
    }
    // By path too: where the clock of the file system is coarse, a higher number is later.
    found.sort_unstable_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Whose folder it is: its last three parts are project, package and name.
fn key(folder: &Path) -> FunctionKey {
    let mut parts = folder.iter().rev().map(|part| segment::name(&part.to_string_lossy()));
    let mut next = || parts.next().unwrap_or_default();
    let (name, package, project) = (next(), next(), next());
    FunctionKey { project: ProjectId(project), package, name }
}
