//! The headers that the platform adds to a request (contract: custom-runtime.md 2.2).

use http::{HeaderMap, HeaderValue};

use crate::{frame::Call, load::Load};

/// What the caller asked for; only of a call by an alias.
const VERSION_TAG: &str = "x-cff-origin-version-tag";

/// Puts them there, whatever a caller has sent under their names.
pub(super) fn add(headers: &mut HeaderMap, load: &Load, region: &str, call: &Call) {
    let values = [
        ("x-cff-request-id", call.id.as_str()),
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
    headers.remove(VERSION_TAG);
    if let Some(tag) = call.alias.as_ref().and_then(|alias| HeaderValue::from_str(&format!("!{alias}")).ok()) {
        headers.insert(VERSION_TAG, tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_cannot_pretend_to_be_the_platform() {
        let load = crate::load::sample("http", std::path::Path::new("/opt/function/code"));
        let mut headers = HeaderMap::new();
        for name in ["x-cff-memory", "x-cff-secret-key", "x-cff-security-token", "accept", VERSION_TAG] {
            headers.insert(name, HeaderValue::from_static("theirs"));
        }
        let mut call = Call {
            number: 1,
            id: "r-1".to_owned(),
            alias: None,
            event: bytes::Bytes::new(),
            streamed: false,
            is_async: false,
        };
        add(&mut headers, &load, "local", &call);
        assert_eq!(headers.get(VERSION_TAG), None);
        call.alias = Some("prod".to_owned());
        add(&mut headers, &load, "local", &call);
        assert_eq!(headers[VERSION_TAG], "!prod");
        let value = |name: &str| headers.get(name).map(|value| value.to_str().expect("a text"));
        assert_eq!(value("x-cff-memory"), Some("128"));
        assert_eq!((value("x-cff-timeout"), value("x-cff-region")), (Some("3"), Some("local")));
        assert_eq!((value("x-cff-request-id"), value("x-cff-func-name")), (Some("r-1"), Some("f")));
        assert_eq!((value("x-cff-secret-key"), value("x-cff-security-token")), (Some(""), None));
        assert_eq!(value("accept"), Some("theirs"));
    }
}
