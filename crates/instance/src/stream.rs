//! Answers that are handed on while they are made (`PROTOCOL.md`, "Streamed answers").
//!
//! Pieces go straight from the reader to whoever answers the caller; what was taken of them travels back as credit, so that a slow caller
//! slows the function down and nothing piles up here.

use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::Kind;

/// Credit that a call begins with, in bytes.
const WINDOW: usize = 256 << 10;
/// What a piece costs beside its bytes: small ones take room too.
const PIECE_COST: usize = 256;
/// Most bytes of a piece that a bootstrap sends.
const PIECE: usize = 64 << 10;
/// Bytes of status and headers.
const HEAD_BYTES: usize = 256 << 10;
/// Credit is given back when so much of it was taken, not for every piece.
const WORTH_A_FRAME: usize = WINDOW / 4;
/// Credit of a call whose caller has left, given once.
pub(crate) const BOUNDLESS: u32 = u32::MAX;

/// A part of a streamed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Status and headers; comes first, once.
    Head(AnswerHead),
    /// Bytes of the body.
    Data(Bytes),
}

/// Status and headers as the function's server sent them; names and values are not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    /// The status.
    pub status: u16,
    /// The headers, in order.
    pub headers: Vec<(Bytes, Bytes)>,
}

/// The instance's end.
#[derive(Debug)]
pub struct AnswerSink {
    pieces: UnboundedSender<Piece>,
    taken: UnboundedReceiver<usize>,
}

/// The caller's end. Whoever drops it lets the function run to its end unheard.
#[derive(Debug)]
pub struct AnswerStream {
    pieces: UnboundedReceiver<Piece>,
    taken: UnboundedSender<usize>,
}

/// Both ends. Neither channel has a bound of its own: credit bounds what is in them.
#[must_use]
pub fn answer_stream() -> (AnswerSink, AnswerStream) {
    let (pieces_in, pieces) = mpsc::unbounded_channel();
    let (taken_in, taken) = mpsc::unbounded_channel();
    (AnswerSink { pieces: pieces_in, taken }, AnswerStream { pieces, taken: taken_in })
}

impl AnswerStream {
    /// The next piece; `None` once the call is over and all of them are taken.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        let polled = self.pieces.poll_recv(context);
        if let Poll::Ready(Some(Piece::Data(bytes))) = &polled {
            // Nobody listens once the call has ended: what is left was paid for.
            let _ = self.taken.send(cost(bytes));
        }
        polled
    }

    /// The next piece, if it is there.
    pub fn try_next(&mut self) -> Option<Piece> {
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(piece) => piece,
            Poll::Pending => None,
        }
    }

    /// The next piece, waited for.
    pub async fn next(&mut self) -> Option<Piece> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }
}

impl AnswerSink {
    /// For one try of a call: where its pieces go, and what comes back.
    pub(crate) fn open(&mut self) -> (Pieces, Taken<'_>) {
        let pieces = Pieces { to: Some(self.pieces.clone()), credit: WINDOW, begun: false };
        (pieces, Taken { from: Some(&mut self.taken) })
    }
}

/// Takes the pieces of one call off the socket, within its credit.
pub(crate) struct Pieces {
    /// `None` once nobody is to hear more of them.
    to: Option<UnboundedSender<Piece>>,
    credit: usize,
    begun: bool,
}

impl Pieces {
    /// Hands a frame on; the text of what is wrong with it otherwise.
    pub(crate) fn take(&mut self, kind: Kind, payload: Bytes) -> Result<(), String> {
        let piece = match (kind, self.begun) {
            (Kind::Head, false) => Piece::Head(read_head(payload)?),
            (Kind::Data, true) => {
                let left = self.credit.checked_sub(cost(&payload));
                self.credit = left.ok_or("more of an answer than there is credit for")?;
                Piece::Data(payload)
            }
            (kind, _) => return Err(format!("a frame {kind:?} out of order")),
        };
        self.begun = true;
        if let Some(to) = &self.to {
            // The caller may have left.
            let _ = to.send(piece);
        }
        Ok(())
    }

    /// Whether the function can only wait until more is taken.
    fn is_held_up(&self) -> bool {
        self.credit < PIECE + PIECE_COST
    }

    /// Stops to listen where the function waits for its caller, who has had all the time of the call; `true` if so.
    pub(crate) fn hang_up(&mut self) -> bool {
        let held_up = self.is_held_up();
        if held_up {
            self.to = None;
            self.grant(BOUNDLESS as usize);
        }
        held_up
    }

    pub(crate) fn grant(&mut self, credit: usize) {
        self.credit = self.credit.saturating_add(credit);
    }
}

