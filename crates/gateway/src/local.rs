//! Without authentication whoever reaches us is the administrator. Pages in a browser of this machine reach us too: any page may send
//! requests to a loopback address, and a name of its own site may be made to lead there. So a request has to name this machine as its
//! host, and as its origin where it has one, which a browser says truly.

use std::net::IpAddr;

use fungraph_model::{ErrorCode, Fault};
use http::{
    HeaderMap,
    header::{HOST, ORIGIN},
};

/// Lets requests of this machine's own programs pass.
///
/// # Errors
/// FSS.0403 where the host or the origin is another.
pub(crate) fn check(headers: &HeaderMap, authority: Option<&str>) -> Result<(), Fault> {
    let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or_default());
    let host = text(HOST).or(authority);
    let origin = text(ORIGIN).map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
    if host.into_iter().chain(origin).all(is_here) {
        return Ok(());
    }
    Err(Fault::new(
        ErrorCode::Forbidden,
        "Without authentication this server answers only what names this machine: 127.0.0.1, [::1] or localhost as Host, and as Origin \
         where there is one. Use such an address, or start the server with --auth on",
    ))
}

/// A host without its port.
pub(crate) fn name_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((name, _port)) => name,
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    }
}

/// Whether a host, with or without a port, is this machine by its loopback address or its name.
fn is_here(host: &str) -> bool {
    let name = name_of(host);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn case(host: Option<&'static str>, origin: Option<&'static str>, expected: bool) {
        let mut headers = HeaderMap::new();
        host.map(|host| headers.insert(HOST, HeaderValue::from_static(host)));
        origin.map(|origin| headers.insert(ORIGIN, HeaderValue::from_static(origin)));
        assert_eq!(check(&headers, None).is_ok(), expected, "{host:?} {origin:?}");
    }

    #[test]
    fn programs_of_this_machine_pass() {
        for host in ["127.0.0.1", "127.0.0.1:3470", "127.1.2.3:1", "localhost", "LocalHost:3470", "[::1]", "[::1]:3470"]
        {
            case(Some(host), None, true);
        }
        // HTTP/1.0 has none; a browser always has.
        case(None, None, true);
        case(Some("127.0.0.1:3470"), Some("http://localhost:8080"), true);
    }

    #[test]
    fn pages_of_other_sites_do_not() {
        for host in [
            "evil.example",
            "evil.example:3470",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "10.0.0.1",
            "",
            "[::2]:1",
        ] {
            case(Some(host), None, false);
        }
        for origin in ["https://evil.example", "http://127.0.0.1.evil.example:80", "null", "", "file://"] {
            case(Some("127.0.0.1:3470"), Some(origin), false);
        }
        assert!(check(&HeaderMap::new(), Some("evil.example:80")).is_err(), "HTTP/2 names it elsewhere");
    }
}
