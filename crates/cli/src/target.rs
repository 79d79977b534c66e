//! A function as people name it on the command line: as in a URN, or with a version or alias behind its short name.

use fungraph_model::{Fault, FunctionRef, limits};

/// What a text may mean, the likeliest first. `hello:v1` is the function `v1` of the package `hello` to the API; where there is none,
/// it is the version `v1` of `hello`. Nothing else ends in `latest` or begins with `!` but versions and aliases.
///
/// # Errors
/// It is no URN in any form.
pub(crate) fn meanings(text: &str) -> Result<Vec<FunctionRef>, Fault> {
    let fields: Vec<&str> = text.split(':').collect();
    let (rest, package, name) = match *fields.as_slice() {
        [name, last] => (last, limits::DEFAULT_PACKAGE, name),
        [package, name, last] => (last, package, name),
        _ => return Ok(vec![FunctionRef::parse(text)?]),
    };
    // The project is the caller's; here is only its place.
    let qualified = FunctionRef::parse(&format!("-:{package}:{name}:{rest}"));
    let qualified = qualified.map(|function| FunctionRef { project: None, ..function });
    if rest == limits::LATEST || rest.starts_with('!') {
        return Ok(vec![qualified?]);
    }
    Ok(std::iter::once(FunctionRef::parse(text)?).chain(qualified.ok()).collect())
}

/// The URN of a function in a project, in its form of three or four fields.
pub(crate) fn urn(function: &FunctionRef, project: &str) -> String {
    let project = function.project.as_ref().map_or(project, |own| &own.0);
    let qualifier = function.qualifier.as_ref().map_or_else(String::new, |qualifier| format!(":{qualifier}"));
    format!("{project}:{}:{}{qualifier}", function.package, function.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_may_end_in_a_version_or_alias() {
        for (text, expected) in [
            ("hello", &["p:default:hello"][..]),
            ("hello:v1", &["p:hello:v1", "p:default:hello:v1"]),
            ("hello:latest", &["p:default:hello:latest"]),
            ("hello:!prod", &["p:default:hello:!prod"]),
            ("tools:hello:v1", &["tools:hello:v1", "p:tools:hello:v1"]),
            ("tools:hello:!prod", &["p:tools:hello:!prod"]),
            ("q:tools:hello:v1", &["q:tools:hello:v1"]),
            ("urn:fss:local:q:function:tools:hello:!prod", &["q:tools:hello:!prod"]),
            (":hello", &["p:default:hello"]),
        ] {
            let found: Vec<String> = meanings(text).expect(text).iter().map(|one| urn(one, "p")).collect();
            assert_eq!(found, expected, "{text}");
        }
        for text in ["", "a:b:c:d:e", "hello:!", "hello:"] {
            assert!(meanings(text).is_err(), "{text}");
        }
    }
}
