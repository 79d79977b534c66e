//! What waits to be written. On the path of every call: a lock, a push, and a wake-up only for the first of a batch.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fungraph_model::FunctionKey;

use super::LogEntry;

/// How long a batch gathers. A reader may be this late; a busy server writes this often and not per call.
const GATHER: Duration = Duration::from_millis(100);
/// What an entry costs beside its text.
const ENTRY_BYTES: usize = 256;

/// Entries for which room is kept: what a busy server gathers. To get it anew for each batch costs more than to write them.
const SPARE_ENTRIES: usize = 4096;

/// Entries and orders, in the order they came.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Batch>,
    arrived: Condvar,
    most_bytes: usize,
    dropped: AtomicU64,
}

/// What the writer takes at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In the order of their arrival.
    pub(super) entries: Vec<LogEntry>,
    /// Functions whose logs are to go, with their ids where they are known, once `entries` up to the index are written.
    pub(super) removals: Vec<(usize, FunctionKey, Option<String>)>,
    /// Logs of these functions were dropped, so many.
    pub(super) dropped: HashMap<FunctionKey, u64>,
    /// Number of the last thing in it; reported when it is done.
    pub(super) mark: u64,
    /// No more will come.
    pub(super) closed: bool,
    bytes: usize,
    hurry: bool,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.removals.is_empty() && self.dropped.is_empty()
    }
}

impl Queue {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new(), most_bytes, dropped: AtomicU64::new(0) }
    }

    pub(super) fn append(&self, entry: LogEntry) {
        let cost = entry.text.size() + ENTRY_BYTES;
        let mut waiting = self.lock();
        let idle = waiting.is_empty();
        if waiting.closed || (waiting.bytes + cost > self.most_bytes && !waiting.entries.is_empty()) {
            self.count_dropped(1);
            *waiting.dropped.entry(entry.function.key.clone()).or_default() += 1;
        } else {
            waiting.bytes += cost;
            waiting.entries.push(entry);
        }
        waiting.mark += 1;
        // At half the room the writer does not wait for the batch to gather.
        let pressed = waiting.bytes > self.most_bytes / 2 && !waiting.hurry;
        waiting.hurry |= pressed;
        drop(waiting);
        if idle || pressed {
            self.arrived.notify_one();
        }
    }

    pub(super) fn remove(&self, function: FunctionKey, func_id: Option<String>) -> u64 {
        let mut waiting = self.lock();
        let at = waiting.entries.len();
        // Nor is it the next function's business how much was dropped.
        waiting.dropped.remove(&function);
        waiting.removals.push((at, function, func_id));
        waiting.mark += 1;
        self.press(waiting)
    }

    pub(super) fn hurry(&self) -> u64 {
        self.press(self.lock())
    }

    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        self.press(waiting);
    }

    pub(super) fn count_dropped(&self, logs: u64) {
        self.dropped.fetch_add(logs, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits for something to do and takes all of it. The room of `spare`, a list that was written, is for what comes next.
    pub(super) fn take(&self, mut spare: Vec<LogEntry>) -> Batch {
        spare.clear();
        if spare.capacity() > SPARE_ENTRIES {
            spare = Vec::new();
        }
        let waiting = self.lock();
        let idle = |batch: &mut Batch| batch.is_empty() && !batch.hurry && !batch.closed;
        let mut waiting = self.arrived.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + GATHER;
        while !waiting.hurry && !waiting.closed {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            waiting = self.arrived.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let (mark, closed) = (waiting.mark, waiting.closed);
        std::mem::replace(&mut *waiting, Batch { entries: spare, mark, closed, ..Batch::default() })
    }

    fn press(&self, mut waiting: MutexGuard<'_, Batch>) -> u64 {
        waiting.hurry = true;
        let mark = waiting.mark;
        drop(waiting);
        self.arrived.notify_one();
        mark
    }

    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
