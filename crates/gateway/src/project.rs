//! Which project a request acts in (SETTLED.md, "Management"): the one in its path, if the key may use it.

use fungraph_model::{AccessKey, Caller, ErrorCode, Fault};
use http::{HeaderMap, HeaderName};

use crate::percent;

const PROJECT: HeaderName = HeaderName::from_static("x-project-id");

/// What a client sends in the path when it was not told its project.
const PLACEHOLDER: &str = "{project_id}";

/// The caller of a proven `key`, acting in the project of the path, given as sent.
///
/// # Errors
/// FSS.0403 where the project is not the key's or not the one of `X-Project-Id`; FSS.0400 where the path leaves it open.
pub(crate) fn caller(key: &AccessKey, in_path: &str, headers: &HeaderMap) -> Result<Caller, Fault> {
    let text = percent::decode_text(in_path)
        .map_err(|_| Fault::new(ErrorCode::BadParameter, "The project in the path has a malformed percent-encoding"))?;
    let project = match key.projects.as_slice() {
        [only] if text == PLACEHOLDER => only,
        [_, _, ..] if text == PLACEHOLDER => {
            return Err(Fault::new(
                ErrorCode::BadParameter,
                "The path has no project, and the access key has several: set the project id in the client's credentials \
                 (project_id of the SDK, or HUAWEICLOUD_SDK_PROJECT_ID)",
            ));
        }
        projects => projects.iter().find(|project| project.0 == text).ok_or_else(|| {
            Fault::new(
                ErrorCode::Forbidden,
                "The project in the path is not one that the access key may use: set the project id that belongs to the key",
            )
        })?,
    };
    if headers.get_all(PROJECT).iter().any(|given| given.as_bytes() != project.0.as_bytes()) {
        return Err(Fault::new(
            ErrorCode::Forbidden,
            "X-Project-Id and the project in the path differ: leave the header out, or send the same project in both",
        ));
    }
    Ok(Caller { domain: key.domain.clone(), project: project.clone() })
}

#[cfg(test)]
mod tests {
    use fungraph_model::{DomainId, ProjectId, Secret};
    use http::HeaderValue;

    use super::*;

    fn check(projects: &[&str], in_path: &str, header: Option<&'static str>, expected: Result<&str, ErrorCode>) {
        let key = AccessKey {
            access: "AK".to_owned(),
            secret: Secret::new("SK".to_owned()),
            domain: DomainId("d".to_owned()),
            projects: projects.iter().map(|project| ProjectId((*project).to_owned())).collect(),
        };
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(PROJECT, HeaderValue::from_static(value));
        }
        let found = caller(&key, in_path, &headers).map(|caller| caller.project.0).map_err(|fault| fault.code);
        assert_eq!(found, expected.map(str::to_owned), "{projects:?} {in_path} {header:?}");
    }

    #[test]
    fn the_project_must_be_the_keys() {
        check(&["p", "q"], "q", None, Ok("q"));
        check(&["p", "q"], "q", Some("q"), Ok("q"));
        check(&["p", "q"], "q", Some("p"), Err(ErrorCode::Forbidden));
        check(&["p"], "q", None, Err(ErrorCode::Forbidden));
        check(&[], "{project_id}", None, Err(ErrorCode::Forbidden));
        check(&["p"], "%zz", None, Err(ErrorCode::BadParameter));
    }

    #[test]
    fn a_placeholder_means_the_only_project() {
        check(&["p"], "%7Bproject_id%7D", None, Ok("p"));
        check(&["p"], "{project_id}", None, Ok("p"));
        check(&["p"], "{project_id}", Some("q"), Err(ErrorCode::Forbidden));
        check(&["p", "q"], "{project_id}", None, Err(ErrorCode::BadParameter));
    }
}
