//! Work that goes on beside other work, and is done after it where the system has no thread for it: an upload that only takes longer then
//! is better than one that fails.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Who does the work.
pub(super) enum Beside<'scope, T, W> {
    /// A thread, which has begun.
    Thread(ScopedJoinHandle<'scope, T>),
    /// Whoever wants its result.
    Later(W),
}

impl<'scope, T, W> Beside<'scope, T, W>
where
    T: Send + 'scope,
    W: FnOnce() -> T + Send + 'scope,
{
    /// Begins it.
    pub(super) fn begin(scope: &'scope Scope<'scope, '_>, work: W) -> Self {
        Self::on(Builder::new(), scope, work)
    }

    fn on(thread: Builder, scope: &'scope Scope<'scope, '_>, work: W) -> Self {
        // A thread that cannot be had takes with it what it was to do.
        let work = Arc::new(Mutex::new(Some(work)));
        let theirs = Arc::clone(&work);
        match thread.spawn_scoped(scope, move || taken(&theirs)()) {
            Ok(thread) => Self::Thread(thread),
            Err(_) => Self::Later(taken(&work)),
        }
    }

    /// Its result. A panic goes on here.
    pub(super) fn end(self) -> T {
        match self {
            Self::Thread(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Self::Later(work) => work(),
        }
    }
}

fn taken<W>(work: &Mutex<Option<W>>) -> W {
    work.lock().unwrap_or_else(PoisonError::into_inner).take().expect("either a thread takes it, or there is none")
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn work_is_done_beside_other_work_or_after_it() {
        let here = thread::current().id();
        // No system has room for such a stack.
        for (thread, is_here) in [(Builder::new(), false), (Builder::new().stack_size(1 << 60), true)] {
            let text = String::from("moved there");
            let (done, by) = thread::scope(|scope| {
                let beside = Beside::on(thread, scope, move || (text.len(), thread::current().id()));
                assert_eq!(matches!(beside, Beside::Later(_)), is_here);
                beside.end()
            });
            assert_eq!((done, by == here), (11, is_here));
        }
    }
}
