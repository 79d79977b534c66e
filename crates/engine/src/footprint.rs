//! What the code of a project takes of the disk once it is unpacked: the quota counts packages as they come, and a small one may hold much.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use fungraph_model::{ErrorCode, Fault, FunctionKey, FunctionVersion, ProjectId};
use fungraph_store::Tree;

use crate::{Engine, Error, code::package_error};

/// How many times its quota of packages a project's code may take unpacked. The largest package that is fetched has 300 MB, and may
/// unpack to 1,500 MB (contract: limits.md): a project may be full of those.
const UNPACKED: u64 = 5;

/// Projects of which it is remembered.
const KEPT: usize = 10_000;

/// What each project's code takes at most: as it was counted the last time, with all that came since. What went is not taken off, so it
/// is counted again before anybody is refused.
#[derive(Debug, Default)]
pub(crate) struct Footprints(Mutex<HashMap<ProjectId, u64>>);

impl Footprints {
    /// Adds so many bytes where they are certain to fit.
    fn add(&self, project: &ProjectId, bytes: u64, most: u64) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.get_mut(project) else { return false };
        let whole = known.saturating_add(bytes);
        let fits = whole <= most;
        if fits {
            *known = whole;
        }
        fits
    }

    fn set(&self, project: &ProjectId, bytes: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(project.clone(), bytes);
    }
}

/// The folders that instances of a version need.
pub(crate) fn trees(version: &FunctionVersion) -> HashSet<Tree> {
    let code = version.image.is_none().then(|| Tree::of(&version.code));
    code.into_iter().chain(version.merged.as_ref().map(Tree::merged)).collect()
}

impl Engine {
    /// Whether a project's code leaves room for these folders too, which are there already. `replaced` is whose latest they take the place
    /// of. The caller has the project's turn.
    ///
    /// # Errors
    /// FSS.1042.
    pub(crate) async fn check_footprint(
        &self,
        project: &ProjectId,
        new: HashSet<Tree>,
        replaced: Option<&FunctionKey>,
    ) -> Result<(), Error> {
        let most = self.config.code_bytes_per_project.saturating_mul(UNPACKED);
        let bytes = self.packages.take(new.clone()).await.map_err(package_error)?;
        if self.footprints.add(project, bytes, most) {
            return Ok(());
        }
        let all = self.footprint(project, &new, None).await?;
        self.footprints.set(project, all);
        if all <= most || (replaced.is_some() && self.footprint(project, &new, replaced).await? <= most) {
            return Ok(());
        }
        Err(Fault::new(
            ErrorCode::CodeQuota,
            format!(
                "The project's code would take more than {} MB of disk once unpacked, {UNPACKED} times its quota. Delete functions or \
                 dependencies, leave out what the code does not need, or raise limits.code_mb_per_project",
                most >> 20
            ),
        )
        .into())
    }

    /// Bytes that a project's code takes with these folders, whichever of them it has already.
    async fn footprint(
        &self,
        project: &ProjectId,
        new: &HashSet<Tree>,
        but_latest_of: Option<&FunctionKey>,
    ) -> Result<u64, Error> {
        let trees = self.store.trees_in_use(project, but_latest_of).await;
        let mut trees = trees.map_err(|source| Error::internal("list the code of a project", source))?;
        trees.extend(new.iter().cloned());
        self.packages.take(trees).await.map_err(package_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_grows_as_long_as_it_is_certain_to_fit() {
        let (footprints, project) = (Footprints::default(), ProjectId("p".to_owned()));
        assert!(!footprints.add(&project, 1, 10), "nobody has counted yet");
        footprints.set(&project, 4);
        assert!(footprints.add(&project, 6, 10));
        assert!(!footprints.add(&project, 1, 10));
        assert!(!footprints.add(&project, u64::MAX, 10));
        assert!(footprints.add(&project, 0, 10));
    }

    #[test]
    fn no_more_projects_are_remembered_than_that() {
        let footprints = Footprints::default();
        (0..=KEPT).for_each(|number| footprints.set(&ProjectId(number.to_string()), 1));
        assert!(footprints.0.lock().expect("no test panicked").len() <= KEPT);
    }
}
