//! The folder of a sandbox that is filled after its start.
//!
//! An empty folder of the staging area becomes a shared mount that is bound into the root before the sandbox copies its mounts.
//! The copy is a slave, since it belongs to another user namespace: what is mounted upon it here later appears there too, locked as
//! it is (`mount_namespaces(7)`). Nothing travels the other way. All sandboxes have the same empty folder: one that went away would
//! take along what lies upon it, wherever that is.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::mounts;
use super::staging::Staging;

/// A late folder that is still empty.
#[derive(Debug)]
pub(super) struct Late {
    /// Where its mount is, here, not inside.
    folder: PathBuf,
    /// The shared mount on it.
    mount: OwnedFd,
    /// Mounts one upon the other: the shared one, and what fills it.
    layers: usize,
}

impl Late {
    /// Makes it; it is still to be shown somewhere.
    pub(super) fn prepare(staging: &Staging, id: &str) -> io::Result<Late> {
        let folder = staging.path("late").join(id);
        fs::create_dir(&folder)?;
        let mount = mounts::share(&staging.path("empty"), &folder).inspect_err(|_| remove(&folder))?;
        Ok(Late { folder, mount, layers: 1 })
    }

    /// Shows it in a root that is being put together, at `target`.
    pub(super) fn show(&self, target: &Path) -> io::Result<()> {
        mounts::bind(&self.folder, target)
    }

    /// Where it is, for an OCI program to show it: crun makes everything private that was in the root before.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fills it. From then on the sandbox has the only copy.
    pub(super) fn fill(mut self, source: &Path) -> io::Result<()> {
        mounts::attach_read_only(source, &self.folder)?;
        self.layers += 1;
        Ok(())
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        // A shared mount would take its copies along.
        if let Err(error) = mounts::unshare(&self.mount) {
            return tracing::warn!(%error, folder = %self.folder.display(), "cannot let a late folder go");
        }
        for _ in 0..self.layers {
            mounts::detach(&self.folder);
        }
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir(folder) {
        tracing::warn!(%error, folder = %folder.display(), "cannot remove a late folder");
    }
}
