//! Which calls the program works on.

use std::sync::{Mutex, MutexGuard};

/// The calls that have no answer yet, in the order in which they began. Few at a time, so a list is faster than a map.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    call: u32,
    request: String,
}

impl Running {
    pub(super) fn begin(&self, call: u32, request: &str) {
        self.lock().push(Entry { call, request: request.to_owned() });
    }

    /// Whether a call of this number is running; gives it in the platform's form.
    pub(super) fn find(&self, number: u64) -> Option<u32> {
        self.lock().iter().map(|entry| entry.call).find(|call| u64::from(*call) == number)
    }

    pub(super) fn end(&self, call: u32) {
        self.lock().retain(|entry| entry.call != call);
    }

    /// Ends all.
    pub(super) fn end_all(&self) -> Vec<u32> {
        std::mem::take(&mut *self.lock()).into_iter().map(|entry| entry.call).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The call of a request id; of anything else, the one that began last; 0 where there is none.
    pub(super) fn whose(&self, request: Option<&str>) -> u32 {
        let entries = self.lock();
        let named = request.and_then(|id| entries.iter().find(|entry| entry.request == id));
        named.or(entries.last()).map_or(0, |entry| entry.call)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().expect("nothing panics while it holds the list of calls")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_belongs_to_the_call_it_names_or_the_last() {
        let running = Running::default();
        assert_eq!(running.whose(None), 0);
        (1..=3).for_each(|call| running.begin(call, &format!("request {call}")));
        assert_eq!((running.whose(Some("request 1")), running.whose(Some("other")), running.whose(None)), (1, 3, 3));
        running.end(3);
        assert_eq!((running.whose(None), running.count()), (2, 2));
        assert_eq!((running.find(1), running.find(3), running.find(1 << 32 | 1)), (Some(1), None, None));
        assert_eq!(running.end_all(), [1, 2]);
    }
}
