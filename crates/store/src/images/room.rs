//! Room on this disk: what images and pulls take of it, for whom, and what goes where more is wanted.
//!
//! This is the account; `clearing.rs` is what goes where there is not enough.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use fungraph_model::{Digest, ErrorCode, Fault, ProjectId};

use super::error::ImageError;
use super::shelf::Shelf;

/// Which images functions use, as it was known at one moment.
#[derive(Clone, Debug, Default)]
pub struct InUse {
    pub(super) moment: u64,
    pub(super) all: HashSet<Digest>,
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
    pub(super) total: u64,
    per_project: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) images: HashMap<String, Kept>,
    pulls: HashMap<u64, Taken>,
    /// Goes on with every use of an image.
    moment: u64,
    next_pull: u64,
}

#[derive(Debug)]
pub(super) struct Kept {
    bytes: u64,
    /// Of its last use.
    pub(super) moment: u64,
    pub(super) last: SystemTime,
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

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn images_and_pulls(&self) -> u64 {
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

    /// Takes more; room is made where it can be, which may mean to delete a lot.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn take(&self, bytes: u64) -> Result<(), NoRoom> {
        let room = &self.shelf.room;
        let mut state = room.lock();
        if self.in_use.project.is_some() && state.of_project(&self.in_use).saturating_add(bytes) > room.per_project {
            return Err(NoRoom::OfProject { most: room.per_project >> 20 });
        }
        let gone = self.shelf.make_room(&mut state, bytes, &self.in_use)?;
        if let Some(taken) = state.pulls.get_mut(&self.number) {
            taken.bytes = taken.bytes.saturating_add(bytes);
        }
        drop(state);
        // What is gone is deleted now that nobody waits for it.
        drop(gone);
        Ok(())
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        self.shelf.room.lock().pulls.remove(&self.number);
    }
}
