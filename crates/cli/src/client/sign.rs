//! Signs requests with SDK-HMAC-SHA256 (contract: auth.md), as the official SDKs do.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::credentials::Credentials;

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// The `Authorization` header for a request without a query. `path` is percent-encoded; `headers` have lower-case names and
/// hold `host` and `x-sdk-date`.
pub(super) fn authorization(
    who: &Credentials,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let mut headers = headers.to_vec();
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let slash = if path.ends_with('/') { "" } else { "/" };
    let canonical = format!("{method}\n{path}{slash}\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
    let date = headers.iter().find(|(name, _)| *name == "x-sdk-date").map_or("", |(_, date)| date);
    let to_sign = format!("{ALGORITHM}\n{date}\n{}", hex(&Sha256::digest(canonical)));
    let mut mac = Hmac::<Sha256>::new_from_slice(who.secret_key.reveal().as_bytes()).expect("any length is a key");
    mac.update(to_sign.as_bytes());
    let signature = hex(&mac.finalize().into_bytes());
    format!("{ALGORITHM} Access={}, SignedHeaders={names}, Signature={signature}", who.access_key)
}

/// Percent-encodes one segment of a path; letters, digits and `-._~` stay.
pub(crate) fn encode(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => write!(text, "%{byte:02X}").expect("a String takes all"),
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

#[cfg(test)]
mod tests {
    use fungraph_model::Secret;
    use serde_json::Value;

    use super::*;

    /// Every POST vector without a query, as the contract's other implementations sign it.
    #[test]
    fn signs_as_the_vectors_do() {
        let vectors = include_str!("../../../../tests/contract/auth_vectors.json");
        let vectors: Value = serde_json::from_str(vectors).expect("JSON");
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let who = Credentials {
            endpoint: String::new(),
            region: String::new(),
            domain_id: String::new(),
            project_id: String::new(),
            access_key: text(&vectors, "access_key"),
            secret_key: Secret::new(text(&vectors, "secret_key")),
        };
        let mut checked = 0;
        for vector in vectors["vectors"].as_array().expect("a list") {
            let (Some(body), false) = (vector["body_utf8"].as_str(), text(vector, "target").contains('?')) else {
                continue;
            };
            let expected = text(vector, "authorization");
            let signed =
                expected.split_once("SignedHeaders=").and_then(|(_, rest)| rest.split_once(',')).expect("a list").0;
            let all = vector["headers"].as_object().expect("an object");
            let lower: Vec<(String, &str)> =
                all.iter().map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default())).collect();
            if lower.iter().any(|(name, _)| name == "x-sdk-content-sha256") {
                continue;
            }
            let headers: Vec<(&str, &str)> = lower
                .iter()
                .filter(|(name, _)| signed.split(';').any(|one| one == name))
                .map(|(name, value)| (name.as_str(), *value))
                .collect();
            let found =
                authorization(&who, &text(vector, "method"), &text(vector, "target"), &headers, body.as_bytes());
            assert_eq!(found, expected, "{}", text(vector, "name"));
            checked += 1;
        }
        assert!(checked > 0, "no vector fits this signer");
    }

    #[test]
    fn segments_are_encoded_as_the_sdk_encodes_them() {
        assert_eq!(encode("urn:fss:a-b:!prod/x y~._ž"), "urn%3Afss%3Aa-b%3A%21prod%2Fx%20y~._%C5%BE");
    }
}
