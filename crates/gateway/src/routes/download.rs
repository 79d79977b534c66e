//! Links to code packages: short-lived, on our own listener, good for whoever holds one (SETTLED.md, "Management").
//!
//! A link carries what it opens and until when, and an HMAC over both with a key that lives as long as the process.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use fungraph_engine::Engine;
use fungraph_model::{CodePackage, CodeType, Digest, ErrorCode, Fault, FunctionVersion};
use hmac::{Hmac, KeyInit, Mac};
use http::{
    HeaderValue,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use jiff::Timestamp;
use sha2::Sha256;

use crate::{
    answer::{Content, FileContent, Refusal, Response},
    percent,
};

/// Path in front of the token.
pub(crate) const PREFIX: &str = "/code/";

const MAC_BYTES: usize = 32;

/// Makes links and reads them back.
pub(crate) struct Links {
    key: Hmac<Sha256>,
    lifetime: Duration,
}

impl Links {
    /// Links that work for `lifetime`.
    pub(crate) fn new(lifetime: Duration) -> Self {
        let mut key = [0; MAC_BYTES];
        getrandom::fill(&mut key).expect("the kernel gives random bytes once it runs programs");
        Self { key: Hmac::new_from_slice(&key).expect("HMAC takes a key of any length"), lifetime }
    }

    /// A link to the code of a version, below `base`.
    pub(crate) fn make(&self, version: &FunctionVersion, now: Timestamp, base: &str) -> String {
        let mut code = version.code.clone();
        if code.filename.is_empty() {
            code.filename = format!("{}.zip", version.key.name);
        }
        self.to_package(&code, now, base)
    }

    /// A link to a package, below `base`.
    pub(crate) fn to_package(&self, code: &CodePackage, now: Timestamp, base: &str) -> String {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let until = now.as_second().saturating_add(lifetime);
        let name = &code.filename;
        let mut token =
            format!("{until}\n{}\n{}\n{}\n{name}", code.code_type.name(), code.size, code.digest.0).into_bytes();
        let mac = self.key.clone().chain_update(&token).finalize().into_bytes();
        token.extend_from_slice(&mac);
        format!("{base}{PREFIX}{}", BASE64.encode(token))
    }

    /// What a token opens.
    fn read(&self, token: &str, now: Timestamp) -> Result<CodePackage, Fault> {
        let broken =
            || Fault::new(ErrorCode::Forbidden, "The link is not valid: ask for the code of the function again");
        let token = BASE64.decode(token).map_err(|_| broken())?;
        let (text, mac) = token.split_last_chunk::<MAC_BYTES>().ok_or_else(broken)?;
        self.key.clone().chain_update(text).verify_slice(mac).map_err(|_| broken())?;
        let text = std::str::from_utf8(text).map_err(|_| broken())?;
        let mut parts = text.splitn(5, '\n');
        let mut part = || parts.next().ok_or_else(broken);
        let until: i64 = part()?.parse().map_err(|_| broken())?;
        if now.as_second() > until {
            return Err(Fault::new(
                ErrorCode::Forbidden,
                "The link has expired: ask for the code of the function again",
            ));
        }
        Ok(CodePackage {
            code_type: CodeType::parse(part()?).ok_or_else(broken)?,
            size: part()?.parse().map_err(|_| broken())?,
            digest: Digest(part()?.to_owned()),
            filename: part()?.to_owned(),
        })
    }
}

/// Sends the package that a token opens.
pub(crate) async fn download(engine: &Engine, links: &Links, token: &str) -> Result<Response, Refusal> {
    let package = links.read(token, Timestamp::now())?;
    let file = engine.open_package(&package).await?;
    let length =
        file.metadata().await.map_err(|source| fungraph_engine::Error::internal("measure a package", source))?;
    Ok(self::file(FileContent::new(file, length.len()), &package.filename))
}

/// A file to keep under a name.
pub(crate) fn file(file: FileContent, name: &str) -> Response {
    let mut response = Response::new(Content::File(file));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_DISPOSITION, disposition(name));
    response
}

/// A file to keep, its name in the form that carries any character (RFC 6266, section 4.3).
fn disposition(name: &str) -> HeaderValue {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let mut encoded = b"attachment; filename*=UTF-8''".to_vec();
    percent::encode(base.as_bytes(), &mut encoded);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(encoded)).expect("percent-encoded text is ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(filename: &str) -> FunctionVersion {
        let mut version = fungraph_model::sample::function("hello");
        version.code.filename = filename.into();
        version
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_link_opens_its_package_until_it_expires() {
        let links = Links::new(Duration::from_secs(600));
        for (given, expected) in [("lib/a b.zip", "lib/a b.zip"), ("", "hello.zip"), ("a\nb", "a\nb")] {
            let link = links.make(&version(given), at(1000), "http://h");
            let token = link.strip_prefix("http://h/code/").expect("our path");
            let package = links.read(token, at(1600)).expect("in time");
            assert_eq!(package, CodePackage { filename: expected.into(), ..version(given).code });
            assert!(links.read(token, at(1601)).expect_err("late").message.contains("expired"));
            assert!(Links::new(Duration::from_secs(600)).read(token, at(1000)).is_err(), "another process");
        }
    }

    #[test]
    fn forged_links_open_nothing() {
        let links = Links::new(Duration::from_secs(600));
        let link = links.make(&version("a.zip"), at(1000), "");
        let token = link.strip_prefix(PREFIX).expect("our path");
        let mut forged = BASE64.decode(token).expect("base64");
        forged[0] ^= 1;
        for token in ["", "x", "!!", &token[1..], &BASE64.encode(forged), &BASE64.encode([0; 40])] {
            assert_eq!(links.read(token, at(1000)).expect_err(token).code, ErrorCode::Forbidden);
        }
    }

    #[test]
    fn names_are_safe_in_a_header() {
        assert_eq!(disposition("a.zip"), "attachment; filename*=UTF-8''a.zip");
        assert_eq!(disposition("../x/ž\r\n\".zip"), "attachment; filename*=UTF-8''%C5%BE%0D%0A%22.zip");
    }
}
