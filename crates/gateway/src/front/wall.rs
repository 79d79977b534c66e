//! What stands between a page that a function answers with and all else of this server.
//!
//! A browser goes by origins: scheme, host and port. The API, whatever a browser keeps for it, and every tenant's pages have the same one, so a
//! page would be let do what its reader may. So a page gets an origin of its own, which is nobody's: it can run scripts, and can neither act as the
//! API's own page nor read what is kept here. A host name for APIs alone ([`crate::Config::api_host`]) is an origin too, which holds nothing
//! but pages of functions: there they are as they come.

use http::{HeaderMap, HeaderValue, Uri, header::CONTENT_SECURITY_POLICY, header::HOST};

use crate::local;

/// All but `allow-same-origin`, and but what would move the page that has this one in a frame.
const SANDBOX: HeaderValue = HeaderValue::from_static(
    "sandbox allow-downloads allow-forms allow-modals allow-orientation-lock allow-pointer-lock allow-popups \
     allow-popups-to-escape-sandbox allow-presentation allow-scripts",
);

/// Gives the page of an answer an origin of its own. What the function wants of a browser holds beside it.
pub(super) fn close(headers: &mut HeaderMap) {
    headers.append(CONTENT_SECURITY_POLICY, SANDBOX);
}

/// Whether a request names the host of APIs.
pub(crate) fn names_api_host(api_host: Option<&str>, headers: &HeaderMap, uri: &Uri) -> bool {
    let Some(api_host) = api_host else { return false };
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = named.or_else(|| uri.authority().map(http::uri::Authority::as_str));
    named.is_some_and(|host| local::name_of(host).eq_ignore_ascii_case(api_host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_no_part_in_our_origin_and_keeps_its_own_rules() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
        close(&mut headers);
        let sent: Vec<_> = headers.get_all(CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(sent, [&HeaderValue::from_static("default-src 'self'"), &SANDBOX]);
        let sandbox = SANDBOX;
        let text = sandbox.to_str().expect("a text");
        assert!(text.starts_with("sandbox ") && !text.contains("same-origin") && !text.contains("top-navigation"));
    }

    #[test]
    fn the_host_of_apis_is_told_by_its_name() {
        let check = |host: Option<&'static str>, uri: &'static str, expected: bool| {
            let mut headers = HeaderMap::new();
            host.map(|host| headers.insert(HOST, HeaderValue::from_static(host)));
            let named = names_api_host(Some("apis.example"), &headers, &Uri::from_static(uri));
            assert_eq!(named, expected, "{host:?} {uri}");
        };
        check(Some("apis.example"), "/", true);
        check(Some("APIs.example:3470"), "/", true);
        check(None, "http://apis.example:1/", true);
        check(None, "/", false);
        check(Some("apis.example.evil"), "/", false);
        check(Some("127.0.0.1:3470"), "http://apis.example/", false);
        assert!(!names_api_host(None, &HeaderMap::new(), &Uri::from_static("/")));
    }
}
