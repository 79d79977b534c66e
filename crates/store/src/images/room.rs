//! Room on this disk: what images and pulls take of it, for whom, and what goes where more is wanted.
//!
//! What goes first is what broken pulls have left, the oldest first; then images that no function uses, the least recently used first. What
//! functions use never goes: where that fills the disk, a pull is refused.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use fungraph_model::{Digest, ErrorCode, Fault, ProjectId};

use super::error::{ImageError, during};
use super::shelf::Shelf;
use crate::packages::disk;

/// Which images functions use, as it was known at one moment.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    moment: u64,
    all: HashSet<Digest>,
    of_project: HashSet<Digest>,
    project: Option<ProjectId>,
}

/// A moment in the life of the images of a data folder.
#[derive(Clone, Copy, Debug)]
pub struct Moment(u64);

impl InUse {
    /// Of `project`, what was found out after `moment`: the project and digest of every image function, and images that are in use
    /// besides.
    #[must_use]
    pub fn of(moment: Moment, project: ProjectId, functions: Vec<(ProjectId, Digest)>, more: HashSet<Digest>) -> Self {
        let of_project = functions.iter().filter(|(of, _)| *of == project).map(|(_, digest)| digest.clone()).collect();
        let all = functions.into_iter().map(|(_, digest)| digest).chain(more).collect();
        Self { moment: moment.0, all, of_project, project: Some(project) }
    }

    /// For what the operator wants himself: he has no share, nothing makes room for it, and who names a registry here allows it.
    #[must_use]
    pub fn by_operator() -> Self {
        Self::default()
    }

    pub(super) fn is_by_operator(&self) -> bool {
        self.project.is_none()
    }

    pub(super) fn project_name(&self) -> &str {
        self.project.as_ref().map_or("the operator", |project| &project.0)
    }
}

/// Who takes how much.
#[derive(Debug)]
pub(super) struct Room {
    total: u64,
    per_project: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    images: HashMap<String, Kept>,
    pulls: HashMap<u64, Taken>,
    /// Goes on with every use of an image.
    moment: u64,
    next_pull: u64,
}

#[derive(Debug)]
struct Kept {
    bytes: u64,
    /// Of its last use.
    moment: u64,
    last: SystemTime,
}

