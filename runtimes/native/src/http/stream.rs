//! An answer in pieces, as it comes from the function's server (PROTOCOL.md, "Streamed answers").

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use super::{answer, wire};
use crate::{
    frame::{Call, Kind},
    link::Link,
};

/// Credit that a call begins with, in bytes.
const WINDOW: usize = 256 << 10;
/// What a piece costs beside its bytes.
const PIECE_COST: usize = 256;
/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// Bytes of status and headers.
const HEAD: usize = 256 << 10;

/// What may be sent of each streamed answer.
#[derive(Default)]
pub(super) struct Credits {
    open: Mutex<HashMap<u32, Arc<Semaphore>>>,
}

/// The credit of one call, until it is dropped.
pub(super) struct Credit {
    all: Arc<Credits>,
    call: u32,
    bytes: Arc<Semaphore>,
}

impl Credits {
    /// A call begins. To be asked for as its order is taken: credit for it may be the next order.
    pub(super) fn open(self: &Arc<Self>, call: u32) -> Credit {
        let bytes = Arc::new(Semaphore::new(WINDOW));
        self.lock().insert(call, Arc::clone(&bytes));
        Credit { all: Arc::clone(self), call, bytes }
    }

    /// The caller of a call has taken so much. Of one that has ended there is nothing left to send.
    pub(super) fn add(&self, call: u32, bytes: u32) {
        if let Some(credit) = self.lock().get(&call) {
            credit.add_permits(bytes as usize);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Arc<Semaphore>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Credit {
    /// Waits until a piece of so many bytes may be sent.
    async fn spend(&self, bytes: usize) {
        let cost = u32::try_from(bytes + PIECE_COST).expect("pieces are small");
        let permit = self.bytes.acquire_many(cost).await;
        permit.expect("the credit of a call is never closed").forget();
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        self.all.lock().remove(&self.call);
    }
}

/// Sends an answer on, piece by piece, as fast as its caller takes it; gives its status.
pub(super) async fn pass_on(
    answer: Response<Incoming>,
    link: &Link,
    call: &Call,
    credit: &Credit,
) -> Result<StatusCode, wire::Error> {
    let (head, mut body) = answer.into_parts();
    let status = head.status;
    let head = encode(status, &head.headers).ok_or(wire::Error::LargeHead)?;
    link.piece(Kind::Head, call.number, &head).await;
    while let Some(frame) = body.frame().await {
        // Trailers are no part of the body.
        let Ok(mut bytes) = frame.map_err(wire::broken)?.into_data() else { continue };
        while !bytes.is_empty() {
            let piece: Bytes = bytes.split_to(bytes.len().min(PIECE));
            credit.spend(piece.len()).await;
            link.piece(Kind::Data, call.number, &piece).await;
        }
    }
    Ok(status)
}

/// Status and headers as bytes; `None` where they are too large.
fn encode(status: StatusCode, headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut head = status.as_u16().to_le_bytes().to_vec();
    for (name, value) in headers.iter().filter(|(name, _)| answer::is_passed_on(name)) {
        for text in [name.as_str().as_bytes(), value.as_bytes()] {
            head.extend_from_slice(&u16::try_from(text.len()).ok()?.to_le_bytes());
            head.extend_from_slice(text);
        }
    }
    (head.len() <= HEAD).then_some(head)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn heads_are_those_of_the_protocol() {
        let mut headers = HeaderMap::new();
        headers.append("etag", HeaderValue::from_bytes(b"\"\xff").expect("a value"));
        headers.append("connection", HeaderValue::from_static("close"));
        assert_eq!(encode(StatusCode::CREATED, &headers).as_deref(), Some(&b"\xc9\x00\x04\x00etag\x02\x00\"\xff"[..]));
        let large = HeaderValue::from_bytes(&[b'x'; 70_000]).expect("a value");
        headers.insert(HeaderName::from_static("x-large"), large);
        assert_eq!(encode(StatusCode::OK, &headers), None);
    }

    /// Whether a piece may be sent at once.
    async fn may_send(credit: &Credit) -> bool {
        tokio::select! {
            biased;
            () = credit.spend(PIECE) => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_without_credit() {
        let credits = Arc::new(Credits::default());
        let credit = credits.open(7);
        for _ in 0..3 {
            assert!(may_send(&credit).await);
        }
        assert!(!may_send(&credit).await, "the window is full");
        credits.add(8, 1 << 20);
        assert!(!may_send(&credit).await, "that was another call's");
        credits.add(7, u32::try_from(PIECE).expect("small"));
        assert!(may_send(&credit).await, "there is room again");
        drop(credit);
        credits.add(7, u32::MAX);
        assert!(credits.lock().is_empty());
    }
}
