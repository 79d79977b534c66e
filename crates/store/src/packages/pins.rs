//! Packages in somebody's hands: laid out, and not yet named by anything that is stored. No collection takes them.
//!
//! Nobody waits for a collection, and a collection for nobody: it spares what was held when it began or at any time since, as the answer
//! to what is in use may be older than the function that names such a package.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Place, Notify, OwnedMutexGuard};

/// Who holds what.
#[derive(Debug, Default)]
pub(super) struct Pins {
    state: Mutex<State>,
    /// Told when somebody lets go of what nothing names.
    let_go: Notify,
    one_at_a_time: Arc<Place<()>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    held: HashMap<String, usize>,
    /// What was held at any time since the collection began, while there is one.
    since: Option<HashSet<String>>,
}

/// A package that stays while this lives. Whoever stored something that names it says so; otherwise it is looked at once this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Pin {
    digest: String,
    is_named: AtomicBool,
    pins: Arc<Pins>,
}

/// A collection that has begun, until it is dropped.
#[derive(Debug)]
pub(super) struct Begun {
    pins: Arc<Pins>,
    _alone: OwnedMutexGuard<()>,
}

impl Pins {
    pub(super) fn pin(self: &Arc<Self>, digest: &str) -> Pin {
        let mut state = self.lock();
        *state.held.entry(digest.to_owned()).or_default() += 1;
        if let Some(since) = &mut state.since {
            since.insert(digest.to_owned());
        }
        Pin { digest: digest.to_owned(), is_named: AtomicBool::new(false), pins: Arc::clone(self) }
    }

    /// Begins a collection; another one waits for its end.
    pub(super) async fn begin(self: &Arc<Self>) -> Begun {
        let alone = Arc::clone(&self.one_at_a_time).lock_owned().await;
        let mut state = self.lock();
        state.since = Some(state.held.keys().cloned().collect());
        Begun { pins: Arc::clone(self), _alone: alone }
    }

    pub(super) async fn let_go(&self) {
        self.let_go.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pin {
    /// Something that is stored names it.
    pub fn named(&self) {
        self.is_named.store(true, Relaxed);
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.pins.lock();
        if let Some(count) = state.held.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                state.held.remove(&self.digest);
            }
        }
        drop(state);
        if !*self.is_named.get_mut() {
            self.pins.let_go.notify_one();
        }
    }
}

impl Begun {
    /// Nobody takes anything into his hands while the answer is looked at.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.pins.lock()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.pins.lock().since = None;
    }
}

impl State {
    /// Whether a collection may take it.
    pub(super) fn spares(&self, digest: &str) -> bool {
        self.held.contains_key(digest) || self.since.as_ref().is_some_and(|since| since.contains(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_collection_spares_what_was_held_at_any_time_since_it_began() {
        let pins = Arc::new(Pins::default());
        let (before, through) = (pins.pin("before"), pins.pin("through"));
        drop(pins.pin("long ago"));
        let begun = pins.begin().await;
        drop(before);
        drop(pins.pin("meanwhile"));
        let late = pins.pin("late");
        for (digest, expected) in
            [("before", true), ("through", true), ("meanwhile", true), ("late", true), ("long ago", false)]
        {
            assert_eq!(begun.lock().spares(digest), expected, "{digest}");
        }
        drop(begun);
        drop((late, through));
        assert!(!pins.begin().await.lock().spares("through"), "each begins anew");
    }

    #[tokio::test]
    async fn what_is_let_go_without_a_name_is_told() {
        let pins = Arc::new(Pins::default());
        let named = pins.pin("a");
        named.named();
        drop(named);
        assert!(futures_util::poll!(std::pin::pin!(pins.let_go())).is_pending());
        drop(pins.pin("a"));
        pins.let_go().await;
    }
}
