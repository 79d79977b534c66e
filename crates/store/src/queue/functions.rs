//! The functions of the queue, in memory: their numbers, and how much of each waits. Kept true by the writer, read by everybody.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fungraph_model::{AsyncStatus, ProjectId};

use super::{FunctionNo, QueueCounts, QueueFunction};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Functions {
    by_id: HashMap<String, FunctionNo>,
    by_no: BTreeMap<FunctionNo, Known>,
    projects: HashMap<ProjectId, Load>,
    /// The largest number that was ever given: none is given twice in one run.
    last: i64,
    /// Records of all of them.
    records: u64,
}

/// One function.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) function: Arc<QueueFunction>,
    pub(super) counts: QueueCounts,
    /// Number of its newest call.
    pub(super) last_no: i64,
    /// Whether it was deleted.
    pub(super) gone: bool,
    /// Its calls that have ended and are still known.
    pub(super) records: u64,
}

/// What waits of a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls that have not ended.
    pub calls: u64,
    /// Bytes of their events, and of what destinations are still owed.
    pub bytes: u64,
}

/// What a commit changes in the counts of one function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) waiting: i64,
    pub(super) bytes: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) discarded: i64,
    pub(super) records: i64,
}

impl Change {
    pub(super) fn accepted(&mut self, bytes: usize) {
        self.waiting += 1;
        self.bytes += i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    /// A message takes room until it has arrived: a destination that takes nothing must not fill the disk for everybody.
    pub(super) fn owes(&mut self, bytes: usize) {
        self.bytes += i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    pub(super) fn ended(&mut self, status: AsyncStatus, bytes: i64) {
        self.waiting -= 1;
        self.bytes -= bytes;
        self.records += 1;
        match status {
            AsyncStatus::Success => self.succeeded += 1,
            AsyncStatus::Discard => self.discarded += 1,
            AsyncStatus::Fail | AsyncStatus::Wait | AsyncStatus::Running => self.failed += 1,
        }
    }
}

impl Known {
    /// Whether a start has to tell of it. A function that is paused stays so although nothing of it waits yet.
    pub(super) fn has_news(&self) -> bool {
        self.counts.waiting > 0 || (self.counts.paused && !self.gone)
    }
}

impl Functions {
    pub(super) fn insert(&mut self, no: FunctionNo, known: Known) {
        let load = self.projects.entry(known.function.key.project.clone()).or_default();
        load.calls += known.counts.waiting;
        load.bytes += known.counts.bytes;
        self.last = self.last.max(no.0);
        self.records += known.records;
        self.by_id.insert(known.function.func_id.clone(), no);
        self.by_no.insert(no, known);
    }

    pub(super) fn no(&self, func_id: &str) -> Option<FunctionNo> {
        self.by_id.get(func_id).copied()
    }

    pub(super) fn get(&self, no: FunctionNo) -> Option<&Known> {
        self.by_no.get(&no)
    }

    pub(super) fn get_mut(&mut self, no: FunctionNo) -> Option<&mut Known> {
        self.by_no.get_mut(&no)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (FunctionNo, &Known)> {
        self.by_no.iter().map(|(no, known)| (*no, known))
    }

    pub(super) fn load(&self, project: &ProjectId) -> Load {
        self.projects.get(project).copied().unwrap_or_default()
    }

    /// Whose a function is.
    pub(super) fn project(&self, function: FunctionNo) -> ProjectId {
        self.get(function).map_or_else(|| ProjectId(String::new()), |known| known.function.key.project.clone())
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// The number of a function, a new one if need be.
    pub(super) fn number(&mut self, function: &QueueFunction) -> FunctionNo {
        self.no(&function.func_id).unwrap_or_else(|| self.add(function))
    }

    /// The number of the function, a new one if need be, and that of its next call.
    pub(super) fn number_call(&mut self, function: &QueueFunction) -> (FunctionNo, i64) {
        let no = self.number(function);
        let known = self.by_no.get_mut(&no).expect("every number leads to a function");
        known.last_no = after(known.last_no);
        (no, known.last_no)
    }

    fn add(&mut self, function: &QueueFunction) -> FunctionNo {
        let no = FunctionNo(self.last + 1);
        let (function, counts) = (Arc::new(function.clone()), QueueCounts::default());
        self.insert(no, Known { function, counts, last_no: 0, gone: false, records: 0 });
        no
    }

    /// Forgets a function of which nothing is left.
    pub(super) fn remove(&mut self, no: FunctionNo) {
        if let Some(known) = self.by_no.remove(&no) {
            self.by_id.remove(&known.function.func_id);
        }
    }

    pub(super) fn apply(&mut self, changes: &BTreeMap<FunctionNo, Change>) {
        for (no, change) in changes {
            let Some(known) = self.by_no.get_mut(no) else { continue };
            let counts = &mut known.counts;
            counts.waiting = counts.waiting.saturating_add_signed(change.waiting);
            counts.bytes = counts.bytes.saturating_add_signed(change.bytes);
            counts.succeeded = counts.succeeded.saturating_add_signed(change.succeeded);
            counts.failed = counts.failed.saturating_add_signed(change.failed);
            counts.discarded = counts.discarded.saturating_add_signed(change.discarded);
            known.records = known.records.saturating_add_signed(change.records);
            self.records = self.records.saturating_add_signed(change.records);
            let load = self.projects.entry(known.function.key.project.clone()).or_default();
            load.calls = load.calls.saturating_add_signed(change.waiting);
            load.bytes = load.bytes.saturating_add_signed(change.bytes);
        }
    }
}

/// Markers have 31 bits, and 0 means the beginning: such a number is left out.
fn after(no: i64) -> i64 {
    let next = no + 1;
    if next & MARKER == 0 { next + 1 } else { next }
}

const MARKER: i64 = (1 << 31) - 1;

/// What stands for a call in a marker.
pub(super) fn marker(no: i64) -> u32 {
    u32::try_from(no & MARKER).expect("31 bits fit")
}

/// The newest call that a marker may stand for.
pub(super) fn marked(marker: u32, last_no: i64) -> i64 {
    let back = (last_no - i64::from(marker)) & MARKER;
    last_no - back
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_leads_back_to_the_newest_call_it_may_stand_for() {
        let wide = 1_i64 << 31;
        for (no, last) in [(1, 1), (7, 1000), (wide - 1, wide - 1), (wide - 1, wide + 5), (3 * wide + 9, 4 * wide + 8)]
        {
            assert_eq!(marked(marker(no), last), no, "{no} of {last}");
        }
        assert_eq!(after(wide - 1), wide + 1);
        assert_ne!(marker(wide + 1), 0);
    }
}
