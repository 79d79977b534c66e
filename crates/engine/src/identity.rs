//! Accounts, projects and keys, held in memory: every request asks for one.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use fungraph_model::{AccessKey, DomainId, ProjectId, Secret};
use fungraph_store::Store;
use uuid::Uuid;

use crate::{Engine, Error};

/// Letters of a secret key.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of an access key, as the cloud's.
const ACCESS_CHARS: usize = 20;
/// Characters of a secret key, as the cloud's.
const SECRET_CHARS: usize = 40;

/// What a client needs to know to be let in.
#[derive(Clone, Debug)]
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

/// Every key there is.
pub(crate) struct Identity {
    keys: RwLock<Keys>,
}

#[derive(Default)]
struct Keys {
    by_access: HashMap<String, Arc<AccessKey>>,
    first: Option<Arc<AccessKey>>,
}

impl Identity {
    pub(crate) async fn load(store: &Store) -> Result<Self, Error> {
        let keys = store.access_keys().await.map_err(|source| Error::internal("read the access keys", source))?;
        let mut known = Keys::default();
        keys.into_iter().for_each(|key| known.add(key));
        Ok(Self { keys: RwLock::new(known) })
    }
}

impl Keys {
    fn add(&mut self, key: AccessKey) {
        let key = Arc::new(key);
        self.first.get_or_insert_with(|| Arc::clone(&key));
        self.by_access.insert(key.access.clone(), key);
    }
}

impl Engine {
    /// The key behind the public half that a request names.
    #[must_use]
    pub fn access_key(&self, access: &str) -> Option<Arc<AccessKey>> {
        self.identity.keys.read().unwrap_or_else(PoisonError::into_inner).by_access.get(access).cloned()
    }

    /// The first key of the first project: without authentication every call is its owner's.
    #[must_use]
    pub fn administrator(&self) -> Option<Arc<AccessKey>> {
        self.identity.keys.read().unwrap_or_else(PoisonError::into_inner).first.clone()
    }

    /// The first key; on the first start of a data folder, one domain, one project and one key are made.
    ///
    /// # Errors
    /// When the store cannot keep them, or the system has no randomness.
    pub async fn first_credentials(&self) -> Result<Credentials, Error> {
        let key = match self.administrator() {
            Some(key) => key,
            None => self.make_first_key().await?,
        };
        let project = key.projects.first().cloned();
        Ok(Credentials {
            domain_id: key.domain.clone(),
            project_id: project.expect("a key is made with its project"),
            access_key: key.access.clone(),
            secret_key: key.secret.clone(),
        })
    }

    async fn make_first_key(&self) -> Result<Arc<AccessKey>, Error> {
        let key = AccessKey {
            access: random_text(ACCESS_CHARS)?.to_uppercase(),
            secret: Secret::new(random_text(SECRET_CHARS)?),
            domain: DomainId(Uuid::new_v4().simple().to_string()),
            projects: vec![ProjectId(Uuid::new_v4().simple().to_string())],
        };
        self.store.add_access_key(&key).await.map_err(|source| Error::internal("keep the first access key", source))?;
        let mut keys = self.identity.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.add(key);
        Ok(keys.first.clone().expect("a key was added just now"))
    }
}

/// Random letters and digits, without bias: bytes beyond the last whole alphabet are thrown away.
fn random_text(chars: usize) -> Result<String, Error> {
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
