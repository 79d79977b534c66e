//! What the gateway itself refuses, with the codes that API gateways of this kind have (contract: events.md section 4, "gateway's error body").

use std::{borrow::Cow, time::Duration};

use fungraph_model::FailureCode;
use http::StatusCode;

/// A refusal of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code: Cow::Borrowed(code), message: message.into() }
    }

    /// Nothing is there.
    pub(super) fn no_api() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "APIG.0101",
            "The API does not exist or has not been published: no trigger has this group, path and method",
        )
    }

    /// The caller is known, and not allowed.
    pub(super) fn not_yours() -> Self {
        Self::new(StatusCode::FORBIDDEN, "APIG.0302", "The caller belongs to another project than this API")
    }

    /// The function took longer than the API gives it.
    pub(super) fn too_slow(limit: Duration) -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "APIG.0203",
            format!(
                "The function did not answer within the {} ms of this API. Raise func_info.timeout of its trigger",
                limit.as_millis(),
            ),
        )
    }

    /// The function failed. Why is for its owner: the log has it, the public does not.
    pub(super) fn failed(code: FailureCode) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: Cow::Owned(code.fss()),
            message: "The function behind this API failed; its log has the cause under the request id".to_owned(),
        }
    }

    /// The function's server sent what cannot be sent on.
    pub(super) fn bad_answer() -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "APIG.0202",
            "The function's server answered with a status or a header that cannot be sent on",
        )
    }
}
