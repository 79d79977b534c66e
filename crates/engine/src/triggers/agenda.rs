//! Which timer is next: a heap of times, asked with the time there is. No clock, no waiting. Pure.
//!
//! A clock that is set forward, a host that slept and a server that was stopped are one case: what is late by more than a minute has
//! been missed. It is made up once per timer, its last time, where that lies within the last hour; not where the next one comes within
//! a minute anyway. A clock that is set back is another: a time that has come already does not come again, unless the
//! clock goes back by so much that it must have been wrong before. That holds for times that are further apart than the clock went
//! back, such as those of every night; what comes more often is a rhythm, which goes on, since waiting would be an outage.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
    time::Instant,
};

use fungraph_model::{Trigger, TriggerId};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{check::shown, schedule::Schedule};

/// How late a timer may fire.
const LATEST: SignedDuration = SignedDuration::from_mins(1);
/// How long ago a time may have been that is made up. Whoever was away for longer does not expect last night's job in the middle of a day.
const MADE_UP: SignedDuration = SignedDuration::from_hours(1);
/// A step back of the clock that is no adjustment.
const STEP: SignedDuration = SignedDuration::from_secs(1);
/// A step back after which the times that have come are forgotten.
pub(super) const WRONG_CLOCK: SignedDuration = SignedDuration::from_hours(3);
/// Entries of the heap that may be out of date before it is made anew.
const STALE: usize = 64;

/// A moment, by the clock on the wall and by one that is never set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) wall: Timestamp,
    pub(super) steady: Instant,
}

/// A time has come.
#[derive(Clone, Debug)]
pub(super) struct Firing {
    pub(super) trigger: Arc<Trigger>,
    /// The time as the timer's events have it.
    pub(super) time: String,
    /// Whether a server that starts after this one could take the time for a missed one, unless it knows that there was a look at it.
    pub(super) would_be_made_up: bool,
}

/// The timers there are.
#[derive(Debug)]
pub(super) struct Agenda {
    /// That of schedules that name none.
    zone: TimeZone,
    timers: HashMap<TriggerId, Timer>,
    /// The next times, with the number of the timer's entry. One whose number is not the timer's any more says nothing.
    heap: BinaryHeap<Reverse<(Timestamp, u64, TriggerId)>>,
    last_number: u64,
    /// Until when a server before this one looked at the times; `None` where that is not known.
    looked_until: Option<Timestamp>,
    /// When this one looked last.
    seen: Option<Now>,
}

#[derive(Debug)]
struct Timer {
    trigger: Arc<Trigger>,
    /// From one time to the next, where that is always the same. The schedule itself is read again whenever it is needed: one of
    /// cron's takes 10 kB, reading it some microseconds.
    period: Option<SignedDuration>,
    number: u64,
    /// When it last fired.
    fired: Option<Instant>,
}

impl Timer {
    fn schedule(&self, zone: &TimeZone) -> Option<Schedule> {
        Schedule::of(&shown(&self.trigger.data), zone).ok()
    }

    fn after(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.schedule(zone)?.after(self.trigger.counts_from, moment)
    }

    /// Whether a clock that went back by so much would keep the timer quiet for more than one of its own pauses.
    fn would_be_silent(&self, back: SignedDuration, now: Now, zone: &TimeZone) -> bool {
        let Some(next) = self.after(now.wall, zone) else { return false };
        self.after(next, zone).is_some_and(|further| further.duration_since(next) + STEP < back)
    }

    /// The next time after the clock went back. A period that began does not end sooner.
    fn after_step(&self, now: Now, zone: &TimeZone) -> Option<Timestamp> {
        let left = self.period.zip(self.fired).map(|(period, fired)| {
            let passed = SignedDuration::try_from(now.steady.saturating_duration_since(fired)).unwrap_or(period);
            (period - passed).max(SignedDuration::ZERO)
        });
        // A time at the very end of the period is the next one.
        let end = left.unwrap_or_default() - SignedDuration::from_nanos(1);
        self.after(now.wall.checked_add(end.max(SignedDuration::ZERO)).unwrap_or(now.wall), zone)
    }
}

impl Agenda {
    pub(super) fn new(zone: TimeZone, looked_until: Option<Timestamp>) -> Self {
        Self { zone, timers: HashMap::new(), heap: BinaryHeap::new(), last_number: 0, looked_until, seen: None }
    }

    /// A timer is new, or another than before. One whose schedule cannot be read any more, since its time zone is gone, is told and
    /// left out.
    pub(super) fn set(&mut self, trigger: Arc<Trigger>, now: Now) {
        let schedule = match Schedule::of(&shown(&trigger.data), &self.zone) {
            Ok(schedule) => schedule,
            Err(why) => {
                self.remove(&trigger.id);
                tracing::warn!(function = %trigger.key, trigger = %trigger.id, why, "a timer does not fire");
                return;
            }
        };
        let fired = self.timers.remove(&trigger.id).and_then(|timer| timer.fired);
        let due = self.first(&schedule, trigger.counts_from, now.wall);
        self.put(Timer { period: schedule.period(), number: 0, fired, trigger }, due);
    }

