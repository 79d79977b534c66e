//! From a password, a key or a token to a new token, for a project or for the account.

use std::{net::IpAddr, sync::Arc};

use fungraph_model::{DomainId, ErrorCode, Fault, Principal, Project, ProjectId, Proof, Scope, Secret, UserId};
use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::directory::Directory;
use super::token::Token;
use crate::{Engine, Error};

/// How something is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameOrId {
    /// By its name.
    Name(String),
    /// By its id.
    Id(String),
}

/// Something of an account. Names need the account; where it is not said, it is the only one, or the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedIn {
    /// What is named.
    pub what: NameOrId,
    /// The account.
    pub domain: Option<NameOrId>,
}

/// What somebody shows to be let in.
#[derive(Clone, Debug)]
pub enum Login {
    /// A user and a password.
    Password {
        /// The user.
        user: NamedIn,
        /// The password.
        password: Secret,
    },
    /// A token that counts.
    Token(Secret),
    /// Both halves of an access key.
    Key {
        /// Public half.
        access: String,
        /// Private half.
        secret: Secret,
    },
}

/// What a token is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeWanted {
    /// Nothing was said: the user's only project, or the account; of a token, what it was for.
    Unsaid,
    /// The account.
    Domain(NameOrId),
    /// A project.
    Project(NamedIn),
}