/// What the caller has taken.
pub(crate) struct Taken<'a> {
    from: Option<&'a mut UnboundedReceiver<usize>>,
}

impl Taken<'_> {
    /// Waits until credit is worth a frame.
    pub(crate) async fn credit(&mut self) -> usize {
        let mut sum = 0;
        while sum < WORTH_A_FRAME {
            let Some(from) = &mut self.from else { return std::future::pending().await };
            match from.recv().await {
                Some(cost) => sum += cost,
                None => {
                    self.from = None;
                    return BOUNDLESS as usize;
                }
            }
        }
        sum
    }
}

fn cost(bytes: &Bytes) -> usize {
    bytes.len() + PIECE_COST
}

fn read_head(mut payload: Bytes) -> Result<AnswerHead, String> {
    let broken = || "a head that breaks off".to_owned();
    if payload.len() > HEAD_BYTES {
        return Err(format!("a head of {} bytes", payload.len()));
    }
    let status = payload.try_get_u16_le().map_err(|_| broken())?;
    let mut headers = Vec::new();
    while payload.has_remaining() {
        let mut text = || {
            let length = payload.try_get_u16_le().map_err(|_| broken())?.into();
            if length > payload.len() { Err(broken()) } else { Ok(payload.split_to(length)) }
        };
        headers.push((text()?, text()?));
    }
    Ok(AnswerHead { status, headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"\xc9\x00\x04\x00etag\x02\x00\"\xff";

    #[tokio::test]
    async fn pieces_arrive_in_order_until_the_call_ends() {
        let (mut sink, mut stream) = answer_stream();
        let (mut pieces, _taken) = sink.open();
        pieces.take(Kind::Head, Bytes::from_static(HEAD)).expect("a head");
        pieces.take(Kind::Data, Bytes::from_static(b"one")).expect("data");
        drop((pieces, sink));
        let headers = vec![(Bytes::from_static(b"etag"), Bytes::from_static(b"\"\xff"))];
        assert_eq!(stream.next().await, Some(Piece::Head(AnswerHead { status: 201, headers })));
        assert_eq!(stream.next().await, Some(Piece::Data(Bytes::from_static(b"one"))));
        assert_eq!(stream.next().await, None);
    }

    #[test]
    fn what_is_out_of_order_or_broken_is_refused() {
        let data = || Bytes::from_static(b"x");
        let (mut sink, _stream) = answer_stream();
        let (mut pieces, _taken) = sink.open();
        assert!(pieces.take(Kind::Data, data()).is_err(), "a body before its head");
        for end in [0, 1, 3, 5, 7, 9, HEAD.len() - 1] {
            assert!(pieces.take(Kind::Head, Bytes::from_static(&HEAD[..end])).is_err(), "cut at {end}");
        }
        pieces.take(Kind::Head, Bytes::from_static(&HEAD[..2])).expect("a head without headers");
        assert!(pieces.take(Kind::Head, Bytes::from_static(HEAD)).is_err(), "a second head");
        assert!(pieces.take(Kind::Result, data()).is_err());
    }

    #[tokio::test]
    async fn credit_bounds_what_is_on_its_way() {
        let (mut sink, mut stream) = answer_stream();
        let (mut pieces, mut taken) = sink.open();
        pieces.take(Kind::Head, Bytes::from_static(HEAD)).expect("a head");
        let piece = Bytes::from(vec![0; (64 << 10) - PIECE_COST]);
        for _ in 0..4 {
            pieces.take(Kind::Data, piece.clone()).expect("within the window");
        }
        assert!(pieces.take(Kind::Data, Bytes::new()).is_err(), "the window is full");
        assert!(matches!(stream.next().await, Some(Piece::Head(_))));
        stream.next().await.expect("a piece");
        let credit = taken.credit().await;
        assert_eq!(credit, 64 << 10);
        pieces.grant(credit);
        pieces.take(Kind::Data, piece).expect("there is room again");
    }

    #[tokio::test]
    async fn a_caller_that_leaves_lets_the_function_go_on() {
        let (mut sink, stream) = answer_stream();
        let (mut pieces, mut taken) = sink.open();
        drop(stream);
        let credit = taken.credit().await;
        assert_eq!(credit, BOUNDLESS as usize);
        pieces.grant(credit);
        pieces.take(Kind::Head, Bytes::from_static(HEAD)).expect("a head");
        for _ in 0..1000 {
            pieces.take(Kind::Data, Bytes::from(vec![0; 64 << 10])).expect("nobody counts");
        }
    }
}
