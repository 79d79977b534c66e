//! Requests from pages of other sites (the Fetch standard, "CORS protocol"), for APIs whose trigger says `"cors": true`.
//!
//! The answers allow any site, and no cookies: whoever needs more lets the function answer, whose own headers always win.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    },
};

/// How long a browser may remember, in seconds: two days, which no browser keeps longer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("172800");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The method that a page asks for beforehand; `None` where the request is no such question.
pub(super) fn asked(method: &Method, headers: &HeaderMap) -> Option<Method> {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    let is_question = *method == Method::OPTIONS && headers.contains_key(ORIGIN);
    is_question.then(|| Method::from_bytes(asked.as_bytes()).ok()).flatten()
}

/// The answer to such a question: yes, with the headers that were asked for.
pub(super) fn allow(asked: &Method, headers: &HeaderMap) -> [(HeaderName, HeaderValue); 4] {
    let named = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or(ANY);
    let method = HeaderValue::from_str(asked.as_str()).expect("a method is a token");
    [
        (ACCESS_CONTROL_ALLOW_ORIGIN, ANY),
        (ACCESS_CONTROL_ALLOW_METHODS, method),
        (ACCESS_CONTROL_ALLOW_HEADERS, named),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ]
}

/// Lets pages of any site read an answer, unless the function says who may.
pub(super) fn open(headers: &mut HeaderMap) {
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        headers.entry(ACCESS_CONTROL_EXPOSE_HEADERS).or_insert(ANY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(HeaderName, &'static str)]) -> HeaderMap {
        given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn questions_are_told_from_requests() {
        let question = headers(&[(ORIGIN, "https://a.example"), (ACCESS_CONTROL_REQUEST_METHOD, "PUT")]);
        assert_eq!(asked(&Method::OPTIONS, &question), Some(Method::PUT));
        assert_eq!(asked(&Method::GET, &question), None);
        assert_eq!(asked(&Method::OPTIONS, &headers(&[(ORIGIN, "https://a.example")])), None);
        assert_eq!(asked(&Method::OPTIONS, &headers(&[(ACCESS_CONTROL_REQUEST_METHOD, "PUT")])), None);
    }

    #[test]
    fn what_was_asked_for_is_allowed() {
        let given = headers(&[(ACCESS_CONTROL_REQUEST_HEADERS, "x-a, x-b")]);
        let answer = HeaderMap::from_iter(allow(&Method::PATCH, &given));
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "PATCH");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "x-a, x-b");
    }

    #[test]
    fn the_function_has_the_last_word() {
        let mut own = headers(&[(ACCESS_CONTROL_ALLOW_ORIGIN, "https://a.example")]);
        open(&mut own);
        assert_eq!((own.len(), &own[ACCESS_CONTROL_ALLOW_ORIGIN]), (1, &HeaderValue::from_static("https://a.example")));
        let mut none = HeaderMap::new();
        open(&mut none);
        assert_eq!(none[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
}
