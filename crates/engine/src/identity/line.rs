//! Who may have a password hashed now. Each source has a share of the line and one turn at a time, so that one that floods us with
//! guesses makes only itself wait; the names it guesses do not count, else places would tell who is there.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Hashes computed at once.
const AT_ONCE: usize = 2;
/// Hashes computed or waited for, of all sources and of one.
const IN_LINE: usize = 512;
const OF_A_SOURCE: usize = 32;
/// Bits of an IPv6 address that a site gets; the rest it chooses itself.
const SITE: Ipv6Addr = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0);

/// Where a password comes from; `None` is an administrator who sets one.
pub(super) type Source = Option<IpAddr>;

#[derive(Debug)]
pub(super) struct Line {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    shares: Mutex<HashMap<Source, Weak<Share>>>,
}

#[derive(Debug)]
struct Share {
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

/// A place in line; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    share: Arc<Share>,
    _held: [OwnedSemaphorePermit; 2],
}

/// It is somebody's turn; dropping it ends that.
pub(super) struct Turn {
    _held: [OwnedSemaphorePermit; 2],
    _place: Place,
}

impl Default for Line {
    fn default() -> Self {
        Self { places: semaphore(IN_LINE), turns: semaphore(AT_ONCE), shares: Mutex::default() }
    }
}

impl Line {
    /// A place in line, where there is one for this source.
    pub(super) fn enter(&self, source: Source) -> Option<Place> {
        let share = self.share(source.map(site));
        let own = Arc::clone(&share.places).try_acquire_owned().ok()?;
        let all = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { share, _held: [own, all] })
    }

    /// Waits for the turn of a place: of several sources that wait, each has one after the other.
    pub(super) async fn turn(&self, place: Place) -> Result<Turn, AcquireError> {
        let own = Arc::clone(&place.share.turn).acquire_owned().await?;
        let one = Arc::clone(&self.turns).acquire_owned().await?;
        Ok(Turn { _held: [own, one], _place: place })
    }

    fn share(&self, source: Source) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shares.get(&source).and_then(Weak::upgrade) {
            return known;
        }
        if shares.len() >= 2 * IN_LINE {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let new = Arc::new(Share { places: semaphore(OF_A_SOURCE), turn: semaphore(1) });
        shares.insert(source, Arc::downgrade(&new));
        new
    }
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits))
}

/// Addresses that one site can choose from are one source.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(address & SITE),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn from(address: &str) -> Source {
        Some(address.parse().expect(address))
    }

    /// Whether a place has its turn now.
    async fn now(line: &Line, place: Place) -> Option<Turn> {
        let mut turn = Box::pin(line.turn(place));
        let polled = std::future::poll_fn(|context| Poll::Ready(turn.as_mut().poll(context))).await;
        if let Poll::Ready(turn) = polled { turn.ok() } else { None }
    }

    #[tokio::test]
    async fn a_source_that_floods_leaves_places_and_turns_to_others() {
        let line = Line::default();
        let mut flood: Vec<Place> = std::iter::from_fn(|| line.enter(from("192.0.2.1"))).take(1000).collect();
        assert_eq!(flood.len(), OF_A_SOURCE);
        let first = now(&line, flood.pop().expect("a place")).await.expect("nobody else is there");
        assert!(now(&line, flood.pop().expect("a place")).await.is_none(), "one at a time");
        let other = line.enter(from("192.0.2.2")).expect("others have their own share");
        let second = now(&line, other).await.expect("a turn is left");
        let third = line.enter(from("192.0.2.3")).expect("a place");
        assert!(now(&line, third).await.is_none(), "two at once, of all");
        drop((first, second));
        let next = line.enter(from("192.0.2.1")).expect("a place came back");
        assert!(now(&line, next).await.is_some());
    }

    #[test]
    fn a_site_is_one_source_whatever_it_calls_itself() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            assert_eq!(from(one).map(site) == from(other).map(site), same, "{one} and {other}");
        }
    }

    #[test]
    fn sources_without_end_are_forgotten() {
        let line = Line::default();
        for number in 0..10_000_u32 {
            let address = IpAddr::V4(std::net::Ipv4Addr::from(number));
            assert!(line.enter(Some(address)).is_some());
        }
        assert!(line.shares.lock().expect("a lock").len() <= 2 * IN_LINE);
    }
}
