//! As much HTTP/1.1 as the load generator needs: requests rendered once, answers found in a buffer.
//!
//! A client library would spend processor time that belongs to the servers, on the same two cores.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request before it becomes bytes.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { method, path: path.into(), headers, body }
    }

    pub(crate) fn post(path: impl Into<String>, body: Vec<u8>) -> Self {
        Self::new("POST", path, body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The bytes to send.
    pub(crate) fn render(&self, address: &str) -> Bytes {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        [head.as_bytes(), &self.body].concat().into()
    }
}

/// "http://127.0.0.1:80/x" gives "127.0.0.1:80" and "/x".
pub(crate) fn split_url(url: &str) -> Result<(String, String)> {
    let rest = url.trim().strip_prefix("http://").with_context(|| format!("{url:?} is not an http:// URL"))?;
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((address.to_owned(), format!("/{path}")))
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// Whether the connection can be used again.
    pub(crate) keep: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<serde_json::Value> {
        let text = String::from_utf8_lossy(&self.body);
        ensure!((200..300).contains(&self.status), "answered {}: {text}", self.status);
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {text}"))
    }
}

/// More than any server we measure sends.
const MOST_HEADERS: usize = 64;

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(16 * 1024) })
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            self.buffer.reserve(4096);
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
            if let Some(answer) = parse(&self.buffer)? {
                return Ok(answer);
            }
        }
    }
}

/// The answer in a buffer, once it is whole. Closed loop: at most one is under way.
fn parse(buffer: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(buffer).context("an answer that is not HTTP")? else {
        return Ok(None);
    };
    let status = head.code.context("no status")?;
    let (mut keep, mut length, mut chunked) = (true, None, false);
    for header in head.headers.iter() {
        // Nearly all names differ in length already.
        match header.name.len() {
            10 if header.name.eq_ignore_ascii_case("connection") => keep = !header.value.eq_ignore_ascii_case(b"close"),
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                length =
                    Some(std::str::from_utf8(header.value)?.parse::<usize>().context("a length that is no number")?);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                chunked = header.value.eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
    }
    let body = match length {
        Some(length) => buffer.get(start..start + length).map(Bytes::copy_from_slice),
        None if chunked => unchunk(&buffer[start..])?,
        None if status == 204 => Some(Bytes::new()),
        None => bail!("an answer without a length"),
    };
    Ok(body.map(|body| Answer { status, body, keep }))
}

fn unchunk(mut rest: &[u8]) -> Result<Option<Bytes>> {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line])?.trim(), 16).context("a bad chunk")?;
        let (start, end) = (line + 2, line + 2 + size);
        if rest.len() < end + 2 {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(body.into()));
        }
        body.extend_from_slice(&rest[start..end]);
        rest = &rest[end + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u16, &str, bool)>) {
        let answer = parse(text.as_bytes()).expect("HTTP");
        let seen = answer
            .as_ref()
            .map(|answer| (answer.status, std::str::from_utf8(&answer.body).expect("text"), answer.keep));
        assert_eq!(seen, expected, "{text:?}");
    }

    #[test]
    fn answers_are_found_when_they_are_whole() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", None);
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Some((200, "{}", true)));
        check("HTTP/1.1 429 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", Some((429, "", false)));
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", None);
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", Some((200, "{}", true)));
    }

    #[test]
    fn urls_are_split() {
        assert_eq!(split_url("http://a:1").expect("a URL"), ("a:1".to_owned(), "/".to_owned()));
        assert_eq!(split_url("http://a:1/x/y\n").expect("a URL"), ("a:1".to_owned(), "/x/y".to_owned()));
        assert!(split_url("https://a").is_err());
    }
}
