//! Who works on what: turns that are waited for, and holds that keep things from being removed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A turn that was waited for; the next one's begins when it is dropped.
pub type Turn = OwnedSemaphorePermit;

/// Turns by name. Cheap where nobody waits: a name is forgotten when nobody has a turn of it.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Turns {
    /// Waits until fewer than `most` others have a turn of this name.
    pub(crate) async fn take(&self, name: String, most: usize) -> Turn {
        let turns = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, turns| Arc::strong_count(turns) > 1);
            Arc::clone(all.entry(name).or_insert_with(|| Arc::new(Semaphore::new(most))))
        };
        turns.acquire_owned().await.expect("no semaphore of ours is ever closed")
    }
}

/// Digests that must stay, and how many say so.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds(Arc<Mutex<HashMap<String, usize>>>);

impl Holds {
    pub(super) fn hold(&self, digest: &str) -> Hold {
        *self.lock().entry(digest.to_owned()).or_default() += 1;
        Hold { digest: digest.to_owned(), holds: self.clone() }
    }

    /// The digests and their counts; nothing is held or let go meanwhile.
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What it names stays while it lives.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) digest: String,
    holds: Holds,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.holds.lock();
        if let Some(count) = held.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.digest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_of_one_name_are_counted_and_others_do_not_wait() {
        let turns = Turns::default();
        let (one, _two) = (turns.take("a".to_owned(), 2).await, turns.take("a".to_owned(), 2).await);
        let _other = turns.take("b".to_owned(), 2).await;
        let third = turns.take("a".to_owned(), 2);
        tokio::pin!(third);
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(one);
        let _third = third.await;
    }

    #[test]
    fn what_is_held_twice_is_let_go_twice() {
        let holds = Holds::default();
        let (one, two) = (holds.hold("a"), holds.hold("a"));
        drop(one);
        assert_eq!(holds.lock().get("a"), Some(&1));
        drop(two);
        assert!(holds.lock().is_empty());
    }
}
