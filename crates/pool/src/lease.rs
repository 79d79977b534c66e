//! The right to one call in one instance: it gives itself back when dropped.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fungraph_instance::{Instance, StartTimes};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::task::TaskTracker;

use crate::{capacity::Permit, group::Group};

/// An instance with its place in the pool.
pub(crate) struct Member {
    pub(crate) instance: Instance,
    pub(crate) born: Instant,
    /// Nobody has had it yet.
    fresh: AtomicBool,
    /// Held until its process is gone: only then the host has room again.
    permit: Option<Permit>,
    tasks: TaskTracker,
}

impl Member {
    pub(crate) fn new(instance: Instance, permit: Permit, tasks: TaskTracker) -> Arc<Self> {
        let (born, fresh) = (Instant::now(), AtomicBool::new(true));
        Arc::new(Self { instance, born, fresh, permit: Some(permit), tasks })
    }

    /// Whether nobody has had it yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh.load(Ordering::Relaxed)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let (gone, permit) = (self.instance.kill_and_wait(), self.permit.take());
        // Outside a runtime everything ends anyway.
        if let Ok(runtime) = Handle::try_current() {
            let until_gone = async move {
                gone.await;
                drop(permit);
            };
            self.tasks.spawn_on(until_gone, &runtime);
        }
    }
}

/// One slot of one instance, for one call.
pub struct Lease {
    group: Arc<Group>,
    member: Arc<Member>,
    /// Set by the group on the first lease of an instance whose initializer has not run.
    uninitialized: bool,
    /// The call waited for its start and is the first to get it.
    fresh: bool,
    /// Set where the slot is not this lease's to give back: it never got it, or gave it back already.
    forgotten: bool,
}

impl Lease {
    /// For somebody in line.
    pub(crate) fn new(group: Arc<Group>, member: Arc<Member>, uninitialized: bool) -> Self {
        let fresh = member.fresh.swap(false, Ordering::Relaxed);
        Self { group, member, uninitialized, fresh, forgotten: false }
    }

    /// For somebody who did not wait.
    pub(crate) fn at_once(group: Arc<Group>, member: Arc<Member>) -> Self {
        member.fresh.store(false, Ordering::Relaxed);
        Self { group, member, uninitialized: false, fresh: false, forgotten: false }
    }

    /// The instance.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.member.instance
    }

    /// How the instance came to be, where the call waited for that and is the first to get it; else it is warm.
    #[must_use]
    pub fn start(&self) -> Option<StartTimes> {
        self.fresh.then(|| self.member.instance.start_times())
    }

    /// Whether the initializer must run before the call. No other call gets a slot until [`Self::initialized`].
    #[must_use]
    pub fn needs_initializer(&self) -> bool {
        self.uninitialized
    }

    /// The initializer succeeded: the other slots may be used.
    pub fn initialized(&mut self) {
        if std::mem::take(&mut self.uninitialized) {
            self.group.initialized(&self.member);
        }
    }

    /// The instance serves nobody else: it leaves, once the other calls that run in it have ended.
    pub fn dismiss(mut self) {
        self.forgotten = true;
        self.group.dismiss(&self.member);
    }

    /// The instance cannot be trusted any more: it is ended, not given back.
    pub fn destroy(self) {
        self.member.instance.kill();
    }

    /// Drops the lease without giving the slot back: its giver still holds it.
    pub(crate) fn forget(mut self) {
        self.member.fresh.fetch_or(self.fresh, Ordering::Relaxed);
        self.forgotten = true;
    }

    /// Gives the slot back after a run, whose time tells how long the line will last; `true` where the next in line got it.
    pub fn give_back(mut self, took: Duration) -> bool {
        self.forgotten = true;
        self.group.ran(&self.member, took, self.fresh)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.forgotten {
            return;
        }
        // An instance whose initializer never succeeded serves nobody.
        if self.uninitialized {
            self.member.instance.kill();
            self.group.not_initialized();
        }
        self.group.give_back(&self.member);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("uninitialized", &self.uninitialized).finish_non_exhaustive()
    }
}
