//! What an administrator does: projects, users, what they may, and keys. Everything stays inside its own account.

use std::sync::Arc;

use fungraph_model::{
    Administrator, DomainId, ErrorCode, Fault, Grant, KeyRecord, Project, ProjectId, Role, Secret, User, UserId,
};
use jiff::Timestamp;

use super::change::Change;
use super::directory::Directory;
use super::first::{new_id, new_key, new_secret};
use crate::{Engine, Error};

/// Characters of a name.
const LONGEST_NAME: usize = 64;

/// A user as an administrator sees it.
#[derive(Clone, Debug)]
pub struct UserView {
    /// The user; its password stays here.
    pub user: User,
    /// Roles, each with id and name of its project; `None` for the whole account.
    pub grants: Vec<(Role, Option<(ProjectId, String)>)>,
    /// How many keys it has.
    pub keys: usize,
}

/// A key as an administrator sees it.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// Public half.
    pub access: String,
    /// Name of its holder.
    pub user: String,
    /// Whether it opens anything.
    pub enabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it got its secret.
    pub rotated: Timestamp,
}

/// A key with its secret, which is shown this once.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Public half.
    pub access: String,
    /// Private half.
    pub secret: Secret,
}

impl Engine {
    /// Makes a project.
    ///
    /// # Errors
    /// FSS.0400 for a name that is none, FSS.0409 for one that is taken.
    pub async fn create_project(self: &Arc<Self>, by: &Administrator, name: &str) -> Result<Project, Error> {
        let name = check_name("project", name)?;
        let (id, created) = (ProjectId(new_id()), Timestamp::now());
        let project = Project { id, domain: by.domain().clone(), name: Some(name.clone()), created };
        let new = project.clone();
        self.change_register(move |directory| {
            // The first one may go by this name too: it is the region's.
            if directory.project_named(&new.domain, &name).is_some() {
                return Err(taken("project").into());
            }
            Ok(Change::AddProject(new))
        })
        .await?;
        Ok(project)
    }

    /// Removes an empty project, named by id or name.
    ///
    /// # Errors
    /// FSS.0404; FSS.0403 for the first one; FSS.0428 where something is left in it.
    pub async fn delete_project(self: &Arc<Self>, by: &Administrator, project: String) -> Result<(), Error> {
        let domain = by.domain().clone();
        self.change_register(move |directory| {
            let found = project_of(directory, &domain, &project)?;
            if found.name.is_none() {
                let message = "The first project is the one that the region is named after, and stays";
                return Err(Fault::new(ErrorCode::Forbidden, message).into());
            }
            Ok(Change::DeleteProject(found.id.clone()))
        })
        .await
    }

    /// Every user of the account.
    #[must_use]
    pub fn users(&self, by: &Administrator) -> Vec<UserView> {
        let directory = self.identity.directory();
        let register = directory.register();
        let name = |id: &ProjectId| {
            let project = register.projects.iter().find(|project| project.id == *id);
            project.map_or_else(String::new, |project| directory.name_of(project).to_owned())
        };
        let view = |user: &User| UserView {
            user: user.clone(),
            grants: register
                .grants
                .iter()
                .filter(|grant| grant.user == user.id)
                .map(|grant| (grant.role, grant.project.clone().map(|id| (id.clone(), name(&id)))))
                .collect(),
            keys: register.keys.iter().filter(|key| key.user == user.id).count(),
        };
        register.users.iter().filter(|user| user.domain == *by.domain()).map(view).collect()
    }

    /// Makes a user who may do nothing yet.
    ///
    /// # Errors
    /// FSS.0400 for a name that is none or a password that is too short, FSS.0409 for a name that is taken.
    pub async fn create_user(
        self: &Arc<Self>,
        by: &Administrator,
        name: &str,
        password: Option<Secret>,
    ) -> Result<User, Error> {
        let name = check_name("user", name)?;
        let password = match password {
            Some(password) => Some(self.identity.passwords.hash(password).await?),
            None => None,
        };
        let (id, created) = (UserId(new_id()), Timestamp::now());
        let user = User { id, domain: by.domain().clone(), name, password, generation: 1, created };
        let new = user.clone();
        self.change_register(move |_| Ok(Change::AddUser(new))).await?;
        Ok(user)
    }

