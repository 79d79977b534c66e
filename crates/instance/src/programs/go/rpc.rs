//! The client's side of Go's `net/rpc` over HTTP, as far as a function's one method needs it (contract: runtimes.md 8.4).
//!
//! No socket is touched here: bytes to write are given, bytes that were read are taken. So one conversation serves whoever
//! does the waiting, and tests feed it what they like.

mod inbox;
mod request;

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::RESULT_LIMIT;
use super::gob::{BadGob, Field, Kind, Message, Reader, Types, message_length};
use inbox::Inbox;

pub(super) use request::EMPTY_EVENT;
pub use request::{Request, Requests};

/// What opens the conversation.
pub const GREETING: &[u8] = b"CONNECT /_goRPC_ HTTP/1.0\n\n";
/// Longest answer to it that is waited for.
const GREETING_BYTES: usize = 8 << 10;
/// As much of an error's text as shows that it is too long.
const ERROR_BYTES: usize = RESULT_LIMIT + 1;

/// An answer to a call.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Number of the call, as [`Request`] gave it.
    pub call: u64,
    /// How it ended.
    pub answer: Answer<'a>,
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It returned.
    Returned {
        /// Like one of HTTP: 200 of all libraries known.
        status: i64,
        /// The value as bytes.
        payload: &'a [u8],
    },
    /// It failed, and this is told of it.
    Failed(String),
}

/// What ends a conversation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The port is that of something else.
    #[error(
        "its port answers {first_line:?} instead of Go's RPC; `main` must call `runtime.Register(handler)` of the Go runtime library"
    )]
    NotRpc {
        /// How its answer begins.
        first_line: String,
    },
    /// An answer to what was not asked, or was answered already.
    #[error("it answered a call of number {0}, which is not running")]
    Nobody(u64),
    /// Not gob, or not as it should be.
    #[error("it sent an answer that cannot be read ({0})")]
    Gob(#[from] BadGob),
}

/// What a function says on its connection.
#[derive(Debug, Default)]
pub struct Replies {
    inbox: Inbox,
    greeted: bool,
    types: Types,
    /// The call and the error text that the next value belongs to.
    header: Option<Header>,
}

#[derive(Debug, Default)]
struct Header {
    call: u64,
    error: String,
}

#[derive(Debug, Default)]
struct Body {
    status: i64,
    payload: Range<usize>,
}

impl Replies {
    /// Room to read into; never empty.
    pub fn room(&mut self) -> &mut [u8] {
        self.inbox.room()
    }

    /// So many bytes were read into the room.
    pub fn filled(&mut self, bytes: usize) {
        self.inbox.filled(bytes);
    }

    /// Whether the other side has agreed to speak RPC; asked after bytes were read, until it has.
    ///
    /// # Errors
    /// It answers something else.
    pub fn is_open(&mut self) -> Result<bool, Broken> {
        if self.greeted {
            return Ok(true);
        }
        let bytes = self.inbox.bytes();
        let Some(end) = end_of_head(bytes) else {
            return if bytes.len() < GREETING_BYTES { Ok(false) } else { Err(not_rpc(bytes)) };
        };
        if !is_success(bytes) {
            return Err(not_rpc(bytes));
        }
        self.inbox.drop_front(end);
        self.greeted = true;
        Ok(true)
    }

    /// The next answer that is here as a whole.
    ///
    /// # Errors
    /// What came is no answer, or larger than any may be.
    pub fn reply(&mut self) -> Result<Option<Reply<'_>>, Broken> {
        if !self.is_open()? {
            return Ok(None);
        }
        let (header, body, message) = loop {
            let Some(message) = self.next_message()? else { return Ok(None) };
            let Message::Value(id, reader) = self.types.message(self.inbox.get(message.clone()))? else { continue };
            match self.header.take() {
                None => self.header = Some(Header::read(&self.types, id, reader)?),
                // Of a failed call it is an empty struct of a type of its own; the next message does not mind it.
                Some(header) if !header.error.is_empty() => break (header, Body::default(), message),
                Some(header) => break (header, Body::read(&self.types, id, reader)?, message),
            }
        };
        let answer = if header.error.is_empty() {
            let payload = message.start + body.payload.start..message.start + body.payload.end;
            Answer::Returned { status: body.status, payload: self.inbox.get(payload) }
        } else {
            Answer::Failed(header.error)
        };
        Ok(Some(Reply { call: header.call, answer }))
    }

    /// Takes the next message; it stays where it is until something is read.
    fn next_message(&mut self) -> Result<Option<Range<usize>>, Broken> {
        let Some((prefix, length)) = message_length(self.inbox.bytes())? else { return Ok(None) };
        if self.inbox.bytes().len() < prefix + length {
            self.inbox.expect(prefix + length);
            return Ok(None);
        }
        let front = self.inbox.drop_front(prefix + length);
        Ok(Some(front + prefix..front + prefix + length))
    }
}

impl Header {
    fn read(types: &Types, id: i64, mut reader: Reader<'_>) -> Result<Self, BadGob> {
        let mut header = Self::default();
        types.walk(id, &mut reader, |name, kind, reader| match (name, kind) {
            ("Seq", Kind::Uint) => reader.uint().map(|call| {
                header.call = call;
                Field::Read
            }),
            ("Error", Kind::Bytes) => reader.text(ERROR_BYTES).map(|text| {
                header.error = text;
                Field::Read
            }),
            ("Seq" | "Error", _) => Err(BadGob::Unexpected("a field of the answer's header has another type")),
            _ => Ok(Field::Pass),
        })?;
        Ok(header)
    }
}

impl Body {
    fn read(types: &Types, id: i64, mut reader: Reader<'_>) -> Result<Self, BadGob> {
        let mut body = Self::default();
        types.walk(id, &mut reader, |name, kind, reader| match (name, kind) {
            ("StatusCode", Kind::Int) => reader.int().map(|status| {
                body.status = status;
                Field::Read
            }),
            ("Payload", Kind::Bytes) => reader.bytes().map(|range| {
                body.payload = range;
                Field::Read
            }),
            ("StatusCode" | "Payload", _) => Err(BadGob::Unexpected("a field of the answer has another type")),
            _ => Ok(Field::Pass),
        })?;
        Ok(body)
    }
}

/// The end of the empty line; Go's own server ends lines without a carriage return.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let plain = bytes.windows(2).position(|window| window == b"\n\n").map(|at| at + 2);
    let usual = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
    plain.into_iter().chain(usual).min()
}

fn is_success(bytes: &[u8]) -> bool {
    matches!(first_line(bytes).split_once(' '), Some(("HTTP/1.0" | "HTTP/1.1", rest)) if rest.starts_with("200 "))
}

fn not_rpc(bytes: &[u8]) -> Broken {
    Broken::NotRpc { first_line: first_line(bytes) }
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).trim_end().chars().take(80).collect()
}
