//! Blank instances: started before anybody asks, one shelf for each kind.
//!
//! Every instance begins as a blank one. Whoever finds none ready orders one and gets the first that is finished, whether it was
//! started for him or for the shelf. What is ready counts against the host's room, and is the first to go when room is wanted.

mod demand;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fungraph_instance::{Blank, Blueprint, LaunchError, Launcher, StartError};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::demand::Demand;
use crate::{
    Config,
    capacity::{Capacity, Permit, Room},
    starts::{Starts, Underway},
};

/// All shelves.
pub(crate) struct Stock {
    supply: Arc<Supply>,
    shelves: Mutex<HashMap<Blueprint, Arc<Shelf>>>,
}

/// What every shelf starts blanks with.
struct Supply {
    config: Config,
    launcher: Arc<dyn Launcher>,
    capacity: Arc<Capacity>,
    tasks: TaskTracker,
    stop: CancellationToken,
    begun: Instant,
}

/// Blank instances of one kind.
pub(crate) struct Shelf {
    blueprint: Blueprint,
    supply: Arc<Supply>,
    state: Mutex<State>,
    /// As many as are in the state; read without its lock by every decision.
    ready: AtomicUsize,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Held>,
    /// Those under way, for the shelf or for somebody.
    starts: Starts,
    takers: VecDeque<oneshot::Sender<Result<Blank, StartError>>>,
    demand: Demand,
    /// Functions of this kind exist: one is kept ready even if none was wanted lately.
    expected: bool,
    /// Starts that failed in a row, and the second before which none is started but for somebody who wants one.
    failures: u32,
    resting_until: u64,
}

/// A blank that waits, with its room on the host.
struct Held {
    blank: Blank,
    permit: Permit,
}

/// Longest pause between starts that fail, in seconds.
const LONGEST_REST: u64 = 64;

impl State {
    fn starting(&self) -> usize {
        self.starts.count()
    }

    fn rests(&self, second: u64) -> bool {
        second < self.resting_until
    }

    /// A start succeeded or not: after a failure the shelf waits, twice as long each time.
    fn went(&mut self, well: bool, second: u64) {
        self.failures = if well { 0 } else { self.failures.saturating_add(1) };
        let rest = if well { 0 } else { 1_u64.checked_shl(self.failures).unwrap_or(LONGEST_REST).min(LONGEST_REST) };
        self.resting_until = second + rest;
    }
}

impl Stock {
    pub(crate) fn new(
        config: Config,
        launcher: Arc<dyn Launcher>,
        capacity: Arc<Capacity>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let supply = Supply { config, launcher, capacity, tasks, stop, begun: Instant::now() };
        Self { supply: Arc::new(supply), shelves: Mutex::default() }
    }

    /// The shelf for a kind, empty at first.
    pub(crate) fn shelf(&self, blueprint: &Blueprint) -> Arc<Shelf> {
        let mut shelves = self.lock();
        let new = || Arc::new(Shelf::new(blueprint.clone(), Arc::clone(&self.supply)));
        Arc::clone(shelves.entry(blueprint.clone()).or_insert_with(new))
    }

    fn shelves(&self) -> Vec<Arc<Shelf>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Blueprint, Arc<Shelf>>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings every shelf to what is worth having.
    pub(crate) fn tend(&self) {
        self.shelves().iter().for_each(Shelf::tend);
        // Each image has a shelf of its own, and there is no end of images.
        let unused = |shelf: &Arc<Shelf>| Arc::strong_count(shelf) == 1 && shelf.ready() == 0;
        self.lock().retain(|blueprint, shelf| blueprint.root.is_none() || !unused(shelf));
    }

    /// One blank goes, from the fullest shelf; false where none is left.
    pub(crate) fn give_way(&self) -> bool {
        let fullest = self.shelves().into_iter().max_by_key(|shelf| shelf.ready());
        fullest.is_some_and(|shelf| shelf.drop_one())
    }

    /// What blanks hold of the host.
    pub(crate) fn room(&self) -> Room {
        let held = self.shelves().into_iter().map(|shelf| (shelf.ready(), shelf.blank_bytes()));
        held.fold(Room { instances: 0, memory_bytes: 0 }, |room, (ready, bytes)| Room {
            instances: room.instances + ready,
            memory_bytes: room.memory_bytes + ready as u64 * bytes,
        })
    }

    /// Ends every blank and turns away who ordered one; the pool stops.
    pub(crate) fn clear(&self) {
        for shelf in self.shelves() {
            while shelf.drop_one() {}
            shelf.lock().takers.clear();
        }
    }

    /// Blanks that are ready, by kind.
    pub(crate) fn census(&self) -> Vec<(Blueprint, usize)> {
        self.shelves().iter().map(|shelf| (shelf.blueprint.clone(), shelf.ready())).collect()
    }
}

