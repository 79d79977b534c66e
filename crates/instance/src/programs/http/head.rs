//! The headers that the platform adds to a request (contract: custom-runtime.md 2.2).

use fungraph_model::FunctionVersion;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::programs::Call;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-cff-request-id");
/// What the caller asked for; only of a call by an alias.
const VERSION_TAG: HeaderName = HeaderName::from_static("x-cff-origin-version-tag");
/// Credentials come with an agency, which no function can have yet; nobody else may bring any.
const CREDENTIALS: [HeaderName; 4] = [
    HeaderName::from_static("x-cff-security-access-key"),
    HeaderName::from_static("x-cff-security-secret-key"),
    HeaderName::from_static("x-cff-security-token"),
    HeaderName::from_static("x-cff-auth-token"),
];

/// The ones that are the same in each request of an instance.
pub(super) struct Head {
    own: [(HeaderName, HeaderValue); 9],
}

impl Head {
    pub(super) fn of(version: &FunctionVersion, region: &str) -> Self {
        let spec = &version.spec;
        let own = [
            ("x-cff-memory", &*spec.memory_mb.to_string()),
            ("x-cff-timeout", &spec.timeout_s.to_string()),
            ("x-cff-func-version", &version.version),
            ("x-cff-func-name", &version.key.name),
            ("x-cff-project-id", &version.key.project.0),
            ("x-cff-package", &version.key.package),
            ("x-cff-region", region),
            ("x-cff-access-key", ""),
            ("x-cff-secret-key", ""),
        ];
        Self { own: own.map(|(name, text)| (HeaderName::from_static(name), value(text))) }
    }

    /// Puts them there, whatever a caller has sent under their names.
    pub(super) fn add(&self, headers: &mut HeaderMap, call: &Call) {
        headers.insert(REQUEST_ID, value(&call.id));
        for (name, value) in &self.own {
            headers.insert(name, value.clone());
        }
        for name in CREDENTIALS {
            headers.remove(name);
        }
        match &call.alias {
            Some(alias) => headers.insert(VERSION_TAG, value(&format!("!{alias}"))),
            None => headers.remove(VERSION_TAG),
        };
    }
}

/// All of them are plain: an id, numbers, and names that were checked when the function was created.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::fake;

    #[test]
    fn callers_cannot_pretend_to_be_the_platform() {
        let mut headers = HeaderMap::new();
        for name in ["x-cff-memory", "x-cff-secret-key", "x-cff-security-token", "accept"] {
            headers.insert(name, HeaderValue::from_static("theirs"));
        }
        headers.insert(VERSION_TAG, HeaderValue::from_static("theirs"));
        let head = Head::of(&fake::version("http"), "local");
        let mut call = fake::call(1, b"");
        head.add(&mut headers, &call);
        assert_eq!(headers.get(VERSION_TAG), None);
        call.alias = Some("prod".to_owned());
        head.add(&mut headers, &call);
        assert_eq!(headers[VERSION_TAG], "!prod");
        let value = |name: &str| headers.get(name).map(|value| value.to_str().expect("a text"));
        assert_eq!(value("x-cff-memory"), Some("128"));
        assert_eq!((value("x-cff-timeout"), value("x-cff-region")), (Some("3"), Some("local")));
        assert_eq!((value("x-cff-request-id"), value("x-cff-func-name")), (Some(&*call.id), Some("f")));
        assert_eq!((value("x-cff-secret-key"), value("x-cff-security-token")), (Some(""), None));
        assert_eq!(value("accept"), Some("theirs"));
    }
}
