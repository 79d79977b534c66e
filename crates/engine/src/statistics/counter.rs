//! What a call adds to: a few numbers of its version, and of the alias it came by. No lock, no allocation, nothing that waits.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use fungraph_model::{FailureCode, ProjectId, Qualifier, Summary, Tally, TallyEntry};

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whose {
    /// Of the function: another one of the same name is another one.
    pub(crate) func_id: String,
    pub(crate) project: ProjectId,
    pub(crate) qualifier: Qualifier,
}

/// The numbers since they were written the last time.
#[derive(Debug)]
pub(crate) struct Counter {
    calls: AtomicU64,
    refused: AtomicU64,
    function_errors: AtomicU64,
    system_errors: AtomicU64,
    duration_us: AtomicU64,
    /// `u64::MAX` where none ran.
    shortest_us: AtomicU64,
    longest_us: AtomicU64,
    mb_ms: AtomicU64,
    /// Calls that run now.
    running: AtomicU64,
    most_running: AtomicU64,
}

/// A call that ran, as it is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunEnd {
    verdict: Verdict,
    duration_us: u64,
    mb_ms: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    FunctionError,
    SystemError,
}

impl RunEnd {
    /// `is_server_error`: a web server of the function's returned an answer with a status of 500 or more, which is its own failure.
    pub(crate) fn new(failure: Option<FailureCode>, is_server_error: bool, summary: &Summary) -> Self {
        let verdict = match failure {
            None if !is_server_error => Verdict::Fine,
            Some(code) if !code.is_user_error() => Verdict::SystemError,
            _ => Verdict::FunctionError,
        };
        let mb_ms = summary.billing_ms.saturating_mul(summary.memory_mb.into());
        Self { verdict, duration_us: summary.duration_us, mb_ms }
    }
}

impl Counter {
    pub(crate) fn new() -> Self {
        let zero = AtomicU64::default;
        Self {
            calls: zero(),
            refused: zero(),
            function_errors: zero(),
            system_errors: zero(),
            duration_us: zero(),
            shortest_us: AtomicU64::new(u64::MAX),
            longest_us: zero(),
            mb_ms: zero(),
            running: zero(),
            most_running: zero(),
        }
    }

    fn begin(&self) {
        let running = self.running.fetch_add(1, Relaxed) + 1;
        self.most_running.fetch_max(running, Relaxed);
    }

    fn leave(&self) {
        self.running.fetch_sub(1, Relaxed);
    }

    fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
        self.calls.fetch_add(1, Relaxed);
    }

    fn ended(&self, end: &RunEnd) {
        match end.verdict {
            Verdict::Fine => {}
            Verdict::FunctionError => _ = self.function_errors.fetch_add(1, Relaxed),
            Verdict::SystemError => _ = self.system_errors.fetch_add(1, Relaxed),
        }
        self.duration_us.fetch_add(end.duration_us, Relaxed);
        self.shortest_us.fetch_min(end.duration_us, Relaxed);
        self.longest_us.fetch_max(end.duration_us, Relaxed);
        self.mb_ms.fetch_add(end.mb_ms, Relaxed);
        self.calls.fetch_add(1, Relaxed);
    }

    /// Takes the numbers out, as those of whoever is counted; `None` where nothing happened. Nothing is lost and nothing counted twice; of a call that ends at this very
    /// moment some numbers may be in this entry and the others in the next.
    pub(crate) fn take(&self, whose: &Whose) -> Option<TallyEntry> {
        let take = |number: &AtomicU64| number.swap(0, Relaxed);
        let calls = take(&self.calls);
        let most_running = self.most_running.swap(self.running.load(Relaxed), Relaxed);
        if calls == 0 && most_running == 0 {
            return None;
        }
        let shortest_us = self.shortest_us.swap(u64::MAX, Relaxed);
        let tally = Tally {
            calls,
            refused: take(&self.refused),
            function_errors: take(&self.function_errors),
            system_errors: take(&self.system_errors),
            duration_us: take(&self.duration_us),
            shortest_us: (shortest_us < u64::MAX).then_some(shortest_us),
            longest_us: take(&self.longest_us),
            running: most_running,
            instances: 0,
            reserved: 0,
        };
        let Whose { func_id, project, qualifier } = whose.clone();
        Some(TallyEntry { func_id, project, qualifier, tally, mb_ms: take(&self.mb_ms) })
    }

    /// Puts back what could not be written.
    pub(crate) fn give_back(&self, entry: &TallyEntry) {
        let tally = &entry.tally;
        for (number, more) in [
            (&self.refused, tally.refused),
            (&self.function_errors, tally.function_errors),
            (&self.system_errors, tally.system_errors),
            (&self.duration_us, tally.duration_us),
            (&self.mb_ms, entry.mb_ms),
            (&self.calls, tally.calls),
        ] {
            number.fetch_add(more, Relaxed);
        }
        self.shortest_us.fetch_min(tally.shortest_us.unwrap_or(u64::MAX), Relaxed);
        self.longest_us.fetch_max(tally.longest_us, Relaxed);
        self.most_running.fetch_max(tally.running, Relaxed);
    }
}

/// The counters of one call.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    pub(crate) version: Arc<Counter>,
    pub(crate) alias: Option<Arc<Counter>>,
}