    /// Gives a user another password, which ends every token of the user.
    ///
    /// # Errors
    /// FSS.0404; FSS.0400 for a password that is too short.
    pub async fn set_password(
        self: &Arc<Self>,
        by: &Administrator,
        user: String,
        password: Secret,
    ) -> Result<(), Error> {
        let domain = by.domain().clone();
        user_of(&self.identity.directory(), &domain, &user)?;
        let password = self.identity.passwords.hash(password).await?;
        self.change_register(move |directory| {
            let found = user_of(directory, &domain, &user)?;
            Ok(Change::SetPassword { user: found.id.clone(), password, generation: found.generation + 1 })
        })
        .await
    }

    /// Removes a user with keys and roles, and ends the tokens.
    ///
    /// # Errors
    /// FSS.0404; FSS.0428 for the last administrator.
    pub async fn delete_user(self: &Arc<Self>, by: &Administrator, user: String) -> Result<(), Error> {
        let domain = by.domain().clone();
        self.change_register(move |directory| Ok(Change::DeleteUser(user_of(directory, &domain, &user)?.id.clone())))
            .await
    }

    /// Gives a user a role, in a project or in all of them.
    ///
    /// # Errors
    /// FSS.0404; FSS.0409 where the user has it.
    pub async fn grant(
        self: &Arc<Self>,
        by: &Administrator,
        user: String,
        role: Role,
        project: Option<String>,
    ) -> Result<(), Error> {
        let domain = by.domain().clone();
        self.change_register(move |directory| {
            let grant = grant_of(directory, &domain, &user, role, project.as_deref())?;
            if directory.register().grants.contains(&grant) {
                return Err(Fault::new(ErrorCode::Exists, "The user has that role already").into());
            }
            Ok(Change::AddGrant(grant))
        })
        .await
    }

    /// Takes a role from a user.
    ///
    /// # Errors
    /// FSS.0404; FSS.0428 for the last administrator.
    pub async fn revoke_grant(
        self: &Arc<Self>,
        by: &Administrator,
        user: String,
        role: Role,
        project: Option<String>,
    ) -> Result<(), Error> {
        let domain = by.domain().clone();
        self.change_register(move |directory| {
            let grant = grant_of(directory, &domain, &user, role, project.as_deref())?;
            if !directory.register().grants.contains(&grant) {
                return Err(Fault::new(ErrorCode::NotFound, "The user does not have that role there").into());
            }
            Ok(Change::DeleteGrant(grant))
        })
        .await
    }

    /// Every key of the account; secrets are not among it.
    #[must_use]
    pub fn keys(&self, by: &Administrator) -> Vec<KeyView> {
        let directory = self.identity.directory();
        let view = |key: &KeyRecord| {
            let user = directory.user(&key.user).filter(|user| user.domain == *by.domain())?;
            Some(KeyView {
                access: key.access.clone(),
                user: user.name.clone(),
                enabled: key.enabled,
                created: key.created,
                rotated: key.rotated,
            })
        };
        directory.register().keys.iter().filter_map(view).collect()
    }

    /// Makes a key for a user.
    ///
    /// # Errors
    /// FSS.0404.
    pub async fn create_key(self: &Arc<Self>, by: &Administrator, user: String) -> Result<NewKey, Error> {
        let (domain, key) = (by.domain().clone(), new_key(UserId(String::new()), Timestamp::now())?);
        let shown = NewKey { access: key.access.clone(), secret: key.secret.clone() };
        self.change_register(move |directory| {
            let user = user_of(directory, &domain, &user)?.id.clone();
            Ok(Change::AddKey(KeyRecord { user, ..key }))
        })
        .await?;
        Ok(shown)
    }

