//! What all groups share, and the background job that lets instances go.

use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use fungraph_instance::{Launcher, Plan};
use fungraph_model::Digest;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Config, Group, capacity::Capacity};

/// How often idle instances are looked for.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);

/// Every instance of the platform.
pub struct Pool {
    pub(crate) shared: Arc<Shared>,
    sweeper: CancellationToken,
}

/// What groups need of the pool.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) launcher: Arc<dyn Launcher>,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) tasks: TaskTracker,
    groups: Mutex<Vec<Weak<Group>>>,
    stopping: AtomicBool,
    room_wanted: Notify,
}

impl Shared {
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A group could not start an instance: somebody's idle one has to go.
    pub(crate) fn want_room(&self) {
        self.room_wanted.notify_one();
    }

    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        let mut groups = self.groups.lock().expect("nothing panics while it holds the list of groups");
        groups.retain(|group| group.strong_count() > 0);
        groups.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Pool {
    /// A pool without instances; must be made inside a tokio runtime.
    #[must_use]
    pub fn new(config: Config, launcher: Arc<dyn Launcher>) -> Self {
        let shared = Arc::new(Shared {
            config,
            launcher,
            capacity: Capacity::new(config.most_instances, config.memory_bytes),
            tasks: TaskTracker::new(),
            groups: Mutex::new(Vec::new()),
            stopping: AtomicBool::new(false),
            room_wanted: Notify::new(),
        });
        let sweeper = CancellationToken::new();
        shared.tasks.spawn(sweep(Arc::clone(&shared), sweeper.clone()));
        Self { shared, sweeper }
    }

    /// A group for one revision of a function. It keeps its instances until it is retired and dropped.
    #[must_use]
    pub fn group(&self, plan: Plan) -> Arc<Group> {
        let group = Arc::new(Group::new(Arc::clone(&self.shared), plan));
        let mut groups = self.shared.groups.lock().expect("nothing panics while it holds the list of groups");
        groups.push(Arc::downgrade(&group));
        group
    }

    /// Code that instances use, or may still be started with.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        self.shared.groups().iter().map(|group| group.plan().version.code.digest.clone()).collect()
    }

    /// Starts nothing more and ends every idle instance; waits for the busy ones until `limit` is over.
    pub async fn shutdown(&self, limit: Duration) {
        self.shared.stopping.store(true, Ordering::Release);
        self.sweeper.cancel();
        self.shared.groups().iter().for_each(Group::retire);
        self.shared.tasks.close();
        if timeout(limit, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("instances did not stop in time; the spawner ends them");
        }
    }
}

async fn sweep(shared: Arc<Shared>, stop: CancellationToken) {
    let mut period = interval(SWEEP_PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = period.tick() => {
                shared.groups().iter().for_each(|group| group.beat());
                if let Some(since) = Instant::now().checked_sub(shared.config.idle) {
                    shared.groups().iter().for_each(|group| group.sweep(since));
                }
            }
            () = shared.room_wanted.notified() => make_room(&shared.groups()),
        }
    }
}

/// The least recently used idle instance of all functions leaves.
fn make_room(groups: &[Arc<Group>]) {
    let oldest = groups.iter().filter_map(|group| Some((group.idle_since()?, group))).min_by_key(|(since, _)| *since);
    if let Some((since, group)) = oldest {
        group.sweep(since + Duration::from_nanos(1));
    }
}
