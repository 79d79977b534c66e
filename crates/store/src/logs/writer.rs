//! The thread that writes: takes a batch, brings each function's records together, appends them.

use std::path::Path;

use fungraph_model::{FunctionKey, limits::LATEST};
use jiff::Timestamp;
use tokio::sync::watch;

use super::queue::{Batch, Queue};
use super::removed::Removed;
use super::shelf::Shelf;
use super::{LogEntry, LogLimits, segment};

/// Runs until the queue is closed and empty.
pub(super) fn run(queue: &Queue, done: &watch::Sender<u64>, root: &Path, limits: LogLimits) {
    let mut writer = Writer {
        queue,
        shelf: Shelf::new(root, limits),
        removed: Removed::default(),
        buffer: Vec::new(),
        text: Vec::new(),
        refused: false,
    };
    let mut spare = Vec::new();
    loop {
        let batch = queue.take(spare);
        writer.write(&batch);
        done.send_replace(batch.mark);
        if batch.closed {
            return;
        }
        spare = batch.entries;
    }
}

struct Writer<'a> {
    queue: &'a Queue,
    shelf: Shelf,
    removed: Removed,
    buffer: Vec<u8>,
    /// One log's text; kept for its room.
    text: Vec<u8>,
    /// The disk refused the last write; said once and not for each log.
    refused: bool,
}

impl Writer<'_> {
    fn write(&mut self, batch: &Batch) {
        let mut start = 0;
        for (at, function, func_id) in &batch.removals {
            self.write_entries(&batch.entries[start..*at]);
            start = *at;
            if let Some(func_id) = func_id {
                self.removed.add(func_id);
            }
            let removed = self.shelf.remove(function);
            self.judge(&removed, "could not remove the logs of a deleted function");
        }
        self.write_entries(&batch.entries[start..]);
        for (function, dropped) in &batch.dropped {
            self.note(function, *dropped);
        }
    }

    fn write_entries(&mut self, entries: &[LogEntry]) {
        let mut entries: Vec<&LogEntry> =
            entries.iter().filter(|entry| !self.removed.contains(&entry.function.func_id)).collect();
        // Stable: within a function the order of arrival stays.
        entries.sort_by(|a, b| a.function.key.cmp(&b.function.key));
        for entries in entries.chunk_by(|a, b| a.function.key == b.function.key) {
            self.write_function(&entries[0].function.key, entries);
        }
    }

    /// As few writes as segments allow.
    fn write_function(&mut self, function: &FunctionKey, entries: &[&LogEntry]) {
        let mut held = 0;
        for entry in entries {
            let start = self.buffer.len();
            self.text.clear();
            entry.text.write(&mut self.text);
            let LogEntry { function: version, request, started, call, .. } = entry;
            segment::write(&mut self.buffer, *started, Some(*request), &version.version, &self.text, call.as_ref());
            if start > 0 && self.buffer.len() as u64 > self.shelf.room(function) {
                let last = self.buffer.split_off(start);
                self.append(function, held);
                (self.buffer, held) = (last, 0);
            }
            held += 1;
        }
        self.append(function, held);
    }

    fn append(&mut self, function: &FunctionKey, logs: u64) {
        if self.buffer.is_empty() {
            return;
        }
        let written = self.shelf.write(function, &self.buffer);
        if !self.judge(&written, "could not write logs; is the disk full?") {
            self.queue.count_dropped(logs);
        }
        self.buffer.clear();
    }

    fn note(&mut self, function: &FunctionKey, dropped: u64) {
        let text = format!(
            "fungraph: the logs of {dropped} calls were dropped here, they came faster than the disk took them\n"
        );
        segment::write(&mut self.buffer, Timestamp::now(), None, LATEST, text.as_bytes(), None);
        self.append(function, 0);
    }

    /// Whether it went well; a refusal is logged when it begins.
    fn judge(&mut self, result: &std::io::Result<()>, trouble: &'static str) -> bool {
        if let Err(error) = result
            && !self.refused
        {
            tracing::error!(%error, "{trouble}");
        }
        self.refused = result.is_err();
        result.is_ok()
    }
}
