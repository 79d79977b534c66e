//! What waits and is too old: thrown away where it is read, before it takes room in memory, as fast as the disk takes ends. Nobody else's
//! calls wait for that: each reading ends no more than it has brought, and functions take turns at being read.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use fungraph_model::{CallSeq, Qualifier};
use fungraph_store::queue::{FunctionNo, QueueError, QueueFunction, WaitingCall};
use futures_util::future::join_all;

use super::verdict;
use crate::Engine;

/// How old calls in memory are before anybody looks whether they are too old.
const YOUNG: Duration = Duration::from_secs(1);
/// The longest time between two looks at a function that is paused, or stuck, and the shortest: settings may change meanwhile.
const LOOKS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(1)];
/// Calls of such a function that are looked at, and ended, at once; and the bytes of their events.
const AT_ONCE: usize = 256;
const AT_ONCE_BYTES: usize = 4 << 20;

/// By qualifier, how old calls may get.
type Ages = HashMap<Qualifier, Duration>;

impl Engine {
    /// Called from time to time: what is in memory and too old goes back to where it is looked at, and functions that nobody reads are looked at.
    pub(super) async fn sweep(self: Arc<Self>) {
        let now = self.queue.store.now();
        let kinds = {
            let mut board = self.queue.board();
            board.look(now, Instant::now());
            board.kinds_waiting(now, YOUNG)
        };
        let mut ages: HashMap<FunctionNo, Ages> = HashMap::new();
        for (no, function, qualifier) in kinds {
            self.age_of(&function, &qualifier, ages.entry(no).or_default()).await;
        }
        self.queue.board().forget(|no, call| {
            let most = ages.get(&no).and_then(|ages| ages.get(&call.qualifier));
            most.is_some_and(|most| now.since(call.since) >= *most)
        });
        self.queue.nudge();
    }

    /// Ends those of the calls that are too old; gives the others. The board knows of none of them yet, and reads nothing more of the function
    /// until it does.
    pub(super) async fn end_old(self: &Arc<Self>, no: FunctionNo, calls: Vec<WaitingCall>) -> Vec<WaitingCall> {
        let Some(function) = self.queue.store.named(no) else { return calls };
        let now = self.queue.store.now();
        let mut ages = Ages::new();
        for call in &calls {
            self.age_of(&function, &call.qualifier, &mut ages).await;
        }
        let is_old = |call: &WaitingCall| ages.get(&call.qualifier).is_some_and(|most| now.since(call.since) >= *most);
        let (old, young): (Vec<_>, Vec<_>) = calls.into_iter().partition(is_old);
        self.end_all(no, &function, old).await;
        young
    }

    /// Ends what is too old of a function of which nothing is in memory, the oldest first; nobody reads its calls meanwhile. `out` were given
    /// out before.
    pub(super) async fn end_old_of(self: &Arc<Self>, no: FunctionNo, out: &HashSet<CallSeq>) -> Result<(), QueueError> {
        let now = self.queue.store.now();
        let [longest, shortest] = LOOKS;
        let mut next = now.after(longest);
        let mut old = Vec::new();
        if let Some(function) = self.queue.store.named(no) {
            let (mut ages, mut bytes) = (Ages::new(), 0);
            let found = self.queue.store.oldest(no, AT_ONCE + out.len()).await?;
            for call in found.iter().filter(|call| !out.contains(&call.seq)) {
                // Who cannot be looked up is looked up again.
                let Some(most) = self.age_of(&function, &call.qualifier, &mut ages).await else { continue };
                let left = most.saturating_sub(now.since(call.since));
                if !left.is_zero() {
                    next = next.min(now.after(left.max(shortest)));
                } else if old.is_empty() || bytes + call.bytes <= AT_ONCE_BYTES {
                    bytes += call.bytes;
                    old.push(call.seq);
                }
            }
            let calls = self.queue.store.take(&old).await?;
            self.end_all(no, &function, calls).await;
        }
        self.queue.board().looked(no, next, !old.is_empty());
        Ok(())
    }

    async fn end_all(self: &Arc<Self>, no: FunctionNo, function: &Arc<QueueFunction>, calls: Vec<WaitingCall>) {
        join_all(calls.into_iter().map(|call| self.discard_old(no, Arc::clone(function), call))).await;
    }

    /// How old a call may get; `None` where that cannot be read now.
    async fn age_of(&self, function: &QueueFunction, qualifier: &Qualifier, known: &mut Ages) -> Option<Duration> {
        if let Some(age) = known.get(qualifier) {
            return Some(*age);
        }
        let age = verdict::most_age(self.async_settings(&function.key, qualifier).await.ok()?.as_deref());
        known.insert(qualifier.clone(), age);
        Some(age)
    }
}
