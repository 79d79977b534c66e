//! Accounts for registries, as tools that log in write them down.

use std::collections::HashMap;
use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::ask::Account;

/// Users and passwords by registry.
#[derive(Clone, Default)]
pub struct Credentials(HashMap<String, Account>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Deserialize)]
struct AuthFile {
    #[serde(default)]
    auths: HashMap<String, AuthEntry>,
}

#[derive(Deserialize)]
struct AuthEntry {
    auth: Option<String>,
}

impl Credentials {
    /// Reads a file as `docker login`, `podman login` and `skopeo login` write it.
    ///
    /// # Errors
    /// A text that says what is wrong with it, without what is in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: AuthFile = serde_json::from_str(text).map_err(|error| {
            format!("it is no JSON with \"auths\" as docker login writes it (line {})", error.line())
        })?;
        let mut all = HashMap::new();
        for (registry, entry) in file.auths {
            let Some(auth) = entry.auth else {
                return Err(format!("it has no \"auth\" for {registry}: a credential helper cannot be asked"));
            };
            let plain = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = plain.as_deref().and_then(|plain| plain.split_once(':'));
            let (user, password) =
                pair.ok_or_else(|| format!("\"auth\" of {registry} is not the base64 of user:password"))?;
            all.insert(host(&registry).to_owned(), (user.to_owned(), password.to_owned()));
        }
        Ok(Self(all))
    }

    pub(super) fn of(&self, registry: &str) -> Option<&Account> {
        self.0.get(registry)
    }
}

/// Docker's file names its own registry by an address.
pub(super) fn host(registry: &str) -> &str {
    let registry = registry.trim_start_matches("https://").trim_start_matches("http://");
    let host = registry.split('/').next().unwrap_or(registry);
    if host == "docker.io" { "index.docker.io" } else { host }
}

/// Reads a file of credentials.
///
/// # Errors
/// A text that names the file.
pub fn read_credentials(path: &Path) -> Result<Credentials, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    Credentials::parse(&text).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_docker_login() {
        let text = r#"{"auths":{"registry.example.com":{"auth":"YWRhOnNlY3JldDp4"},"https://index.docker.io/v1/":{"auth":"YTpi"}}}"#;
        let credentials = Credentials::parse(text).expect("it is such a file");
        assert_eq!(credentials.of("registry.example.com"), Some(&("ada".into(), "secret:x".into())));
        assert_eq!(credentials.of("index.docker.io"), Some(&("a".into(), "b".into())));
        assert_eq!(credentials.of("other.example.com"), None);
        assert!(!format!("{credentials:?}").contains("secret"));
        for bad in
            ["", r#"{"auths":{"x":{}}}"#, r#"{"auths":{"x":{"auth":"!"}}}"#, r#"{"auths":{"x":{"auth":"YQ=="}}}"#]
        {
            assert!(Credentials::parse(bad).is_err(), "{bad}");
        }
    }
}
