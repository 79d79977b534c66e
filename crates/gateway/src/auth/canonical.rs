//! The canonical request (auth.md, steps 3 to 5 and 7): what both sides hash.

use std::borrow::Cow;

use http::{HeaderMap, Method};

use super::Error;
use crate::{percent, split};

/// The parts of a request that a signature covers, without the body.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    /// The method.
    pub(crate) method: &'a Method,
    /// The path as sent.
    pub(crate) path: &'a str,
    /// The query as sent.
    pub(crate) query: Option<&'a str>,
    /// The headers.
    pub(crate) headers: &'a HeaderMap,
    /// Host of an HTTP/2 request, which has no `Host` header.
    pub(crate) authority: Option<&'a str>,
}

/// Most headers a signature may cover: far above what clients send, so that sorting stays cheap.
const MOST_SIGNED_HEADERS: usize = 100;

/// Writes the canonical request up to its last line, the payload's hash, which the caller appends.
pub(super) fn write(message: &Message<'_>, signed_headers: &str) -> Result<Vec<u8>, Error> {
    let names = names(signed_headers)?;
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(message.method.as_str().as_bytes());
    out.push(b'\n');
    write_path(message.path, &mut out)?;
    out.push(b'\n');
    write_query(message.query.unwrap_or(""), &mut out)?;
    out.push(b'\n');
    for name in &names {
        write_header(message, name, &mut out)?;
    }
    out.push(b'\n');
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            out.push(b';');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b'\n');
    Ok(out)
}

/// Lower-case names in order, whatever order and case the client gave.
fn names(signed_headers: &str) -> Result<Vec<Cow<'_, str>>, Error> {
    let lower = |name| match name {
        name if str::bytes(name).any(|b| b.is_ascii_uppercase()) => Cow::Owned(name.to_ascii_lowercase()),
        name => Cow::Borrowed(name),
    };
    let mut names: Vec<_> = split::pieces(signed_headers, b';').map(|name| lower(name.trim())).collect();
    if !names.is_sorted() {
        names.sort_unstable();
    }
    if names.len() > MOST_SIGNED_HEADERS || names.iter().any(|name| name.is_empty()) {
        return Err(Error::Malformed { what: "SignedHeaders has an empty name or too many" });
    }
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::Malformed { what: "SignedHeaders has a name twice" });
    }
    Ok(names)
}

/// Decoded once and encoded again, so that `:` and `%3A` sign alike; `%2F` becomes `/`, since clients decode before they split.
fn write_path(path: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let path = percent::decode(path).map_err(|_| Error::Encoding)?;
    for (index, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        percent::encode(segment, out);
    }
    if !path.ends_with(b"/") {
        out.push(b'/');
    }
    Ok(())
}

fn write_query(query: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    if query.is_empty() {
        return Ok(());
    }
    let decode = |text| percent::decode(text).map_err(|_| Error::Encoding);
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((decode(key)?, decode(value)?));
    }
    pairs.sort_unstable();
    for (i, (key, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push(b'&');
        }
        percent::encode(key, out);
        out.push(b'=');
        percent::encode(value, out);
    }
    Ok(())
}

/// One line for each time the header is there, in the order of the values.
fn write_header(message: &Message<'_>, name: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut line = |value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.trim_ascii());
        out.push(b'\n');
    };
    let mut values = message.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => line(value.as_bytes()),
        (Some(first), Some(second)) => {
            let mut all: Vec<_> =
                [first, second].into_iter().chain(values).map(|value| value.as_bytes().trim_ascii()).collect();
            all.sort_unstable();
            all.into_iter().for_each(line);
        }
        (None, _) => match message.authority {
            Some(authority) if name == "host" => line(authority.as_bytes()),
            _ => return Err(Error::SignedButAbsent { name: name.chars().take(60).collect() }),
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn check_query(query: &str, expected: &str) {
        let mut out = Vec::new();
        write_query(query, &mut out).expect(query);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    fn check_path(path: &str, expected: &str) {
        let mut out = Vec::new();
        write_path(path, &mut out).expect(path);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    fn check_headers(headers: &[(&'static str, &'static str)], signed: &str, expected: &str) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let message =
            Message { method: &Method::GET, path: "/", query: None, headers: &map, authority: Some("h2.example") };
        let written = write(&message, signed).expect(signed);
        assert_eq!(String::from_utf8_lossy(&written), format!("GET\n/\n\n{expected}\n"));
    }

    #[test]
    fn query_is_sorted_by_decoded_text() {
        check_query("b=2&a=1", "a=1&b=2");
        check_query("a=2&a=1&a", "a=&a=1&a=2");
        check_query("zz&a%20=%7e", "a%20=~&zz=");
        check_query("a+b=c+d", "a%2Bb=c%2Bd");
        check_query("%41=1&B=2&%61=3", "A=1&B=2&a=3");
        check_query("&&a=1&", "a=1");
        check_query("a=b=c", "a=b%3Dc");
    }

    #[test]
    fn path_is_decoded_once_and_ends_in_a_slash() {
        check_path("/v2/p/fgs/functions", "/v2/p/fgs/functions/");
        check_path("/a/", "/a/");
        check_path("/urn:fss:!x", "/urn%3Afss%3A%21x/");
        check_path("/urn%3afss%3A%21x", "/urn%3Afss%3A%21x/");
        check_path("/a%2Fb", "/a/b/");
        check_path("/a+b%2525~*", "/a%2Bb%2525~%2A/");
        assert_eq!(write_path("/%g", &mut Vec::new()), Err(Error::Encoding));
        assert_eq!(write_query("a=%1", &mut Vec::new()), Err(Error::Encoding));
    }

    #[test]
    fn headers_are_sorted_and_lowered() {
        check_headers(&[("x-b", " 2 2 "), ("x-a", "1")], "X-B;x-a", "x-a:1\nx-b:2 2\n\nx-a;x-b");
        check_headers(&[("x-a", "2"), ("x-a", "1")], "x-a", "x-a:1\nx-a:2\n\nx-a");
        check_headers(&[], "host", "host:h2.example\n\nhost");
        check_headers(&[("host", "real")], "host", "host:real\n\nhost");
    }

    #[test]
    fn odd_lists_are_refused() {
        let headers = HeaderMap::new();
        let message = Message { method: &Method::GET, path: "/", query: None, headers: &headers, authority: None };
        for signed in ["", ";", "host;", "host;Host", &"a;".repeat(200)] {
            assert!(matches!(write(&message, signed), Err(Error::Malformed { .. })), "{signed}");
        }
        assert_eq!(write(&message, "host"), Err(Error::SignedButAbsent { name: "host".to_owned() }));
        assert_eq!(write(&message, "ö\u{7f}"), Err(Error::SignedButAbsent { name: "ö\u{7f}".to_owned() }));
    }

    proptest! {
        #[test]
        fn nothing_panics(path in "\\PC*", query in "\\PC*", signed in "\\PC*") {
            let headers = HeaderMap::new();
            let message =
                Message { method: &Method::GET, path: &path, query: Some(&query), headers: &headers, authority: None };
            let _ = write(&message, &signed);
            let _ = write(&message, "host");
        }
    }
}
