//! Signs requests as the official SDKs do (SDK-HMAC-SHA256), so that what is measured is what clients get.
//!
//! A request is signed once and sent many times: the date holds for 15 minutes, and signing would cost the generator more
//! than sending. The server verifies it each time.

use anyhow::{Context as _, Result};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::http1::Request;

/// What `credentials.json` holds.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) address: String,
    pub(crate) project: String,
    access_key: String,
    secret_key: String,
}

impl Credentials {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).context("credentials.json is not JSON")?;
        let field = |name: &str| {
            let text = value.get(name).and_then(Value::as_str).map(str::to_owned);
            text.with_context(|| format!("credentials.json has no {name}"))
        };
        let (address, _) = crate::http1::split_url(&field("endpoint")?)?;
        Ok(Self {
            address,
            project: field("project_id")?,
            access_key: field("access_key")?,
            secret_key: field("secret_key")?,
        })
    }

    /// The path of an operation on functions.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v2/{}/fgs/functions{rest}", self.project)
    }

    /// The request with date and signature. Its path and query must need no more encoding, and the query be sorted.
    pub(crate) fn sign(&self, request: Request) -> Request {
        let date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut request = request.header("X-Project-Id", &self.project).header("X-Sdk-Date", &date);
        let mut signed: Vec<(String, &str)> =
            request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())).collect();
        signed.push(("host".to_owned(), &self.address));
        signed.sort();
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names = signed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let body = hex(&Sha256::digest(&request.body));
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let path = path.trim_end_matches('/');
        let canonical = format!("{}\n{path}/\n{query}\n{lines}\n{names}\n{body}", request.method);
        let to_sign = format!("SDK-HMAC-SHA256\n{date}\n{}", hex(&Sha256::digest(canonical)));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret_key.as_bytes()).expect("a key of any length is valid");
        mac.update(to_sign.as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        let access = &self.access_key;
        let value = format!("SDK-HMAC-SHA256 Access={access}, SignedHeaders={names}, Signature={signature}");
        request.headers.push(("Authorization".to_owned(), value));
        request
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
