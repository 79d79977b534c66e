//! Memory for bodies: all that are on their way in together have a bound, or many large ones would take all there is.
//!
//! A body takes its share before it is read, all of it at once, so that no two wait for what the other has. Nobody's account has more than
//! half: who sends slowly, or much, keeps no other one out. What anybody may send, to the APIs of gateway triggers, has half together and a
//! quarter for one account's APIs: a stranger who sends slowly keeps out no caller who says who he is. Small bodies take none and cost
//! nothing here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
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
    /// Of what anybody may send.
    public: Arc<Semaphore>,
    /// Permits of an account, which are half of all.
    most: usize,
    by_seat: Mutex<HashMap<(String, bool), Arc<Semaphore>>>,
}

/// What a body has of it, until this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Share(Vec<OwnedSemaphorePermit>);

/// Whose body it is, and of what it takes its share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat<'a> {
    pub(crate) memory: &'a Memory,
    pub(crate) account: &'a str,
    /// Anybody may send it: the account is who pays for it.
    pub(crate) is_public: bool,
}

impl Memory {
    /// Room for so many bodies of the largest size; an account may have half as many at once.
    pub(crate) fn of_bodies(number: usize, bytes: usize) -> Self {
        let most = pieces(bytes).saturating_mul(number / 2).min(Semaphore::MAX_PERMITS / 2);
        let of = |permits| Arc::new(Semaphore::new(permits));
        Self { all: of(most * 2), public: of(most), most, by_seat: Mutex::default() }
    }

    fn of_seat(&self, account: &str, is_public: bool) -> Arc<Semaphore> {
        let mut seats = self.by_seat.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = (account.to_owned(), is_public);
        if let Some(known) = seats.get(&seat) {
            return Arc::clone(known);
        }
        // Those that have nothing and wait for nothing are forgotten.
        seats.retain(|_, permits| Arc::strong_count(permits) > 1);
        let permits = Arc::new(Semaphore::new(if is_public { self.most / 2 } else { self.most }));
        seats.insert(seat, Arc::clone(&permits));
        permits
    }
}

impl Seat<'_> {
    /// Waits for a share of so many bytes. The narrower bound comes first, always: whoever waits has nothing that those need who have more.
    ///
    /// # Errors
    /// FSS.0429 where the account has too much already, FSS.0503 where all others together have.
    pub(crate) async fn take(&self, bytes: usize) -> Result<Share, Fault> {
        let Self { memory, account, is_public } = *self;
        let permits = u32::try_from(pieces(bytes)).unwrap_or(u32::MAX);
        let wider = is_public.then(|| Arc::clone(&memory.public)).into_iter().chain([Arc::clone(&memory.all)]);
        let end = Instant::now() + WAIT;
        let mut share =
            vec![acquire(memory.of_seat(account, is_public), permits, end).await.ok_or_else(too_much_of_account)?];
        for semaphore in wider {
            share.push(acquire(semaphore, permits, end).await.ok_or_else(too_much)?);
        }
        Ok(Share(share))
    }
}

async fn acquire(semaphore: Arc<Semaphore>, permits: u32, end: Instant) -> Option<OwnedSemaphorePermit> {
    let acquired = timeout_at(end, semaphore.acquire_many_owned(permits)).await.ok()?;
    Some(acquired.expect("no semaphore of ours is ever closed"))
}

fn too_much_of_account() -> Fault {
    Fault::new(
        ErrorCode::TooManyRequests,
        "The account has too many large requests at the same time. Send this one again when others are done",
    )
}

fn too_much() -> Fault {
    Fault::new(
        ErrorCode::Unavailable,
        "The server has too many large requests at the same time. Send this one again later",
    )
}

impl Share {
    /// Gives back all but what so many bytes need.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        for permit in &mut self.0 {
            drop(permit.split(permit.num_permits().saturating_sub(pieces(bytes))));
        }
    }

    /// These bytes, which keep it until the last who has them lets go: whoever waits in line with a large event still takes memory.
    pub(crate) fn held_by(self, bytes: Bytes) -> Bytes {
        fungraph_engine::held(bytes, self)
    }
}

fn pieces(bytes: usize) -> usize {
    bytes.div_ceil(PIECE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat<'a>(memory: &'a Memory, account: &'a str) -> Seat<'a> {
        Seat { memory, account, is_public: false }
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
    async fn strangers_keep_no_caller_out_and_those_of_one_account_no_others() {
        let memory = Memory::of_bodies(8, 1 << 20);
        let public = async |account| Seat { memory: &memory, account, is_public: true }.take(2 << 20).await;
        let _one = public("a").await.expect("a quarter");
        assert_eq!(public("a").await.expect_err("a quarter").code, ErrorCode::TooManyRequests);
        let _other = public("b").await.expect("another quarter");
        assert_eq!(public("c").await.expect_err("half").code, ErrorCode::Unavailable);
        let _callers = seat(&memory, "a").take(4 << 20).await.expect("the other half, whatever strangers send");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_keep_their_share_as_long_as_anybody_has_them() {
        let memory = Memory::of_bodies(2, 1 << 20);
        let share = seat(&memory, "a").take(1 << 20).await.expect("all of its half");
        let event = share.held_by(Bytes::from_static(b"event"));
        let in_line = event.slice(1..);
        drop(event);
        assert_eq!(seat(&memory, "a").take(1).await.expect_err("it waits").code, ErrorCode::TooManyRequests);
        assert_eq!(&in_line[..], b"vent");
        drop(in_line);
        let _next = seat(&memory, "a").take(1 << 20).await.expect("it went");
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
        assert!(memory.by_seat.lock().expect("no test panicked").len() <= 2);
        drop(held);
    }
}