impl Engine {
    /// Lets somebody in: the text of a new token, and what it proves. `from` is where the request came from.
    ///
    /// # Errors
    /// APIGW.0301 where what was shown is wrong, FSS.0403 where it is not for that project, FSS.0429 after too many wrong passwords.
    pub async fn log_in(
        &self,
        login: Login,
        wanted: &ScopeWanted,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<(Secret, Token), Error> {
        match login {
            Login::Password { user, password } => {
                let holder = self.check_password(&user, password, from).await?;
                let scope = self.scope(&holder, wanted, None)?;
                self.issue(Proof { holder, scope }, vec!["password".to_owned()], None, None, now)
            }
            Login::Key { access, secret } => {
                let key = self
                    .access_key(&access, None, now)
                    .filter(|key| key.secret.reveal().as_bytes().ct_eq(secret.reveal().as_bytes()).into());
                let key = key.ok_or_else(wrong)?;
                let scope = self.scope(&key.holder, wanted, None)?;
                let proof = Proof { holder: Arc::clone(&key.holder), scope };
                self.issue(proof, vec!["hw_ak_sk".to_owned()], Some(&key.access), None, now)
            }
            Login::Token(text) => {
                let from = self.token(text.reveal(), now).ok_or_else(wrong)?;
                let scope = self.scope(&from.proof.holder, wanted, Some(&from.proof.scope))?;
                let mut methods = from.methods.clone();
                if !methods.iter().any(|method| method == "token") {
                    methods.push("token".to_owned());
                }
                self.issue(Proof { holder: Arc::clone(&from.proof.holder), scope }, methods, None, Some(&from), now)
            }
        }
    }

    async fn check_password(&self, user: &NamedIn, password: Secret, from: IpAddr) -> Result<Arc<Principal>, Error> {
        let (tried, found) = {
            let directory = self.identity.directory();
            let meant = find_user(&directory, user);
            let found = meant.as_ref().ok().and_then(|id| directory.user(id)).cloned();
            // Counted the same way whoever is there: by id, else by account and name, however they were said.
            let tried = meant.map_or_else(|absent| absent, |id| id.0).chars().take(200).collect::<String>();
            (tried, found)
        };
        let hash = found.as_ref().and_then(|user| user.password.clone());
        if !self.identity.passwords.verify(Some(from), &tried, hash, password).await? {
            return Err(wrong().into());
        }
        // It took a while: the password may be another by now, and the user gone.
        let directory = self.identity.directory();
        let still = found.filter(|user| directory.generation(&user.id) == Some(user.generation));
        Ok(still.and_then(|user| directory.principal(&user.id).cloned()).ok_or_else(wrong)?)
    }

    /// What a token will count for. One that was made from another never counts for more.
    fn scope(&self, holder: &Principal, wanted: &ScopeWanted, from: Option<&Scope>) -> Result<Scope, Fault> {
        let directory = self.identity.directory();
        let scope = match (wanted, from) {
            (ScopeWanted::Unsaid, Some(from)) => from.clone(),
            (ScopeWanted::Unsaid, None) => match holder.projects() {
                [(only, _)] => Scope::Project(only.clone()),
                _ => Scope::Domain,
            },
            (ScopeWanted::Domain(domain), _) => match find_domain(&directory, domain) {
                Some(found) if found == holder.domain => Scope::Domain,
                _ => return Err(not_yours("domain")),
            },
            (ScopeWanted::Project(project), _) => {
                let found = find_project(&directory, holder, project).ok_or_else(|| not_yours("project"))?;
                Scope::Project(found)
            }
        };
        match from {
            Some(Scope::Project(own)) if scope != Scope::Project(own.clone()) => Err(Fault::new(
                ErrorCode::Forbidden,
                "The token shown is for another project: log in with a password or an access key for this one",
            )),
            _ => Ok(scope),
        }
    }

    /// The projects that a proof is good for, with their names: all, or those of a name. A client that knows nothing but the region
    /// asks for the project of that name; a user who has one project only, whatever its name, means that one.
    #[must_use]
    pub fn projects_for(&self, proof: &Proof, name: Option<&str>) -> Vec<(Project, String)> {
        let directory = self.identity.directory();
        let usable = |project: &&Project| {
            let in_scope = !matches!(&proof.scope, Scope::Project(only) if *only != project.id);
            in_scope && proof.holder.rights_in(&project.id.0).is_some()
        };
        let named = |project: &Project| (project.clone(), directory.name_of(project).to_owned());
        let all: Vec<_> = directory.projects_of(&proof.holder.domain).filter(usable).map(named).collect();
        let Some(name) = name else { return all };
        let only = all.len() == 1 && name == self.region();
        all.into_iter().filter(|(_, found)| only || found == name).collect()
    }
}

fn find_domain(directory: &Directory, domain: &NameOrId) -> Option<DomainId> {
    let found = match domain {
        NameOrId::Name(name) => directory.domain(name, true),
        NameOrId::Id(id) => directory.domain(id, false),
    };
    found.map(|domain| domain.id.clone())
}

/// Who is meant, there or not; as an error, a name for somebody who cannot be there. It is the same for all ways to say the same, else
/// the number of tries would tell who is there.
fn find_user(directory: &Directory, user: &NamedIn) -> Result<UserId, String> {
    let name = match &user.what {
        NameOrId::Id(id) => return Ok(UserId(id.clone())),
        NameOrId::Name(name) => name,
    };
    let domain = match (&user.domain, directory.register().domains.as_slice()) {
        (Some(domain), _) => find_domain(directory, domain),
        (None, [only]) => Some(only.id.clone()),
        (None, _) => None,
    };
    let Some(domain) = domain else { return Err(format!("?/{name}")) };
    directory.user_named(&domain, name).map(|user| user.id.clone()).ok_or_else(|| format!("{domain}/{name}"))
}

fn find_project(directory: &Directory, holder: &Principal, project: &NamedIn) -> Option<ProjectId> {
    if let Some(domain) = &project.domain
        && find_domain(directory, domain)? != holder.domain
    {
        return None;
    }
    let id = match &project.what {
        NameOrId::Id(id) => ProjectId(id.clone()),
        NameOrId::Name(name) => match (directory.project_named(&holder.domain, name), holder.projects()) {
            (Some(found), _) if holder.rights_in(&found.id.0).is_some() => found.id.clone(),
            // As in `projects_for`.
            (_, [(only, _)]) if name == directory.region() => only.clone(),
            _ => return None,
        },
    };
    holder.rights_in(&id.0).map(|_| id)
}

/// The same for everybody, there or not.
fn wrong() -> Fault {
    Fault::new(
        ErrorCode::BadCredentials,
        "User, password, key or token is wrong, or counts no more: check what was sent, and log in again",
    )
}

fn not_yours(what: &str) -> Fault {
    Fault::new(
        ErrorCode::Forbidden,
        format!("The {what} of the scope is not one that the user may use: GET /v3/projects lists those"),
    )
}
