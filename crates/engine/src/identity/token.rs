//! Tokens and temporary keys: sealed by this server, so that they need no row, and checked against who is there now, so that they end
//! with the password, the key or the user they rest on (docs/decisions/0017).

use std::sync::Arc;
use std::time::Duration;

use fungraph_model::{AccessKey, ErrorCode, Fault, ProjectId, Proof, Scope, Secret, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::first::{new_id, new_key};
use crate::{Engine, Error};

/// What is inside one is no use inside the other.
const TOKEN: &str = "token";
const SECURITY_TOKEN: &str = "security token";
/// How long a token counts.
pub(super) const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How many tokens may come one from the other; each adds to the length of the next.
const LONGEST_LINE: usize = 8;

/// A token that counts.
#[derive(Clone, Debug)]
pub struct Token {
    /// Whom it proves, and where.
    pub proof: Proof,
    /// How that was proven: `password`, `token`, `hw_ak_sk`.
    pub methods: Vec<String>,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    origin: Origin,
}

/// A temporary key, shown once.
#[derive(Clone, Debug)]
pub struct SecurityToken {
    /// Public half.
    pub access: String,
    /// Private half.
    pub secret: Secret,
    /// Goes with every request, as `X-Security-Token`.
    pub text: Secret,
    /// When all three end.
    pub expires: Timestamp,
}

/// What a token rests on: where one of these is gone, so is the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The ids of the tokens it was made from, and its own as the last.
    line: Vec<String>,
    user: String,
    generation: u64,
    /// The key that was shown for it, and when that got its secret, in microseconds.
    key: Option<(String, i64)>,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Content {
    origin: Origin,
    place: Place,
    methods: Vec<String>,
    issued: i64,
    expires: i64,
    /// Of a temporary key: both halves.
    temporary: Option<(String, String)>,
}

#[derive(Serialize, Deserialize)]
enum Place {
    Whole,
    Domain,
    Project(String),
}

impl Engine {
    /// What a token proves now; `None` where it proves nothing, whatever the reason.
    #[must_use]
    pub fn token(&self, text: &str, now: Timestamp) -> Option<Token> {
        let content = self.open(TOKEN, text)?;
        self.counts(content, now).map(|(token, _)| token)
    }

    /// Issues a token. One that was made from another ends with that one.
    pub(super) fn issue(
        &self,
        proof: Proof,
        methods: Vec<String>,
        key: Option<&str>,
        from: Option<&Token>,
        now: Timestamp,
    ) -> Result<(Secret, Token), Error> {
        let mut line = from.map(|from| from.origin.line.clone()).unwrap_or_default();
        if line.len() >= LONGEST_LINE {
            return Err(Fault::new(
                ErrorCode::BadParameter,
                "The token was made from a token, and that from another, too many times: log in with a password or an access key",
            )
            .into());
        }
        line.push(new_id());
        let directory = self.identity.directory();
        let rotated = |access: &str| Some((access.to_owned(), directory.rotated(access)?.as_microsecond()));
        let origin = Origin {
            line,
            user: proof.holder.user.0.clone(),
            generation: directory.generation(&proof.holder.user).unwrap_or(0),
            key: match from {
                Some(from) => from.origin.key.clone(),
                None => key.and_then(rotated),
            },
        };
        drop(directory);
        let expires = from.map_or_else(|| whole_second(now + LIFETIME), |from| from.expires);
        let token = Token { proof, methods, issued: whole_second(now), expires, origin };
        let text = self.seal(TOKEN, &content(&token, token.expires, None))?;
        Ok((text, token))
    }

    /// A temporary key with the rights of a token, which it ends with.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn security_token(&self, token: &Token, lifetime: Duration, now: Timestamp) -> Result<SecurityToken, Error> {
        let key = new_key(token.proof.holder.user.clone(), now)?;
        let expires = whole_second(now + lifetime).min(token.expires);
        let halves = (key.access.clone(), key.secret.reveal().to_owned());
        let text = self.seal(SECURITY_TOKEN, &content(token, expires, Some(halves)))?;
        Ok(SecurityToken { access: key.access, secret: key.secret, text, expires })
    }

    /// The temporary key inside a security token, where it has that name and still counts.
    pub(super) fn temporary_key(&self, access: &str, text: &str, now: Timestamp) -> Option<AccessKey> {
        let content = self.open(SECURITY_TOKEN, text)?;
        let (token, halves) = self.counts(content, now)?;
        let (name, secret) = halves.filter(|(name, _)| name == access)?;
        let Proof { holder, scope } = token.proof;
        Some(AccessKey { access: name, secret: Secret::new(secret), holder, scope })
    }

    /// Ends a token before its time, with everything that was made from it.
    ///
    /// # Errors
    /// FSS.0429 for too many of one user; when the store cannot keep that.
    pub async fn revoke(&self, token: &Token, now: Timestamp) -> Result<(), Error> {
        let Some(id) = token.origin.line.last() else { return Ok(()) };
        let (end, now) = (token.expires.as_second(), now.as_second());
        // Here first: if the store fails, the caller is told and tries again, and meanwhile it counts no more.
        if !self.identity.revoke(id, end, &token.origin.user, now) {
            let message = "This user has given back so many tokens within a day that no more are remembered: let the token end by itself, \
                           or change the password or key it came from, which ends all tokens made with it";
            return Err(Fault::new(ErrorCode::TooManyRequests, message).into());
        }
        self.store.revoke_token(id, end, now).await.map_err(|source| Error::internal("revoke a token", source))
    }

    /// Checks everything a token rests on.
    fn counts(&self, content: Content, now: Timestamp) -> Option<(Token, Option<(String, String)>)> {
        let Content { origin, place, methods, issued, expires, temporary } = content;
        let (issued, expires) = (Timestamp::from_second(issued).ok()?, Timestamp::from_second(expires).ok()?);
        let directory = self.identity.directory();
        let user = UserId(origin.user.clone());
        let holder = Arc::clone(directory.principal(&user)?);
        let key_counts = origin.key.as_ref().is_none_or(|(access, rotated)| {
            directory.rotated(access).is_some_and(|found| found.as_microsecond() == *rotated)
        });
        let counts = now < expires
            && directory.generation(&user) == Some(origin.generation)
            && key_counts
            && !origin.line.iter().any(|id| directory.revoked.has(id));
        let scope = match place {
            Place::Whole => Scope::Whole,
            Place::Domain => Scope::Domain,
            Place::Project(id) => Scope::Project(ProjectId(id)),
        };
        let token = Token { proof: Proof { holder, scope }, methods, issued, expires, origin };
        counts.then_some((token, temporary))
    }

    fn seal(&self, purpose: &str, content: &Content) -> Result<Secret, Error> {
        let text = serde_json::to_vec(content).map_err(|source| Error::internal("write a token", source))?;
        let sealed = self.identity.secrets.seal(purpose, &text);
        sealed.map(Secret::new).map_err(|source| Error::internal("seal a token", source))
    }

    fn open(&self, purpose: &str, text: &str) -> Option<Content> {
        serde_json::from_slice(&self.identity.secrets.open(purpose, text)?).ok()
    }
}

fn content(token: &Token, expires: Timestamp, temporary: Option<(String, String)>) -> Content {
    Content {
        origin: token.origin.clone(),
        place: match &token.proof.scope {
            Scope::Whole => Place::Whole,
            Scope::Domain => Place::Domain,
            Scope::Project(id) => Place::Project(id.0.clone()),
        },
        methods: token.methods.clone(),
        issued: token.issued.as_second(),
        expires: expires.as_second(),
        temporary,
    }
}

fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
