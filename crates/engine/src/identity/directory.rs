//! The register, with what is looked up in it made ready. Plain data: no clock, no store.

use std::collections::HashMap;
use std::sync::Arc;

use fungraph_model::{
    AccessKey, Domain, DomainId, Grant, Principal, Project, ProjectId, Proof, Register, Rights, Role, Scope, User,
    UserId,
};
use jiff::Timestamp;

use super::{Credentials, revoked::Revoked};

pub(super) struct Directory {
    register: Register,
    region: String,
    /// Those that are enabled, each with the time of its secret.
    keys: HashMap<String, (Arc<AccessKey>, Timestamp)>,
    /// Each with the generation that its tokens must have.
    principals: HashMap<UserId, (Arc<Principal>, u64)>,
    /// Tokens that were given back.
    pub(super) revoked: Revoked,
}

impl Directory {
    pub(super) fn new(register: Register, region: String) -> Self {
        let known = |user: &User| (user.id.clone(), (Arc::new(principal(user, &register)), user.generation));
        let principals: HashMap<_, _> = register.users.iter().map(known).collect();
        let mut keys = HashMap::new();
        for key in register.keys.iter().filter(|key| key.enabled) {
            let Some((holder, _)) = principals.get(&key.user) else { continue };
            let (access, secret, holder) = (key.access.clone(), key.secret.clone(), Arc::clone(holder));
            let found = AccessKey { access, secret, holder, scope: Scope::Whole };
            keys.insert(key.access.clone(), (Arc::new(found), key.rotated));
        }
        Self { register, region, keys, principals, revoked: Revoked::default() }
    }

    /// Makes `next` the state, which is prepared already: requests wait for no more than this.
    pub(super) fn become_next(&mut self, next: Self) {
        let revoked = std::mem::take(&mut self.revoked);
        *self = Self { revoked, ..next };
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    pub(super) fn register(&self) -> &Register {
        &self.register
    }

    pub(super) fn key(&self, access: &str) -> Option<&Arc<AccessKey>> {
        self.keys.get(access).map(|(key, _)| key)
    }

    /// When an enabled key got its secret.
    pub(super) fn rotated(&self, access: &str) -> Option<Timestamp> {
        self.keys.get(access).map(|(_, rotated)| *rotated)
    }

    pub(super) fn principal(&self, user: &UserId) -> Option<&Arc<Principal>> {
        self.principals.get(user).map(|(principal, _)| principal)
    }

    /// What the tokens of a user must have.
    pub(super) fn generation(&self, user: &UserId) -> Option<u64> {
        self.principals.get(user).map(|(_, generation)| *generation)
    }

    pub(super) fn domain_name(&self, id: &DomainId) -> &str {
        let found = self.register.domains.iter().find(|domain| domain.id == *id);
        found.map_or("", |domain| &domain.name)
    }

    /// A domain by its id or, where `by_name`, by its name.
    pub(super) fn domain(&self, text: &str, by_name: bool) -> Option<&Domain> {
        self.register.domains.iter().find(|domain| if by_name { domain.name == text } else { domain.id.0 == text })
    }

    pub(super) fn projects_of<'a>(&'a self, domain: &DomainId) -> impl Iterator<Item = &'a Project> {
        let domain = domain.clone();
        self.register.projects.iter().filter(move |project| project.domain == domain)
    }

    /// The name a project goes by: the first one is named after the region, wherever that is set to.
    pub(super) fn name_of<'a>(&'a self, project: &'a Project) -> &'a str {
        let is_first = || self.projects_of(&project.domain).next().is_some_and(|first| first.id == project.id);
        match &project.name {
            Some(name) => name,
            None if is_first() => &self.region,
            // Of a hand that wrote to the database: it has no name, and the id is none that another one could have.
            None => &project.id.0,
        }
    }

    /// A project of a domain by its name.
    pub(super) fn project_named(&self, domain: &DomainId, name: &str) -> Option<&Project> {
        self.projects_of(domain).find(|project| self.name_of(project) == name)
    }

    pub(super) fn user(&self, id: &UserId) -> Option<&User> {
        self.register.users.iter().find(|user| user.id == *id)
    }

    pub(super) fn user_named(&self, domain: &DomainId, name: &str) -> Option<&User> {
        self.register.users.iter().find(|user| user.domain == *domain && user.name == name)
    }

    /// The key that `credentials.json` has: the oldest enabled one of the first administrator who has any.
    pub(super) fn operator_key(&self) -> Option<&Arc<AccessKey>> {
        let administrators = self.register.users.iter().filter(|user| is_administrator(user, &self.register));
        let mut keys = administrators.flat_map(|user| self.register.keys.iter().filter(|key| key.user == user.id));
        keys.find_map(|key| self.key(&key.access))
    }

    /// The first administrator in the first project.
    pub(super) fn operator(&self) -> Option<Proof> {
        let holder = Arc::clone(&self.operator_key()?.holder);
        let first = self.projects_of(&holder.domain).next()?.id.clone();
        Some(Proof { holder, scope: Scope::Project(first) })
    }

    /// What `credentials.json` should say.
    pub(super) fn operator_credentials(&self) -> Option<Credentials> {
        let key = self.operator_key()?;
        Some(Credentials {
            domain_id: key.holder.domain.clone(),
            project_id: self.projects_of(&key.holder.domain).next()?.id.clone(),
            access_key: key.access.clone(),
            secret_key: key.secret.clone(),
        })
    }
}

