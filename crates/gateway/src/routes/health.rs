//! What operators ask: is it alive, is it ready, what are its numbers. The first two need no credentials.

use fungraph_model::{Administrator, ErrorCode, Fault, Proof};
use http::{HeaderMap, HeaderName, StatusCode, header::FORWARDED};

use crate::{
    answer::{self, Response},
    service::Peer,
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// `/healthz`: the process answers.
pub(crate) fn alive() -> Response {
    answer::text(StatusCode::OK, "ok")
}

/// `/readyz`: calls can be served.
pub(crate) fn ready(is_ready: bool) -> Response {
    if is_ready {
        answer::text(StatusCode::OK, "ok")
    } else {
        answer::text(StatusCode::SERVICE_UNAVAILABLE, "not ready: the server is starting or stopping")
    }
}

/// Whether the numbers are shown without a signature: to this machine, unless a proxy speaks for someone else.
pub(crate) fn may_read_metrics(peer: Peer, headers: &HeaderMap) -> bool {
    let is_proxied = headers.contains_key(FORWARDED) || headers.contains_key(FORWARDED_FOR);
    peer.remote.ip().to_canonical().is_loopback() && !is_proxied
}

/// From elsewhere the numbers are for administrators: they are of all projects together.
///
/// # Errors
/// FSS.0401 for everybody else.
pub(crate) fn may_read_metrics_of_all(proof: &Proof) -> Result<(), Fault> {
    let message = "The numbers are of all projects together: only an administrator of the account reads them from another machine";
    // Not a proof that counts in one project only, whoever holds it.
    Administrator::of(proof).map(|_| ()).ok_or_else(|| Fault::new(ErrorCode::NotPermitted, message))
}

/// `/metrics`: the text of the Prometheus exposition format.
pub(crate) fn metrics(text: String) -> Response {
    answer::text(StatusCode::OK, text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fungraph_model::{DomainId, Principal, ProjectId, Scope, UserId};

    use super::*;

    #[test]
    fn a_token_of_one_project_reads_no_numbers_of_all() {
        let (user, domain) = (UserId("u".to_owned()), DomainId("d".to_owned()));
        let holder = Arc::new(Principal::new(user, "ada".to_owned(), domain, true, Vec::new()));
        let of = |scope| may_read_metrics_of_all(&Proof { holder: Arc::clone(&holder), scope }).is_ok();
        assert!(of(Scope::Whole) && of(Scope::Domain));
        assert!(!of(Scope::Project(ProjectId("p".to_owned()))));
    }

    #[test]
    fn numbers_are_for_this_machine() {
        for (remote, expected) in
            [("127.0.0.1:1", true), ("[::1]:1", true), ("[::ffff:127.0.0.1]:1", true), ("10.0.0.1:1", false)]
        {
            let remote = remote.parse().expect("an address");
            let peer = Peer { remote, local: remote };
            assert_eq!(may_read_metrics(peer, &HeaderMap::new()), expected, "{remote}");
            let proxied = HeaderMap::from_iter([(FORWARDED_FOR, "10.0.0.1".parse().expect("a value"))]);
            assert!(!may_read_metrics(peer, &proxied));
        }
    }
}
