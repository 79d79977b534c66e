//! How often a program may ask.
//!
//! Connections and requests of the server's API cost the server time, which is nobody's but the program's to ask for: one that does
//! nothing but ask would take about as much of a processor from all the others as it has itself. So it is let through as often as its
//! calls can need, and a thousand times a second beside that.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// What one costs.
const STEP: Duration = Duration::from_millis(1);
/// What a call can need: a connection and a request for its event, the same for its answer, and as much again.
const CALL: u32 = 8;
/// As many may come at once, if none came before.
const BURST: u32 = 256;

/// Lets through, or holds up.
#[derive(Debug)]
pub(super) struct Pace {
    /// Up to when all that came is paid for.
    paid: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { paid: Mutex::new(now.checked_sub(STEP * BURST).unwrap_or(now)) }
    }

    /// A call has come, for which some are free.
    pub(super) fn call(&self) {
        self.change(|paid| *paid = paid.checked_sub(STEP * CALL).unwrap_or(*paid));
    }

    /// Waits for its turn.
    pub(super) async fn turn(&self) {
        let (now, mut turn) = (Instant::now(), Instant::now());
        self.change(|paid| {
            *paid = now.checked_sub(STEP * BURST).map_or(*paid, |oldest| oldest.max(*paid)) + STEP;
            turn = *paid;
        });
        if turn > now {
            sleep_until(turn).await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Instant)) {
        change(&mut self.paid.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long so many take that ask one after another, in milliseconds.
    async fn took(pace: &Pace, count: u32) -> u128 {
        let begun = Instant::now();
        for _ in 0..count {
            pace.turn().await;
        }
        begun.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_more_than_calls_need_is_held_up() {
        tokio::time::advance(Duration::from_secs(10)).await;
        let pace = Pace::new();
        assert_eq!(took(&pace, BURST).await, 0, "in the beginning");
        assert_eq!(took(&pace, 1000).await, 1000);
        for _ in 0..500 {
            pace.call();
            assert_eq!(took(&pace, CALL).await, 0, "each call brings its own");
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(took(&pace, BURST + 50).await, 50, "silence is not hoarded");
    }
}
