//! The `Authorization` header, taken apart (auth.md, step 1).

use super::{ALGORITHM, Error, hex};
use crate::split;

/// How the access key is given, which decides the signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// `Access=<AK>`: the secret key itself signs.
    Access,
    /// `Credential=<AK>/<date>/<region>/<service>/sdk_request` of older clients: a key derived over the scope signs.
    Credential {
        /// `<date>/<region>/<service>/sdk_request`.
        scope: &'a str,
    },
}

/// The parts of an `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    /// The access key.
    pub(super) access: &'a str,
    /// How it was given.
    pub(super) form: Form<'a>,
    /// Names joined by `;`, as sent.
    pub(super) signed_headers: &'a str,
    /// The signature.
    pub(super) signature: [u8; 32],
}

impl<'a> Authorization<'a> {
    /// Reads the header's value.
    pub(super) fn parse(value: &'a str) -> Result<Self, Error> {
        let value = value.trim();
        let (algorithm, fields) = split::once(value, b' ').unwrap_or((value, ""));
        if algorithm != ALGORITHM {
            return Err(Error::Algorithm { name: algorithm.chars().take(40).collect() });
        }
        let (mut key, mut signed_headers, mut signature) = (None, None, None);
        for field in split::pieces(fields, b',') {
            let (name, value) = split::once(field.trim(), b'=').ok_or(malformed("a field has no '='"))?;
            let before = match name {
                "Access" => key.replace((value, Form::Access)),
                "Credential" => key.replace(credential(value)?),
                "SignedHeaders" => signed_headers.replace(value).map(|value| (value, Form::Access)),
                "Signature" => signature.replace(value).map(|value| (value, Form::Access)),
                _ => return Err(malformed("it has an unknown field")),
            };
            if before.is_some() {
                return Err(malformed("a field is there twice"));
            }
        }
        let (access, form) = key.filter(|(access, _)| !access.is_empty()).ok_or(malformed("Access is missing"))?;
        Ok(Self {
            access,
            form,
            signed_headers: signed_headers.ok_or(malformed("SignedHeaders is missing"))?,
            signature: hex::decode(signature.ok_or(malformed("Signature is missing"))?)
                .ok_or(malformed("Signature is not 64 hexadecimal digits"))?,
        })
    }
}

fn credential(value: &str) -> Result<(&str, Form<'_>), Error> {
    let (access, scope) = value.split_once('/').ok_or(malformed("Credential has no scope"))?;
    let parts = scope.split('/').count();
    if parts != 4 || !scope.ends_with("/sdk_request") {
        return Err(malformed("the scope of Credential is not <date>/<region>/<service>/sdk_request"));
    }
    Ok((access, Form::Credential { scope }))
}

fn malformed(what: &'static str) -> Error {
    Error::Malformed { what }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGNATURE: &str = "b7b5844fb60375a9c88c770171015e9ae16da7bf7a1ae5eafb8ecc81b8b9549f";

    #[test]
    fn fields_come_in_any_order_with_or_without_blanks() {
        for text in [
            format!("SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature={SIGNATURE}"),
            format!("SDK-HMAC-SHA256 Access=AK,SignedHeaders=host;x-sdk-date,Signature={SIGNATURE}"),
            format!(" SDK-HMAC-SHA256  Signature={SIGNATURE} , SignedHeaders=host;x-sdk-date,  Access=AK "),
        ] {
            let parsed = Authorization::parse(&text).expect(&text);
            assert_eq!((parsed.access, parsed.form, parsed.signed_headers), ("AK", Form::Access, "host;x-sdk-date"));
        }
        let old =
            format!("SDK-HMAC-SHA256 Credential=AK/20240102/r/s/sdk_request, SignedHeaders=h, Signature={SIGNATURE}");
        assert_eq!(
            Authorization::parse(&old).expect("the older form").form,
            Form::Credential { scope: "20240102/r/s/sdk_request" }
        );
    }

    #[test]
    fn other_algorithms_are_named() {
        for (text, name) in [("Bearer abc", "Bearer"), ("SDK-HMAC-SM3 Access=x", "SDK-HMAC-SM3"), ("", "")] {
            assert_eq!(Authorization::parse(text), Err(Error::Algorithm { name: name.to_owned() }));
        }
    }

    #[test]
    fn broken_headers_are_refused() {
        for text in [
            "SDK-HMAC-SHA256".to_owned(),
            "SDK-HMAC-SHA256 Access".to_owned(),
            format!("SDK-HMAC-SHA256 SignedHeaders=h, Signature={SIGNATURE}"),
            format!("SDK-HMAC-SHA256 Access=, SignedHeaders=h, Signature={SIGNATURE}"),
            format!("SDK-HMAC-SHA256 Access=a, Signature={SIGNATURE}"),
            "SDK-HMAC-SHA256 Access=a, SignedHeaders=h".to_owned(),
            format!("SDK-HMAC-SHA256 Access=a, SignedHeaders=h, Signature={}", &SIGNATURE[1..]),
            format!("SDK-HMAC-SHA256 Access=a, Access=b, SignedHeaders=h, Signature={SIGNATURE}"),
            format!("SDK-HMAC-SHA256 Access=a, Credential=b/1/2/3/sdk_request, SignedHeaders=h, Signature={SIGNATURE}"),
            format!("SDK-HMAC-SHA256 Credential=b/1/2/sdk_request, SignedHeaders=h, Signature={SIGNATURE}"),
            format!("SDK-HMAC-SHA256 Access=a, More=b, SignedHeaders=h, Signature={SIGNATURE}"),
        ] {
            assert!(matches!(Authorization::parse(&text), Err(Error::Malformed { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*", fields in "[ ,;=/A-Za-z0-9]*") {
            let _ = Authorization::parse(&text);
            let _ = Authorization::parse(&format!("SDK-HMAC-SHA256 {fields}"));
        }
    }
}
