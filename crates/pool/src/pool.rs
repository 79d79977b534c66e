//! What all groups share, and the background job that lets instances go and keeps blank ones ready.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fungraph_instance::{Blueprint, Launcher, Plan};
use fungraph_model::{Digest, FunctionVersion};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, Group, InstanceCensus,
    allowance::Allowance,
    capacity::{Capacity, Room},
    lease::Member,
    line::AllLines,
    processors::Spare,
    room::RoomQueue,
    stock::Stock,
};

/// How often idle instances are looked for.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);
/// How long an instance that was asked to leave is expected to be gone any moment.
const EVICTION_PATIENCE: Duration = Duration::from_secs(1);

/// Every instance of the platform.
pub struct Pool {
    pub(crate) shared: Arc<Shared>,
    sweeper: CancellationToken,
}

/// Told what an instance printed after its last call, where that was something.
pub type LastWords = Box<dyn Fn(&Arc<FunctionVersion>, Bytes) + Send + Sync>;

/// What groups need of the pool.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) stock: Stock,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) room: RoomQueue,
    pub(crate) spare: Spare,
    pub(crate) tasks: TaskTracker,
    lines: AllLines,
    last_words: OnceLock<LastWords>,
    groups: Mutex<Vec<Weak<Group>>>,
    /// What groups had that are gone and nobody has asked since; they would not be in the next answer.
    pub(crate) departed: Mutex<Vec<InstanceCensus>>,
    stopping: AtomicBool,
    /// Instances that were asked to leave for somebody who waits; each gives its room back soon.
    evicting: AtomicUsize,
    /// Room was given back, or is wanted.
    look: Arc<Notify>,
}

impl Shared {
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Somebody wants room, or some can be had.
    pub(crate) fn look_for_room(&self) {
        self.look.notify_one();
    }

    pub(crate) fn evicting(&self) -> usize {
        self.evicting.load(Ordering::Relaxed)
    }

    /// Lets an instance of `version` end in the background, after its pre-stop handler.
    pub(crate) fn let_go(self: &Arc<Self>, member: Arc<Member>, version: &Arc<FunctionVersion>) {
        self.tasks.spawn(end(Arc::clone(self), member, Arc::clone(version)));
    }

