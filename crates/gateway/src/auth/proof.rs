//! The signature itself, computed again and compared in constant time (auth.md, steps 6 to 9).

use std::sync::LazyLock;

use fungraph_model::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{ALGORITHM, Claim, Error, Message, authorization::Form, canonical, hex};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The body as a signature sees it.
pub(crate) struct Payload {
    /// SHA-256 of the bytes that arrived.
    pub(crate) hash: [u8; 32],
    /// Whether there were none.
    pub(crate) is_empty: bool,
    /// Whether `UNSIGNED-PAYLOAD` may stand for the hash.
    pub(crate) may_be_unsigned: bool,
}

/// The secret of nobody. A claim of an unknown key is verified against it, so that it takes as long as one of a known key.
pub(crate) fn stranger() -> &'static Secret {
    static SECRET: LazyLock<Secret> =
        LazyLock::new(|| Secret::new("a secret key of the usual length, no one's".to_owned()));
    &SECRET
}

impl Claim<'_> {
    /// Proves that whoever holds `secret` signed this message with this body.
    pub(crate) fn verify(&self, message: &Message<'_>, payload: &Payload, secret: &Secret) -> Result<(), Error> {
        let digits = hex::encode(&payload.hash);
        let hash = std::str::from_utf8(&digits).expect("hexadecimal digits are ASCII");
        let mut request = canonical::write(message, self.authorization.signed_headers)?;
        let prefix = request.len();
        let (expected, other) = self.payload_texts(payload, hash)?;
        let mut matches = |text: &str| {
            request.truncate(prefix);
            request.extend_from_slice(text.as_bytes());
            self.is_signature_of(&request, secret)
        };
        if matches(expected) || other.is_some_and(matches) { Ok(()) } else { Err(Error::Signature) }
    }

    /// What may stand in the last line of the canonical request. Two texts only for an unsigned empty body, where clients differ.
    fn payload_texts<'b>(&'b self, payload: &Payload, hash: &'b str) -> Result<(&'b str, Option<&'b str>), Error> {
        match self.content_hash {
            None => Ok((hash, None)),
            Some(UNSIGNED) if !payload.may_be_unsigned => Err(Error::UnsignedPayload),
            Some(UNSIGNED) => Ok((UNSIGNED, payload.is_empty.then_some(hash))),
            Some(text) if text.eq_ignore_ascii_case(hash) => Ok((text, None)),
            Some(_) => Err(Error::PayloadDiffers),
        }
    }

    fn is_signature_of(&self, canonical_request: &[u8], secret: &Secret) -> bool {
        let mut mac = match self.authorization.form {
            Form::Access => hmac(secret.reveal().as_bytes()),
            Form::Credential { scope } => hmac(&derived_key(scope, secret)),
        };
        mac.update(ALGORITHM.as_bytes());
        mac.update(b"\n");
        mac.update(self.date.as_bytes());
        mac.update(b"\n");
        if let Form::Credential { scope } = self.authorization.form {
            mac.update(scope.as_bytes());
            mac.update(b"\n");
        }
        mac.update(&hex::encode(&Sha256::digest(canonical_request).into()));
        mac.verify_slice(&self.authorization.signature).is_ok()
    }
}

/// A chain of HMACs over the parts of the scope, begun with `SDK` and the secret.
fn derived_key(scope: &str, secret: &Secret) -> [u8; 32] {
    let first = [b"SDK", secret.reveal().as_bytes()].concat();
    let mut parts = scope.split('/');
    let seed = chain(&first, parts.next().unwrap_or(""));
    parts.fold(seed, |key, part| chain(&key, part))
}

fn chain(key: &[u8], part: &str) -> [u8; 32] {
    let mut mac = hmac(key);
    mac.update(part.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

#[cfg(test)]
mod tests;
