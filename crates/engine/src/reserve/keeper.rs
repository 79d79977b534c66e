//! The job that keeps reserved instances: reads what is stored, works out what is wanted now, and tells each function's group.
//! The pool does the rest. Every second, since schedules and code change; what did not change costs a look.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};

use fungraph_model::{DomainId, FunctionKey, Qualifier, Reserved};
use fungraph_store::{Error as StoreError, Reservations};
use jiff::Timestamp;
use tokio::{
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    load::{Load, scaled},
    news::{Due, News},
    schedule::Timetable,
};
use crate::{Engine, error::chain, resolve::Resolved};

const PERIOD: Duration = Duration::from_secs(1);
/// How often what is stored is read again without a nudge.
const READ_PERIOD: Duration = Duration::from_secs(60);

/// An entry of [`Reservations::unreadable`].
type Unreadable = (FunctionKey, Qualifier, StoreError);

/// What was stored when it was last read.
#[derive(Default)]
struct Known {
    reserved: Vec<(Reserved, Timetable)>,
    read: Option<Instant>,
    /// Functions whose trouble is in the log already.
    told: HashSet<FunctionKey>,
    troubles: Troubles,
}

/// What of the store's troubles is in the log already: they last, and it is read again and again.
#[derive(Default)]
struct Troubles {
    /// Nothing could be read.
    all: bool,
    unreadable: HashSet<(FunctionKey, Qualifier)>,
}

impl Troubles {
    /// Whether a failure of the whole is news.
    fn is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.all, true)
    }

    /// The whole could be read but for some: gives those that are news.
    fn news<'a>(&mut self, unreadable: &'a [Unreadable]) -> Vec<&'a Unreadable> {
        self.all = false;
        let now: HashSet<_> = unreadable.iter().map(|(key, qualifier, _)| (key.clone(), qualifier.clone())).collect();
        let before = std::mem::replace(&mut self.unreadable, now);
        let is_new = |(key, qualifier, _): &&Unreadable| !before.contains(&(key.clone(), qualifier.clone()));
        unreadable.iter().filter(is_new).collect()
    }
}

/// Runs until it is stopped.
pub(crate) async fn keep(engine: Weak<Engine>, news: Arc<News>, stop: CancellationToken) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = Known::default();
    loop {
        let nudged = tokio::select! {
            () = stop.cancelled() => return,
            _ = period.tick() => false,
            () = news.come() => true,
        };
        match news.take().due(known.reserved.iter().map(|(reserved, _)| &reserved.key)) {
            Due::Nothing if nudged => continue,
            Due::Nothing | Due::Look => {}
            Due::Read => known.read = None,
        }
        let Some(engine) = engine.upgrade() else { return };
        if known.read.is_none_or(|read| read.elapsed() >= READ_PERIOD) {
            engine.read_reservations(&mut known).await;
        }
        let now = Timestamp::now();
        known.search(now).await;
        engine.keep_reserved(&mut known, now).await;
    }
}

impl Known {
    /// Takes over what was read. What did not change keeps what was found of it: what cannot be read of a schedule is told once,
    /// not whenever it is read again. By name, since there may be thousands.
    fn take(&mut self, reserved: Vec<Reserved>) {
        let name = |reserved: &Reserved| (reserved.key.clone(), reserved.qualifier.clone());
        let before = std::mem::take(&mut self.reserved).into_iter();
        let mut before: HashMap<_, _> = before.map(|(one, times)| (name(&one), (one.reservation, times))).collect();
        let with_times = |reserved: Reserved| {
            let same = before.remove(&name(&reserved)).filter(|(same, _)| *same == reserved.reservation);
            let times = same.map_or_else(|| Timetable::of(&reserved.reservation), |(_, times)| times);
            (reserved, times)
        };
        self.reserved = reserved.into_iter().map(with_times).collect();
    }

    /// Finds anew what time has passed by, beside the threads that serve calls: after a start these may be thousands of searches.
    async fn search(&mut self, now: Timestamp) {
        let stale = self.reserved.iter().enumerate().filter(|(_, (_, times))| times.is_stale(now));
        let mut stale: Vec<(usize, Timetable)> = stale.map(|(index, (_, times))| (index, times.clone())).collect();
        if stale.is_empty() {
            return;
        }
        let searches = spawn_blocking(move || {
            for (_, times) in &mut stale {
                times.search(now);
            }
            stale
        });
        // Else the runtime ends, or a search panicked, which has been told; the counts stay as they were.
        if let Ok(found) = searches.await {
            found.into_iter().for_each(|(index, times)| self.reserved[index].1 = times);
        }
    }
}

