//! A conversation with the registry of one image (OCI distribution specification; tokens as Docker's registries hand them out).
//!
//! It is our own, upon reqwest: the libraries for this follow redirects and names for tokens wherever they lead, read answers of any
//! length, and quote them. Whoever names an image here is a stranger to this server's network.

use std::sync::{Mutex, PoisonError};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_auth::ChallengeRef;
use oci_spec::distribution::Reference;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, RANGE, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;

use crate::guard::{self, reason};

/// Forms of a manifest that are read.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";
/// Longest manifest, as registries have it.
const MANIFEST_BYTES: usize = 4 << 20;
const TOKEN_BYTES: usize = 64 << 10;

/// Why there is no answer, in words that show nothing of one.
#[derive(Debug)]
pub(super) enum AskError {
    /// Nobody answers, or nobody who may be asked.
    Unreachable(String),
    /// It is a private address, and nobody has named it.
    NotPublic,
    /// An answer that is not the wanted one.
    Status(StatusCode),
    /// An answer that cannot be used.
    Unusable(&'static str),
}

/// User and password.
pub(super) type Account = (String, String);

/// What is said to one registry about one image.
pub(super) struct Conversation<'a> {
    pub(super) client: &'a Client,
    pub(super) image: &'a Reference,
    /// Whether the operator has named the registry: then it may be anywhere, and send us anywhere.
    pub(super) is_named: bool,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) account: Option<&'a Account>,
    /// What the registry wants to see with each question, once it has asked for it.
    pub(super) proof: Mutex<Option<HeaderValue>>,
}

impl Conversation<'_> {
    /// A manifest by tag or digest.
    pub(super) async fn manifest(&self, name: &str) -> Result<Vec<u8>, AskError> {
        let response = self.get(&format!("manifests/{name}"), MANIFESTS, 0).await?;
        body(response, MANIFEST_BYTES).await
    }

    /// A blob by its digest, from a position on if the registry can do that: `206` tells.
    pub(super) async fn blob(&self, digest: &str, from: u64) -> Result<Response, AskError> {
        self.get(&format!("blobs/{digest}"), "*/*", from).await
    }

    async fn get(&self, path: &str, accept: &'static str, from: u64) -> Result<Response, AskError> {
        let mut response = self.send(path, accept, from).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.prove(&response).await? {
            response = self.send(path, accept, from).await?;
        }
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            other => Err(AskError::Status(other)),
        }
    }

    async fn send(&self, path: &str, accept: &'static str, from: u64) -> Result<Response, AskError> {
        let (scheme, registry, repository) = (self.scheme, self.image.resolve_registry(), self.image.repository());
        let url = self.url(&format!("{scheme}://{registry}/v2/{repository}/{path}"))?;
        let mut request = self.client.get(url).header(ACCEPT, accept);
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let proof = self.proof.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(proof) = proof {
            request = request.header(AUTHORIZATION, proof);
        }
        request.send().await.map_err(|error| unreachable(&error))
    }

    /// An address that may be asked.
    fn url(&self, text: &str) -> Result<Url, AskError> {
        let url = Url::parse(text).map_err(|_| AskError::Unusable("it names an address that is none"))?;
        if !self.is_named && guard::check(&url).is_err() {
            return Err(AskError::NotPublic);
        }
        Ok(url)
    }

    /// Gets what a refusal asks for; `false` where there is nothing to get.
    async fn prove(&self, refusal: &Response) -> Result<bool, AskError> {
        let challenges = refusal.headers().get_all(WWW_AUTHENTICATE);
        let challenges: Vec<ChallengeRef<'_>> = challenges
            .iter()
            .filter_map(|header| http_auth::parse_challenges(header.to_str().ok()?).ok())
            .flatten()
            .collect();
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme));
        let proof = match (of("Bearer"), of("Basic"), self.account) {
            (Some(challenge), _, _) => format!("Bearer {}", self.token(challenge).await?),
            (None, Some(_), Some(account)) => basic(account),
            _ => return Ok(false),
        };
        let mut proof = HeaderValue::try_from(proof)
            .map_err(|_| AskError::Unusable("it wants to see what no request can carry"))?;
        proof.set_sensitive(true);
        *self.proof.lock().unwrap_or_else(PoisonError::into_inner) = Some(proof);
        Ok(true)
    }

    /// Asks for a token where the registry says.
    async fn token(&self, challenge: &ChallengeRef<'_>) -> Result<String, AskError> {
        let value = |name: &str| {
            let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        let realm = value("realm").ok_or(AskError::Unusable("it does not say where it hands out tokens"))?;
        let mut url = self.url(&realm)?;
        if self.scheme == "https" && url.scheme() != "https" {
            return Err(AskError::Unusable("it hands out tokens without TLS"));
        }
        let scope = format!("repository:{}:pull", self.image.repository());
        url.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = value("service") {
            url.query_pairs_mut().append_pair("service", &service);
        }
        let mut request = self.client.get(url);
        if let Some(account) = self.account {
            request = request.header(AUTHORIZATION, basic(account));
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        if response.status() != StatusCode::OK {
            return Err(AskError::Status(response.status()));
        }
        let token: Token = serde_json::from_slice(&body(response, TOKEN_BYTES).await?)
            .map_err(|_| AskError::Unusable("what it hands out is no token"))?;
        token.token.or(token.access_token).ok_or(AskError::Unusable("what it hands out is no token"))
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

fn basic((user, password): &Account) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A whole answer that is no longer than it may be.
async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, AskError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if bytes.len() + chunk.len() > most {
            return Err(AskError::Unusable("it answers at a length that no registry does"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn unreachable(error: &reqwest::Error) -> AskError {
    AskError::Unreachable(reason(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, answer};

    fn talk<'a>(client: &'a Client, image: &'a Reference, is_named: bool) -> Conversation<'a> {
        Conversation { client, image, is_named, scheme: "http", account: None, proof: Mutex::default() }
    }

    #[tokio::test]
    async fn a_token_is_asked_for_where_the_registry_says_and_shown_to_it() {
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let realm = Fake::start(|_| answer("200 OK", "", b"{\"access_token\":\"t0ken\"}")).await;
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{}/t\",service=\"s s\"\r\n", realm.address);
        let registry = Fake::start(move |head| {
            if head.contains("authorization: Bearer t0ken") {
                return answer("200 OK", "", b"manifest");
            }
            answer("401 Unauthorized", &challenge, b"")
        })
        .await;
        let client = guard::open_client().expect("a client");
        let image: Reference = format!("{}/some/app:v1", registry.address).parse().expect("a name");
        let named = talk(&client, &image, true);
        assert_eq!(named.manifest("v1").await.expect("it is given"), b"manifest");
        assert_eq!(named.manifest("v2").await.expect("it is given"), b"manifest");
        let asked = realm.asked();
        assert_eq!(asked.len(), 1, "one token is enough");
        assert!(asked[0].starts_with("GET /t?scope=repository%3Asome%2Fapp%3Apull&service=s+s "), "{}", asked[0]);
        // A registry that nobody names must not send us into this host's network.
        let challenge = format!("Bearer realm=\"http://{}/t\"", realm.address);
        let challenges = http_auth::parse_challenges(&challenge).expect("it is one");
        let refused = talk(&client, &image, false).token(&challenges[0]).await;
        assert!(matches!(refused, Err(AskError::NotPublic)), "{refused:?}");
        assert_eq!(realm.asked().len(), 1);
    }
}
