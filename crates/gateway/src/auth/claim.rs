//! What the headers of a request claim, checked as far as possible before its body is read.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;

use super::{Error, authorization::Authorization, date};
use crate::split;

const DATE: HeaderName = HeaderName::from_static("x-sdk-date");
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-security-token");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-sdk-content-sha256");

/// A signature that is well-formed and of the right time, but not yet proven.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(super) authorization: Authorization<'a>,
    /// `X-Sdk-Date` as sent.
    pub(super) date: &'a str,
    /// `X-Sdk-Content-Sha256`, where it is signed.
    pub(super) content_hash: Option<&'a str>,
    /// `X-Security-Token`, of temporary keys; it is signed.
    security_token: Option<&'a str>,
}

/// The token of a request that is not signed: whoever signs is asked for nothing else (auth.md, "Order of checks").
pub(crate) fn token(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    if headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    single(headers, &TOKEN, "X-Auth-Token")?.map(|value| value.to_str().map_err(|_| Error::Token)).transpose()
}

impl<'a> Claim<'a> {
    /// Reads the credentials of a request that arrived at `now`; its date may be `skew` away from that.
    pub(crate) fn read(headers: &'a HeaderMap, now: Timestamp, skew: Duration) -> Result<Self, Error> {
        let Some(value) = single(headers, &AUTHORIZATION, "Authorization")? else {
            return Err(Error::Absent);
        };
        let authorization = Authorization::parse(text(value)?)?;
        let date = single(headers, &DATE, "X-Sdk-Date")?.ok_or(Error::Date)?;
        let date = date.to_str().map_err(|_| Error::Date)?.trim();
        let time = date::parse(date).ok_or(Error::Date)?;
        if now.duration_since(time).unsigned_abs() > skew {
            return Err(Error::Skew { now: now.strftime("%Y%m%dT%H%M%SZ").to_string() });
        }
        let signed = |name: &HeaderName| {
            split::pieces(authorization.signed_headers, b';')
                .any(|given| given.trim().eq_ignore_ascii_case(name.as_str()))
        };
        if !signed(&DATE) {
            return Err(Error::NotSigned { name: "X-Sdk-Date" });
        }
        let security_token = single(headers, &SECURITY_TOKEN, "X-Security-Token")?;
        if security_token.is_some() && !signed(&SECURITY_TOKEN) {
            return Err(Error::NotSigned { name: "X-Security-Token" });
        }
        let security_token = security_token.map(text).transpose()?.map(str::trim);
        let content_hash = match single(headers, &CONTENT_HASH, "X-Sdk-Content-Sha256")? {
            Some(value) if signed(&CONTENT_HASH) => Some(text(value)?.trim()),
            _ => None,
        };
        Ok(Self { authorization, date, content_hash, security_token })
    }

    /// The access key that is claimed.
    pub(crate) fn access(&self) -> &'a str {
        self.authorization.access
    }

    /// What comes with a temporary key, and holds it.
    pub(crate) fn security_token(&self) -> Option<&'a str> {
        self.security_token
    }
}

/// The header's one value; two of a kind are refused, since parties on the way may each take another one.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<Option<&'a HeaderValue>, Error> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Error::Doubled { name: shown }),
        (value, None) => Ok(value),
    }
}

fn text(value: &HeaderValue) -> Result<&str, Error> {
    value.to_str().map_err(|_| Error::Malformed { what: "it is not ASCII text" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: Duration = Duration::from_secs(900);

    fn authorization(signed: &str) -> String {
        format!("SDK-HMAC-SHA256 Access=AK, SignedHeaders={signed}, Signature={}", "0".repeat(64))
    }

    fn read(headers: &[(&str, &str)], now: &str) -> Result<(), Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).expect("a name"), HeaderValue::from_str(value).expect("a value"));
        }
        Claim::read(&map, now.parse().expect("a time"), SKEW).map(|_| ())
    }

    #[test]
    fn the_date_may_be_a_quarter_of_an_hour_off() {
        let value = authorization("x-sdk-date");
        let headers = [("Authorization", value.as_str()), ("X-Sdk-Date", "20240102T030405Z")];
        for now in ["2024-01-02T03:04:05Z", "2024-01-02T03:19:05Z", "2024-01-02T02:49:05Z"] {
            assert_eq!(read(&headers, now), Ok(()), "{now}");
        }
        for now in ["2024-01-02T03:19:06Z", "2024-01-02T02:49:04Z", "2025-01-02T03:04:05Z"] {
            assert!(matches!(read(&headers, now), Err(Error::Skew { .. })), "{now}");
        }
    }

    #[test]
    fn a_token_stands_in_for_a_signature_only() {
        let token_of = |headers: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(
                    HeaderName::try_from(*name).expect("a name"),
                    HeaderValue::from_str(value).expect("a value"),
                );
            }
            token(&map).map(|token| token.map(str::to_owned))
        };
        assert_eq!(token_of(&[("X-Auth-Token", "t")]), Ok(Some("t".to_owned())));
        assert_eq!(token_of(&[("X-Auth-Token", "t"), ("Authorization", "x")]), Ok(None));
        assert_eq!(token_of(&[]), Ok(None));
        assert_eq!(
            token_of(&[("X-Auth-Token", "t"), ("X-Auth-Token", "u")]),
            Err(Error::Doubled { name: "X-Auth-Token" })
        );
    }

    #[test]
    fn absent_doubled_and_unsigned_headers_are_refused() {
        let now = "2024-01-02T03:04:05Z";
        let date = ("X-Sdk-Date", "20240102T030405Z");
        let good = authorization("host;X-Sdk-Date");
        let good = ("Authorization", good.as_str());
        let without_date = authorization("host");
        let cases: &[(&[(&str, &str)], Error)] = &[
            (&[date], Error::Absent),
            (&[good, good, date], Error::Doubled { name: "Authorization" }),
            (&[good], Error::Date),
            (&[good, ("X-Sdk-Date", "today")], Error::Date),
            (&[good, date, date], Error::Doubled { name: "X-Sdk-Date" }),
            (&[("Authorization", &without_date), date], Error::NotSigned { name: "X-Sdk-Date" }),
            (&[good, date, ("X-Security-Token", "t")], Error::NotSigned { name: "X-Security-Token" }),
            (
                &[good, date, ("X-Sdk-Content-Sha256", "a"), ("X-Sdk-Content-Sha256", "b")],
                Error::Doubled { name: "X-Sdk-Content-Sha256" },
            ),
        ];
        for (headers, error) in cases {
            assert_eq!(read(headers, now).as_ref(), Err(error), "{headers:?}");
        }
        assert_eq!(read(&[good, date, ("X-Auth-Token", "ignored beside a signature")], now), Ok(()));
    }
}
