//! The platform's one object: what it is made of, how it starts and stops.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fungraph_instance::{Interpreters, Launcher};
use fungraph_pool::Pool;
use fungraph_store::{
    Images, Objects, Packages, Store,
    logs::Logs,
    queue::{Found, Queue},
};
use jiff::Timestamp;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::{
    Config, Destinations, Error, error::chain, footprint::Footprints, identity::Identity, jobs::Jobs,
    queue::AsyncQueue, resolve::Resolver, statistics::Statistics, telemetry::Telemetry, templates::Compiled,
    triggers::Board, turns::Turns,
};

/// How long ends of asynchronous calls may take once nothing runs any more.
const LAST_ENDS: Duration = Duration::from_secs(2);

/// What an engine is put together from.
pub struct Parts {
    /// Settings.
    pub config: Config,
    /// Metadata.
    pub store: Store,
    /// Uploaded code.
    pub packages: Packages,
    /// Container images.
    pub images: Images,
    /// Packages that are elsewhere.
    pub objects: Objects,
    /// Who is told of the ends of asynchronous calls.
    pub destinations: Destinations,
    /// Logs of calls.
    pub logs: Logs,
    /// Asynchronous calls, with what an earlier server left of them.
    pub queue: (Queue, Found),
    /// Instances.
    pub pool: Pool,
    /// What runs functions on this host.
    pub interpreters: Interpreters,
    /// Compiles the templates that need it; the pool starts instances through the same.
    pub compiler: Arc<dyn Launcher>,
}

/// The platform. Cheap to share, made once.
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) packages: Packages,
    pub(crate) images: Images,
    pub(crate) objects: Objects,
    pub(crate) destinations: Destinations,
    pub(crate) logs: Logs,
    pub(crate) queue: AsyncQueue,
    pub(crate) pool: Pool,
    pub(crate) interpreters: Interpreters,
    pub(crate) compiled: Compiled,
    pub(crate) identity: Identity,
    pub(crate) resolver: Resolver,
    pub(crate) telemetry: Telemetry,
    pub(crate) statistics: Statistics,
    /// The triggers that are live.
    pub(crate) board: Arc<Board>,
    pub(crate) started: Instant,
    /// Tells it from the servers before and after.
    pub(crate) run: Uuid,
    /// Calls whose client has left; they run to their end all the same.
    pub(crate) orphans: TaskTracker,
    /// Taken from the look at a project's quota to the new function that counts against it, and from a function's end to that of its logs.
    pub(crate) turns: Turns,
    /// What the code of projects takes of the disk.
    pub(crate) footprints: Footprints,
    pub(crate) jobs: Jobs,
}

impl Engine {
    /// Puts the platform together. The metrics recorder must be installed before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, Error> {
        let Parts {
            config,
            store,
            packages,
            images,
            objects,
            destinations,
            logs,
            queue: (queue, found),
            pool,
            interpreters,
            compiler,
        } = parts;
        let identity = Identity::load(&store, &config.region).await?;
        let cancelled = found.cancelled.clone();
        let queue = AsyncQueue::new(&config.queue, queue, found);
        let engine = Self {
            config,
            store,
            packages,
            images,
            objects,
            destinations,
            logs,
            queue,
            pool,
            interpreters,
            compiled: Compiled::by(compiler),
            identity,
            resolver: Resolver::default(),
            telemetry: Telemetry::register(),
            statistics: Statistics::new(Timestamp::now()),
            board: Arc::default(),
            started: Instant::now(),
            run: Uuid::new_v4(),
            orphans: TaskTracker::new(),
            footprints: Footprints::default(),
            turns: Turns::default(),
            jobs: Jobs::default(),
        };
        let engine = Arc::new(engine);
        engine.read_triggers().await.map_err(|source| Error::internal("read the triggers", source))?;
        engine.keep_last_words();
        engine.end_cancelled(cancelled);
        engine.jobs.start(&engine);
        Ok(engine)
    }

    /// The region in URNs.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.config.region
    }

    /// Code was replaced or deleted: what nobody uses any more is removed soon.
    pub(crate) fn nudge_cleaner(&self) {
        self.jobs.nudge();
    }

    /// Whether calls can be taken.
    #[must_use]
    pub fn ready(&self) -> bool {
        !self.orphans.is_closed()
    }

    /// Stops in order, once no request comes in any more: calls without a client and those of the queue, instances, logs, store. Everything
    /// that is not done after `limit` is given up; what is given up of the queue runs again at the next start.
    pub async fn shutdown(&self, limit: Duration) {
        self.orphans.close();
        self.stop_triggers();
        self.jobs.stop().await;
        // Nobody keeps them any more; else the pool would replace those whose preparation is given up now.
        self.resolver.reserving().iter().for_each(|resolved| resolved.group.reserve(0, || self.preparer_of_none()));
        self.jobs.stop_preparing().await;
        let begun = tokio::time::Instant::now();
        let run_on = async {
            self.orphans.wait().await;
            self.queue.drained().await;
        };
        if tokio::time::timeout(limit, run_on).await.is_err() {
            tracing::warn!("calls whose clients had left did not end in time");
        }
        self.queue.leave();
        self.pool.shutdown(limit.saturating_sub(begun.elapsed()).max(Duration::from_secs(1))).await;
        if tokio::time::timeout(LAST_ENDS, self.queue.drained()).await.is_err() {
            tracing::warn!("asynchronous calls did not end in time: they run again at the next start");
        }
        self.queue.store.close().await;
        if let Err(error) = self.write_statistics().await {
            tracing::warn!(cause = chain(&error), "the last numbers of calls could not be written, and are lost");
        }
        self.logs.close().await;
        self.store.clone().close().await;
    }
}
