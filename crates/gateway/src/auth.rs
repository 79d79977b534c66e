//! Who is asking: the signature of a request, proven (contract: auth.md, "Signature, step by step").
//!
//! Pure functions: the clock and the secret are arguments. A [`Claim`] is what the headers say, checked as far as that is
//! possible without the body; [`Claim::verify`] proves it once the body is there.

mod authorization;
mod canonical;
mod claim;
mod date;
mod hex;
mod proof;

pub(crate) use canonical::Message;
pub(crate) use claim::{Claim, token};
pub(crate) use proof::{Payload, stranger};

/// Name of the algorithm, the first line of the string to sign.
const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// Why credentials are refused; each text tells the caller what to do, none holds a secret. All of them are 401.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "The request carries no credentials: sign it with an access key \
         (headers Authorization: SDK-HMAC-SHA256 Access=…, and X-Sdk-Date), or send a token as X-Auth-Token"
    )]
    Absent,
    #[error(
        "The token of X-Auth-Token is unknown or counts no more: get a new one with POST /v3/auth/tokens, or sign the request with \
         an access key"
    )]
    Token,
    #[error("The header {name} is there more than once: send it once")]
    Doubled { name: &'static str },
    #[error("The algorithm '{name}' of the Authorization header is not known here: sign with SDK-HMAC-SHA256")]
    Algorithm { name: String },
    #[error(
        "The Authorization header cannot be read ({what}): it must be \
         SDK-HMAC-SHA256 Access=<access key>, SignedHeaders=<a;b;c>, Signature=<64 hexadecimal digits>"
    )]
    Malformed { what: &'static str },
    #[error("The header X-Sdk-Date must be there, as YYYYMMDDTHHMMSSZ in UTC")]
    Date,
    #[error("X-Sdk-Date is too far from the server's time, {now}: set the clock of the client")]
    Skew { now: String },
    #[error("The header {name} must be among SignedHeaders")]
    NotSigned { name: &'static str },
    #[error("SignedHeaders names the header '{name}', which the request does not have")]
    SignedButAbsent { name: String },
    #[error("UNSIGNED-PAYLOAD is not accepted here: sign the body's SHA-256")]
    UnsignedPayload,
    #[error("X-Sdk-Content-Sha256 is not the SHA-256 of the body that arrived")]
    PayloadDiffers,
    #[error("The path or the query has a malformed percent-encoding")]
    Encoding,
    /// An unknown key and a wrong signature look the same, in words and in time.
    #[error(
        "The access key is unknown or the signature does not match: check access key and secret key, \
         and that no proxy changes the host, the signed headers or the body"
    )]
    Signature,
}
