//! The instances of one revision of one function, and the line of calls that wait for them.

mod average;
mod place;
mod reserve;
mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use fungraph_instance::{Blank, Instance, Plan, StartError};
use fungraph_model::{FunctionVersion, ProjectId, StartKind};
use tokio::{
    sync::oneshot,
    time::{Instant as Deadline, timeout},
};

use crate::{
    Lease, Refusal,
    allowance::{Allowance, Claim},
    capacity::{Full, Permit},
    decide::{
        Decision, LEAST_TENURE_MS, Overdue, Stall, Start, Tenure, View, decide, decide_overdue, gives_way, trust_us,
    },
    lease::Member,
    line::{Lines, Place},
    pool::Shared,
    reserve::Reserve,
    room::Turn,
    stock::Shelf,
};

pub(crate) use self::state::State;
use self::state::{Begun, Seat, Waiter};

/// How often a call in line asks again while instances are free: how exactly it is known that runs have become long.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(5);

/// Instances of one revision and one memory size; made by [`crate::Pool::group`] and [`crate::Pool::sibling`].
pub struct Group {
    pub(crate) pool: Arc<Shared>,
    lines: Arc<Lines>,
    /// Shared by the groups of all sizes.
    pub(crate) allowance: Arc<Allowance>,
    shelf: Arc<Shelf>,
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

/// What somebody in line holds.
struct InLine<'a> {
    reply: oneshot::Receiver<Result<Lease, StartError>>,
    /// The number of who was first in it when that was last looked at.
    first: Option<u64>,
    /// How long he waits at first without asking again whether another instance should be started for him.
    patience: Duration,
    /// Held for its `Drop`: he counts until he is served or leaves, however he does.
    _place: Place<'a>,
    group: &'a Group,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.reply.close();
        // Who leaves may have been the last one for whom another size was to give an instance up.
        if self.group.allowance.is_wanted() {
            self.group.pool.look_for_room();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The queue for room forgets it without a turn.
        self.allowance.set_wants(self.memory_mb(), false);
        self.leave_word();
    }
}

/// What an instance has before it is started: its place among those of its function, its room on the host, and the blank that it
/// is made of, if there is one.
struct Berth {
    claim: Claim,
    permit: Permit,
    blank: Option<Blank>,
}

/// The part of each line that a call may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Whole,
    Half,
}

/// A slot for the first in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// The call that had it was answered just now: nobody looks whether the process is still there. A call that comes too late to be
    /// sent goes to another instance.
    Answered,
    /// Nobody had it just now.
    Unused,
    /// The initializer has to run in it first.
    Uninitialized,
}

enum Seated<'a> {
    Now(Lease),
    InLine(InLine<'a>),
}

impl Group {
    pub(crate) fn new(pool: Arc<Shared>, lines: Arc<Lines>, allowance: Arc<Allowance>, plan: Plan) -> Self {
        let shelf = pool.stock.shelf(&plan.blueprint());
        Self { pool, lines, allowance, shelf, plan, state: Mutex::default() }
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
        self.acquire_in(arrived, Share::Whole).await
    }

