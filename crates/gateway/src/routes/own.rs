//! Paths beside the function service's: those of the identity service, and our own for administrators. Few, and none of them hot.

use http::Method;

use crate::{answer::Refusal, percent};

/// A row of such a table: method, path with names in braces, and what it asks for.
pub(crate) type Row<T> = (&'static str, &'static str, T);

/// Finds what a request asks for, with the parameters of its path, decoded.
///
/// # Errors
/// FSS.0404 for a path that no row has; 405 for another method than its rows have.
pub(crate) fn find<T: Copy>(rows: &[Row<T>], method: &Method, path: &str) -> Result<(T, Vec<String>), Refusal> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut allow = Vec::new();
    for (known, pattern, asked) in rows {
        let Some(parameters) = parameters(pattern, path) else { continue };
        if *known == method.as_str() {
            return Ok((*asked, parameters));
        }
        allow.push(*known);
    }
    if allow.is_empty() { Err(Refusal::unknown_path()) } else { Err(Refusal::method_not_allowed(&allow.join(", "))) }
}

fn parameters(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut found, mut given) = (Vec::new(), path.split('/'));
    for part in pattern.split('/') {
        let segment = given.next()?;
        if part.starts_with('{') {
            found.push(percent::decode_text(segment).ok().filter(|text| !text.is_empty())?.into_owned());
        } else if part != segment {
            return None;
        }
    }
    given.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods_are_told_apart() {
        let rows = [("GET", "/a/things", 1), ("POST", "/a/things", 2), ("PUT", "/a/things/{name}", 3)];
        let check = |method: &str, path: &str, expected: Result<(u8, Vec<&str>), Option<&str>>| {
            let found = find(&rows, &method.parse().expect("a method"), path);
            let found = found.map_err(|refusal| refusal.allow().map(str::to_owned));
            let expected = expected.map(|(asked, names)| (asked, names.into_iter().map(str::to_owned).collect()));
            assert_eq!(found, expected.map_err(|allow| allow.map(str::to_owned)), "{method} {path}");
        };
        check("GET", "/a/things", Ok((1, vec![])));
        check("POST", "/a/things/", Ok((2, vec![])));
        check("PUT", "/a/things/x%20y", Ok((3, vec!["x y"])));
        check("DELETE", "/a/things", Err(Some("GET, POST")));
        for path in ["/a", "/a/things/x/y", "/a/things//", "/a/things/%ff", ""] {
            check("PUT", path, Err(None));
        }
    }
}
