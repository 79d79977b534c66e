//! The way of a request that asks about accounts: for the identity service, or for an administrator.

use fungraph_model::ErrorCode;
use http::request::Parts;
use hyper::body::Incoming;

use super::{Peer, Service, base};
use crate::{
    activity::Arriving,
    answer::{Refusal, Response},
    body::{self, Limit},
    config::Auth,
    routes::{iam, manage, own},
};

use fungraph_engine::Stopwatch;

/// Bodies here are names and passwords.
const LIMIT: Limit = Limit { bytes: 64 << 10, code: ErrorCode::BodyTooLarge };

impl Service {
    /// Answers for the identity service.
    pub(super) async fn answer_iam(
        &self,
        peer: Peer,
        head: &Parts,
        body: &mut Arriving<Incoming>,
        watch: &mut Stopwatch,
    ) -> Result<Response, Refusal> {
        let (asked, _) = own::find(&iam::ROWS, &head.method, head.uri.path())?;
        let base = base(&head.headers, head.uri.authority().map(http::uri::Authority::as_str), peer.local);
        let query = head.uri.query();
        if asked.is_public() {
            let received = body::read(body, LIMIT, self.pace(), self.public_seat(LIMIT, "")).await?;
            return iam::public(&self.engine, asked, query, &received.bytes, (peer, &base)).await;
        }
        let (proof, received) = self.authenticate(head, body, LIMIT, watch).await?;
        let proof = if self.config.auth == Auth::Off { iam::of_everybody(proof) } else { proof };
        iam::proven(&self.engine, asked, proof, &head.headers, query, &received.bytes, &base).await
    }

    /// Answers an administrator.
    pub(super) async fn answer_administrator(
        &self,
        head: &Parts,
        body: &mut Arriving<Incoming>,
        watch: &mut Stopwatch,
    ) -> Result<Response, Refusal> {
        let (asked, names) = own::find(&manage::ROWS, &head.method, head.uri.path())?;
        let (proof, received) = self.authenticate(head, body, LIMIT, watch).await?;
        let proof = if self.config.auth == Auth::Off { iam::of_everybody(proof) } else { proof };
        manage::answer(&self.engine, asked, names, &proof, received.bytes).await
    }
}
