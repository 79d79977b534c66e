//! A future beside another one in the same task, polled only when it was woken itself.
//!
//! A connection's task is polled half a dozen times for each request. What watches over the connection, its timers and the sign to stop,
//! has nothing new to say then, and asking it each time would cost as much as proving who the caller is.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// The future. Where it is ready it may be polled again, for what it has to say next.
pub(crate) struct Aside<F> {
    future: F,
    /// The bell with the waker that rings it.
    bell: Option<(Arc<Bell>, Waker)>,
}

/// Its waker.
struct Bell {
    is_rung: AtomicBool,
    task: Waker,
}

impl<F> Aside<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, bell: None }
    }
}

impl Bell {
    /// Rung, so that it is listened to once.
    fn of(task: &Waker) -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self { is_rung: AtomicBool::new(true), task: task.clone() });
        let waker = Waker::from(Arc::clone(&bell));
        (bell, waker)
    }

    /// Whether it was rung since it was asked the last time. What was done before that is seen.
    fn was_rung(&self) -> bool {
        self.is_rung.load(Ordering::Relaxed) && self.is_rung.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<F: Future + Unpin> Future for Aside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let last = this.bell.take().filter(|(bell, _)| bell.task.will_wake(context.waker()));
        let (bell, waker) = this.bell.insert(last.unwrap_or_else(|| Bell::of(context.waker())));
        if !bell.was_rung() {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut this.future).poll(&mut Context::from_waker(waker));
        if polled.is_ready() {
            bell.is_rung.store(true, Ordering::Relaxed);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        future::poll_fn,
        sync::atomic::AtomicUsize,
    };

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_polled_when_it_was_woken_and_where_it_was_ready() {
        let (polls, ready, inner) = (Cell::new(0), Cell::new(false), RefCell::new(Waker::noop().clone()));
        let mut aside = Aside::new(poll_fn(|context: &mut Context<'_>| {
            polls.set(polls.get() + 1);
            *inner.borrow_mut() = context.waker().clone();
            if ready.take() { Poll::Ready(()) } else { Poll::Pending }
        }));
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut polled = |waker: &Waker| Pin::new(&mut aside).poll(&mut Context::from_waker(waker)).is_ready();
        assert!(!polled(&waker) && !polled(&waker) && !polled(&waker));
        assert_eq!(polls.get(), 1, "others woke the task");
        inner.borrow().wake_by_ref();
        assert_eq!(task.0.load(Ordering::Relaxed), 1, "its own wake wakes the task");
        assert!(!polled(&waker) && !polled(&waker));
        assert_eq!(polls.get(), 2);
        ready.set(true);
        inner.borrow().wake_by_ref();
        assert!(polled(&waker) && !polled(&waker) && !polled(&waker));
        assert_eq!(polls.get(), 4, "once more after it was ready");
        let other = Arc::new(Task::default());
        let other_waker = Waker::from(Arc::clone(&other));
        assert!(!polled(&other_waker));
        inner.borrow().wake_by_ref();
        assert_eq!((polls.get(), other.0.load(Ordering::Relaxed)), (5, 1), "the task may change");
    }
}