#[derive(Debug)]
struct Taken {
    project: Option<ProjectId>,
    bytes: u64,
}

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRoom {
    /// The project has its share.
    #[error("the project's images take {most} MB, their most")]
    OfProject { most: u64 },
    /// What is in use fills all there is.
    #[error("the images that are in use take {most} MB, their most")]
    Left { most: u64 },
    #[error("it cannot be made")]
    Io(#[source] ImageError),
}

impl From<NoRoom> for ImageError {
    fn from(no_room: NoRoom) -> Self {
        let (code, message) = match no_room {
            NoRoom::Io(error) => return error,
            NoRoom::OfProject { most } => (
                ErrorCode::CodeQuota,
                format!(
                    "The images of the project's functions would take more than {most} MB of this server's disk. Delete functions whose \
                     images are not needed, or raise images.total_mb_per_project"
                ),
            ),
            NoRoom::Left { most } => (
                ErrorCode::Unavailable,
                format!(
                    "This server has no room for the image: those that functions use, or that are being pulled, fill its {most} MB. Delete \
                     functions whose images are not needed, or have the operator raise images.total_mb"
                ),
            ),
        };
        Self::Refused(Fault::new(code, message))
    }
}

impl Room {
    /// `images`: digest, bytes on disk, and when it was used last, of what is there. 0 MB of a project means all.
    pub(super) fn new(total: u64, per_project: u64, mut images: Vec<(String, u64, SystemTime)>) -> Self {
        images.sort_by_key(|(_, _, last)| *last);
        let kept = (1..).zip(images).map(|(moment, (digest, bytes, last))| (digest, Kept { bytes, moment, last }));
        let images: HashMap<_, _> = kept.collect();
        let state = State { moment: images.len() as u64, images, ..State::default() };
        let per_project = if per_project == 0 { u64::MAX } else { per_project };
        Self { total, per_project, state: Mutex::new(state) }
    }

    pub(super) fn now(&self) -> Moment {
        let mut state = self.lock();
        state.moment += 1;
        Moment(state.moment)
    }

    /// An image is used, or has been used until now.
    pub(super) fn used(&self, digest: &str) {
        let mut state = self.lock();
        state.moment += 1;
        let moment = state.moment;
        if let Some(image) = state.images.get_mut(digest) {
            (image.moment, image.last) = (moment, SystemTime::now());
        }
    }

    /// An image is there now.
    pub(super) fn keep(&self, digest: &str, bytes: u64) {
        let mut state = self.lock();
        state.moment += 1;
        let kept = Kept { bytes, moment: state.moment, last: SystemTime::now() };
        state.images.insert(digest.to_owned(), kept);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn images_and_pulls(&self) -> u64 {
        let images = self.images.values().map(|image| image.bytes);
        images.chain(self.pulls.values().map(|pull| pull.bytes)).fold(0, u64::saturating_add)
    }

    fn of_project(&self, in_use: &InUse) -> u64 {
        let images = in_use.of_project.iter().filter_map(|digest| self.images.get(&digest.0)).map(|image| image.bytes);
        let pulls = self.pulls.values().filter(|pull| pull.project == in_use.project).map(|pull| pull.bytes);
        images.chain(pulls).fold(0, u64::saturating_add)
    }
}

/// What one pull takes until it ends; then its image counts by itself, and what it leaves counts as left.
pub(super) struct Pull {
    shelf: Arc<Shelf>,
    in_use: InUse,
    number: u64,
}

impl Pull {
    pub(super) fn begin(shelf: Arc<Shelf>, in_use: InUse) -> Self {
        let number = {
            let mut state = shelf.room.lock();
            state.next_pull += 1;
            let number = state.next_pull;
            state.pulls.insert(number, Taken { project: in_use.project.clone(), bytes: 0 });
            number
        };
        Self { shelf, in_use, number }
    }

    /// Takes more; makes room for it where it can.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn take(&self, bytes: u64) -> Result<(), NoRoom> {
        let room = &self.shelf.room;
        let mut gone = Gone::default();
        let mut state = room.lock();
        if self.in_use.project.is_some() && state.of_project(&self.in_use).saturating_add(bytes) > room.per_project {
            return Err(NoRoom::OfProject { most: room.per_project >> 20 });
        }
        let mut left = self.shelf.left().map_err(NoRoom::Io)?;
        loop {
            let taken = state.images_and_pulls().saturating_add(left.iter().map(|left| left.bytes).sum());
            if taken.saturating_add(bytes) <= room.total {
                break;
            }
            if let Some(oldest) = left.pop() {
                self.shelf.drop_left(&oldest).map_err(NoRoom::Io)?;
                continue;
            }
            let unused = self.least_recently_used(&state).ok_or(NoRoom::Left { most: room.total >> 20 })?;
            let moved = self.shelf.evict(&unused, &mut gone).map_err(NoRoom::Io)?;
            if moved {
                tracing::info!(digest = unused, "an image that no function uses was removed to make room");
                state.images.remove(&unused);
            } else {
                // Somebody has just begun to use it.
                return Err(NoRoom::Left { most: room.total >> 20 });
            }
        }
        if let Some(taken) = state.pulls.get_mut(&self.number) {
            taken.bytes += bytes;
        }
        drop(state);
        // What is gone is deleted now that nobody waits for it.
        drop(gone);
        Ok(())
    }

    fn least_recently_used(&self, state: &State) -> Option<String> {
        let held = self.shelf.holds.lock();
        let is_free = |digest: &String, image: &Kept| {
            image.moment < self.in_use.moment
                && !held.contains_key(digest)
                && !self.in_use.all.contains(&Digest(digest.clone()))
        };
        let free = state.images.iter().filter(|(digest, image)| is_free(digest, image));
        free.min_by_key(|(_, image)| image.moment).map(|(digest, _)| digest.clone())
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.shelf.room.lock().pulls.remove(&self.number);
    }
}

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