impl Shelf {
    fn new(blueprint: Blueprint, supply: Arc<Supply>) -> Self {
        Self { blueprint, supply, state: Mutex::default(), ready: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each takes of the host's memory.
    fn blank_bytes(&self) -> u64 {
        u64::from(self.blueprint.blank_memory_mb()) << 20
    }

    /// How many are ready.
    pub(crate) fn ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// Functions of this kind exist: the first call of one should find a blank.
    pub(crate) fn expect(self: &Arc<Self>) {
        self.lock().expected = true;
        self.tend();
    }

    /// Takes one that is ready, the oldest: it has had the most time to prepare itself.
    pub(crate) fn take(&self) -> Option<(Blank, Permit)> {
        let mut state = self.lock();
        let held = std::iter::from_fn(|| state.ready.pop_front()).find(|held| held.blank.is_alive());
        self.count(&state);
        held.map(|held| (held.blank, held.permit))
    }

    /// One that was taken became an instance.
    pub(crate) fn used_one(&self) {
        self.lock().demand.add(self.second());
    }

    /// Brings one back that was taken in vain.
    pub(crate) fn put_back(&self, blank: Blank, permit: Permit) {
        let mut state = self.lock();
        state.ready.push_front(Held { blank, permit });
        self.count(&state);
    }

    /// Waits for the next one that is started; the caller has room for it already.
    pub(crate) async fn order(self: &Arc<Self>, limit: Duration) -> Result<Blank, StartError> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.lock();
            state.demand.add(self.second());
            state.takers.retain(|taker| !taker.is_closed());
            state.takers.push_back(sender);
            if state.starting() < state.takers.len() {
                self.launch(&mut state, None);
            }
        }
        match timeout(limit, receiver).await {
            Ok(Ok(blank)) => blank,
            _ => Err(LaunchError::too_slow(&self.blueprint, limit).into()),
        }
    }

    /// Starts what is missing and lets go what is too many.
    pub(crate) fn tend(self: &Arc<Self>) {
        let supply = &self.supply;
        let mut state = self.lock();
        let target = self.target(&mut state);
        state.ready.retain(|held| held.blank.is_alive());
        while state.ready.len() > target {
            state.ready.pop_front();
        }
        self.count(&state);
        state.takers.retain(|taker| !taker.is_closed());
        while state.starting() < state.takers.len() && !supply.stop.is_cancelled() {
            // A start has broken off by a fault of ours, and told nobody.
            self.launch(&mut state, None);
        }
        // Calls come first: they find what is started for them sooner if nothing is started beside it.
        let may_start = state.takers.is_empty() && !state.rests(self.second()) && !supply.stop.is_cancelled();
        while may_start && state.ready.len() + state.starting() < target && state.starting() < supply.config.processors
        {
            let Some(permit) = supply.capacity.take_spare(self.blank_bytes()) else { break };
            self.launch(&mut state, Some(permit));
        }
    }

    fn target(&self, state: &mut State) -> usize {
        let config = &self.supply.config;
        let least = if state.expected { config.blanks_least } else { 0 };
        state.demand.most(self.second()).max(least).min(config.blanks_most)
    }

    fn launch(self: &Arc<Self>, state: &mut State, permit: Option<Permit>) {
        let underway = state.starts.begin();
        let shelf = Arc::clone(self);
        self.supply.tasks.spawn(async move {
            let Supply { config, launcher, stop, .. } = &*shelf.supply;
            let start = Blank::start(launcher.as_ref(), &shelf.blueprint, config.start, config.log_bytes_per_call);
            tokio::select! {
                started = start => shelf.arrived(started, permit, underway),
                () = stop.cancelled() => shelf.lock().takers.clear(),
            }
        });
    }

    /// One is there, or failed: the first in line gets it, else the shelf keeps it if the host has room for it.
    fn arrived(self: &Arc<Self>, mut started: Result<Blank, StartError>, permit: Option<Permit>, underway: Underway) {
        let mut state = self.lock();
        drop(underway);
        state.went(started.as_ref().is_ok_and(Blank::is_alive), self.second());
        if self.supply.stop.is_cancelled() {
            state.takers.clear();
            return;
        }
        if started.as_ref().is_ok_and(|blank| !blank.is_alive()) {
            // It died as soon as it was there: whoever waits gets the next one.
            tracing::warn!(kind = %self.blueprint, "a blank instance died as soon as it was started");
            state.takers.retain(|taker| !taker.is_closed());
            if state.starting() < state.takers.len() {
                self.launch(&mut state, permit);
            }
            return;
        }
        while let Some(taker) = state.takers.pop_front() {
            match taker.send(started) {
                Ok(()) => return,
                Err(back) => started = back,
            }
        }
        match started {
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                tracing::error!(cause, kind = %self.blueprint, "a blank instance could not be started; \
                     tried again soon, and when a call needs one");
            }
            Ok(blank) => {
                if let Some(permit) = permit.or_else(|| self.supply.capacity.take_spare(self.blank_bytes())) {
                    state.ready.push_back(Held { blank, permit });
                    self.count(&state);
                }
            }
        }
    }

    fn drop_one(&self) -> bool {
        let mut state = self.lock();
        let dropped = state.ready.pop_back().is_some();
        self.count(&state);
        dropped
    }

    fn count(&self, state: &State) {
        self.ready.store(state.ready.len(), Ordering::Relaxed);
    }

    fn second(&self) -> u64 {
        self.supply.begun.elapsed().as_secs()
    }
}
