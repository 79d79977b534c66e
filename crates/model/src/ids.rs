//! Identifiers, each with a type of its own so that one cannot stand in for another.

use std::fmt;

use uuid::{Uuid, Variant};

use crate::CallSeq;

/// A project: 32 lower-case hexadecimal characters in everything this platform makes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectId(pub String);

/// An account that owns projects: 32 lower-case hexadecimal characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainId(pub String);

/// A user of an account: 32 lower-case hexadecimal characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub String);

/// One run of a function, also the `X-Cff-Request-Id` of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new random id (UUID version 4, RFC 9562).
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads the hyphenated form back; `None` where the text is not a UUID.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// The id of an asynchronous call (UUID version 7, RFC 9562): its place in the queue, which is the time in milliseconds and a counter,
    /// and 62 bits that nobody can guess.
    #[must_use]
    pub fn of_seq(seq: CallSeq, tail: i64) -> Self {
        let (seq, tail) = (u128::from(seq.0.cast_unsigned()), u128::from(tail.cast_unsigned()));
        let (milliseconds, counter) = (seq >> 12 & 0xFFFF_FFFF_FFFF, seq & 0xFFF);
        Self(Uuid::from_u128(milliseconds << 80 | 7 << 76 | counter << 64 | 2 << 62 | (tail & TAIL)))
    }

    /// The place in the queue that the id of an asynchronous call names; `None` for other ids.
    #[must_use]
    pub fn seq(self) -> Option<CallSeq> {
        if self.0.get_version_num() != 7 || self.0.get_variant() != Variant::RFC4122 {
            return None;
        }
        let bits = self.0.as_u128();
        let seq = (bits >> 80) << 12 | (bits >> 64 & 0xFFF);
        Some(CallSeq(i64::try_from(seq).expect("60 bits fit")))
    }

    /// The 62 bits that nobody can guess.
    #[must_use]
    pub fn tail(self) -> i64 {
        i64::try_from(self.0.as_u128() & TAIL).expect("62 bits fit")
    }

    /// Its 16 bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// A number below `of` that this id alone decides, each as likely as any other: a UUID ends in random bits, of which those of
    /// version 4 and of version 7 have at least 62.
    #[must_use]
    pub fn chance(self, of: u32) -> u32 {
        let bits = self.0.as_u128() as u32;
        u32::try_from((u64::from(bits) * u64::from(of)) >> 32)
            .expect("a product of 32 bits by less than 32 shifted back")
    }

    /// The 36 ASCII characters that travel in headers, logs and frames.
    #[must_use]
    pub fn text(self) -> RequestIdText {
        let mut bytes = [0; 36];
        self.0.hyphenated().encode_lower(&mut bytes);
        RequestIdText(bytes)
    }
}

/// Bits behind the variant of a UUID.
const TAIL: u128 = (1 << 62) - 1;

/// The text of a [`RequestId`] without an allocation.
#[derive(Clone, Copy, Debug)]
pub struct RequestIdText([u8; 36]);

impl RequestIdText {
    /// The 36 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an encoded UUID is ASCII")
    }

    /// The same as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DomainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_asynchronous_call_is_its_place_and_a_tail() {
        for (seq, tail) in [(0, 0), (1, 1), (1_700_000_000_000 << 12 | 77, 5 << 55), (CallSeq::MAX.0, (1 << 62) - 1)] {
            let id = RequestId::of_seq(CallSeq(seq), tail);
            assert_eq!((id.seq(), id.tail()), (Some(CallSeq(seq)), tail));
            assert_eq!(RequestId::parse(id.text().as_str()), Some(id));
        }
        // The example of RFC 9562, appendix A.6.
        let example = RequestId::parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F").expect("a UUID");
        assert_eq!(example.seq(), Some(CallSeq(0x017F_22E2_79B0 << 12 | 0xCC3)));
        assert_eq!(RequestId::of_seq(CallSeq(0x017F_22E2_79B0 << 12 | 0xCC3), example.tail()), example);
    }

    #[test]
    fn other_ids_name_no_place() {
        assert_eq!(RequestId::random().seq(), None);
        assert_eq!(RequestId::parse("017f22e2-79b0-7cc3-18c4-dc0c0c07398f").expect("a UUID").seq(), None);
    }

    #[test]
    fn calls_of_one_moment_have_different_chances() {
        let chances = |id: fn(i64) -> RequestId| (0..4096).map(id).filter(|id| id.chance(4) == 0).count();
        for count in [chances(|n| RequestId::of_seq(CallSeq(n), n << 20)), chances(|_| RequestId::random())] {
            assert!((824..=1224).contains(&count), "{count} of 4096, 1024 are to be expected");
        }
    }
}
