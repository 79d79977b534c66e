//! The folders of a sandbox that are filled after its start: its code's, and its mount points.
//!
//! An empty folder of the staging area becomes a shared mount that is bound into the root before the sandbox copies its mounts.
//! The copy is a slave, since it belongs to another user namespace: what is mounted upon it here later appears there too, locked as
//! it is (`mount_namespaces(7)`). Nothing travels the other way. All sandboxes have the same empty folder: one that went away would
//! take along what lies upon it, wherever that is.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::launcher::{LaunchError, step};
use super::mounts;
use super::shares::Shares;
use super::skeleton::inside;
use super::staging::Staging;
use crate::fit::Fit;
use crate::launch::{Launch, User};
use crate::share::Mount;

/// All of a sandbox, still empty.
#[derive(Debug)]
pub(super) struct LateFolders {
    code: Option<Late>,
    mount_points: Vec<Late>,
}

impl LateFolders {
    /// Makes those that a launch wants; they are still to be shown somewhere.
    pub(super) fn prepare(staging: &Staging, launch: &Launch) -> io::Result<LateFolders> {
        let code = launch.late.as_ref().map(|place| Late::prepare(staging, &launch.id, place)).transpose()?;
        let numbered = launch.mount_points.iter().enumerate();
        let mount_points =
            numbered.map(|(number, place)| Late::prepare(staging, &format!("{}.{number}", launch.id), place));
        Ok(LateFolders { code, mount_points: mount_points.collect::<Result<_, _>>()? })
    }

    /// Shows them in a root that is being put together.
    pub(super) fn show_in(&self, root: &Path) -> io::Result<()> {
        self.all().try_for_each(|late| mounts::bind(&late.folder, &inside(root, &late.place)))
    }

    /// Where each is, by its place inside, for an OCI program to show it: crun makes everything private that was in the root before.
    pub(super) fn places(&self) -> Vec<(&str, &Path)> {
        self.all().map(|late| (late.place.as_str(), late.folder.as_path())).collect()
    }

    /// Fills them. `user` is the sandbox's own, as the host knows it.
    pub(super) fn fill(self, fit: &Fit, shares: &Shares, user: User) -> Result<(), LaunchError> {
        let LateFolders { code, mut mount_points } = self;
        let code = code.ok_or(LaunchError::NoLateFolder)?;
        for mount in &fit.mounts {
            let place = mount_points.iter().position(|late| late.place == mount.place);
            let place = place.ok_or_else(|| LaunchError::NoMountPoint { place: mount.place.clone() })?;
            mount_points.swap_remove(place).fill_with(mount, shares, user)?;
        }
        code.fill(&fit.source)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", fit.source.display())))
            .map_err(step("show a folder"))
    }

    fn all(&self) -> impl Iterator<Item = &Late> {
        self.code.iter().chain(&self.mount_points)
    }
}

/// A late folder that is still empty.
#[derive(Debug)]
struct Late {
    /// Where it is inside.
    place: String,
    /// Where its mount is, here, not inside.
    folder: PathBuf,
    /// The shared mount on it.
    mount: OwnedFd,
    /// Mounts one upon the other: the shared one, and what fills it.
    layers: usize,
}

impl Late {
    fn prepare(staging: &Staging, name: &str, place: &str) -> io::Result<Late> {
        let folder = staging.path("late").join(name);
        fs::create_dir(&folder)?;
        let mount = mounts::share(&staging.path("empty"), &folder).inspect_err(|_| remove(&folder))?;
        Ok(Late { place: place.to_owned(), folder, mount, layers: 1 })
    }

    /// Fills it with a folder that nobody changes. From then on the sandbox has the only copy.
    fn fill(mut self, source: &Path) -> io::Result<()> {
        mounts::attach_read_only(source, &self.folder)?;
        self.layers += 1;
        Ok(())
    }

    /// Fills it with what the operator gives away.
    fn fill_with(mut self, mount: &Mount, shares: &Shares, user: User) -> Result<(), LaunchError> {
        let opened = shares.open(mount, user).map_err(LaunchError::Share)?;
        mounts::attach(&opened.tree, &self.folder).map_err(step("show a mount"))?;
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
