//! How many calls stand in line: counted for their project and for the host, since both have limits.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use fungraph_model::ProjectId;

/// The lines of one project's functions, and all lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    project: AtomicUsize,
    all: Arc<AtomicUsize>,
}

/// A place in line; dropping it leaves the line.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Lines);

impl Lines {
    pub(crate) fn join(&self) -> Place<'_> {
        self.project.fetch_add(1, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
        Place(self)
    }

    /// How many more there may be.
    pub(crate) fn room(&self, per_project: usize, all: usize) -> usize {
        let of_project = per_project.saturating_sub(self.project.load(Ordering::Relaxed));
        of_project.min(all.saturating_sub(self.all.load(Ordering::Relaxed)))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.project.fetch_sub(1, Ordering::Relaxed);
        self.0.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The lines of every project that has functions in the pool.
#[derive(Debug, Default)]
pub(crate) struct AllLines {
    projects: Mutex<HashMap<ProjectId, Weak<Lines>>>,
    all: Arc<AtomicUsize>,
}

impl AllLines {
    pub(crate) fn of(&self, project: &ProjectId) -> Arc<Lines> {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lines) = projects.get(project).and_then(Weak::upgrade) {
            return lines;
        }
        projects.retain(|_, lines| lines.strong_count() > 0);
        let lines = Arc::new(Lines { project: AtomicUsize::new(0), all: Arc::clone(&self.all) });
        projects.insert(project.clone(), Arc::downgrade(&lines));
        lines
    }

    /// Calls in line for all functions.
    pub(crate) fn waiting(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_for_their_project_and_for_all() {
        let all = AllLines::default();
        let (a, b) = (all.of(&ProjectId("a".into())), all.of(&ProjectId("b".into())));
        let again = all.of(&ProjectId("a".into()));
        let held = [a.join(), a.join(), again.join(), b.join()];
        assert_eq!((a.room(3, 9), a.room(5, 9), b.room(5, 9), b.room(5, 5)), (0, 2, 4, 1));
        drop(held);
        assert_eq!((a.room(3, 9), all.waiting()), (3, 0));
    }
}
