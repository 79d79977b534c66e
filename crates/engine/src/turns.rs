//! Turns: whoever looks at a limit, or at what others have, and then stores what counts against it does so alone in its scope. Other
//! scopes go on meanwhile: no project waits for another one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use fungraph_model::{DomainId, ProjectId};
use tokio::sync::{Mutex as Place, OwnedMutexGuard};

/// Scopes that are remembered before those that nobody is in are looked for.
const KEPT: usize = 64;

/// What is alone. Whoever needs several takes them in the order in which they stand here, so that no two ever wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// What counts against a project, and that it is there.
    Project(ProjectId),
    /// What counts against an account.
    Account(DomainId),
    /// The rankings of a project: they change nothing, but read much.
    Ranking(ProjectId),
    /// Paths and owner of a group of APIs, which projects may not share.
    ApiGroup(String),
}

/// A turn, until it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Turn(#[expect(dead_code, reason = "it is there to be dropped")] OwnedMutexGuard<()>);

/// Whose turn it is in each scope.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    by_scope: HashMap<Scope, Weak<Place<()>>>,
    /// Twice as many as were taken when it was last looked.
    most: usize,
}

impl Turns {
    /// Waits for the turn in a project.
    pub(crate) async fn of_project(&self, project: &ProjectId) -> Turn {
        self.of(Scope::Project(project.clone())).await
    }

    /// Waits for the turn in a scope; those who wait come one after the other, as they came.
    pub(crate) async fn of(&self, scope: Scope) -> Turn {
        let place = self.places.lock().unwrap_or_else(PoisonError::into_inner).of(scope);
        Turn(place.lock_owned().await)
    }

    /// Waits for the turns in all of these, in the one order that everybody keeps to.
    pub(crate) async fn of_all(&self, mut scopes: Vec<Scope>) -> Vec<Turn> {
        scopes.sort();
        scopes.dedup();
        let mut turns = Vec::with_capacity(scopes.len());
        for scope in scopes {
            turns.push(self.of(scope).await);
        }
        turns
    }
}

impl Places {
    /// A place lives as long as somebody is in it or waits for it.
    fn of(&mut self, scope: Scope) -> Arc<Place<()>> {
        if let Some(place) = self.by_scope.get(&scope).and_then(Weak::upgrade) {
            return place;
        }
        if self.by_scope.len() >= self.most.max(KEPT) {
            self.by_scope.retain(|_, place| place.strong_count() > 0);
            self.most = self.by_scope.len() * 2;
        }
        let place = Arc::new(Place::new(()));
        self.by_scope.insert(scope, Arc::downgrade(&place));
        place
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll};

    use super::*;

    fn project(name: &str) -> Scope {
        Scope::Project(ProjectId(name.to_owned()))
    }

    /// Whether a turn is to be had now.
    async fn is_free(turns: &Turns, scope: Scope) -> bool {
        let mut turn = pin!(turns.of(scope));
        poll_fn(|context| Poll::Ready(turn.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn a_scope_is_taken_by_one_and_others_are_free() {
        let turns = Turns::default();
        let taken = turns.of_project(&ProjectId("a".to_owned())).await;
        assert!(!is_free(&turns, project("a")).await);
        assert!(is_free(&turns, project("b")).await);
        assert!(is_free(&turns, Scope::ApiGroup("a".to_owned())).await);
        drop(taken);
        assert!(is_free(&turns, project("a")).await);
    }

    #[tokio::test]
    async fn several_scopes_are_taken_once_each_in_one_order() {
        let turns = Turns::default();
        let all = [project("b"), project("a"), project("b")];
        let taken = turns.of_all(all.to_vec()).await;
        assert_eq!(taken.len(), 2);
        drop(taken);
        // Who waits for the first of them holds none of the others.
        let first = turns.of(project("a")).await;
        let mut waiting = pin!(turns.of_all(all.to_vec()));
        poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_ready())).await;
        assert!(is_free(&turns, project("b")).await);
        drop(first);
        assert_eq!(waiting.await.len(), 2);
    }

    #[tokio::test]
    async fn scopes_without_anybody_are_forgotten_and_those_with_somebody_are_not() {
        let turns = Turns::default();
        let taken = turns.of(project("taken")).await;
        for number in 0..10 * KEPT {
            drop(turns.of(project(&number.to_string())).await);
        }
        assert!(turns.places.lock().expect("no test panicked").by_scope.len() <= KEPT);
        assert!(!is_free(&turns, project("taken")).await);
        drop(taken);
    }
}
