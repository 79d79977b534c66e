//! Which calls the program works on.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most bytes of an event that a program takes at once, with all that stands around it, or not at all.
const AT_ONCE: usize = 3 << 10;

/// The calls that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    /// In the order in which they began. Few at a time, so a list is faster than a map.
    entries: Vec<Entry>,
    /// No answer is read any more.
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    call: u32,
    request: String,
    /// Whether the program takes it at once, or not at all.
    at_once: bool,
    /// It was written as a whole.
    written: bool,
}

impl Running {
    /// A call with an event of so many bytes is about to be handed over; `false` where nobody would read its answer.
    pub(super) fn begin(&self, call: u32, request: &str, event: usize) -> bool {
        let mut calls = self.lock();
        if !calls.closed {
            let at_once = event <= AT_ONCE;
            calls.entries.push(Entry { call, request: request.to_owned(), at_once, written: false });
        }
        !calls.closed
    }

    /// No call begins any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// It was handed over as a whole; the answer may have been faster.
    pub(super) fn written(&self, call: u32) {
        self.lock().entries.iter_mut().filter(|entry| entry.call == call).for_each(|entry| entry.written = true);
    }

    /// The call that certainly nobody has seen; `reset` where the kernel said that something was not read. Of several it is not known
    /// whose that was.
    pub(super) fn unseen(&self, reset: bool) -> Option<u32> {
        match &self.lock().entries[..] {
            [only] => (only.at_once && (reset || !only.written)).then_some(only.call),
            _ => None,
        }
    }

    /// Whether a call of this number is running; gives it in the platform's form.
    pub(super) fn find(&self, number: u64) -> Option<u32> {
        self.lock().entries.iter().map(|entry| entry.call).find(|call| u64::from(*call) == number)
    }

    pub(super) fn end(&self, call: u32) {
        self.lock().entries.retain(|entry| entry.call != call);
    }

    /// Ends all.
    pub(super) fn end_all(&self) -> Vec<u32> {
        std::mem::take(&mut self.lock().entries).into_iter().map(|entry| entry.call).collect()
    }

    /// The call of a request id; of anything else, the one that began last; 0 where there is none.
    pub(super) fn whose(&self, request: Option<&str>) -> u32 {
        let entries = &self.lock().entries;
        let named = request.and_then(|id| entries.iter().find(|entry| entry.request == id));
        named.or(entries.last()).map_or(0, |entry| entry.call)
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_belongs_to_the_call_it_names_or_the_last() {
        let running = Running::default();
        assert_eq!(running.whose(None), 0);
        assert!((1..=3).all(|call| running.begin(call, &format!("request {call}"), 2)));
        assert_eq!((running.whose(Some("request 1")), running.whose(Some("other")), running.whose(None)), (1, 3, 3));
        running.end(3);
        assert_eq!(running.whose(None), 2);
        assert_eq!((running.find(1), running.find(3), running.find(1 << 32 | 1)), (Some(1), None, None));
        running.close();
        assert!(!running.begin(4, "late", 2));
        assert_eq!(running.end_all(), [1, 2]);
    }

    #[test]
    fn only_a_single_small_call_is_known_to_be_unseen() {
        let running = Running::default();
        assert!(running.begin(1, "a", AT_ONCE));
        assert_eq!(running.unseen(false), Some(1), "it was not even written");
        running.written(1);
        assert_eq!((running.unseen(false), running.unseen(true)), (None, Some(1)));
        assert!(running.begin(2, "b", 2));
        assert_eq!(running.unseen(true), None);
        running.end(1);
        running.end(2);
        assert!(running.begin(3, "c", AT_ONCE + 1));
        assert_eq!(running.unseen(true), None);
    }
}
