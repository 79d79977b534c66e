//! Signed requests, written from the contract (auth.md) and not from the server's code, so that the two check each other.
//!
//! A request can be changed after it was signed: that is what the tests of refusals do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Server, request};

/// A caller with a key.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) endpoint: String,
    pub(crate) project: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

impl Client {
    /// The caller of a server's `credentials.json`.
    pub(crate) fn of(server: &Server) -> Self {
        let known = server.credentials();
        let text = |name: &str| known[name].as_str().expect("credentials are texts").to_owned();
        Self {
            endpoint: server.endpoint().to_owned(),
            project: text("project_id"),
            access_key: text("access_key"),
            secret_key: text("secret_key"),
        }
    }

    /// Path of the functions, with more behind it.
    pub(crate) fn functions(&self, rest: &str) -> String {
        format!("/v2/{}/fgs/functions{rest}", self.project)
    }

    /// A request as the SDK would build it, not signed yet.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Signable {
        let host = self.endpoint.strip_prefix("http://").expect("plain HTTP").to_owned();
        let mut request = Signable {
            endpoint: self.endpoint.clone(),
            host,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: body.to_owned(),
        };
        request.add("Content-Type", "application/json");
        request.add("X-Project-Id", &self.project);
        request.add("X-Sdk-Date", &date(0));
        request
    }

    /// Signs everything that is there, the host included.
    pub(crate) fn sign(&self, request: Signable) -> Signable {
        let mut names: Vec<String> = request.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
        names.push("host".to_owned());
        names.sort();
        names.dedup();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.sign_headers(request, &names)
    }

    /// Signs these headers.
    pub(crate) fn sign_headers(&self, mut request: Signable, names: &[&str]) -> Signable {
        let date = request.header("x-sdk-date").unwrap_or_default();
        let to_sign = format!("SDK-HMAC-SHA256\n{date}\n{}", hash(&request.canonical(names)));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret_key.as_bytes()).expect("a key of any length is valid");
        mac.update(to_sign.as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        let (access, names) = (&self.access_key, names.join(";"));
        let value = format!("SDK-HMAC-SHA256 Access={access}, SignedHeaders={names}, Signature={signature}");
        request.add("Authorization", &value);
        request
    }

    /// Signs and sends.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.sign(self.request(method, path, body)).send()
    }

    /// Signs and sends to the functions, and wants success.
    #[track_caller]
    pub(crate) fn done(&self, method: &str, rest: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.call(method, &self.functions(rest), &body);
        assert!((200..300).contains(&answer.status), "{method} {rest}: {} {}", answer.status, answer.text());
        answer
    }
}

/// A request that can be signed, and changed before and after.
#[derive(Clone, Debug)]
pub(crate) struct Signable {
    endpoint: String,
    host: String,
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Signable {
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.add(name, value);
        self
    }

    /// With another value for a header that is there.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        for header in self.headers.iter_mut().filter(|header| header.0.eq_ignore_ascii_case(name)) {
            header.1 = value.to_owned();
        }
        self
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|header| !header.0.eq_ignore_ascii_case(name));
        self
    }

    /// First value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|header| header.0.eq_ignore_ascii_case(name)).map(|header| header.1.clone())
    }

    /// Where it goes, as `address:port`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What would be sent, for those who want to do it themselves.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let more: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (method, path, host, length) = (&self.method, &self.path, &self.host, self.body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{more}\r\n");
        [head.as_bytes(), self.body.as_bytes()].concat()
    }

    /// Sends it to a server that may be gone any moment, and waits for its answer or its end.
    pub(crate) fn send_and_forget(&self) {
        let Ok(mut stream) = TcpStream::connect(&self.host) else { return };
        let sent = stream.write_all(&self.bytes());
        // Cut off is as good as answered.
        let _end = sent.and_then(|()| stream.read(&mut [0]));
    }

    pub(crate) fn send(&self) -> Answer {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        request(&self.endpoint, &self.method, &self.path, &headers, &self.body)
    }

    /// The text that the signature covers. Paths and queries of the tests are in canonical form already, `:` excepted.
    fn canonical(&self, names: &[&str]) -> String {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let (path, method) = (path.trim_end_matches('/').replace(':', "%3A"), &self.method);
        let mut query: Vec<&str> = query.split('&').collect();
        query.sort_unstable();
        let mut sorted: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        sorted.sort();
        let lines: String = sorted.iter().map(|name| self.lines(name)).collect();
        let body = match self.header("x-sdk-content-sha256") {
            Some(given) if sorted.iter().any(|name| name == "x-sdk-content-sha256") => given,
            _ => hash(&self.body),
        };
        format!("{method}\n{path}/\n{}\n{lines}\n{}\n{body}", query.join("&"), sorted.join(";"))
    }

    /// One line for each value of a header, sorted.
    fn lines(&self, name: &str) -> String {
        let mut values: Vec<&str> = match name {
            "host" => vec![&self.host],
            _ => self
                .headers
                .iter()
                .filter(|found| found.0.eq_ignore_ascii_case(name))
                .map(|found| found.1.trim())
                .collect(),
        };
        values.sort_unstable();
        values.iter().map(|value| format!("{name}:{value}\n")).collect()
    }
}

/// `X-Sdk-Date` so many seconds from now.
pub(crate) fn date(seconds: i64) -> String {
    let now = Timestamp::now().as_second() + seconds;
    Timestamp::from_second(now).expect("a time in this century").strftime("%Y%m%dT%H%M%SZ").to_string()
}

pub(crate) fn hash(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
