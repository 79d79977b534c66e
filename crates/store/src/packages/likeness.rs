//! What two packages that are the same have in common, told without a look at all of their bytes.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::sync::{Mutex, PoisonError};

use super::source::Source;

/// Bytes at the end that are looked at. An archive has its directory there, with a checksum of each file: archives that differ nearly always
/// differ in these.
const END: u64 = 64 << 10;

/// The length and the end of a package. Who sees one that is not new believes nothing of it: the digest tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Likeness(u64);

impl Likeness {
    pub(super) fn of(source: &mut Source<'_>) -> io::Result<Self> {
        let (end, length) = source.tail(END)?;
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(length);
        hasher.write(&end);
        Ok(Self(hasher.finish()))
    }
}

/// Packages known before all are forgotten. Who is forgotten is written for nothing when he comes the next time, and known again.
const KEPT: usize = 16_384;

/// What tells from others those large packages that were stored, or found to be stored, since the start.
#[derive(Debug, Default)]
pub(super) struct Likes(Mutex<HashSet<Likeness>>);

impl Likes {
    pub(super) fn add(&self, likeness: Likeness) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(likeness);
    }

    pub(super) fn have(&self, likeness: Likeness) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&likeness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Likeness {
        Likeness::of(&mut Source::of(bytes)).expect("memory can be read")
    }

    #[test]
    fn no_more_are_known_than_there_is_room_for() {
        let likes = Likes::default();
        for number in 0..3 * KEPT as u64 {
            likes.add(Likeness(number));
            assert!(likes.have(Likeness(number)));
        }
        assert!(likes.0.lock().expect("no test panicked").len() <= KEPT);
    }

    #[test]
    fn the_length_and_the_end_count() {
        let (long, mut other) = (vec![7; END as usize + 2], vec![7; END as usize + 2]);
        assert_eq!(of(&long), of(&other));
        assert_ne!(of(&long), of(&long[1..]), "of another length");
        other[END as usize] = 8;
        assert_ne!(of(&long), of(&other), "of another end");
        let mut first = long.clone();
        first[0] = 8;
        assert_eq!(of(&long), of(&first), "only the digest tells these apart");
        assert_ne!(of(b""), of(b"0"));
    }
}
