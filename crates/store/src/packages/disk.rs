//! Folders and files with exact modes, brought to disk; independent of the umask of whoever started the server.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

const STAGING: &str = ".new-";
/// Up to this many files, each is synced alone; beyond, one sync of the file system is cheaper than thousands.
const SYNCED_ALONE: usize = 64;

/// A folder for things being made or removed; goes with all it holds when dropped.
#[derive(Debug)]
pub(crate) struct Staging(PathBuf);

impl Staging {
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        let path = root.join(format!("{STAGING}{}", Uuid::new_v4()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A drop cannot answer, and the next start sweeps what stays.
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "could not remove a temporary folder");
        }
    }
}

/// Removes what an interrupted run left.
pub(crate) fn sweep(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(STAGING.as_bytes())
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            // Nothing else depends on it: no reason not to start.
            tracing::warn!(path = %entry.path().display(), %error, "could not remove a temporary folder");
        }
    }
    Ok(())
}

/// A folder of mode 0755, with missing parents; one that exists keeps its mode.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folder(parent)?;
    }
    match DirBuilder::new().mode(0o755).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(e),
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o755)),
    }
}

/// A new file; fails where the name is taken, also by a link.
pub(crate) fn create_file(path: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

/// Brings a tree of `files` files to disk.
pub(crate) fn settle(tree: &Path, files: usize) -> io::Result<()> {
    if files > SYNCED_ALONE {
        return rustix::fs::syncfs(File::open(tree)?).map_err(io::Error::from);
    }
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            settle(&entry.path(), files)?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(tree)?.sync_all()
}
