//! How often a password may be tried: ten times in a row, then twice a minute, for each user. Pure: the clock is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Tries that cost no wait.
const BURST: u32 = 10;
/// A try comes back after this long.
const REFILL: Duration = Duration::from_secs(30);
/// Users that are counted; beyond that whoever was tried longest ago is forgotten.
const MOST: usize = 10_000;

/// Tries of each user: when all of them will have come back. One that is not here has all of them.
#[derive(Debug, Default)]
pub(super) struct Throttle(HashMap<String, Instant>);

impl Throttle {
    /// Takes one try.
    ///
    /// # Errors
    /// There is none left: how long until there is.
    pub(super) fn take(&mut self, user: &str, now: Instant) -> Result<(), Duration> {
        let full = self.0.get(user).copied().unwrap_or(now).max(now) + REFILL;
        let most = now + REFILL * BURST;
        if full > most {
            return Err(full - most);
        }
        if self.0.len() >= MOST && !self.0.contains_key(user) {
            self.make_room(now);
        }
        self.0.insert(user.to_owned(), full);
        Ok(())
    }

    /// The password was right: all tries come back.
    pub(super) fn forgive(&mut self, user: &str) {
        self.0.remove(user);
    }

    fn make_room(&mut self, now: Instant) {
        self.0.retain(|_, full| *full > now);
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, full)| **full).map(|(user, _)| user.clone())
        {
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_then_one_every_half_minute() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        for _ in 0..10 {
            assert_eq!(throttle.take("ada", now), Ok(()));
        }
        assert_eq!(throttle.take("ada", now), Err(Duration::from_secs(30)));
        assert_eq!(throttle.take("ada", at(10)), Err(Duration::from_secs(20)), "a refused try costs nothing");
        assert_eq!(throttle.take("bob", now), Ok(()), "others do not suffer");
        assert_eq!(throttle.take("ada", at(30)), Ok(()));
        assert_eq!(throttle.take("ada", at(30)), Err(Duration::from_secs(30)));
        throttle.forgive("ada");
        for _ in 0..10 {
            assert_eq!(throttle.take("ada", at(31)), Ok(()));
        }
        for _ in 0..10 {
            assert_eq!(throttle.take("ada", at(10_000)), Ok(()), "rest brings all of them back");
        }
    }

    #[test]
    fn names_without_end_cost_no_memory_without_end() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for user in 0..MOST + 100 {
            assert_eq!(throttle.take(&user.to_string(), now), Ok(()));
        }
        assert_eq!(throttle.0.len(), MOST);
        assert_eq!(throttle.take("one more", now + REFILL), Ok(()));
        assert_eq!(throttle.0.len(), 1, "those that rested are forgotten first");
    }
}
