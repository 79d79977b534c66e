//! Who there is and what they may: held in memory, since every request asks. Changes go to the store first, then here, and count
//! from the next request on.

mod change;
mod directory;
mod first;
mod line;
mod login;
mod manage;
mod password;
mod revoked;
mod throttle;
mod token;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use fungraph_model::{AccessKey, DomainId, Project, Proof};
use fungraph_store::{SecretBox, Store};
use jiff::Timestamp;
use tokio::sync::watch;

use directory::Directory;
use password::Passwords;

pub use first::Credentials;
pub use login::{Login, NameOrId, NamedIn, ScopeWanted};
pub use manage::{KeyView, NewKey, UserView};
pub use token::{SecurityToken, Token};

use crate::{Engine, Error};

/// Everybody there is.
pub(crate) struct Identity {
    directory: RwLock<Directory>,
    /// Held from the check of a change to its end, so that two changes never rest on the same state.
    changes: tokio::sync::Mutex<()>,
    passwords: Passwords,
    secrets: SecretBox,
    /// What `credentials.json` should say.
    operator: watch::Sender<Option<Credentials>>,
}

impl Identity {
    pub(crate) async fn load(store: &Store, region: &str) -> Result<Self, Error> {
        let failed = |source| Error::internal("read users and keys", source);
        let register = store.register().await.map_err(failed)?;
        let revoked = store.revoked_tokens().await.map_err(failed)?;
        let mut directory = Directory::new(register, region.to_owned());
        revoked.iter().for_each(|(id, expires)| directory.revoked.add(id, *expires, None));
        Ok(Self {
            operator: watch::Sender::new(directory.operator_credentials()),
            directory: RwLock::new(directory),
            changes: tokio::sync::Mutex::default(),
            passwords: Passwords::default(),
            secrets: store.secrets().clone(),
        })
    }

    fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody has to be kept apart from anybody.
    pub(crate) fn has_one_project(&self) -> bool {
        self.directory().register().projects.len() <= 1
    }

    /// Puts a changed state in the place of the one before.
    fn replace(&self, next: Directory) {
        let operator = next.operator_credentials();
        self.directory.write().unwrap_or_else(PoisonError::into_inner).become_next(next);
        self.operator.send_if_modified(|before| std::mem::replace(before, operator) != *before);
    }

    /// Whether there was room for one more of that user's.
    fn revoke(&self, id: &str, expires: i64, user: &str, now: i64) -> bool {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        let revoked = &mut directory.revoked;
        revoked.forget_before(now);
        if revoked.is_full_of(user) {
            return false;
        }
        revoked.add(id, expires, Some(user));
        true
    }
}

impl Engine {
    /// The key behind the public half that a request names. A temporary key is inside its own security token.
    #[must_use]
    pub fn access_key(&self, access: &str, security_token: Option<&str>, now: Timestamp) -> Option<Arc<AccessKey>> {
        match security_token {
            None => self.identity.directory().key(access).cloned(),
            Some(text) => self.temporary_key(access, text, now).map(Arc::new),
        }
    }

    /// Who everybody is without authentication: the first administrator, in the first project.
    #[must_use]
    pub fn administrator(&self) -> Option<Proof> {
        self.identity.directory().operator()
    }

    /// An account's projects, in the order in which they were made, each with the name it goes by.
    #[must_use]
    pub fn projects_of(&self, domain: &DomainId) -> Vec<(Project, String)> {
        let directory = self.identity.directory();
        let projects = directory.projects_of(domain);
        projects.map(|project| (project.clone(), directory.name_of(project).to_owned())).collect()
    }

    /// The name of an account.
    #[must_use]
    pub fn domain_name(&self, domain: &DomainId) -> String {
        self.identity.directory().domain_name(domain).to_owned()
    }
}