impl Engine {
    async fn read_reservations(&self, known: &mut Known) {
        match self.store.reservations().await {
            Err(error) => {
                if known.troubles.is_news() {
                    tracing::warn!(cause = chain(&error), "reserved instances stay as they are");
                }
            }
            Ok(Reservations { reserved, unreadable }) => {
                for (key, qualifier, why) in known.troubles.news(&unreadable) {
                    let cause = chain(why);
                    tracing::warn!(function = %key, %qualifier, cause, "its reserved instances are left out; set them anew");
                }
                known.take(reserved);
                known.read = Some(Instant::now());
            }
        }
    }

    async fn keep_reserved(self: &Arc<Self>, known: &mut Known, now: Timestamp) {
        let counts: Vec<u32> = known.reserved.iter().map(|(_, times)| times.count(now)).collect();
        let mut left = self.left(&known.reserved, &counts);
        let (mut kept, mut unknown) = (Vec::new(), HashSet::new());
        for ((reserved, _), count) in known.reserved.iter().zip(counts) {
            let resolved = match self.resolve_main(&reserved.key, &reserved.qualifier).await {
                Ok(Some(resolved)) => {
                    known.told.remove(&reserved.key);
                    resolved
                }
                // It was deleted since they were read.
                Ok(None) => continue,
                Err(error) => {
                    if known.told.insert(reserved.key.clone()) {
                        let cause = chain(&error);
                        tracing::warn!(function = %reserved.key, cause, "its reserved instances cannot be started");
                    }
                    unknown.insert(&reserved.key);
                    continue;
                }
            };
            let slots_each = resolved.version.spec.calls_at_once();
            let load = Load { running: resolved.group.running(), slots_each };
            let more = scaled(count, &reserved.reservation.metrics, load) - count;
            let left = left.entry(&reserved.domain).or_default();
            let more = more.min(*left);
            *left -= more;
            resolved.group.reserve((count + more) as usize, || self.preparer(&resolved.version));
            kept.push(resolved);
        }
        self.let_go_of_others(&kept, &unknown);
    }

    /// Versions for which nothing is reserved any more: it was taken back, or the alias it is reserved for has moved on.
    fn let_go_of_others(&self, kept: &[Arc<Resolved>], unknown: &HashSet<&FunctionKey>) {
        for resolved in self.resolver.reserving() {
            let is_kept = kept.iter().any(|kept| Arc::ptr_eq(kept, &resolved));
            if !is_kept && !unknown.contains(&resolved.version.key) {
                resolved.group.reserve(0, || self.preparer_of_none());
            }
        }
    }

    /// What each account may still have where load asks for more.
    fn left<'a>(&self, reserved: &'a [(Reserved, Timetable)], counts: &[u32]) -> HashMap<&'a DomainId, u32> {
        let mut left = HashMap::new();
        for ((reserved, _), count) in reserved.iter().zip(counts) {
            let of_account = left.entry(&reserved.domain).or_insert(self.config.reserved_instances);
            *of_account = of_account.saturating_sub(*count);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use fungraph_model::sample;

    use super::*;

    #[test]
    fn a_lasting_trouble_is_told_once() {
        let bad = |name: &str| {
            let why = StoreError::BadRow { column: "tactics", why: "no JSON".to_owned() };
            (sample::function(name).key, Qualifier::Latest, why)
        };
        let mut troubles = Troubles::default();
        assert_eq!([troubles.is_news(), troubles.is_news()], [true, false]);
        for (unreadable, news) in [(vec!["a"], 1), (vec!["a"], 0), (vec!["b", "a"], 1), (vec![], 0), (vec!["a"], 1)] {
            let unreadable: Vec<Unreadable> = unreadable.into_iter().map(bad).collect();
            assert_eq!(troubles.news(&unreadable).len(), news, "{unreadable:?}");
        }
        assert!(troubles.is_news(), "it could be read in between");
    }
}
