//! Who is asking, and the keys that prove it.

use std::fmt;

use crate::{DomainId, ProjectId};

/// A text that must never reach a log, an error or a debug print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that signs or compares with it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An access key with all that a verified signature of it grants.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Public half, sent as `Access=` in the `Authorization` header.
    pub access: String,
    /// Private half, the HMAC key.
    pub secret: Secret,
    /// The account the key belongs to.
    pub domain: DomainId,
    /// Projects the key may use; the first is the one a placeholder project means.
    pub projects: Vec<ProjectId>,
}

/// A proven caller acting in one project it may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The caller's account.
    pub domain: DomainId,
    /// The project of the request's path.
    pub project: ProjectId,
}
