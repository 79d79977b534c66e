//! The part of the identity service that clients of the function service need (auth.md, "Project and account discovery"), on our own
//! listener, so that one address is enough.

use std::{sync::Arc, time::Duration};

use fungraph_engine::{Engine, Token};
use fungraph_model::{Administrator, ErrorCode, Fault, Proof, RequestId, Scope};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;

use super::own::Row;
use crate::{
    answer::{self, Refusal, Response},
    auth, percent,
    service::Peer,
    shape::{iam as shape, login},
};

pub(crate) const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
const TRACE: HeaderName = HeaderName::from_static("x-iam-trace-id");

/// What is asked of the identity service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Version,
    Projects,
    Domains,
    Identity,
    LogIn,
    ShowToken,
    RevokeToken,
    SecurityToken,
    /// Logging in with another identity provider, or as an agency.
    NotBuilt,
}

pub(crate) static ROWS: [Row<Asked>; 11] = [
    ("GET", "/v3", Asked::Version),
    ("GET", "/v3/projects", Asked::Projects),
    ("GET", "/v3/auth/projects", Asked::Projects),
    ("GET", "/v3/auth/domains", Asked::Domains),
    ("GET", "/v5/caller-identity", Asked::Identity),
    ("POST", "/v3/auth/tokens", Asked::LogIn),
    ("GET", "/v3/auth/tokens", Asked::ShowToken),
    ("DELETE", "/v3/auth/tokens", Asked::RevokeToken),
    ("POST", "/v3.0/OS-CREDENTIAL/securitytokens", Asked::SecurityToken),
    ("POST", "/v3.0/OS-AUTH/id-token/tokens", Asked::NotBuilt),
    ("POST", "/v5/agencies/assume-with-oidc", Asked::NotBuilt),
];

/// Whether a path is one of the identity service.
pub(crate) fn has(path: &str) -> bool {
    ["/v3", "/v3.0", "/v5"]
        .iter()
        .any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

impl Asked {
    /// Whether anybody may ask: who logs in has nothing to show yet.
    pub(crate) fn is_public(self) -> bool {
        matches!(self, Self::Version | Self::LogIn | Self::NotBuilt)
    }
}

/// Answers what needs no proof. `peer` is who asks, `base` where the client reached us.
pub(crate) async fn public(
    engine: &Engine,
    asked: Asked,
    query: Option<&str>,
    body: &[u8],
    (peer, base): (Peer, &str),
) -> Result<Response, Refusal> {
    match asked {
        Asked::LogIn => {
            let (login, wanted) = login::read(body)?;
            let (text, token) = engine.log_in(login, &wanted, peer.remote.ip(), Timestamp::now()).await?;
            let with_catalog = !says(query, "nocatalog");
            let mut response = answer::json(&shape::token(engine, &token, base, with_catalog));
            *response.status_mut() = StatusCode::CREATED;
            let mut value = HeaderValue::from_str(text.reveal()).expect("a token is ASCII");
            value.set_sensitive(true);
            response.headers_mut().insert(SUBJECT_TOKEN, value);
            Ok(response)
        }
        Asked::NotBuilt => Err(Fault::new(
            ErrorCode::NotSupported,
            "This server has no other identity providers and no agencies: log in with a password or an access key at \
             POST /v3/auth/tokens",
        )
        .into()),
        _ => Ok(answer::json(&shape::version(base))),
    }
}

/// Answers what needs a proof.
pub(crate) async fn proven(
    engine: &Arc<Engine>,
    asked: Asked,
    proof: Proof,
    headers: &HeaderMap,
    query: Option<&str>,
    body: &[u8],
    base: &str,
) -> Result<Response, Refusal> {
    let now = Timestamp::now();
    match asked {
        Asked::Projects => {
            let name = value(query, "name");
            let domain = value(query, "domain_id");
            let mut found = engine.projects_for(&proof, name.as_deref());
            found.retain(|(project, _)| domain.as_ref().is_none_or(|domain| *domain == project.domain.0));
            Ok(answer::json(&shape::projects(&found, base)))
        }
        Asked::Domains => Ok(answer::json(&shape::domains(engine, &proof, base))),
        Asked::Identity => Ok(answer::json(&shape::identity(&proof))),
        Asked::ShowToken => {
            let (text, token) = subject(engine, &proof, headers, now)?;
            let mut response = answer::json(&shape::token(engine, &token, base, !says(query, "nocatalog")));
            response.headers_mut().insert(SUBJECT_TOKEN, text.clone());
            Ok(response)
        }
        Asked::RevokeToken => {
            let (_, token) = subject(engine, &proof, headers, now)?;
            engine.revoke(&token, now).await?;
            Ok(answer::no_content())
        }
        Asked::SecurityToken => {
            let wanted = login::security_token(body)?;
            let shown = wanted.token.as_deref().map_or_else(|| auth::token(headers), |text| Ok(Some(text)))?;
            let shown = shown.ok_or_else(|| {
                Fault::new(
                    ErrorCode::BadParameter,
                    "A temporary key is made from a token: put its text into auth.identity.token.id, or send it as X-Auth-Token",
                )
            })?;
            let token = engine.token(shown, now).ok_or(auth::Error::Token)?;
            let key = engine.security_token(&token, Duration::from_secs(wanted.seconds), now)?;
            let mut response = answer::json(&shape::security_token(&key));
            *response.status_mut() = StatusCode::CREATED;
            Ok(response)
        }
        Asked::Version | Asked::LogIn | Asked::NotBuilt => Err(Refusal::unknown_path()),
    }
}

/// The token that is asked about: of the caller, or of a user of the account that the caller administers.
fn subject<'a>(
    engine: &Engine,
    proof: &Proof,
    headers: &'a HeaderMap,
    now: Timestamp,
) -> Result<(&'a HeaderValue, Token), Fault> {
    let missing =
        || Fault::new(ErrorCode::BadParameter, "The header X-Subject-Token must name the token that is meant");
    let value = headers.get(SUBJECT_TOKEN).ok_or_else(missing)?;
    let found = value.to_str().ok().and_then(|text| engine.token(text, now));
    let is_theirs = |token: &Token| {
        let decides = Administrator::of(proof).is_some_and(|by| *by.domain() == token.proof.holder.domain);
        token.proof.holder.user == proof.holder.user || decides
    };
    let token = found.filter(is_theirs).ok_or_else(|| {
        Fault::new(
            ErrorCode::NotFound,
            "The token of X-Subject-Token is unknown, counts no more, or is of somebody else",
        )
    })?;
    Ok((value, token))
}

