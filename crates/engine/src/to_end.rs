//! A call that has reached an instance runs to its end, even if nobody waits for it any more.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio_util::task::TaskTracker;

/// A future that, dropped before its end, goes on in a task of its own. While it is awaited it costs no task.
pub(crate) struct ToEnd<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    future: Option<Pin<Box<F>>>,
    orphans: TaskTracker,
}

/// Makes `future` run to its end; `orphans` waits for those that were left.
pub(crate) fn to_end<F>(future: F, orphans: TaskTracker) -> ToEnd<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    ToEnd { future: Some(Box::pin(future)), orphans }
}

impl<F> Future for ToEnd<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Out of its place meanwhile: what breaks off by a panic is not gone on with.
        let mut future = self.future.take().expect("a finished future is not polled again");
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            self.future = Some(future);
        }
        polled
    }
}

impl<F> Drop for ToEnd<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime the process is ending, and its instances with it.
        if let Some(future) = self.future.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            self.orphans.spawn_on(future, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn goes_on_when_dropped() {
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let (done, finished) = tokio::sync::oneshot::channel();
        let mut call = to_end(
            async move {
                gate.await.expect("the gate opens");
                done.send(7).expect("somebody waits");
            },
            TaskTracker::new(),
        );
        assert!(futures_poll_once(&mut call).await.is_pending());
        drop(call);
        go.send(()).expect("the call still runs");
        assert_eq!(finished.await, Ok(7));
    }

    #[tokio::test]
    async fn what_breaks_off_is_not_gone_on_with() {
        let tasks = TaskTracker::new();
        let breaks = async {
            tokio::task::yield_now().await;
            panic!("planned");
        };
        let mut call: ToEnd<_> = to_end::<_>(breaks, tasks.clone());
        assert!(futures_poll_once(&mut call).await.is_pending());
        assert!(crate::panics(Pin::new(&mut call)).await.is_err());
        drop(call);
        assert!(tasks.is_empty(), "it would panic once more");
    }

    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
    }
}
