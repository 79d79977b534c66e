//! What the pool has at this moment, for people and their monitors. Counted when somebody asks: a call pays for none of it but one
//! addition.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use fungraph_model::{FunctionKey, FunctionVersion, Line};

use crate::{Group, Memory, Pool};

/// Everything at one moment, or nearly so: groups are looked at one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Loaded instances that serve no call.
    pub idle: usize,
    /// Loaded instances that serve at least one.
    pub busy: usize,
    /// Instances being started, given code, or initialized.
    pub starting: usize,
    /// Reserved instances that are ready: some of the idle and busy ones.
    pub reserved: usize,
    /// Instances without code, by interpreter.
    pub blanks: Vec<BlankStock>,
    /// Calls in line, of all functions.
    pub waiting: usize,
    /// Functions, each memory size for itself, that want an instance and find no room for it.
    pub wanting_room: usize,
    /// Memory of instances.
    pub memory: Memory,
    /// Versions of functions that have an instance or a line, in no order.
    pub functions: Vec<FunctionCensus>,
}

/// Instances without code of one interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlankStock {
    /// Name and version, such as `Python 3.11.2`.
    pub interpreter: String,
    /// How many are ready.
    pub ready: usize,
}

/// One version of a function, all its revisions and sizes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCensus {
    /// Which.
    pub function: FunctionKey,
    /// Which version of it.
    pub version: String,
    /// Its instances, loaded and starting.
    pub instances: usize,
    /// Calls that run.
    pub running: usize,
    /// Calls in line.
    pub waiting: usize,
    /// Calls that ended within the last full second.
    pub last_second: u64,
}

/// What one revision of a version has and had, of one memory size.
#[derive(Clone, Debug)]
pub struct InstanceCensus {
    /// Whose instances.
    pub version: Arc<FunctionVersion>,
    /// Loaded instances, the most since this was asked last.
    pub most: usize,
    /// Reserved ones that are ready.
    pub reserved: usize,
}

/// Counts to the end of a second.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    now: u64,
    last: u64,
}

impl Pulse {
    pub(crate) fn count(&mut self) {
        self.now += 1;
    }

    fn beat(&mut self) {
        self.last = std::mem::take(&mut self.now);
    }
}

impl Pool {
    /// Counts.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census {
            idle: 0,
            busy: 0,
            starting: 0,
            reserved: 0,
            blanks: self.blank_stock(),
            waiting: 0,
            wanting_room: self.wanting_room(),
            memory: self.shared.capacity.memory(),
            functions: Vec::new(),
        };
        let mut functions: HashMap<(FunctionKey, String), FunctionCensus> = HashMap::new();
        for group in self.shared.groups() {
            let one = group.census();
            if one.instances == 0 && one.waiting == 0 && one.last_second == 0 {
                continue;
            }
            let FunctionVersion { key: function, version, .. } = &*group.plan().version;
            let (function, version) = (function.clone(), version.clone());
            census.idle += one.idle;
            census.busy += one.instances - one.idle - one.starting;
            census.starting += one.starting;
            census.reserved += group.reserved();
            census.waiting += one.waiting;
            let sum = functions.entry((function.clone(), version.clone())).or_insert_with(|| FunctionCensus {
                function,
                version,
                instances: 0,
                running: 0,
                waiting: 0,
                last_second: 0,
            });
            sum.instances += one.instances;
            sum.running += one.running;
            sum.waiting += one.waiting;
            sum.last_second += one.last_second;
        }
        census.functions = functions.into_values().collect();
        census
    }
}

impl Pool {
    /// What has, or had since this was asked last, a loaded instance. One asks, for it is told once.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceCensus> {
        let there = self.shared.groups();
        let there = there.iter().map(|group| InstanceCensus { reserved: group.reserved(), ..group.instances() });
        let there: Vec<_> = there.filter(|one| one.most > 0).collect();
        let departed = std::mem::take(&mut *self.shared.departed.lock().unwrap_or_else(PoisonError::into_inner));
        there.into_iter().chain(departed).collect()
    }

    /// By interpreter, whatever the size of their `/tmp`.
    fn blank_stock(&self) -> Vec<BlankStock> {
        let mut stock: BTreeMap<String, usize> = BTreeMap::new();
        for (blueprint, ready) in self.shared.stock.census() {
            *stock.entry(blueprint.interpreter.to_string()).or_default() += ready;
        }
        stock.into_iter().map(|(interpreter, ready)| BlankStock { interpreter, ready }).collect()
    }
}

/// The part of one group.
struct GroupCensus {
    instances: usize,
    idle: usize,
    starting: usize,
    running: usize,
    waiting: usize,
    last_second: u64,
}

impl Group {
    /// What the function has, of all memory sizes, for a call that waited.
    #[must_use]
    pub fn line(&self) -> Line {
        Line {
            instances: u32::try_from(self.allowance.taken()).unwrap_or(u32::MAX),
            most: u32::try_from(self.plan().version.spec.strategy.concurrency).ok(),
            room: self.lacks().is_none(),
        }
    }

    fn instances(&self) -> InstanceCensus {
        let version = Arc::clone(&self.plan().version);
        let mut state = self.lock();
        let now = state.seats.len();
        let most = std::mem::replace(&mut state.most_seats, now).max(now);
        InstanceCensus { version, most, reserved: 0 }
    }

    /// A group that ends tells what it had since somebody asked.
    pub(crate) fn leave_word(&self) {
        let last = self.instances();
        if last.most > 0 {
            self.pool.departed.lock().unwrap_or_else(PoisonError::into_inner).push(last);
        }
    }

    /// A second is over.
    pub(crate) fn beat(&self) {
        self.lock().pulse.beat();
    }

    fn census(&self) -> GroupCensus {
        let state = self.lock();
        let serving = || state.seats.iter().filter(|seat| seat.serves());
        GroupCensus {
            instances: state.seats.len() + state.starting(),
            idle: serving().filter(|seat| seat.taken == 0).count(),
            starting: state.starting() + state.seats.len() - serving().count(),
            running: serving().map(|seat| seat.taken).sum(),
            waiting: state.waiting.iter().filter(|waiter| !waiter.reply.is_closed()).count(),
            last_second: state.pulse.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_tells_of_the_last_full_second() {
        let mut pulse = Pulse::default();
        pulse.count();
        pulse.count();
        assert_eq!(pulse.last, 0, "the second is not over");
        pulse.beat();
        pulse.count();
        assert_eq!(pulse.last, 2);
        pulse.beat();
        assert_eq!(pulse.last, 1);
    }
}
