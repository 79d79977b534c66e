//! Identifiers, each with a type of its own so that one cannot stand in for another.

use std::fmt;

use uuid::Uuid;

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

    /// A number below `of` that this id alone decides, each as likely as any other: a random UUID begins with random bits.
    #[must_use]
    pub fn chance(self, of: u32) -> u32 {
        let bits = self.0.as_fields().0;
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

/// The text of a [`RequestId`] without an allocation.
#[derive(Clone, Copy, Debug)]
pub struct RequestIdText([u8; 36]);

impl RequestIdText {
    /// The 36 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an encoded UUID is ASCII")
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