    pub(super) fn remove(&mut self, id: &TriggerId) {
        self.timers.remove(id);
    }

    /// Those whose time has come, each once; then their next time is found.
    pub(super) fn take_due(&mut self, now: Now) -> Vec<Firing> {
        self.notice_step(now);
        let mut firings = Vec::new();
        while let Some(Reverse((due, ..))) = self.heap.peek().filter(|Reverse((due, ..))| *due <= now.wall) {
            let due = *due;
            let Some(Reverse((_, number, id))) = self.heap.pop() else { break };
            if self.timers.get(&id).is_none_or(|timer| timer.number != number) {
                continue;
            }
            let Some(mut timer) = self.timers.remove(&id) else { continue };
            // It could be read when the timer was set.
            let Some(schedule) = timer.schedule(&self.zone) else { continue };
            let from = timer.trigger.counts_from;
            let next = schedule.after(from, now.wall);
            let is_late = now.wall.duration_since(due) > LATEST;
            let time = if is_late { missed(&schedule, from, just_before(due), next, now.wall) } else { Some(due) };
            if let Some(time) = time {
                timer.fired = Some(now.steady);
                let (trigger, would_be_made_up) = (Arc::clone(&timer.trigger), is_far(next, time));
                firings.push(Firing { trigger, time: schedule.tell(time), would_be_made_up });
            }
            self.put(timer, next);
        }
        firings
    }

    /// Whether a look would find nothing due and no step of the clock, and so be short.
    pub(super) fn is_quiet(&self, now: Now) -> bool {
        self.wait(now).is_none_or(|wait| wait.is_positive()) && self.step_back(now).is_none()
    }

    /// When a timer that is set now is due first: one that was there before the last look, and is another now, at what has come since;
    /// at the start, at the time that is made up.
    fn first(&self, schedule: &Schedule, from: Timestamp, wall: Timestamp) -> Option<Timestamp> {
        if let Some(seen) = self.seen {
            return schedule.after(from, seen.wall.max(from).min(wall));
        }
        let next = schedule.after(from, wall);
        self.looked_until.and_then(|until| missed(schedule, from, until.max(from), next, wall)).or(next)
    }

    /// The time on the wall of the last look.
    pub(super) fn seen(&self) -> Option<Timestamp> {
        self.seen.map(|seen| seen.wall)
    }

    /// How long there is nothing to do; `None` without timers.
    pub(super) fn wait(&self, now: Now) -> Option<SignedDuration> {
        let Reverse((due, ..)) = self.heap.peek()?;
        Some(due.duration_since(now.wall).max(SignedDuration::ZERO))
    }

    fn put(&mut self, timer: Timer, due: Option<Timestamp>) {
        self.last_number += 1;
        let (id, number) = (timer.trigger.id.clone(), self.last_number);
        self.timers.insert(id.clone(), Timer { number, ..timer });
        self.heap.extend(due.map(|due| Reverse((due, number, id))));
        if self.heap.len() > 2 * self.timers.len() + STALE {
            self.heap
                .retain(|Reverse((_, number, id))| self.timers.get(id).is_some_and(|timer| timer.number == *number));
        }
    }

    /// By how much the clock was set back since it was last looked at, where it was.
    fn step_back(&self, now: Now) -> Option<SignedDuration> {
        let seen = self.seen?;
        let passed = SignedDuration::try_from(now.steady.saturating_duration_since(seen.steady)).unwrap_or_default();
        Some(passed - now.wall.duration_since(seen.wall)).filter(|back| *back > STEP)
    }

    /// Finds the times anew where the clock was set back.
    fn notice_step(&mut self, now: Now) {
        let back = self.step_back(now);
        self.seen = Some(now);
        let Some(back) = back else { return };
        let ids: Vec<TriggerId> = self.timers.keys().cloned().collect();
        for id in ids {
            // What stands on the wall comes again as the clock does: its next time is after the last one.
            let Some(timer) = self.timers.remove(&id) else { continue };
            let keeps_time = timer.period.is_none() && back <= WRONG_CLOCK;
            if keeps_time && !timer.would_be_silent(back, now, &self.zone) {
                self.timers.insert(id, timer);
                continue;
            }
            let due = timer.after_step(now, &self.zone);
            self.put(timer, due);
        }
    }
}

/// The last time after `low` that nobody looked at, where it is made up.
fn missed(
    schedule: &Schedule,
    from: Timestamp,
    low: Timestamp,
    next: Option<Timestamp>,
    wall: Timestamp,
) -> Option<Timestamp> {
    let oldest = wall.checked_sub(MADE_UP).unwrap_or(Timestamp::MIN);
    is_far(next, wall).then(|| schedule.last(from, low.max(oldest), wall)).flatten()
}

/// Whether the next time is so far from another that missing that one matters. A time whose next is near is not made up, whenever
/// the look at it comes: so only those far from their next need to be remembered as seen.
fn is_far(next: Option<Timestamp>, time: Timestamp) -> bool {
    next.is_none_or(|next| next.duration_since(time) > LATEST)
}

fn just_before(time: Timestamp) -> Timestamp {
    time.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
pub(super) mod sample;

#[cfg(test)]
mod tests;
