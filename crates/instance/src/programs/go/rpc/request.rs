//! A call as bytes.

use crate::programs::go::gob::{put_bytes, put_uint};

const METHOD: &[u8] = b"Function.Invoke";

/// Ids of our own types; the descriptions below give them out.
const REQUEST: &[u8] = b"\xff\x82";
const INVOKE_REQUEST: &[u8] = b"\xff\x84";

/// `Request{ServiceMethod string; Seq uint}` is type 65.
const DESCRIBE_REQUEST: &[u8] =
    b"\x2f\xff\x81\x03\x01\x01\x07Request\x01\xff\x82\x00\x01\x02\x01\x0dServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x00\x00";
/// `InvokeRequest{Payload []byte; Header map[string][]string}` is type 66, its map 68, the map's values 67.
const DESCRIBE_INVOKE_REQUEST: &[u8] =
    b"\x33\xff\x83\x03\x01\x01\x0dInvokeRequest\x01\xff\x84\x00\x01\x02\x01\x07Payload\x01\x0a\x00\x01\x06Header\x01\xff\x88\x00\x00\x00\
      \x17\xff\x87\x04\x01\x01\x06Header\x01\xff\x88\x00\x01\x0c\x01\xff\x86\x00\x00\
      \x0c\xff\x85\x02\x01\x02\xff\x86\x00\x01\x0c\x00\x00";

/// What an empty event is sent as: gob leaves out an empty slice, and the library refuses an event that is not there.
pub(in crate::programs::go) const EMPTY_EVENT: &[u8] = b"{}";

/// One call of the function.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its number, which the answer repeats.
    pub call: u64,
    /// The event.
    pub payload: &'a [u8],
    /// Names in Go's canonical form (`X-Cff-Request-Id`), for the library looks them up in that form only.
    pub header: &'a [(&'a str, &'a str)],
}

/// What is said on one connection.
#[derive(Debug, Default)]
pub struct Requests {
    described: bool,
}

impl Requests {
    /// What to write for a call: bytes before the payload and bytes after it.
    pub fn next(&mut self, request: &Request<'_>) -> (Vec<u8>, Vec<u8>) {
        let first = !std::mem::replace(&mut self.described, true);
        request.encode(first)
    }
}

impl Request<'_> {
    /// The bytes before the payload, and those after it. The first request of a connection describes the types.
    fn encode(&self, first: bool) -> (Vec<u8>, Vec<u8>) {
        let after = self.header();
        let mut front = INVOKE_REQUEST.to_vec();
        front.push(1);
        put_uint(&mut front, self.payload.len() as u64);

        let mut before = Vec::with_capacity(256);
        if first {
            before.extend_from_slice(DESCRIBE_REQUEST);
        }
        put_bytes(&mut before, &self.call_header());
        if first {
            before.extend_from_slice(DESCRIBE_INVOKE_REQUEST);
        }
        put_uint(&mut before, (front.len() + self.payload.len() + after.len()) as u64);
        before.extend_from_slice(&front);
        (before, after)
    }

    /// `Request`; a number of 0 is left out, as gob does.
    fn call_header(&self) -> Vec<u8> {
        let mut out = REQUEST.to_vec();
        out.push(1);
        put_bytes(&mut out, METHOD);
        if self.call != 0 {
            out.push(1);
            put_uint(&mut out, self.call);
        }
        out.push(0);
        out
    }

    /// The field `Header`, and the end of `InvokeRequest`.
    fn header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        if !self.header.is_empty() {
            out.push(1);
            put_uint(&mut out, self.header.len() as u64);
            for (name, value) in self.header {
                put_bytes(&mut out, name.as_bytes());
                put_uint(&mut out, 1);
                put_bytes(&mut out, value.as_bytes());
            }
        }
        out.push(0);
        out
    }
}
