//! A `clouds.yaml`, which OpenStack's clients read. They know no access keys, so there is a token in it, or a user with a password.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::client;
use crate::credentials::Credentials;
use crate::exit::Stop;
use crate::say;

/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn file(found: &Credentials, user: Option<&str>) -> anyhow::Result<String> {
    let Credentials { endpoint, region, project_id, .. } = found;
    let (kind, proof) = match user {
        Some(user) => ("v3password", format!("      username: {}\n      user_domain_name: default\n", quoted(user))),
        None => ("v3token", format!("      token: {}\n", quoted(&token(found)?))),
    };
    Ok(format!(
        "clouds:\n  fungraph:\n    auth_type: {kind}\n    auth:\n      auth_url: {endpoint}/v3\n{proof}      project_id: {project_id}\n    \
         region_name: {region}\n    identity_api_version: 3\n"
    ))
}

/// A text of YAML, which takes all of JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Logs in with the key.
fn token(found: &Credentials) -> anyhow::Result<String> {
    let key = json!({ "access": { "key": found.access_key }, "secret": { "key": found.secret_key.reveal() } });
    let body = json!({ "auth": {
        "identity": { "methods": ["hw_ak_sk"], "hw_ak_sk": key },
        "scope": { "project": { "id": found.project_id } },
    } });
    if !client::is_of_this_host(&found.endpoint) {
        say::note(
            "the secret key goes to the server over plain HTTP for this: take --user NAME where others could read along",
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let path = "/v3/auth/tokens?nocatalog=true";
        let answer = client::post_unsigned(&found.endpoint, path, Bytes::from(body.to_string()));
        let late = |_| Stop::failed("the server did not answer within 30 seconds");
        tokio::time::timeout(PATIENCE, answer).await.map_err(late)?
    })?;
    if answer.status != 201 {
        return Err(client::refusal(answer.status, &answer.body));
    }
    let token = answer.headers.get("x-subject-token").context("the server's answer has no token")?;
    Ok(token.to_str().context("the server's token is no text")?.to_owned())
}