/// Without authentication everybody decides about everything, also about the account.
pub(crate) fn of_everybody(proof: Proof) -> Proof {
    Proof { scope: Scope::Whole, ..proof }
}

/// Puts on what every answer of the identity service carries: clients quote it when they fail.
pub(crate) fn finish(mut response: Response, id: RequestId) -> Response {
    let value = HeaderValue::from_str(id.text().as_str()).expect("an id is ASCII");
    response.headers_mut().insert(TRACE, value);
    response
}

/// The first value of a name in a query.
fn value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(found, _)| *found == name);
    values.next().and_then(|(_, text)| percent::decode_text(text).ok()).map(std::borrow::Cow::into_owned)
}

/// Whether a flag is set: keystone takes its mere name for yes.
fn says(query: Option<&str>, name: &str) -> bool {
    value(query, name).is_some_and(|text| !matches!(text.as_str(), "false" | "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_identity_service() {
        for path in ["/v3", "/v3/", "/v3/auth/tokens", "/v3.0/OS-CREDENTIAL/securitytokens", "/v5/caller-identity"] {
            assert!(has(path), "{path}");
        }
        for path in ["/", "/v2/p/fgs", "/v30", "/v3x/y", "/v1/fungraph/users"] {
            assert!(!has(path), "{path}");
        }
    }

    #[test]
    fn flags_and_values_of_a_query() {
        assert_eq!(value(Some("a=1&name=x%20y&name=z"), "name").as_deref(), Some("x y"));
        assert_eq!(value(Some("rename=1"), "name"), None);
        assert_eq!(value(None, "name"), None);
        assert!(says(Some("nocatalog"), "nocatalog") && says(Some("nocatalog=true"), "nocatalog"));
        assert!(!says(Some("nocatalog=false"), "nocatalog") && !says(Some("a"), "nocatalog"));
    }
}
