//! The instances of one revision of one function, and the line of calls that wait for them.

mod average;
mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use fungraph_instance::{Instance, Plan, StartError, StartLimits};
use tokio::{
    sync::oneshot,
    time::{Instant as Deadline, timeout_at},
};

use crate::{
    Lease, Refusal,
    capacity::Permit,
    decide::{Decision, Overdue, View, decide, decide_overdue},
    lease::Member,
    pool::Shared,
};

pub(crate) use self::state::State;
use self::state::{Seat, Waiter};

/// A start is taken to last this long before one was measured.
const FIRST_START: Duration = Duration::from_millis(100);
/// How often a call in line asks again whether another instance should be started for it.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(5);
/// The same, where a start takes long: also how exactly the end of waiting is kept.
const LONGEST_PATIENCE: Duration = Duration::from_millis(250);

/// Instances of one revision; made by [`crate::Pool::group`].
pub struct Group {
    pub(crate) pool: Arc<Shared>,
    plan: Plan,
    state: Mutex<State>,
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// The call is refused.
    #[error("no instance: {0:?}")]
    Refused(Refusal),
    /// The instance that was to serve the call did not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

enum Seated {
    Now(Lease),
    InLine(oneshot::Receiver<Result<Lease, StartError>>),
}

impl Group {
    pub(crate) fn new(pool: Arc<Shared>, plan: Plan) -> Self {
        Self { pool, plan, state: Mutex::default() }
    }

    /// What its instances are made of.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Gets a slot: a free one, or one in an instance started for it, or the next one in line. Nobody stands in line longer
    /// than the pool's `wait` after `arrived`, or that and a whole start while an instance is being started.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub async fn acquire(self: &Arc<Self>, arrived: Instant) -> Result<Lease, AcquireError> {
        let mut reply = match self.seat()? {
            Seated::Now(lease) => return Ok(lease),
            Seated::InLine(reply) => reply,
        };
        let deadline = arrived + self.pool.config.wait;
        loop {
            let patience = Deadline::now() + self.patience();
            match timeout_at(patience, &mut reply).await {
                Ok(Ok(lease)) => return Ok(lease?),
                Ok(Err(_)) => return Err(AcquireError::Refused(Refusal::Stopping)),
                Err(_) if self.waited_enough(deadline) => return Err(AcquireError::Refused(Refusal::WaitedTooLong)),
                Err(_) => self.help_overdue(),
            }
        }
    }

    fn waited_enough(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        now >= deadline + self.pool.config.start || (now >= deadline && self.lock().starting == 0)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state of a group")
    }

    fn seat(self: &Arc<Self>) -> Result<Seated, AcquireError> {
        if self.pool.stopping() {
            return Err(AcquireError::Refused(Refusal::Stopping));
        }
        if !self.pool.capacity.fits(self.memory_bytes()) {
            return Err(AcquireError::Refused(Refusal::NeverFits));
        }
        let mut state = self.lock();
        loop {
            match decide(&self.view(&state)) {
                Decision::Use => {
                    let member = state.take_slot(self.slots()).expect("decide saw a free slot under the same lock");
                    if member.instance.is_alive() {
                        return Ok(Seated::Now(Lease::at_once(Arc::clone(self), member)));
                    }
                    // It died while it was idle: it is never leased.
                    state.remove(&member);
                }
                Decision::Wait { launch } => return Ok(Seated::InLine(self.stand_in_line(&mut state, launch))),
                Decision::Refuse(Refusal::QueueFull) if state.drop_left() => {}
                Decision::Refuse(why) => return Err(AcquireError::Refused(why)),
            }
        }
    }

    fn stand_in_line(
        self: &Arc<Self>,
        state: &mut State,
        launch: bool,
    ) -> oneshot::Receiver<Result<Lease, StartError>> {
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
        if launch {
            self.launch(state);
        }
        receiver
    }

    fn view(&self, state: &State) -> View {
        let slots_each = self.slots();
        View {
            most_instances: self.plan.version.spec.strategy.most_instances(),
            slots_each,
            ready: state.seats.len(),
            starting: state.starting,
            free: state.seats.iter().any(|seat| seat.taken < slots_each),
            running: state.seats.iter().map(|seat| seat.taken).sum(),
            processors: self.pool.config.processors,
            quick_us: state.quick.get(),
            waiting: state.waiting.len(),
            queue_limit: self.pool.config.queue_per_function,
            run_us: state.run.get(),
            start_us: state.start.get(),
        }
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        u64::from(self.plan.version.spec.memory_mb) << 20
    }

    fn slots(&self) -> usize {
        self.plan.version.spec.strategy.concurrent_num as usize
    }

