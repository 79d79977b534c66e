//! Who is asking, and the keys that prove it.

use std::fmt;
use std::sync::Arc;

use crate::{DomainId, ProjectId, Rights, UserId};

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

/// A user with all that a proof of being it grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub user: UserId,
    /// The user's name.
    pub name: String,
    /// The user's account.
    pub domain: DomainId,
    /// Whether it decides about users, keys and projects of its account.
    pub is_administrator: bool,
    /// Ordered by project.
    projects: Vec<(ProjectId, Rights)>,
}

impl Principal {
    /// A user with rights in some projects.
    #[must_use]
    pub fn new(
        user: UserId,
        name: String,
        domain: DomainId,
        is_administrator: bool,
        mut projects: Vec<(ProjectId, Rights)>,
    ) -> Self {
        projects.sort_by(|a, b| a.0.cmp(&b.0));
        Self { user, name, domain, is_administrator, projects }
    }

    /// One of its projects, with what it may do there; `None` where the project is not one of its own.
    #[must_use]
    pub fn membership(&self, project: &str) -> Option<(&ProjectId, Rights)> {
        let found = self.projects.binary_search_by(|(id, _)| id.0.as_str().cmp(project));
        found.ok().and_then(|at| self.projects.get(at)).map(|(id, rights)| (id, *rights))
    }

    /// What it may do in a project.
    #[must_use]
    pub fn rights_in(&self, project: &str) -> Option<Rights> {
        self.membership(project).map(|(_, rights)| rights)
    }

    /// Its projects, with what it may do there.
    #[must_use]
    pub fn projects(&self) -> &[(ProjectId, Rights)] {
        &self.projects
    }
}

/// Where a proof counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In all projects of its holder, and in the account: that of an access key.
    Whole,
    /// In one project only.
    Project(ProjectId),
    /// In the account, and in none of its projects.
    Domain,
}

/// Who is asking, proven, and where that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Who it is.
    pub holder: Arc<Principal>,
    /// Where it counts.
    pub scope: Scope,
}

/// Somebody who decides about users, keys and projects of an account. There is no other way to have one than [`Administrator::of`].
#[derive(Clone, Debug)]
pub struct Administrator {
    domain: DomainId,
}

impl Administrator {
    /// The right of a caller to decide; `None` where it has none, or where its proof is for one project only.
    #[must_use]
    pub fn of(proof: &Proof) -> Option<Self> {
        let decides = proof.holder.is_administrator && !matches!(proof.scope, Scope::Project(_));
        decides.then(|| Self { domain: proof.holder.domain.clone() })
    }

    /// The account that it decides about.
    #[must_use]
    pub fn domain(&self) -> &DomainId {
        &self.domain
    }
}

/// An access key, and whom a verified signature of it proves.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Public half, sent as `Access=` in the `Authorization` header.
    pub access: String,
    /// Private half, the HMAC key.
    pub secret: Secret,
    /// Who holds it.
    pub holder: Arc<Principal>,
    /// Where it counts.
    pub scope: Scope,
}

impl AccessKey {
    /// What a verified signature of it proves.
    #[must_use]
    pub fn proof(&self) -> Proof {
        Proof { holder: Arc::clone(&self.holder), scope: self.scope.clone() }
    }
}

/// A proven caller acting in one project it may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The caller's account.
    pub domain: DomainId,
    /// The project of the request's path.
    pub project: ProjectId,
}
