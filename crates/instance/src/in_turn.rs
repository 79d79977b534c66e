//! Polls a task again in its own turn where it woke itself, instead of giving the turn back for that.
//!
//! A request's body comes to its handler through a channel inside one task: hyper's dispatcher waits for the handler to want the body,
//! the handler for the dispatcher to pass it on, and each wakes the other, which is the task itself. For tokio a task that wakes itself
//! while it is polled *yields*, and a yield wakes another thread so that it may take the task over: a futex call, and a thread that runs
//! for nothing, on the very processor that the interpreter is about to be woken on. A call of a web server of the user's own is the same: there the
//! call is the handler, and hyper's client the dispatcher.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Not being polled: whoever wakes it wakes the task.
const RESTING: u8 = 0;
/// Being polled.
const POLLED: u8 = 1;
/// Woken while it is being polled.
const RUNG: u8 = 2;

/// Most polls in one turn. A body in pieces asks for more, and others want their turn too.
const MOST: usize = 4;

/// A future that wakes itself.
pub struct InTurn<F, P> {
    future: Pin<Box<F>>,
    /// A number that changes while it does what it wakes itself for. A wake means what it says in a turn that leaves it as it was.
    progress: P,
    /// The bell with the waker that rings it, kept from poll to poll: a task is mostly woken by the same one.
    bell: Option<(Arc<Bell>, Waker)>,
}

/// Its waker.
struct Bell {
    state: AtomicU8,
    task: Waker,
}

impl<F, P> InTurn<F, P> {
    /// `progress` is asked before and after each poll.
    #[must_use]
    pub fn new(future: F, progress: P) -> Self {
        Self { future: Box::pin(future), progress, bell: None }
    }
}

impl Bell {
    fn of(task: &Waker, last: Option<(Arc<Self>, Waker)>) -> (Arc<Self>, Waker) {
        last.filter(|(bell, _)| bell.task.will_wake(task)).unwrap_or_else(|| {
            let bell = Arc::new(Self { state: AtomicU8::new(RESTING), task: task.clone() });
            let waker = Waker::from(Arc::clone(&bell));
            (bell, waker)
        })
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(RUNG, Ordering::AcqRel) == RESTING {
            self.task.wake_by_ref();
        }
    }
}

impl<F: Future, P: Fn() -> u64 + Unpin> Future for InTurn<F, P> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let last = this.bell.take();
        let (bell, waker) = this.bell.insert(Bell::of(context.waker(), last));
        for _ in 0..MOST {
            // What the waker did before it rang is seen by the poll that follows.
            bell.state.swap(POLLED, Ordering::AcqRel);
            let before = (this.progress)();
            if let Poll::Ready(output) = this.future.as_mut().poll(&mut Context::from_waker(waker)) {
                return Poll::Ready(output);
            }
            if bell.state.compare_exchange(POLLED, RESTING, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return Poll::Pending;
            }
            if (this.progress)() == before {
                break;
            }
        }
        bell.state.store(RESTING, Ordering::Release);
        context.waker().wake_by_ref();
        Poll::Pending
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

    /// Counts how often the task was woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls once a future that wakes itself in its first `rings` polls and makes progress in the first `steps`; gives its polls, and
    /// the wakes that reached the task.
    fn turn(rings: usize, steps: usize) -> (usize, usize) {
        let (polls, progress) = (Cell::new(0), Cell::new(0));
        let future = poll_fn(|context| {
            polls.set(polls.get() + 1);
            if polls.get() <= steps {
                progress.set(progress.get() + 1);
            }
            if polls.get() <= rings {
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        let task = Arc::new(Task::default());
        let mut future = InTurn::new(future, || progress.get());
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&Waker::from(task.clone())));
        assert!(polled.is_pending());
        (polls.get(), task.0.load(Ordering::Relaxed))
    }

    #[test]
    fn a_wake_of_its_own_costs_no_turn() {
        assert_eq!(turn(0, 0), (1, 0), "nothing rang");
        assert_eq!(turn(1, 1), (2, 0), "a body that came with its head");
        assert_eq!(turn(2, 2), (3, 0));
        assert_eq!(turn(9, 9), (MOST, 1), "others want their turn");
    }

    #[test]
    fn a_wake_without_progress_gives_the_turn_back() {
        assert_eq!(turn(1, 0), (1, 1));
        assert_eq!(turn(2, 1), (2, 1));
    }

    #[test]
    fn a_wake_from_outside_reaches_the_task() {
        let inner = RefCell::new(Waker::noop().clone());
        let future = poll_fn(|context| {
            *inner.borrow_mut() = context.waker().clone();
            Poll::<()>::Pending
        });
        let task = Arc::new(Task::default());
        let waker = Waker::from(task.clone());
        let mut future = InTurn::new(future, || 0);
        for turn in 1..=2 {
            assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
            inner.borrow().wake_by_ref();
            inner.borrow().wake_by_ref();
            assert_eq!(task.0.load(Ordering::Relaxed), turn, "once is enough");
        }
        let other = Arc::new(Task::default());
        let other_waker = Waker::from(other.clone());
        assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&other_waker)).is_pending());
        inner.borrow().wake_by_ref();
        assert_eq!((task.0.load(Ordering::Relaxed), other.0.load(Ordering::Relaxed)), (2, 1), "the task may change");
    }

    #[test]
    fn its_waker_is_kept_as_long_as_the_task_is_the_same() {
        let wakers = RefCell::new(Vec::new());
        let future = poll_fn(|context| {
            wakers.borrow_mut().push(context.waker().clone());
            Poll::<()>::Pending
        });
        let mut future = InTurn::new(future, || 0);
        let (one, other) = (Waker::from(Arc::new(Task::default())), Waker::from(Arc::new(Task::default())));
        for waker in [&one, &one, &other] {
            assert!(Pin::new(&mut future).poll(&mut Context::from_waker(waker)).is_pending());
        }
        let wakers = wakers.borrow();
        assert!(wakers[0].will_wake(&wakers[1]) && !wakers[1].will_wake(&wakers[2]));
    }
}
