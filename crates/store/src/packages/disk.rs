//! Folders and files with exact modes, brought to disk; independent of the umask of whoever started the server.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

const STAGING: &str = ".new-";
/// Up to this many files and folders, each is synced alone; beyond, one sync of the file system is cheaper than thousands. Each costs the
/// same, an empty folder too: every sync waits for the journal.
const SYNCED_ALONE: usize = 64;
/// Bytes of a block, in which file systems give room.
const BLOCK: u64 = 4096;

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

/// What so many bytes take: whole blocks, one at least.
pub(crate) fn blocks(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(BLOCK)
}

/// The sum over a tree: a block for each folder, and what `of_file` says of all else.
pub(crate) fn sum(tree: &Path, of_file: &impl Fn(&Metadata) -> u64) -> io::Result<u64> {
    fs::read_dir(tree)?.try_fold(BLOCK, |total, entry| {
        let entry = entry?;
        let about = entry.metadata()?;
        Ok(total + if about.is_dir() { sum(&entry.path(), of_file)? } else { of_file(&about) })
    })
}

/// Brings a tree to disk.
pub(crate) fn settle(tree: &Path) -> io::Result<()> {
    let mut few = Vec::new();
    if !collect(tree, &mut few)? {
        return settle_all(tree);
    }
    few.iter().try_for_each(|path| File::open(path)?.sync_all())
}

/// Brings the whole file system of a tree to disk, without a look at what is in it.
pub(crate) fn settle_all(tree: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(tree)?).map_err(io::Error::from)
}

/// Files and folders of a tree, a folder after what it holds; false where there are too many to be synced one by one.
fn collect(tree: &Path, found: &mut Vec<PathBuf>) -> io::Result<bool> {
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !collect(&entry.path(), found)? {
                return Ok(false);
            }
        } else if kind.is_file() {
            found.push(entry.path());
        }
        if found.len() >= SYNCED_ALONE {
            return Ok(false);
        }
    }
    found.push(tree.to_owned());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a tree are synced one by one; none where all of the file system is.
    fn alone(files: usize, folders: usize) -> Option<usize> {
        let tree = tempfile::tempdir().expect("a folder");
        (0..files).for_each(|n| fs::write(tree.path().join(format!("f{n}")), "x").expect("it is written"));
        (0..folders).for_each(|n| fs::create_dir(tree.path().join(format!("d{n}"))).expect("it is made"));
        settle(tree.path()).expect("it is brought to disk");
        let mut found = Vec::new();
        collect(tree.path(), &mut found).expect("it can be read").then_some(found.len())
    }

    #[test]
    fn few_are_synced_alone_and_empty_folders_count_as_files_do() {
        assert_eq!(alone(0, 0), Some(1));
        assert_eq!(alone(3, 2), Some(6));
        assert_eq!(alone(SYNCED_ALONE - 1, 0), Some(SYNCED_ALONE));
        assert_eq!(alone(SYNCED_ALONE, 0), None);
        assert_eq!(alone(1, SYNCED_ALONE), None);
        assert_eq!(alone(0, 200), None);
    }

    #[test]
    fn a_folder_comes_after_what_it_holds() {
        let tree = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(tree.path().join("a/b")).expect("it is made");
        fs::write(tree.path().join("a/b/file"), "x").expect("it is written");
        std::os::unix::fs::symlink("/", tree.path().join("a/link")).expect("it is linked");
        let mut found = Vec::new();
        assert!(collect(tree.path(), &mut found).expect("it can be read"));
        let names: Vec<_> = found.iter().filter_map(|path| path.strip_prefix(tree.path()).ok()?.to_str()).collect();
        assert_eq!(names, ["a/b/file", "a/b", "a", ""]);
    }
}
