//! What operators can count of asynchronous calls.

use std::sync::atomic::{AtomicU64, Ordering};

use fungraph_model::AsyncStatus;
use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::AsyncQueue;

/// Counted since the server's start.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    succeeded: AtomicU64,
    failed: AtomicU64,
    discarded: AtomicU64,
    retried: AtomicU64,
    /// Calls that may have run twice, since a server ended while they ran.
    rerun: u64,
}

impl Numbers {
    pub(super) fn new(rerun: u64) -> Self {
        Self { rerun, ..Self::default() }
    }

    /// A call has ended.
    pub(super) fn ended(&self, status: AsyncStatus) {
        let number = match status {
            AsyncStatus::Success => &self.succeeded,
            AsyncStatus::Discard => &self.discarded,
            AsyncStatus::Fail | AsyncStatus::Wait | AsyncStatus::Running => &self.failed,
        };
        number.fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt was not the last.
    pub(super) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }
}

/// Says what the numbers are.
pub(crate) fn describe_metrics() {
    describe_gauge!(
        "fungraph_async_calls",
        "Asynchronous calls that have not ended: running (those in line for an instance included) or waiting"
    );
    describe_counter!("fungraph_async_ended_total", "Asynchronous calls by their end");
    describe_counter!(
        "fungraph_async_retries_total",
        "Attempts of asynchronous calls that were followed by another one"
    );
    describe_counter!(
        "fungraph_async_reruns_total",
        "Asynchronous calls that ran when an earlier server ended, and that this one runs again"
    );
}

impl AsyncQueue {
    /// Hands the numbers to the recorder.
    pub(crate) fn publish_metrics(&self) {
        let numbers = &self.numbers;
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let ends = [("success", &numbers.succeeded), ("fail", &numbers.failed), ("discard", &numbers.discarded)];
        for (end, number) in ends {
            counter!("fungraph_async_ended_total", "end" => end).absolute(read(number));
        }
        counter!("fungraph_async_retries_total").absolute(read(&numbers.retried));
        counter!("fungraph_async_reruns_total").absolute(numbers.rerun);
        let (running, all) = (self.board().running() as u64, self.waiting());
        // Far below the numbers that a float cannot hold.
        gauge!("fungraph_async_calls", "state" => "running").set(running as f64);
        gauge!("fungraph_async_calls", "state" => "waiting").set(all.saturating_sub(running) as f64);
    }

    /// Calls that have not ended.
    fn waiting(&self) -> u64 {
        let functions = self.store.functions();
        functions.into_iter().map(|(no, _)| self.store.counts(no).waiting).sum()
    }
}
