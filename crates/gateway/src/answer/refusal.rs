//! A request that is not served, and its envelope.

use fungraph_model::{ErrorCode, Fault, RequestId};
use http::{HeaderValue, StatusCode, header::ALLOW};
use serde::Serialize;

use super::{JSON, Response, json_bytes, status::status, whole};
use crate::front::Problem;

/// Why a request is not served.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The caller is told why.
    Fault(Fault),
    /// The path is known, the method is not.
    MethodNotAllowed {
        /// Methods the path has, joined by a comma.
        allow: String,
    },
    /// The engine refused, or failed.
    Engine(fungraph_engine::Error),
    /// The gateway in front of functions refused.
    Gateway(Problem),
    /// The handler panicked.
    Panic {
        /// The panic's text, for the operator.
        message: String,
    },
}

impl Refusal {
    /// A path that no operation has.
    pub(crate) fn unknown_path() -> Self {
        Self::Fault(Fault::new(
            ErrorCode::NotFound,
            "Not found the specified resource: no operation has this path. Paths begin with /v2/<project_id>/fgs/",
        ))
    }

    /// Another method is needed.
    pub(crate) fn method_not_allowed(allow: &str) -> Self {
        Self::MethodNotAllowed { allow: allow.to_owned() }
    }

    /// The methods that a path has instead.
    pub(crate) fn allow(&self) -> Option<&str> {
        match self {
            Self::MethodNotAllowed { allow } => Some(allow),
            _ => None,
        }
    }

    /// Whether the sender did not finish in time, and so is not worth more of it.
    pub(crate) fn is_of_slow_sender(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.code == ErrorCode::RequestTimeout)
    }

    /// The answer. Failures of the platform are logged here, where they end, once, with their whole cause.
    pub(crate) fn into_response(self, id: RequestId) -> Response {
        match &self {
            Self::Engine(error @ fungraph_engine::Error::Internal { .. }) => {
                tracing::error!(request = %id, error = fungraph_engine::chain(error), "request failed");
            }
            Self::Panic { message } => tracing::error!(request = %id, error = message, "handler panicked"),
            _ => {}
        }
        let mut response = match &self {
            Self::Gateway(problem) => write(problem.status, &problem.code, &problem.message, Some(id)),
            _ => envelope(&self.fault(), id),
        };
        if let Some(allow) = self.allow().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }

    /// The answer of the identity service: the same, and beside it the object that clients of OpenStack read.
    pub(crate) fn into_response_of_iam(self, id: RequestId) -> Response {
        let fault = self.fault();
        let mut response = self.into_response(id);
        let (code, id) = (response.status(), id.text());
        let shape = serde_json::json!({
            "error": { "code": code.as_u16(), "title": code.canonical_reason(), "message": fault.message },
            "error_code": fault.code.text(),
            "error_msg": fault.message,
            "request_id": id.as_str(),
        });
        *response.body_mut() = super::Content::whole(json_bytes(&shape));
        response
    }

    /// What the caller is told.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Fault(fault) => fault.clone(),
            Self::MethodNotAllowed { allow } => {
                Fault::new(ErrorCode::MethodNotAllowed, format!("This path does not have the method; it has {allow}"))
            }
            Self::Engine(error) => error.fault(),
            Self::Gateway(_) | Self::Panic { .. } => Fault::new(
                ErrorCode::Internal,
                "The platform failed while it handled the request; the operator finds the cause in the server's log \
                 under the id of the header X-Request-Id",
            ),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Gateway(problem)
    }
}

impl From<fungraph_engine::Error> for Refusal {
    fn from(error: fungraph_engine::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<crate::auth::Error> for Refusal {
    fn from(error: crate::auth::Error) -> Self {
        let code = match error {
            crate::auth::Error::Encoding => ErrorCode::BadParameter,
            _ => ErrorCode::BadCredentials,
        };
        Self::Fault(Fault::new(code, error.to_string()))
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    error_code: &'a str,
    error_msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// The body of a refusal. Only those of a gateway name the request (auth.md, "Failures"; events.md, section 4).
fn envelope(fault: &Fault, id: RequestId) -> Response {
    let named = (fault.code == ErrorCode::BadCredentials).then_some(id);
    write(status(fault.code), fault.code.text(), &fault.message, named)
}

fn write(status: StatusCode, code: &str, message: &str, id: Option<RequestId>) -> Response {
    let request_id = id.map(|id| id.to_string());
    let shape = Envelope { error_code: code, error_msg: message, request_id: request_id.as_deref() };
    whole(status, JSON, json_bytes(&shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(refusal: impl Into<Refusal>, status: u16, body: &str) {
        let id = RequestId::parse("6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10").expect("an id");
        let response = refusal.into().into_response(id);
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["Content-Type"], "application/json");
        assert!(!response.headers().contains_key("X-Func-Err-Code"));
        assert_eq!(String::from_utf8_lossy(response.body().bytes()), body);
    }

    #[test]
    fn envelopes_are_golden() {
        check(
            Fault::new(ErrorCode::NotFound, "Not found the specified resource"),
            404,
            r#"{"error_code":"FSS.0404","error_msg":"Not found the specified resource"}"#,
        );
        check(
            crate::auth::Error::Date,
            401,
            "{\"error_code\":\"APIGW.0301\",\"error_msg\":\"The header X-Sdk-Date must be there, as YYYYMMDDTHHMMSSZ in UTC\",\
             \"request_id\":\"6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10\"}",
        );
    }

    #[test]
    fn a_failure_of_the_platform_hides_its_cause() {
        let error = fungraph_engine::Error::internal("reading the function", std::io::Error::other("disk /dev/secret"));
        assert_eq!(fungraph_engine::chain(&error), "reading the function: disk /dev/secret");
        let response = Refusal::Engine(error).into_response(RequestId::random());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!String::from_utf8_lossy(response.body().bytes()).contains("secret"));
        let panic = Refusal::Panic { message: "secret".to_owned() }.into_response(RequestId::random());
        assert_eq!(panic.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!String::from_utf8_lossy(panic.body().bytes()).contains("secret"));
    }

    #[test]
    fn a_wrong_method_says_which_are_right() {
        let response = Refusal::method_not_allowed("GET, POST").into_response(RequestId::random());
        assert_eq!(
            (response.status().as_u16(), &response.headers()["Allow"]),
            (405, &HeaderValue::from_static("GET, POST"))
        );
    }
}
