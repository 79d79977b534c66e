//! The right to one call in one instance: it gives itself back when dropped.

use std::{fmt, sync::Arc, time::Duration};

use fungraph_instance::Instance;
use tokio::time::Instant;

use crate::{capacity::Permit, group::Group};

/// An instance with its place in the pool.
pub(crate) struct Member {
    pub(crate) instance: Instance,
    pub(crate) born: Instant,
    /// Held for its `Drop`: the host has room again once the instance is gone.
    _permit: Permit,
}

impl Member {
    pub(crate) fn new(instance: Instance, permit: Permit) -> Arc<Self> {
        Arc::new(Self { instance, born: Instant::now(), _permit: permit })
    }
}

/// One slot of one instance, for one call.
pub struct Lease {
    group: Arc<Group>,
    member: Arc<Member>,
    /// Set by the group on the first lease of an instance whose initializer has not run.
    uninitialized: bool,
    /// Set where the slot is not this lease's to give back: it never got it, or gave it back already.
    forgotten: bool,
}

impl Lease {
    pub(crate) fn new(group: Arc<Group>, member: Arc<Member>, uninitialized: bool) -> Self {
        Self { group, member, uninitialized, forgotten: false }
    }

    /// The instance.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.member.instance
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

    /// The instance cannot be trusted any more: it is ended, not given back.
    pub fn destroy(self) {
        self.member.instance.kill();
    }

    /// Drops the lease without giving the slot back: its giver still holds it.
    pub(crate) fn forget(mut self) {
        self.forgotten = true;
    }

    /// Gives the slot back after a run, whose time tells how long the line will last; `true` where the next in line got it.
    pub fn give_back(mut self, took: Duration) -> bool {
        self.forgotten = true;
        self.group.ran(&self.member, took)
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
