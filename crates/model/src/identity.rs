//! Accounts, projects, users, keys, and what a user may do where.

use jiff::Timestamp;

use crate::{DomainId, ProjectId, Secret, UserId};

/// What an operation asks of its caller. Gateway has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To look at what is there.
    Read = 1,
    /// To call functions.
    Invoke = 2,
    /// To create, change and delete functions and all that belongs to them.
    Change = 4,
    /// To decide about users, keys and projects.
    Administer = 8,
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// These rights.
    #[must_use]
    pub const fn of(rights: &[Right]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < rights.len() {
            set |= rights[at] as u8;
            at += 1;
        }
        Self(set)
    }

    /// These and others together.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether a right is among them.
    #[must_use]
    pub const fn hold(self, right: Right) -> bool {
        self.0 & right as u8 != 0
    }
}

/// What a user is in a project, or in all projects of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// All there is; in all projects of an account: who decides about its users, keys and projects.
    Admin,
    /// Creates, changes, calls and deletes functions.
    Developer,
    /// Calls functions, and sees nothing else.
    Invoker,
    /// Looks, and touches nothing.
    Reader,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Developer, Self::Invoker, Self::Reader];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Invoker => "invoker",
            Self::Reader => "reader",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it allows.
    #[must_use]
    pub const fn rights(self) -> Rights {
        match self {
            Self::Admin => Rights::of(&[Right::Read, Right::Invoke, Right::Change, Right::Administer]),
            Self::Developer => Rights::of(&[Right::Read, Right::Invoke, Right::Change]),
            Self::Invoker => Rights::of(&[Right::Invoke]),
            Self::Reader => Rights::of(&[Right::Read]),
        }
    }
}

/// An account: it owns projects and users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// Its name.
    pub name: String,
}

/// A project: functions live in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Who owns it.
    pub domain: DomainId,
    /// Its name; `None` for the one that is named after the region.
    pub name: Option<String>,
    /// When it was made; the first of an account is the oldest.
    pub created: Timestamp,
}

/// Somebody who may hold keys and a password.
#[derive(Clone, Debug)]
pub struct User {
    /// The id, never used again.
    pub id: UserId,
    /// Whose user it is.
    pub domain: DomainId,
    /// The name, one of a kind in its account.
    pub name: String,
    /// Hash of the password in PHC form; `None` for a user who has only keys.
    pub password: Option<Secret>,
    /// Goes up whenever what the user proved before must not count any more.
    pub generation: u64,
    /// When it was made; the first of an account is the oldest.
    pub created: Timestamp,
}

/// A role that a user has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who has it.
    pub user: UserId,
    /// Where; `None` for every project of the account, those to come too.
    pub project: Option<ProjectId>,
    /// The role.
    pub role: Role,
}

/// An access key as it is kept.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Public half.
    pub access: String,
    /// Private half.
    pub secret: Secret,
    /// Who holds it.
    pub user: UserId,
    /// Whether it opens anything.
    pub enabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it last got a secret.
    pub rotated: Timestamp,
}

/// Everybody and everything there is, in the order in which it was made.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// Accounts.
    pub domains: Vec<Domain>,
    /// Their projects.
    pub projects: Vec<Project>,
    /// Their users.
    pub users: Vec<User>,
    /// What the users may.
    pub grants: Vec<Grant>,
    /// Their keys.
    pub keys: Vec<KeyRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_allow_what_they_say() {
        let check = |role: Role, expected: [bool; 4]| {
            let rights = [Right::Read, Right::Invoke, Right::Change, Right::Administer];
            assert_eq!(rights.map(|right| role.rights().hold(right)), expected, "{role:?}");
            assert_eq!(Role::parse(role.name()), Some(role));
        };
        check(Role::Admin, [true, true, true, true]);
        check(Role::Developer, [true, true, true, false]);
        check(Role::Invoker, [false, true, false, false]);
        check(Role::Reader, [true, false, false, false]);
        assert_eq!(Role::parse("owner"), None);
        let both = Role::Reader.rights().with(Role::Invoker.rights());
        assert!(both.hold(Right::Read) && both.hold(Right::Invoke) && !both.hold(Right::Change));
        assert!(!Rights::NONE.hold(Right::Read));
    }
}