    /// The same for a call that nobody waits for: no more than half of each line is for those, so that they never keep a caller out.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub async fn acquire_for_queue(self: &Arc<Self>, arrived: Instant) -> Result<Lease, AcquireError> {
        self.acquire_in(arrived, Share::Half).await
    }

    async fn acquire_in(self: &Arc<Self>, arrived: Instant, share: Share) -> Result<Lease, AcquireError> {
        let mut line = match self.seat(share)? {
            Seated::Now(lease) => return Ok(lease),
            Seated::InLine(line) => line,
        };
        let deadline = arrived + self.pool.config.wait;
        let mut patience = line.patience;
        loop {
            match timeout(patience, &mut line.reply).await {
                Ok(Ok(lease)) => return Ok(lease?),
                Ok(Err(_)) => return Err(AcquireError::Refused(Refusal::Stopping)),
                Err(_) if self.waited_enough(deadline) => return Err(AcquireError::Refused(Refusal::WaitedTooLong)),
                Err(_) => self.help_overdue(&mut line, arrived.elapsed()),
            }
            patience = self.patience(&self.lock());
        }
    }

    fn waited_enough(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        now >= deadline + self.longest_start() || (now >= deadline && self.lock().starting() == 0)
    }

    /// From launch to loaded function, where a program of the user's own may take its time after the start of the instance.
    fn longest_start(&self) -> Duration {
        self.pool.config.start + self.plan.version.spec.ready_limit().unwrap_or_default()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| self.begin_anew(poisoned.into_inner()))
    }

    /// Somebody panicked while he held the state. Which slots are in use is not known for certain any more, so no instance that there is takes
    /// another call; all else holds together at each step.
    #[cold]
    fn begin_anew<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        tracing::error!(function = %self.plan.version.key, instances = state.seats.len(),
            "a fault of ours met the instances of a function: they leave, and others are started");
        state.begin_anew();
        self.state.clear_poison();
        state
    }

    fn seat(self: &Arc<Self>, share: Share) -> Result<Seated<'_>, AcquireError> {
        if self.pool.stopping() {
            return Err(AcquireError::Refused(Refusal::Stopping));
        }
        if !self.pool.capacity.fits(self.memory_bytes()) {
            return Err(AcquireError::Refused(Refusal::NeverFits));
        }
        let mut state = self.lock();
        self.recall(&mut state);
        loop {
            match decide(&View { line_room: self.line_room(&state, share), ..self.view(&state) }) {
                Decision::Use => {
                    let member = state.take_slot(self.slots()).expect("decide saw a free slot under the same lock");
                    if member.instance.is_alive() {
                        return Ok(Seated::Now(Lease::at_once(Arc::clone(self), member)));
                    }
                    // It died while it was idle: it is never leased.
                    state.remove(&member);
                }
                Decision::Wait(start) => return Ok(Seated::InLine(self.stand_in_line(&mut state, start))),
                Decision::Refuse(Refusal::QueueFull) if state.drop_left() => {}
                Decision::Refuse(why) => return Err(AcquireError::Refused(why)),
            }
        }
    }

    fn stand_in_line(self: &Arc<Self>, state: &mut State, start: Option<Start>) -> InLine<'_> {
        let (sender, reply) = oneshot::channel();
        state.join_line(sender);
        if let Some(start) = start {
            self.launch(state, start);
        }
        let (first, patience) = (state.first_in_line(), self.patience(state));
        InLine { reply, first, patience, _place: self.lines.join(), group: self }
    }

    fn view(&self, state: &State) -> View {
        let slots_each = self.slots();
        let free = state.has_free(slots_each);
        View {
            most_instances: self.plan.version.spec.strategy.most_instances(),
            slots_each,
            ready: state.seats.len(),
            starting: state.starting(),
            free,
            running: state.seats.iter().map(|seat| seat.taken).sum(),
            processors: self.pool.config.processors,
            spare: !free && self.has_spare_processors(),
            quick_us: state.quick.get(),
            waiting: state.waiting.len(),
            line_room: self.line_room(state, Share::Whole),
            run_us: state.run.get().or(state.first_run.get()).or(state.endless.then_some(u64::MAX)),
            first_run_us: state.first_run.get(),
            blanks: self.shelf.ready(),
            fit_us: state.fit.get(),
            start_us: state.start.get(),
        }
    }

    fn has_spare_processors(&self) -> bool {
        let may_grow = !self.allowance.is_full() && self.pool.config.grows_into_idle_processors;
        may_grow && self.pool.spare.is_some(Instant::now())
    }

    fn line_room(&self, state: &State, share: Share) -> usize {
        let config = &self.pool.config;
        // A line of one is for everybody: without a place in it nothing is started.
        let part = |most: usize| if share == Share::Half { most.div_ceil(2) } else { most };
        let of_function = part(config.queue_per_function).saturating_sub(state.waiting.len());
        of_function.min(self.lines.room(part(config.queue_per_project), part(config.queue)))
    }

    /// Calls that could begin at once.
    #[must_use]
    pub fn free_slots(&self) -> usize {
        let (state, slots) = (self.lock(), self.slots());
        let free = state.seats.iter().filter(|seat| seat.serves() && seat.is_free(slots));
        free.map(|seat| slots - seat.taken).sum()
    }

    pub(crate) fn project(&self) -> &ProjectId {
        &self.plan.version.key.project
    }

    pub(crate) fn memory_mb(&self) -> u32 {
        self.plan.version.spec.memory_mb
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        u64::from(self.memory_mb()) << 20
    }

    fn slots(&self) -> usize {
        self.plan.version.spec.calls_at_once()
    }

    /// How long the line is trusted to move: as long as a start takes, or not long at all while instances are free.
    fn patience(&self, state: &State) -> Duration {
        if state.has_free(self.slots()) {
            return SHORTEST_PATIENCE;
        }
        Duration::from_micros(trust_us(state.start.get()))
    }

    fn help_overdue(self: &Arc<Self>, line: &mut InLine<'_>, waited: Duration) {
        let mut state = self.lock();
        state.drop_left();
        self.recall(&mut state);
        let before = std::mem::replace(&mut line.first, state.first_in_line());
        let stall = Stall { moved: before != line.first, waited_ms: place::millis(waited) };
        match decide_overdue(&self.view(&state), stall) {
            Overdue::Start(start) => {
                // Whoever comes next need not find that out again.
                state.endless |= !stall.moved && !state.seats.is_empty();
                self.launch(&mut state, start);
            }
            Overdue::Wait => {}
            Overdue::Use => {
                // Runs are not as short as they were.
                state.quick.forget();
                let member = state.take_slot(self.slots()).expect("decide saw a free slot under the same lock");
                drop(state);
                self.pass_on(&member, Slot::Unused);
            }
        }
    }

    /// Starts an instance in the background, if there is room. Else the group waits for some, behind the others that do.
    fn launch(self: &Arc<Self>, state: &mut State, start: Start) {
        if self.pool.stopping() {
            return;
        }
        let at_once = self.has_place() && !self.pool.room.is_wanted(self.project());
        match at_once.then(|| self.berth(start)).and_then(Result::ok) {
            Some(berth) => self.begin(state, berth),
            None if self.pool.room.join(self) => self.pool.look_for_room(),
            None => {}
        }
    }

    fn begin(self: &Arc<Self>, state: &mut State, berth: Berth) {
        let (group, start) = (Arc::clone(self), state.begin_start());
        self.pool.tasks.spawn(async move { group.start(berth, start).await });
    }

    /// Its turn in the queue for room.
    pub(crate) fn take_turn(self: &Arc<Self>) -> Turn {
        let mut state = self.lock();
        let Some(start) = self.wants(&state) else { return Turn::Done };
        match self.berth(start) {
            Err(turn) => turn,
            Ok(berth) => {
                self.begin(&mut state, berth);
                if self.wants(&state).is_some() { Turn::Again } else { Turn::Done }
            }
        }
    }

    /// Whether it still wants an instance, once it has forgotten who left its line.
    pub(crate) fn wants_another(&self) -> bool {
        let mut state = self.lock();
        state.drop_left();
        self.wants(&state).is_some()
    }

    /// Whose room is used up for one more instance, if any is. Blanks give way, where that is enough.
    pub(crate) fn lacks(&self) -> Option<Full> {
        self.pool.capacity.full(self.project(), self.memory_bytes(), self.pool.stock.room())
    }

    /// A place and room for one instance, or what is missing. Asked for in this order, so that nothing is taken in vain.
    fn berth(&self, start: Start) -> Result<Berth, Turn> {
        if self.allowance.is_full() {
            return Err(Turn::Limited);
        }
        if let Some(full) = self.lacks() {
            return Err(Turn::Blocked(full));
        }
        let claim = self.allowance.take(self.memory_mb()).ok_or(Turn::Limited)?;
        let (permit, blank) = self.room(start).map_err(Turn::Blocked)?;
        Ok(Berth { claim, permit, blank })
    }

    /// Room for one instance, with the blank it will be made of where that was decided and is still there. Other blanks go first
    /// where there is none.
    fn room(&self, start: Start) -> Result<(Permit, Option<Blank>), Full> {
        let (project, bytes, pool) = (self.project(), self.memory_bytes(), &self.pool);
        if let Some((blank, mut permit)) = (start == Start::Blank).then(|| self.shelf.take()).flatten() {
            loop {
                match permit.become_of(project, bytes) {
                    Ok(permit) => {
                        self.shelf.used_one();
                        return Ok((permit, Some(blank)));
                    }
                    Err((back, Full::Host)) if pool.stock.give_way() => permit = back,
                    Err((back, full)) => {
                        self.shelf.put_back(blank, back);
                        return Err(full);
                    }
                }
            }
        }
        loop {
            match pool.capacity.take(project, bytes) {
                Ok(permit) => return Ok((permit, None)),
                Err(Full::Host) if pool.stock.give_way() => {}
                Err(full) => return Err(full),
            }
        }
    }

    async fn start(self: Arc<Self>, berth: Berth, start: Begun) {
        let Berth { claim, permit, blank } = berth;
        let (begun, was_blank) = (Instant::now(), blank.is_some());
        let started = match self.instance(blank, begun).await {
            // It died between the stock and its function, or the host did not let it have that: one more try, from the beginning.
            Err(StartError::Launch(error)) if was_blank => {
                tracing::warn!(cause = &error as &dyn std::error::Error, "a blank instance was of no use");
                self.instance(None, begun).await
            }
            started => started,
        };
        match started {
            Ok(instance) => {
                let mut state = self.lock();
                let average = if was_blank { &mut state.fit } else { &mut state.start };
                average.add(begun.elapsed());
                drop(state);
                self.welcome(&Member::new(instance, permit, self.pool.tasks.clone()), claim, start);
            }
            Err(error) => {
                drop(permit);
                self.start_failed(error, claim, start);
            }
        }
        // Not before: what is started takes the processor, and the spawner, from the call that waits.
        self.tend_reserve();
        self.shelf.tend();
    }

    async fn instance(&self, blank: Option<Blank>, begun: Instant) -> Result<Instance, StartError> {
        let left = || self.pool.config.start.saturating_sub(begun.elapsed());
        let (blank, kind) = match blank {
            Some(blank) => (blank, StartKind::Blank),
            None => (self.shelf.order(left()).await?, StartKind::New),
        };
        let limit = self.plan.version.spec.ready_limit().unwrap_or_else(left);
        blank.fit(&self.plan, limit, kind, begun).await
    }

    /// A new instance: one slot where the initializer has to run first, else all of them.
    fn welcome(self: &Arc<Self>, member: &Arc<Member>, claim: Claim, start: Begun) {
        let uninitialized = self.plan.version.spec.initializer.is_some();
        let (offered, slot) = if uninitialized { (1, Slot::Uninitialized) } else { (self.slots(), Slot::Unused) };
        let mut state = self.lock();
        drop(start);
        let (initialized, last_used) = (!uninitialized, Deadline::now());
        state.seats.push(Seat {
            member: Arc::clone(member),
            taken: self.slots(),
            last_used,
            initialized,
            leaving: false,
            _claim: claim,
        });
        state.most_seats = state.most_seats.max(state.seats.len());
        if initialized {
            state.reserve.succeeded(last_used);
        }
        drop(state);
        if self.pool.stopping() {
            member.instance.kill();
        }
        for _ in 0..offered {
            self.pass_on(member, slot);
        }
    }

    pub(crate) fn initialized(self: &Arc<Self>, member: &Arc<Member>) {
        self.lock().initialized(member);
        for _ in 1..self.slots() {
            self.pass_on(member, Slot::Unused);
        }
    }

    /// It is the failure of the call it was begun for, and nobody's where that has been served or left: whoever else is in line
    /// has a start of his own under way, or gets one.
    fn start_failed(self: &Arc<Self>, error: StartError, claim: Claim, start: Begun) {
        let mut state = self.lock();
        let whose = start.whose;
        drop((start, claim));
        // Whoever is turned away by a pool that stops is no victim of this failure.
        let waiter = whose.filter(|_| !self.pool.stopping()).and_then(|number| state.take_waiter(number));
        state.reserve.failed(Deadline::now());
        let prepare = state.reserve.prepare.clone().filter(|_| state.reserve.wanted > 0 && !self.pool.stopping());
        self.serve_line(&mut state);
        drop(state);
        match (waiter, prepare) {
            // He may have left this very moment; then the failure concerns nobody.
            (Some(waiter), _) => drop(waiter.reply.send(Err(error))),
            (None, Some(prepare)) => prepare(Err(error)),
            (None, None) => {}
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
        if state.waiting.is_empty() || !state.seats.is_empty() {
            return;
        }
        if let Overdue::Start(start) = decide_overdue(&self.view(state), Stall::NONE) {
            self.launch(state, start);
        }
    }

    pub(crate) fn give_back(self: &Arc<Self>, member: &Arc<Member>) {
        self.pass_on(member, Slot::Unused);
    }

    /// Gives a slot that is not in use to the first in line, or keeps it; `true` where somebody got it.
    fn pass_on(self: &Arc<Self>, member: &Arc<Member>, slot: Slot) -> bool {
        self.pass_on_from(self.lock(), member, slot)
    }

    fn pass_on_from(self: &Arc<Self>, state: MutexGuard<'_, State>, member: &Arc<Member>, slot: Slot) -> bool {
        let mut next = self.next_in_line(state, member, slot);
        while let Some(waiter) = next {
            let lease = Lease::new(Arc::clone(self), Arc::clone(member), slot == Slot::Uninitialized);
            match waiter.reply.send(Ok(lease)) {
                // He left this very moment: the next one gets the slot.
                Err(Ok(lease)) => lease.forget(),
                _ => return true,
            }
            next = self.next_in_line(self.lock(), member, slot);
        }
        false
    }

    /// Who gets the slot; `None` once it was kept, or its instance left.
    fn next_in_line(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        member: &Arc<Member>,
        slot: Slot,
    ) -> Option<Waiter> {
        let uninitialized = slot == Slot::Uninitialized;
        let left = member.instance.is_dead() || !state.has(member);
        let is_looked_at = slot != Slot::Answered && !state.waiting.is_empty();
        if left || (is_looked_at && !member.instance.is_alive()) {
            state.remove(member);
            self.serve_line(&mut state);
            self.fill_reserve(&mut state);
            return None;
        }
        if state.is_leaving(member) {
            self.leave(&mut state, member);
            return None;
        }
        if self.pool.room.is_wanted(self.project()) && !uninitialized && self.makes_room(&mut state, member) {
            return None;
        }
        if !uninitialized && self.makes_place(&mut state, member) {
            return None;
        }
        if let Some(waiter) = state.next_waiter() {
            return Some(waiter);
        }
        if uninitialized {
            if let Some((prepare, lease)) = self.hand_over(&state, member) {
                drop(state);
                prepare(Ok(lease));
                return None;
            }
            // It was started for somebody who left, and without its initializer it can serve nobody as it is.
            state.remove(member);
            member.instance.kill();
        } else if state.release(member, self.slots()) {
            drop(state);
            self.stop(Arc::clone(member));
        }
        None
    }

    /// Other functions wait for room: an instance that had its time leaves, and one that becomes idle is looked for.
    fn makes_room(self: &Arc<Self>, state: &mut State, member: &Arc<Member>) -> bool {
        let tenure = Tenure {
            own: (state.seats.len() + state.starting()).saturating_sub(state.reserve.wanted),
            all: self.pool.capacity.used().instances.saturating_sub(self.pool.room.reserved()),
            contenders: self.pool.room.contenders(),
            age_ms: place::millis(member.born.elapsed()),
            least_ms: LEAST_TENURE_MS,
        };
        let leaves = state.taken(member) == 1 && state.spare() > 0 && gives_way(&tenure);
        if leaves {
            state.remove(member);
            self.stop(Arc::clone(member));
            self.serve_line(state);
        } else if state.waiting.is_empty() {
            self.pool.look_for_room();
        }
        leaves
    }

    /// `is_first` where the instance was started for this call.
    pub(crate) fn ran(self: &Arc<Self>, member: &Arc<Member>, took: Duration, is_first: bool) -> bool {
        let mut state = self.lock();
        state.pulse.count();
        let average = if is_first { &mut state.first_run } else { &mut state.run };
        average.add(took);
        state.quick.add(took);
        self.pass_on_from(state, member, Slot::Answered)
    }

    /// Lets an instance go of which one slot is held by who says so.
    pub(crate) fn dismiss(self: &Arc<Self>, member: &Arc<Member>) {
        let mut state = self.lock();
        let alone = state.taken(member) == 1;
        state.remove(member);
        self.serve_line(&mut state);
        self.fill_reserve(&mut state);
        drop(state);
        // Otherwise it ends with the last call in it.
        if alone {
            self.stop(Arc::clone(member));
        }
    }

    /// Lets idle instances go, now and from now on; busy ones go when their calls end.
    pub fn retire(self: &Arc<Self>) {
        let leaving = {
            let mut state = self.lock();
            state.retired = true;
            state.reserve = Reserve::default();
            self.allowance.set_reserved(self.memory_mb(), 0);
            if self.pool.stopping() {
                // Whoever stands in line learns it from the end of his channel.
                state.waiting.clear();
            }
            state.take_idle(|_| true)
        };
        leaving.into_iter().for_each(|member| self.stop(member));
    }

    /// Lets instances go that have been idle since before `since`.
    pub(crate) fn sweep(self: &Arc<Self>, since: Deadline) {
        let leaving = self.lock().take_idle(|last_used| last_used < since);
        leaving.into_iter().for_each(|member| self.stop(member));
    }

    /// Its least recently used idle instance, for whom it has to leave; `None` where none is idle any more, or all are reserved.
    pub(crate) fn take_oldest_idle(&self) -> Option<Arc<Member>> {
        let mut state = self.lock();
        if state.spare() == 0 {
            return None;
        }
        let idle = state.seats.iter().enumerate().filter(|(_, seat)| seat.taken == 0);
        let (index, _) = idle.min_by_key(|(_, seat)| seat.last_used)?;
        Some(state.seats.swap_remove(index).member)
    }

    pub(crate) fn version(&self) -> &Arc<FunctionVersion> {
        &self.plan.version
    }

    /// When its least recently used idle instance was used; `None` where none is idle, or all are reserved.
    pub(crate) fn idle_since(&self) -> Option<Deadline> {
        let state = self.lock();
        let idle = state.seats.iter().filter(|seat| seat.taken == 0).map(|seat| seat.last_used);
        idle.min().filter(|_| state.spare() > 0)
    }

    /// Instances there are: loaded and starting.
    #[must_use]
    pub fn size(&self) -> usize {
        let state = self.lock();
        state.seats.len() + state.starting()
    }

    fn stop(self: &Arc<Self>, member: Arc<Member>) {
        self.pool.let_go(member, &self.plan.version);
    }
}
