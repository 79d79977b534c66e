//! Memory for bodies: all that are on their way in together have a bound, or many large ones would take all there is.
//!
//! A body takes its share before it is read, all of it at once, so that no two wait for what the other has. Nobody's account has more than
//! half: who sends slowly, or much, keeps no other one out. Small bodies take none and cost nothing here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fungraph_model::{ErrorCode, Fault};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// Bytes up to which a body takes no share.
pub(crate) const SMALL: usize = 64 << 10;

/// How long a body waits for its share.
const WAIT: Duration = Duration::from_secs(20);

/// Bytes of a permit: semaphores count to four thousand million.
const PIECE: usize = 1 << 10;

/// What there is.
#[derive(Debug)]
pub(crate) struct Memory {
    all: Arc<Semaphore>,
    /// Permits of an account.
    most: usize,
    by_account: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// What a body has of it, until this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Share {
    of_account: OwnedSemaphorePermit,
    of_all: OwnedSemaphorePermit,
}

/// Whose body it is, and of what it takes its share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat<'a> {
    pub(crate) memory: &'a Memory,
    pub(crate) account: &'a str,
}

impl Memory {
    /// Room for so many bodies of the largest size; an account may have half as many at once.
    pub(crate) fn of_bodies(number: usize, bytes: usize) -> Self {
        let most = pieces(bytes).saturating_mul(number / 2).min(Semaphore::MAX_PERMITS / 2);
        Self { all: Arc::new(Semaphore::new(most * 2)), most, by_account: Mutex::default() }
    }

    fn of_account(&self, account: &str) -> Arc<Semaphore> {
        let mut accounts = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = accounts.get(account) {
            return Arc::clone(known);
        }
        // Those that have nothing and wait for nothing are forgotten.
        accounts.retain(|_, permits| Arc::strong_count(permits) > 1);
        let permits = Arc::new(Semaphore::new(self.most));
        accounts.insert(account.to_owned(), Arc::clone(&permits));
        permits
    }
}

impl Seat<'_> {
    /// Waits for a share of so many bytes.
    ///
    /// # Errors
    /// FSS.0429 where the account has too much already, FSS.0503 where all others together have.
    pub(crate) async fn take(&self, bytes: usize) -> Result<Share, Fault> {
        let Self { memory, account } = *self;
        let end = Instant::now() + WAIT;
        let permits = u32::try_from(pieces(bytes)).unwrap_or(u32::MAX);
        let of_account = timeout_at(end, memory.of_account(account).acquire_many_owned(permits)).await;
        let of_account = of_account.map_err(|_| {
            Fault::new(
                ErrorCode::TooManyRequests,
                "The account sends too many large requests at the same time. Send this one again when others are done",
            )
        })?;
        let of_all = timeout_at(end, Arc::clone(&memory.all).acquire_many_owned(permits)).await;
        let of_all = of_all.map_err(|_| {
            Fault::new(
                ErrorCode::Unavailable,
                "The server has too many large requests at the same time. Send this one again later",
            )
        })?;
        let never_closed = "no semaphore of ours is ever closed";
        Ok(Share { of_account: of_account.expect(never_closed), of_all: of_all.expect(never_closed) })
    }
}

impl Share {
    /// Gives back all but what so many bytes need.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        for permit in [&mut self.of_account, &mut self.of_all] {
            drop(permit.split(permit.num_permits().saturating_sub(pieces(bytes))));
        }
    }
}

fn pieces(bytes: usize) -> usize {
    bytes.div_ceil(PIECE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat<'a>(memory: &'a Memory, account: &'a str) -> Seat<'a> {
        Seat { memory, account }
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_has_half_and_all_together_have_no_more_than_there_is() {
        let memory = Memory::of_bodies(4, 1 << 20);
        let take = async |account: &'static str, bytes| seat(&memory, account).take(bytes).await;
        let _one = take("a", 1 << 20).await.expect("the first");
        let second = take("a", 1 << 20).await.expect("the second");
        assert_eq!(take("a", 1).await.expect_err("half").code, ErrorCode::TooManyRequests);
        let _others = (take("b", 1 << 20).await.expect("the third"), take("c", 1 << 20).await.expect("the fourth"));
        assert_eq!(take("d", 1).await.expect_err("all").code, ErrorCode::Unavailable);
        drop(second);
        let again = take("d", 1 << 20).await.expect("what was given back");
        drop(again);
        let _a = take("a", 1 << 20).await.expect("the account's too");
    }

    #[tokio::test(start_paused = true)]
    async fn what_turns_out_to_be_smaller_gives_back_the_rest() {
        let memory = Memory::of_bodies(2, 1 << 20);
        let mut share = seat(&memory, "a").take(1 << 20).await.expect("all of its half");
        share.shrink_to(1);
        let _rest = seat(&memory, "a").take((1 << 20) - PIECE).await.expect("what was given back");
        share.shrink_to(5 << 20);
        assert!(seat(&memory, "a").take(1).await.is_err());
    }

    #[tokio::test]
    async fn accounts_that_have_nothing_are_forgotten() {
        let memory = Memory::of_bodies(4, 1 << 20);
        let held = seat(&memory, "held").take(1).await.expect("it is free");
        for number in 0..100 {
            drop(seat(&memory, &number.to_string()).take(1).await.expect("it is free"));
        }
        assert!(memory.by_account.lock().expect("no test panicked").len() <= 2);
        drop(held);
    }
}