/// Whether a user has the role of an administrator in the whole account.
pub(super) fn is_administrator(user: &User, register: &Register) -> bool {
    let mut grants = register.grants.iter().filter(|grant| grant.user == user.id && grant.project.is_none());
    grants.any(|grant| grant.role == Role::Admin)
}

/// Everything that a user's grants come to.
fn principal(user: &User, register: &Register) -> Principal {
    let grants: Vec<&Grant> = register.grants.iter().filter(|grant| grant.user == user.id).collect();
    let own = |project: &ProjectId| {
        let here = grants.iter().filter(|grant| grant.project.as_ref().is_none_or(|granted| granted == project));
        here.fold(Rights::NONE, |rights, grant| rights.with(grant.role.rights()))
    };
    let projects = register.projects.iter().filter(|project| !grants.is_empty() && project.domain == user.domain);
    let projects = projects.map(|project| (project.id.clone(), own(&project.id)));
    let projects = projects.filter(|(_, rights)| *rights != Rights::NONE).collect();
    Principal::new(user.id.clone(), user.name.clone(), user.domain.clone(), is_administrator(user, register), projects)
}

#[cfg(test)]
mod tests {
    use fungraph_model::{KeyRecord, Right, Secret};

    use super::*;

    fn register() -> Register {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let domain = DomainId("d".into());
        let project = |id: &str, name: Option<&str>, second| Project {
            id: ProjectId(id.into()),
            domain: domain.clone(),
            name: name.map(str::to_owned),
            created: at(second),
        };
        let user = |id: &str| User {
            id: UserId(id.into()),
            domain: domain.clone(),
            name: format!("name-{id}"),
            password: None,
            generation: 1,
            created: at(1),
        };
        let grant = |user: &str, project: Option<&str>, role| Grant {
            user: UserId(user.into()),
            project: project.map(|id| ProjectId(id.into())),
            role,
        };
        let key = |access: &str, user: &str, enabled| KeyRecord {
            access: access.into(),
            secret: Secret::new("s".into()),
            user: UserId(user.into()),
            enabled,
            created: at(1),
            rotated: at(1),
        };
        Register {
            domains: vec![Domain { id: domain.clone(), name: "default".into() }],
            projects: vec![project("p1", None, 1), project("p2", Some("team"), 2)],
            users: vec![user("root"), user("dev"), user("both"), user("nobody")],
            grants: vec![
                grant("root", None, Role::Admin),
                grant("dev", Some("p2"), Role::Developer),
                grant("both", Some("p2"), Role::Reader),
                grant("both", Some("p2"), Role::Invoker),
                grant("both", Some("p1"), Role::Admin),
            ],
            keys: vec![key("K0", "dev", true), key("K1", "root", false), key("K2", "root", true)],
        }
    }

    #[test]
    fn grants_add_up_and_the_whole_account_is_every_project() {
        let directory = Directory::new(register(), "local".into());
        let may = |user: &str, project: &str, right| {
            let principal = directory.principal(&UserId(user.into())).expect(user);
            principal.rights_in(project).map(|rights| rights.hold(right))
        };
        assert_eq!(may("root", "p1", Right::Administer), Some(true));
        assert_eq!(may("root", "p2", Right::Administer), Some(true));
        assert_eq!(may("root", "p3", Right::Read), None, "a project that is not there");
        assert_eq!((may("dev", "p2", Right::Change), may("dev", "p2", Right::Administer)), (Some(true), Some(false)));
        assert_eq!(may("dev", "p1", Right::Read), None);
        assert_eq!((may("both", "p2", Right::Invoke), may("both", "p2", Right::Change)), (Some(true), Some(false)));
        assert_eq!(may("nobody", "p1", Right::Read), None);
        let decides = |user: &str| directory.principal(&UserId(user.into())).expect(user).is_administrator;
        assert!(decides("root") && !decides("dev"));
        assert!(!decides("both"), "an admin of one project decides about no account");
    }

    #[test]
    fn disabled_keys_open_nothing_and_the_operator_has_the_oldest_enabled_one() {
        let directory = Directory::new(register(), "local".into());
        assert!(directory.key("K1").is_none());
        assert_eq!(directory.operator_key().expect("a key").access, "K2");
        let operator = directory.operator().expect("an administrator");
        assert_eq!(operator.scope, Scope::Project(ProjectId("p1".into())));
        let mut changed = register();
        changed.keys.retain(|key| key.user.0 != "root");
        let changed = Directory::new(changed, "local".into());
        assert!(changed.operator_key().is_none(), "the key of a developer is not the operator's");
    }

    #[test]
    fn the_first_project_is_named_after_the_region() {
        let directory = Directory::new(register(), "eu-home".into());
        let domain = DomainId("d".into());
        let named = |name: &str| directory.project_named(&domain, name).map(|project| project.id.0.as_str());
        assert_eq!(
            (named("eu-home"), named("team"), named("local"), named("p1")),
            (Some("p1"), Some("p2"), None, None)
        );
    }
}
