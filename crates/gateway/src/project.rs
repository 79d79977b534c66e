//! Which project a request acts in (SETTLED.md, "Management"): the one in its path, if the key may use it.

use fungraph_model::{Caller, ErrorCode, Fault, Proof, Rights, Scope};
use http::{HeaderMap, HeaderName};

use crate::percent;

const PROJECT: HeaderName = HeaderName::from_static("x-project-id");

/// What a client sends in the path when it was not told its project.
const PLACEHOLDER: &str = "{project_id}";

/// The caller whom `proof` proves, acting in the project of the path, given as sent, with the rights it has there.
///
/// # Errors
/// FSS.0403 where the project is not the caller's or not the one of `X-Project-Id`; FSS.0400 where the path leaves it open.
pub(crate) fn caller(proof: &Proof, in_path: &str, headers: &HeaderMap) -> Result<(Caller, Rights), Fault> {
    let text = percent::decode_text(in_path)
        .map_err(|_| Fault::new(ErrorCode::BadParameter, "The project in the path has a malformed percent-encoding"))?;
    let text = if text == PLACEHOLDER { meant(proof)? } else { &text };
    let (project, rights) =
        in_scope(proof, text).and_then(|project| proof.holder.membership(project)).ok_or_else(|| not_usable(proof))?;
    if headers.get_all(PROJECT).iter().any(|given| given.as_bytes() != project.0.as_bytes()) {
        return Err(Fault::new(
            ErrorCode::Forbidden,
            "X-Project-Id and the project in the path differ: leave the header out, or send the same project in both",
        ));
    }
    Ok((Caller { domain: proof.holder.domain.clone(), project: project.clone() }, rights))
}

/// The project that a placeholder stands for: the only one there is.
fn meant(proof: &Proof) -> Result<&str, Fault> {
    match (&proof.scope, proof.holder.projects()) {
        (Scope::Project(only), _) | (Scope::Whole, [(only, _)]) => Ok(&only.0),
        (Scope::Whole, [_, _, ..]) => Err(Fault::new(
            ErrorCode::BadParameter,
            "The path has no project, and the access key has several: set the project id in the client's credentials \
             (project_id of the SDK, or HUAWEICLOUD_SDK_PROJECT_ID)",
        )),
        (Scope::Whole | Scope::Domain, _) => Err(not_usable(proof)),
    }
}

/// The project, if the proof counts there.
fn in_scope<'a>(proof: &Proof, project: &'a str) -> Option<&'a str> {
    match &proof.scope {
        Scope::Whole => Some(project),
        Scope::Project(only) => (only.0 == project).then_some(project),
        Scope::Domain => None,
    }
}

fn not_usable(proof: &Proof) -> Fault {
    let text = match proof.scope {
        Scope::Whole => {
            "The project in the path is not one that the access key may use: set the project id that belongs to the key"
        }
        Scope::Project(_) => {
            "The project in the path is not the one of the token: log in with this project as its scope, or use the token's project"
        }
        Scope::Domain => "The token is of the account and of no project: log in with a project as its scope",
    };
    Fault::new(ErrorCode::Forbidden, text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fungraph_model::{DomainId, Principal, ProjectId, Role, UserId};
    use http::HeaderValue;

    use super::*;

    fn proof(projects: &[&str], scope: Scope) -> Proof {
        let rights = Role::Reader.rights();
        let projects = projects.iter().map(|id| (ProjectId((*id).to_owned()), rights)).collect();
        let (user, domain) = (UserId("u".to_owned()), DomainId("d".to_owned()));
        Proof { holder: Arc::new(Principal::new(user, "ada".to_owned(), domain, false, projects)), scope }
    }

    fn check_proof(proof: &Proof, in_path: &str, header: Option<&'static str>, expected: Result<&str, ErrorCode>) {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(PROJECT, HeaderValue::from_static(value));
        }
        let found = caller(proof, in_path, &headers).map(|(caller, rights)| {
            assert_eq!(rights, Role::Reader.rights());
            caller.project.0
        });
        assert_eq!(found.map_err(|fault| fault.code), expected.map(str::to_owned), "{proof:?} {in_path} {header:?}");
    }

    fn check(projects: &[&str], in_path: &str, header: Option<&'static str>, expected: Result<&str, ErrorCode>) {
        check_proof(&proof(projects, Scope::Whole), in_path, header, expected);
    }

    #[test]
    fn the_project_must_be_the_callers() {
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

    #[test]
    fn a_token_counts_in_its_scope_only() {
        let of_q = proof(&["p", "q"], Scope::Project(ProjectId("q".to_owned())));
        check_proof(&of_q, "q", None, Ok("q"));
        check_proof(&of_q, "{project_id}", None, Ok("q"));
        check_proof(&of_q, "p", None, Err(ErrorCode::Forbidden));
        // The role was taken away after the token was issued.
        check_proof(&proof(&["p"], Scope::Project(ProjectId("q".to_owned()))), "q", None, Err(ErrorCode::Forbidden));
        let of_account = proof(&["p"], Scope::Domain);
        check_proof(&of_account, "p", None, Err(ErrorCode::Forbidden));
        check_proof(&of_account, "{project_id}", None, Err(ErrorCode::Forbidden));
    }
}