    /// The same, for somebody who waits for its room. Where it takes long over its pre-stop handler, another one may be asked too.
    pub(crate) fn evict(self: &Arc<Self>, member: Arc<Member>, version: &Arc<FunctionVersion>) {
        let pool = Arc::clone(self);
        let ended = end(Arc::clone(self), member, Arc::clone(version));
        pool.evicting.fetch_add(1, Ordering::Relaxed);
        self.tasks.spawn(async move {
            let mut ended = std::pin::pin!(ended);
            let quickly = timeout(EVICTION_PATIENCE, &mut ended).await.is_ok();
            pool.evicting.fetch_sub(1, Ordering::Relaxed);
            pool.look_for_room();
            if !quickly {
                ended.await;
            }
        });
    }

    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|group| group.strong_count() > 0);
        groups.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Pool {
    /// A pool without instances; must be made inside a tokio runtime.
    #[must_use]
    pub fn new(config: Config, launcher: Arc<dyn Launcher>) -> Self {
        let (look, tasks, sweeper) = (Arc::<Notify>::default(), TaskTracker::new(), CancellationToken::new());
        let host = Room { instances: config.most_instances, memory_bytes: config.memory_bytes };
        let project =
            Room { instances: config.most_instances_per_project, memory_bytes: config.memory_bytes_per_project };
        let capacity = Capacity::new(host, project, Arc::clone(&look));
        let shared = Arc::new(Shared {
            config,
            stock: Stock::new(config, launcher, Arc::clone(&capacity), tasks.clone(), sweeper.clone()),
            capacity,
            room: RoomQueue::default(),
            spare: Spare::default(),
            tasks,
            lines: AllLines::default(),
            last_words: OnceLock::new(),
            groups: Mutex::new(Vec::new()),
            departed: Mutex::default(),
            stopping: AtomicBool::new(false),
            evicting: AtomicUsize::new(0),
            look,
        });
        shared.tasks.spawn(sweep(Arc::clone(&shared), sweeper.clone()));
        Self { shared, sweeper }
    }

    /// A group for one revision of a function. It keeps its instances until it is retired and dropped.
    #[must_use]
    pub fn group(&self, plan: Plan) -> Arc<Group> {
        let most = plan.version.spec.strategy.most_instances();
        self.group_within(Allowance::new(most, Arc::clone(&self.shared.look)), plan)
    }

    /// A group for the same revision with another memory size: together they have no more instances than the function may.
    #[must_use]
    pub fn sibling(&self, group: &Group, plan: Plan) -> Arc<Group> {
        self.group_within(Arc::clone(&group.allowance), plan)
    }

    fn group_within(&self, allowance: Arc<Allowance>, plan: Plan) -> Arc<Group> {
        let lines = self.shared.lines.of(&plan.version.key.project);
        let group = Arc::new(Group::new(Arc::clone(&self.shared), lines, allowance, plan));
        let mut groups = self.shared.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.push(Arc::downgrade(&group));
        group
    }

    /// From now on `tell` hears what instances print after their last calls. The first one told stays.
    pub fn tell_last_words(&self, tell: LastWords) {
        let _ = self.shared.last_words.set(tell);
    }

    /// Functions of this kind exist: from now on a blank instance is kept ready for their first call.
    pub fn expect(&self, blueprint: &Blueprint) {
        self.shared.stock.shelf(blueprint).expect();
    }

    /// Blank instances that are ready, of all kinds.
    #[must_use]
    pub fn blanks(&self) -> usize {
        self.shared.stock.census().iter().map(|(_, ready)| ready).sum()
    }

    /// Calls in line, for all functions.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lines.waiting()
    }

    /// Functions, each memory size for itself, that want an instance and find no room, or have to wait until another size of the
    /// same function gives one up.
    #[must_use]
    pub fn wanting_room(&self) -> usize {
        self.shared.room.len()
    }

    /// Code that instances use, or may still be started with.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        let of = |group: &Arc<Group>| {
            let version = group.version();
            [Some(version.code.digest.clone()), version.merged.clone()]
        };
        self.shared.groups().iter().flat_map(of).flatten().collect()
    }

    /// Memory that all instances together may have, and those of one project, in bytes; and the most instances of each.
    #[must_use]
    pub fn largest_room(&self) -> (u64, usize) {
        let config = &self.shared.config;
        (
            config.memory_bytes.min(config.memory_bytes_per_project),
            config.most_instances.min(config.most_instances_per_project),
        )
    }

    /// How long an unused instance is kept.
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.shared.config.idle
    }

    /// Calls of one project that may wait.
    #[must_use]
    pub fn longest_line(&self) -> usize {
        self.shared.config.queue.min(self.shared.config.queue_per_project)
    }

    /// Starts nothing more and ends every idle instance; waits for the busy ones until `limit` is over.
    pub async fn shutdown(&self, limit: Duration) {
        self.shared.stopping.store(true, Ordering::Release);
        self.sweeper.cancel();
        self.shared.stock.clear();
        self.shared.groups().iter().for_each(Group::retire);
        self.shared.tasks.close();
        if timeout(limit, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!("instances did not stop in time; the spawner ends them");
        }
    }
}

async fn end(pool: Arc<Shared>, member: Arc<Member>, version: Arc<FunctionVersion>) {
    let printed = member.instance.stop(version.spec.farewell()).await;
    if let Some(tell) = pool.last_words.get().filter(|_| !printed.is_empty()) {
        tell(&version, printed);
    }
}

async fn sweep(shared: Arc<Shared>, stop: CancellationToken) {
    let mut period = interval(SWEEP_PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = period.tick() => {
                let since = Instant::now().checked_sub(shared.config.idle);
                for group in shared.groups() {
                    group.beat();
                    if let Some(since) = since {
                        group.sweep(since);
                    }
                    group.tend_reserve();
                }
                shared.stock.tend();
            }
            () = shared.look.notified() => shared.room.serve(&shared),
        }
    }
}