    /// How long the line is trusted to move: as long as a start takes, or not long at all while instances are free.
    fn patience(&self) -> Duration {
        let state = self.lock();
        if self.view(&state).free {
            return SHORTEST_PATIENCE;
        }
        state.start.get().map_or(FIRST_START, Duration::from_micros).clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE)
    }

    fn help_overdue(self: &Arc<Self>) {
        let mut state = self.lock();
        state.drop_left();
        match decide_overdue(&self.view(&state)) {
            Overdue::Launch => self.launch(&mut state),
            Overdue::Wait => {}
            Overdue::Use => {
                // Runs are not as short as they were.
                state.quick.forget();
                let member = state.take_slot(self.slots()).expect("decide saw a free slot under the same lock");
                drop(state);
                self.pass_on(&member, false);
            }
        }
    }

    /// Starts an instance in the background, if the host has room or can make some. Without room the line stays, and asks
    /// again when it is overdue.
    fn launch(self: &Arc<Self>, state: &mut State) {
        let Some(permit) = self.pool.capacity.take(self.memory_bytes()) else {
            self.pool.want_room();
            return;
        };
        state.starting += 1;
        let group = Arc::clone(self);
        self.pool.tasks.spawn(async move { group.start(permit).await });
    }

    async fn start(self: Arc<Self>, permit: Permit) {
        let config = &self.pool.config;
        let begun = Instant::now();
        let limits = StartLimits { start: config.start, log_bytes: config.log_bytes_per_call };
        let started = Instance::start(self.pool.launcher.as_ref(), &self.plan, limits).await;
        match started {
            Ok(instance) => {
                self.lock().start.add(begun.elapsed());
                self.welcome(&Member::new(instance, permit));
            }
            Err(error) => {
                drop(permit);
                self.start_failed(error);
            }
        }
    }

    /// A new instance: one slot where the initializer has to run first, else all of them.
    fn welcome(self: &Arc<Self>, member: &Arc<Member>) {
        let uninitialized = self.plan.version.spec.initializer.is_some();
        let offered = if uninitialized { 1 } else { self.slots() };
        let mut state = self.lock();
        state.starting -= 1;
        state.seats.push(Seat { member: Arc::clone(member), taken: self.slots(), last_used: Instant::now() });
        drop(state);
        if self.pool.stopping() {
            member.instance.kill();
        }
        for _ in 0..offered {
            self.pass_on(member, uninitialized);
        }
    }

    pub(crate) fn initialized(self: &Arc<Self>, member: &Arc<Member>) {
        for _ in 1..self.slots() {
            self.pass_on(member, false);
        }
    }

    /// Everyone in line had a start of his own under way, so a failed start is the failure of the first in line.
    fn start_failed(self: &Arc<Self>, error: StartError) {
        let mut state = self.lock();
        state.starting -= 1;
        let waiter = state.next_waiter();
        self.serve_line(&mut state);
        drop(state);
        if let Some(waiter) = waiter {
            // He may have left this very moment; then the failure concerns nobody.
            let _ = waiter.send(Err(error));
        }
    }

    /// Calls in line must have an instance to wait for.
    fn serve_line(self: &Arc<Self>, state: &mut State) {
        if self.pool.stopping() {
            // Whoever stands in line learns it from the end of his channel.
            state.waiting.clear();
            return;
        }
        state.drop_left();
        if !state.waiting.is_empty() && state.seats.is_empty() && state.starting == 0 {
            self.launch(state);
        }
    }

    pub(crate) fn give_back(self: &Arc<Self>, member: &Arc<Member>) {
        self.pass_on(member, false);
    }

    /// Gives a slot that is not in use to the first in line, or keeps it; `true` where somebody got it.
    fn pass_on(self: &Arc<Self>, member: &Arc<Member>, uninitialized: bool) -> bool {
        while let Some(waiter) = self.next_in_line(member, uninitialized) {
            let lease = Lease::new(Arc::clone(self), Arc::clone(member), uninitialized);
            match waiter.send(Ok(lease)) {
                // He left this very moment: the next one gets the slot.
                Err(Ok(lease)) => lease.forget(),
                _ => return true,
            }
        }
        false
    }

    /// Who gets the slot; `None` once it was kept, or its instance left.
    fn next_in_line(self: &Arc<Self>, member: &Arc<Member>, uninitialized: bool) -> Option<Waiter> {
        let mut state = self.lock();
        if member.instance.is_dead() || (!state.waiting.is_empty() && !member.instance.is_alive()) {
            state.remove(member);
            self.serve_line(&mut state);
            return None;
        }
        if let Some(waiter) = state.next_waiter() {
            return Some(waiter);
        }
        if uninitialized {
            // It was started for somebody who left, and without its initializer it can serve nobody as it is.
            state.remove(member);
            member.instance.kill();
        } else if state.release(member, self.slots()) {
            drop(state);
            self.stop(Arc::clone(member));
        }
        None
    }

    pub(crate) fn ran(self: &Arc<Self>, member: &Arc<Member>, took: Duration) -> bool {
        {
            let mut state = self.lock();
            state.pulse.count();
            state.run.add(took);
            state.quick.add(took);
        }
        self.pass_on(member, false)
    }

    /// Lets idle instances go, now and from now on; busy ones go when their calls end.
    pub fn retire(self: &Arc<Self>) {
        let leaving = {
            let mut state = self.lock();
            state.retired = true;
            state.take_idle(|_| true)
        };
        leaving.into_iter().for_each(|member| self.stop(member));
    }

    /// Lets instances go that have been idle since before `since`.
    pub(crate) fn sweep(self: &Arc<Self>, since: Instant) {
        let leaving = self.lock().take_idle(|last_used| last_used < since);
        leaving.into_iter().for_each(|member| self.stop(member));
    }

    /// When its least recently used idle instance was used; `None` where none is idle.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.lock().seats.iter().filter(|seat| seat.taken == 0).map(|seat| seat.last_used).min()
    }

    /// Instances there are: loaded and starting.
    #[must_use]
    pub fn size(&self) -> usize {
        let state = self.lock();
        state.seats.len() + state.starting
    }

    fn stop(self: &Arc<Self>, member: Arc<Member>) {
        let limit = self.plan.version.spec.pre_stop.as_ref().map(|hook| Duration::from_secs(hook.timeout_s.into()));
        self.pool.tasks.spawn(async move { member.instance.stop(limit).await });
    }
}
