//! What goes where room is wanted, or where nobody has wanted it for long.
//!
//! First what broken pulls have left, the oldest first; then images that no function uses, the least recently used first. What
//! functions use never goes: where that fills the disk, a pull is refused.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use fungraph_model::Digest;

use super::error::{ImageError, during};
use super::room::{InUse, Kept, NoRoom, State};
use super::shelf::Shelf;
use crate::packages::disk;

/// Files that broken pulls may leave: whoever names images could else fill a folder with small ones.
const MOST_LEFT: usize = 1000;

/// Folders that are no images any more; deleted when dropped.
#[derive(Default)]
pub(super) struct Gone(Vec<disk::Staging>);

/// What a broken pull has left.
pub(super) struct Left {
    path: PathBuf,
    bytes: u64,
    changed: SystemTime,
}

impl Shelf {
    /// Makes room for so many bytes more than are taken; what is returned is still to be deleted.
    ///
    /// # Errors
    /// What is in use leaves none.
    pub(super) fn make_room(&self, state: &mut State, bytes: u64, in_use: &InUse) -> Result<Gone, NoRoom> {
        let mut gone = Gone::default();
        let mut left = self.left().map_err(NoRoom::Io)?;
        loop {
            let of_left = left.iter().map(|left| left.bytes).fold(0, u64::saturating_add);
            let taken = state.images_and_pulls().saturating_add(of_left).saturating_add(bytes);
            if taken <= self.room.total && left.len() <= MOST_LEFT {
                return Ok(gone);
            }
            if let Some(oldest) = left.pop() {
                self.drop_left(&oldest).map_err(NoRoom::Io)?;
                continue;
            }
            let full = || NoRoom::Left { most: self.room.total >> 20 };
            let unused = self.least_recently_used(state, in_use).ok_or_else(full)?;
            if !self.evict(&unused, &mut gone).map_err(NoRoom::Io)? {
                // Somebody has just begun to use it.
                return Err(full());
            }
            tracing::info!(digest = unused, "an image that no function uses was removed to make room");
            state.images.remove(&unused);
        }
    }

    /// An image that no function uses, and that nobody has used since that was found out.
    fn least_recently_used(&self, state: &State, in_use: &InUse) -> Option<String> {
        let held = self.holds.lock();
        let is_free = |digest: &String, image: &Kept| {
            image.moment < in_use.moment && !held.contains_key(digest) && !in_use.all.contains(&Digest(digest.clone()))
        };
        let free = state.images.iter().filter(|(digest, image)| is_free(digest, image));
        free.min_by_key(|(_, image)| image.moment).map(|(digest, _)| digest.clone())
    }

    /// Removes images that no function has used for as long as the limits say, and what broken pulls left; returns how many images.
    pub(super) fn collect(&self, live: &HashSet<Digest>) -> Result<usize, ImageError> {
        let kept_for = self.limits.unused;
        let is_old = |changed: SystemTime| changed.elapsed().is_ok_and(|age| age >= kept_for);
        let mut gone = Gone::default();
        let mut state = self.room.lock();
        let unused =
            |(digest, image): &(&String, &Kept)| is_old(image.last) && !live.contains(&Digest((*digest).clone()));
        let unused: Vec<String> = state.images.iter().filter(unused).map(|(digest, _)| digest.clone()).collect();
        let mut removed = 0;
        for digest in unused {
            if self.evict(&digest, &mut gone)? {
                state.images.remove(&digest);
                removed += 1;
            }
        }
        drop(state);
        for left in self.left()?.iter().filter(|left| left.changed.elapsed().is_ok_and(|age| age > self.limits.left)) {
            self.drop_left(left)?;
        }
        Ok(removed)
    }

    /// Takes an image away unless somebody holds it; says whether it is gone.
    fn evict(&self, digest: &str, gone: &mut Gone) -> Result<bool, ImageError> {
        let staging = disk::Staging::new(&self.root).map_err(during("make a folder in", &self.root))?;
        // Held until it is moved: nobody can take it in between.
        let held = self.holds.lock();
        if held.contains_key(digest) {
            return Ok(false);
        }
        let home = self.home(digest);
        match std::fs::rename(&home, staging.path().join("old")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(during("move away", &home)(error)),
            _ => {}
        }
        drop(held);
        gone.0.push(staging);
        Ok(true)
    }

    /// Layers that no pull works with, the newest first.
    fn left(&self) -> Result<Vec<Left>, ImageError> {
        let folder = self.blobs();
        let failed = during("look at the layers in", &folder);
        let held = self.holds.lock();
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| name.split('.').next()).unwrap_or_default();
            if held.contains_key(digest) {
                continue;
            }
            // Whoever is faster has removed it.
            let Ok(file) = entry.metadata() else { continue };
            let changed = file.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            all.push(Left { path: entry.path(), bytes: file.len(), changed });
        }
        all.sort_by_key(|left| std::cmp::Reverse(left.changed));
        Ok(all)
    }

    fn drop_left(&self, left: &Left) -> Result<(), ImageError> {
        let held = self.holds.lock();
        let name = left.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.split('.').next().is_some_and(|digest| held.contains_key(digest)) {
            return Ok(());
        }
        match std::fs::remove_file(&left.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(during("remove", &left.path)(error)),
            _ => Ok(()),
        }
    }
}
