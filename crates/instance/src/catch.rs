//! A panic becomes a value: a handler's ends as an answer and never as a torn connection, what the engine does in the background goes on
//! with the next piece of work, and one that a program's answer has met ends that program's instance and nothing else.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

/// Awaits `future`; a panic inside gives its message.
///
/// What it touched lives behind locks that are never held over a poll, or is not used any more; hence the assertion.
///
/// Pinned by the caller: taken by value it would stand in our own future twice.
///
/// # Errors
/// The text of the panic.
pub async fn panics<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Result<T, String> {
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(message(&*panic))),
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text").to_owned()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_its_message() {
        assert_eq!(panics(pin!(async { 3 })).await, Ok(3));
        let failed = pin!(async {
            tokio::task::yield_now().await;
            assert_eq!(1, 2, "numbers differ");
        });
        assert!(panics(failed).await.expect_err("it panics").contains("numbers differ"));
    }
}
