//! The first start of a data folder: one account, one project, one administrator with one key.

use fungraph_model::{Domain, DomainId, Grant, KeyRecord, Project, ProjectId, Register, Role, Secret, User, UserId};
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::directory::{Directory, is_administrator};
use crate::{Engine, Error};

/// Letters of a secret key.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of an access key, as the cloud's.
const ACCESS_CHARS: usize = 20;
/// Characters of a secret key, as the cloud's.
const SECRET_CHARS: usize = 40;

/// What a client needs to know to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Account.
    pub domain_id: DomainId,
    /// Project.
    pub project_id: ProjectId,
    /// Public half of the key.
    pub access_key: String,
    /// Private half of the key.
    pub secret_key: Secret,
}

impl Engine {
    /// The operator's key and the first project; on the first start of a data folder they are made.
    ///
    /// # Errors
    /// When the store cannot keep them, or the system has no randomness.
    pub async fn first_credentials(&self) -> Result<Credentials, Error> {
        if self.identity.operator.borrow().is_none() {
            self.make_first_key().await?;
        }
        let found = self.identity.operator.borrow().clone();
        let missing = || std::io::Error::other("an administrator, a project or a key is not there");
        found.ok_or_else(|| Error::internal("find the operator's key", missing()))
    }

    /// The operator's key and each that takes its place: what `credentials.json` should say.
    #[must_use]
    pub fn operator(&self) -> watch::Receiver<Option<Credentials>> {
        self.identity.operator.subscribe()
    }

    /// Makes what is missing of account, project, administrator and key.
    async fn make_first_key(&self) -> Result<(), Error> {
        let _alone = self.identity.changes.lock().await;
        let now = Timestamp::now();
        let known = self.identity.directory().register().clone();
        let mut new = Register::default();
        let domain = known.domains.first().map_or_else(|| DomainId(new_id()), |domain| domain.id.clone());
        if known.domains.is_empty() {
            new.domains.push(Domain { id: domain.clone(), name: "default".to_owned() });
        }
        if !known.projects.iter().any(|project| project.domain == domain) {
            new.projects.push(Project { id: ProjectId(new_id()), domain: domain.clone(), name: None, created: now });
        }
        let decides = |user: &&User| user.domain == domain && is_administrator(user, &known);
        let user = match known.users.iter().find(decides) {
            Some(user) => user.id.clone(),
            None => {
                let id = UserId(new_id());
                let name = if known.users.iter().any(|user| user.name == ADMINISTRATOR) {
                    new_id()
                } else {
                    ADMINISTRATOR.to_owned()
                };
                new.users.push(User { id: id.clone(), domain, name, password: None, generation: 1, created: now });
                new.grants.push(Grant { user: id.clone(), project: None, role: Role::Admin });
                id
            }
        };
        new.keys.push(new_key(user, now)?);
        self.store.found(&new).await.map_err(|source| Error::internal("keep the first access key", source))?;
        let Register { mut domains, mut projects, mut users, mut grants, mut keys } = known;
        domains.extend(new.domains);
        projects.extend(new.projects);
        users.extend(new.users);
        grants.extend(new.grants);
        keys.extend(new.keys);
        let next = Register { domains, projects, users, grants, keys };
        self.identity.replace(Directory::new(next, self.region().to_owned()));
        Ok(())
    }
}

/// Name of the user that the first start makes.
const ADMINISTRATOR: &str = "administrator";

/// 32 hexadecimal digits, as all ids here have.
pub(super) fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A key that did not exist before.
pub(super) fn new_key(user: UserId, now: Timestamp) -> Result<KeyRecord, Error> {
    let (access, secret) = (random_text(ACCESS_CHARS)?.to_uppercase(), new_secret()?);
    Ok(KeyRecord { access, secret, user, enabled: true, created: now, rotated: now })
}

pub(super) fn new_secret() -> Result<Secret, Error> {
    random_text(SECRET_CHARS).map(Secret::new)
}

/// Random letters and digits, without bias: bytes beyond the last whole alphabet are thrown away.
pub(super) fn random_text(chars: usize) -> Result<String, Error> {
    let whole = 256 - 256 % ALPHABET.len();
    let mut text = String::with_capacity(chars);
    while text.len() < chars {
        let mut bytes = [0u8; 64];
        getrandom::fill(&mut bytes).map_err(|source| Error::internal("get randomness", source))?;
        let letters = bytes.iter().filter(|byte| usize::from(**byte) < whole);
        text.extend(letters.map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()] as char));
    }
    text.truncate(chars);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_texts_have_their_length_and_differ() {
        let texts: Vec<String> = (0..50).map(|_| random_text(SECRET_CHARS).expect("randomness")).collect();
        assert!(texts.iter().all(|text| text.len() == SECRET_CHARS && text.bytes().all(|b| b.is_ascii_alphanumeric())));
        assert!(texts.iter().collect::<std::collections::HashSet<_>>().len() == texts.len());
    }
}
