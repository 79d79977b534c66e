//! What all destinations that speak HTTP have in common.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response};

use super::Undelivered;

const CONNECT: Duration = Duration::from_secs(5);

/// A client for one service that the operator named, each request being over after `patience`.
pub(super) fn builder(patience: Duration) -> ClientBuilder {
    // Whoever came first has chosen the same.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let agent = concat!("fungraph/", env!("CARGO_PKG_VERSION"));
    Client::builder().no_proxy().connect_timeout(CONNECT).timeout(patience).user_agent(agent)
}

/// What a status that is none of success means. A notice does not get smaller.
pub(super) fn refused(status: u16) -> Undelivered {
    match status {
        413 => Undelivered::Impossible("it answered with status 413: the notice is too large for it".to_owned()),
        _ => Undelivered::Refused(format!("it answered with status {status}")),
    }
}

/// Any status of success will do; the body is nobody's business.
pub(super) fn done(answer: reqwest::Result<Response>) -> Result<(), Undelivered> {
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(refused(answer.status().as_u16())),
        Err(error) if error.is_connect() => Err(Undelivered::Unreachable("it cannot be reached".to_owned())),
        // Where it came to an answer but not to its end, this message may be the reason.
        Err(error) if error.is_timeout() => Err(Undelivered::Refused("it did not answer in time".to_owned())),
        Err(_) => Err(Undelivered::Refused("the connection broke before it answered".to_owned())),
    }
}
