//! What every scenario needs: the binary, a server in a fresh folder, plain HTTP, and waiting for conditions.

mod http;
mod run;
mod server;
mod stand_in;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) use http::{Answer, dechunk, request};
pub(crate) use run::{Run, fungraph, fungraph_in, fungraph_with};
pub(crate) use server::{Server, children, has_code, instance, instances, is_over, pid as server_pid};
pub(crate) use stand_in::{read_head, stand_in};

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A fresh folder that the user whom a server becomes may enter.
pub(crate) fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder for the test");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    folder
}

/// Waits until `check` gives something.
///
/// # Panics
/// After a minute, with `what` never happened.
pub(crate) fn wait_for<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not happen within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}