    /// Gives a key another secret. The one before, and every token that was made with it, counts no more.
    ///
    /// # Errors
    /// FSS.0404.
    pub async fn rotate_key(self: &Arc<Self>, by: &Administrator, access: String) -> Result<NewKey, Error> {
        let (domain, secret, now) = (by.domain().clone(), new_secret()?, Timestamp::now());
        let shown = NewKey { access: access.clone(), secret: secret.clone() };
        self.change_register(move |directory| {
            let key = key_of(directory, &domain, &access)?;
            Ok(Change::UpdateKey(KeyRecord { secret, rotated: now, ..key.clone() }))
        })
        .await?;
        Ok(shown)
    }

    /// Lets a key open something again, or nothing for now.
    ///
    /// # Errors
    /// FSS.0404; FSS.0428 for the last key of the last administrator.
    pub async fn enable_key(self: &Arc<Self>, by: &Administrator, access: String, enabled: bool) -> Result<(), Error> {
        let domain = by.domain().clone();
        self.change_register(move |directory| {
            let key = key_of(directory, &domain, &access)?;
            Ok(Change::UpdateKey(KeyRecord { enabled, ..key.clone() }))
        })
        .await
    }

    /// Removes a key, and ends the tokens that were made with it.
    ///
    /// # Errors
    /// FSS.0404; FSS.0428 for the last key of the last administrator.
    pub async fn delete_key(self: &Arc<Self>, by: &Administrator, access: String) -> Result<(), Error> {
        let domain = by.domain().clone();
        self.change_register(move |directory| {
            Ok(Change::DeleteKey(key_of(directory, &domain, &access)?.access.clone()))
        })
        .await
    }

    /// That a project was not deleted since its caller was let in. The caller has its turn, as a deletion does.
    pub(crate) fn is_still_there(&self, project: &ProjectId) -> Result<(), Fault> {
        let directory = self.identity.directory();
        let is_there = directory.register().projects.iter().any(|found| found.id == *project);
        is_there.then_some(()).ok_or_else(|| Fault::new(ErrorCode::Forbidden, "The project was deleted just now"))
    }
}

/// Names go into paths, files and command lines, so they are plain.
fn check_name(what: &str, name: &str) -> Result<String, Fault> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.len() <= LONGEST_NAME && name.bytes().all(is_plain) {
        return Ok(name.to_owned());
    }
    Err(Fault::new(
        ErrorCode::BadParameter,
        format!(
            "The name of a {what} has up to {LONGEST_NAME} letters, digits, '-', '_', '.' and '@', and begins with a letter or digit"
        ),
    ))
}

fn taken(what: &str) -> Fault {
    Fault::new(ErrorCode::Exists, format!("A {what} of that name exists already"))
}

fn missing(what: &str, list: &str) -> Fault {
    Fault::new(ErrorCode::NotFound, format!("There is no such {what}: `fungraph {list} list` shows those there are"))
}

fn project_of<'a>(directory: &'a Directory, domain: &DomainId, text: &str) -> Result<&'a Project, Fault> {
    let by_id = || directory.projects_of(domain).find(|project| project.id.0 == text);
    directory.project_named(domain, text).or_else(by_id).ok_or_else(|| missing("project", "project"))
}

fn user_of<'a>(directory: &'a Directory, domain: &DomainId, text: &str) -> Result<&'a User, Fault> {
    let by_id = || directory.user(&UserId(text.to_owned())).filter(|user| user.domain == *domain);
    directory.user_named(domain, text).or_else(by_id).ok_or_else(|| missing("user", "user"))
}

fn key_of<'a>(directory: &'a Directory, domain: &DomainId, access: &str) -> Result<&'a KeyRecord, Fault> {
    let found = directory.register().keys.iter().find(|key| key.access == access);
    let is_ours = |key: &&KeyRecord| directory.user(&key.user).is_some_and(|user| user.domain == *domain);
    found.filter(is_ours).ok_or_else(|| missing("access key", "key"))
}

fn grant_of(
    directory: &Directory,
    domain: &DomainId,
    user: &str,
    role: Role,
    project: Option<&str>,
) -> Result<Grant, Fault> {
    let user = user_of(directory, domain, user)?.id.clone();
    let project = project.map(|project| project_of(directory, domain, project)).transpose()?;
    Ok(Grant { user, project: project.map(|project| project.id.clone()), role })
}
