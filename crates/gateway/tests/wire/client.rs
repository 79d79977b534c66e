//! A client that writes its bytes itself, and signs after the contract's text, apart from the code under test.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr};

use fungraph_engine::Credentials;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request to change before it is sent.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// Head as sent.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            host: "test".into(),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// To a host by another name.
    pub(crate) fn to(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Signs now, over the date and the host.
    pub(crate) fn signed(self, by: &Credentials) -> Self {
        let now = jiff::Timestamp::now();
        self.signed_at(by, now)
    }

    pub(crate) fn signed_at(self, by: &Credentials, now: jiff::Timestamp) -> Self {
        let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let slash = if path.ends_with('/') { "" } else { "/" };
        let path = path.replace(':', "%3A").replace('{', "%7B").replace('}', "%7D").replace('!', "%21");
        let mut pairs: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        pairs.sort_unstable();
        let query = pairs.join("&").replace(':', "%3A").replace(',', "%2C");
        let (method, host) = (&self.method, &self.host);
        let body = hex(&Sha256::digest(&self.body));
        // A temporary key's token is signed too.
        let token = self.headers.iter().find(|(name, _)| name == "X-Security-Token").map(|(_, value)| value);
        let token_line = token.map(|token| format!("x-security-token:{token}\n")).unwrap_or_default();
        let names = if token.is_some() { "host;x-sdk-date;x-security-token" } else { "host;x-sdk-date" };
        let canonical =
            format!("{method}\n{path}{slash}\n{query}\nhost:{host}\nx-sdk-date:{date}\n{token_line}\n{names}\n{body}");
        let text = format!("SDK-HMAC-SHA256\n{date}\n{}", hex(&Sha256::digest(canonical)));
        let mut mac = Hmac::<Sha256>::new_from_slice(by.secret_key.reveal().as_bytes()).expect("any length");
        mac.update(text.as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        let access = &by.access_key;
        self.with("X-Sdk-Date", &date).with(
            "Authorization",
            &format!("SDK-HMAC-SHA256 Access={access}, SignedHeaders={names}, Signature={signature}"),
        )
    }

    pub(crate) async fn send(self, address: SocketAddr) -> Answer {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let length = self.body.len();
        let head = self.head(&format!("Content-Length: {length}\r\nConnection: close\r\n"));
        // A server may answer before it has read everything, but it must let us finish.
        stream.write_all(head.as_bytes()).await.expect("it reads the head");
        stream.write_all(&self.body).await.expect("it reads the body");
        read(&mut stream).await
    }

    /// Request line and headers with the blank line.
    pub(crate) fn head(&self, more: &str) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("memory takes any text");
        }
        head + more + "\r\n"
    }
}

/// Reads one answer to its end.
pub(crate) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.expect("an answer"), 0, "{}", String::from_utf8_lossy(&bytes));
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("a head of text");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |text| text.parse().expect("a length"));
    while bytes.len() < head_end + length {
        assert_ne!(stream.read_buf(&mut bytes).await.expect("a body"), 0, "the body ended early");
    }
    Answer { status, headers, head, body: bytes[head_end..].to_vec() }
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Status and error code, in one line for comparison.
    pub(crate) fn refusal(&self) -> String {
        format!("{} {}", self.status, self.json()["error_code"].as_str().expect("a code"))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory takes any text");
        text
    })
}
