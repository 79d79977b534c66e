//! The headers that the platform adds to a request (contract: custom-runtime.md 2.2).

use http::{HeaderMap, HeaderValue};

use crate::load::Load;

/// Puts them there, whatever a caller has sent under their names.
pub(super) fn add(headers: &mut HeaderMap, load: &Load, region: &str, id: &str) {
    let values = [
        ("x-cff-request-id", id),
        ("x-cff-memory", &load.memory_mb.to_string()),
        ("x-cff-timeout", &load.timeout_seconds().to_string()),
        ("x-cff-func-version", &load.version),
        ("x-cff-func-name", &load.function),
        ("x-cff-project-id", &load.project_id),
        ("x-cff-package", &load.package),
        ("x-cff-region", region),
        ("x-cff-access-key", ""),
        ("x-cff-secret-key", ""),
    ];
    for (name, value) in values {
        // All of them are plain: an id, numbers, and names that were checked when the function was created.
        headers.insert(name, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("")));
    }
    // Credentials come with an agency, which no function can have yet; nobody else may bring any.
    for name in ["x-cff-security-access-key", "x-cff-security-secret-key", "x-cff-security-token", "x-cff-auth-token"] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_cannot_pretend_to_be_the_platform() {
        let load = crate::load::sample("http", std::path::Path::new("/opt/function/code"));
        let mut headers = HeaderMap::new();
        for name in ["x-cff-memory", "x-cff-secret-key", "x-cff-security-token", "accept"] {
            headers.insert(name, HeaderValue::from_static("theirs"));
        }
        add(&mut headers, &load, "local", "r-1");
        let value = |name: &str| headers.get(name).map(|value| value.to_str().expect("a text"));
        assert_eq!(value("x-cff-memory"), Some("128"));
        assert_eq!((value("x-cff-timeout"), value("x-cff-region")), (Some("3"), Some("local")));
        assert_eq!((value("x-cff-request-id"), value("x-cff-func-name")), (Some("r-1"), Some("f")));
        assert_eq!((value("x-cff-secret-key"), value("x-cff-security-token")), (Some(""), None));
        assert_eq!(value("accept"), Some("theirs"));
    }
}