impl Counters {
    fn each(&self) -> impl Iterator<Item = &Counter> {
        [Some(&self.version), self.alias.as_ref()].into_iter().flatten().map(Arc::as_ref)
    }

    /// The call got no instance, and will not.
    pub(crate) fn refused(&self) {
        self.each().for_each(Counter::refused);
    }

    /// It has an instance, or what is left of one.
    pub(crate) fn begin(self) -> RunningCall {
        self.each().for_each(Counter::begin);
        RunningCall(self)
    }
}

/// A call that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct RunningCall(Counters);

impl RunningCall {
    /// How it ended. Every call that ran is counted here, whoever made it.
    pub(crate) fn ended(&self, end: &RunEnd) {
        self.0.each().for_each(|counter| counter.ended(end));
    }

    /// It turned out that there is no instance for it.
    pub(crate) fn refused(&self) {
        self.0.refused();
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.each().for_each(Counter::leave);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(counter: &Counter) -> Option<TallyEntry> {
        let project = ProjectId("p".to_owned());
        counter.take(&Whose { func_id: "f".to_owned(), project, qualifier: Qualifier::Latest })
    }

    fn end(failure: Option<FailureCode>, is_server_error: bool, duration_us: u64) -> RunEnd {
        let summary = Summary { duration_us, billing_ms: 100, memory_mb: 128, memory_used: 0 };
        RunEnd::new(failure, is_server_error, &summary)
    }

    #[test]
    fn a_call_counts_for_its_version_and_for_its_alias() {
        let (version, alias) = (Arc::new(Counter::new()), Arc::new(Counter::new()));
        let by_alias = Counters { version: Arc::clone(&version), alias: Some(Arc::clone(&alias)) };
        let directly = Counters { version: Arc::clone(&version), alias: None };
        let (one, two) = (by_alias.clone().begin(), directly.begin());
        one.ended(&end(None, false, 30));
        two.ended(&end(Some(FailureCode::HandlerFailed), false, 10));
        drop((one, two));
        by_alias.refused();
        let entry = take(&version).expect("something happened");
        let tally = Tally {
            calls: 3,
            refused: 1,
            function_errors: 1,
            duration_us: 40,
            shortest_us: Some(10),
            longest_us: 30,
            running: 2,
            ..Tally::default()
        };
        assert_eq!((entry.tally, entry.mb_ms, entry.qualifier), (tally, 25_600, Qualifier::Latest));
        let entry = take(&alias).expect("something happened");
        assert_eq!((entry.tally.calls, entry.tally.failed(), entry.tally.running), (2, 0, 1));
        assert_eq!((take(&version), take(&alias)), (None, None), "it is told once");
    }

    #[test]
    fn failures_are_the_functions_or_the_platforms() {
        for (failure, is_server_error, expected) in [
            (None, false, (0, 0)),
            (None, true, (1, 0)),
            (Some(FailureCode::HandlerFailed), false, (1, 0)),
            (Some(FailureCode::OutOfMemory), false, (1, 0)),
            (Some(FailureCode::InstanceBroken), false, (0, 1)),
            (Some(FailureCode::ExecutorFailed), false, (0, 1)),
        ] {
            let counter = Arc::new(Counter::new());
            Counters { version: Arc::clone(&counter), alias: None }.begin().ended(&end(failure, is_server_error, 1));
            let tally = take(&counter).expect("something happened").tally;
            assert_eq!((tally.function_errors, tally.system_errors), expected, "{failure:?} {is_server_error}");
        }
    }

    #[test]
    fn a_call_that_runs_on_is_seen_in_every_minute() {
        let counter = Arc::new(Counter::new());
        let call = Counters { version: Arc::clone(&counter), alias: None }.begin();
        for _ in 0..3 {
            let tally = take(&counter).expect("it runs").tally;
            assert_eq!((tally.calls, tally.running, tally.shortest_us), (0, 1, None));
        }
        drop(call);
        assert_eq!(take(&counter).map(|entry| entry.tally.running), Some(1), "until now");
        assert_eq!(take(&counter), None);
    }

    #[test]
    fn what_could_not_be_written_is_kept() {
        let counter = Arc::new(Counter::new());
        let counters = Counters { version: Arc::clone(&counter), alias: None };
        counters.clone().begin().ended(&end(None, false, 7));
        let entry = take(&counter).expect("something happened");
        counters.refused();
        counter.give_back(&entry);
        let again = take(&counter).expect("it is still there");
        assert_eq!((again.tally.calls, again.tally.refused, again.tally.shortest_us), (2, 1, Some(7)));
        assert_eq!((again.tally.running, again.mb_ms), (1, 12_800));
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let counter = Arc::new(Counter::new());
        let taken = std::thread::scope(|scope| {
            for _ in 0..2 {
                let counters = Counters { version: Arc::clone(&counter), alias: None };
                scope.spawn(move || (0..50_000).for_each(|_| counters.clone().begin().ended(&end(None, true, 3))));
            }
            (0..1000).filter_map(|_| take(&counter)).collect::<Vec<_>>()
        });
        let mut whole = Tally::default();
        taken.iter().chain(&take(&counter)).for_each(|entry| whole.add(&entry.tally));
        assert_eq!((whole.calls, whole.function_errors, whole.duration_us), (100_000, 100_000, 300_000));
        assert_eq!((whole.shortest_us, whole.longest_us), (Some(3), 3));
    }
}
