//! Answers that are handed on while they are made: those of web servers.
//!
//! Pieces go straight from whoever reads them off the server's connection to whoever answers the caller. What the caller has taken makes room
//! for more, so that a slow one slows the function down and nothing piles up here.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::sync::{
    Semaphore,
    mpsc::{self, UnboundedReceiver, UnboundedSender},
};

/// Bytes that may be on their way to a caller.
const WINDOW: usize = 256 << 10;
/// What a piece costs beside its bytes: small ones take room too.
const PIECE_COST: usize = 256;
/// Most bytes of a piece.
const PIECE: usize = 64 << 10;
/// A smaller piece is copied: as it came it keeps the whole of the buffer that it was read into, up to 256 KiB for a single byte.
const COPIED: usize = 16 << 10;

/// A part of a streamed answer.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Status and headers; comes first, once.
    Head(AnswerHead),
    /// Bytes of the body.
    Data(Bytes),
}

/// Status and headers as the function's server sent them.
#[derive(Clone, Debug)]
pub struct AnswerHead {
    /// The status.
    pub status: StatusCode,
    /// The headers, without those of its connection.
    pub headers: HeaderMap,
}

/// The instance's end.
#[derive(Debug)]
pub struct AnswerSink {
    pieces: UnboundedSender<Piece>,
    /// Room for more; closed once nobody is to hear it.
    room: Arc<Semaphore>,
}

/// The caller's end. Whoever drops it lets the function run to its end unheard.
#[derive(Debug)]
pub struct AnswerStream {
    pieces: UnboundedReceiver<Piece>,
    room: Arc<Semaphore>,
}

/// Both ends. The channel has no bound of its own: the room for pieces bounds what is in it.
#[must_use]
pub fn answer_stream() -> (AnswerSink, AnswerStream) {
    let (pieces_in, pieces) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(WINDOW));
    (AnswerSink { pieces: pieces_in, room: Arc::clone(&room) }, AnswerStream { pieces, room })
}

impl AnswerStream {
    /// The next piece; `None` once the call is over and all of them are taken.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        let polled = self.pieces.poll_recv(context);
        if let Poll::Ready(Some(piece)) = &polled {
            self.is_taken(piece);
        }
        polled
    }

    /// The next piece, if it is there. Asked directly: the runtime would say that it is not to a task that has had its turn.
    pub fn try_next(&mut self) -> Option<Piece> {
        let piece = self.pieces.try_recv().ok()?;
        self.is_taken(&piece);
        Some(piece)
    }

    fn is_taken(&self, piece: &Piece) {
        if let Piece::Data(bytes) = piece {
            self.room.add_permits(bytes.len() + PIECE_COST);
        }
    }

    /// The next piece, waited for.
    pub async fn next(&mut self) -> Option<Piece> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }
}

impl Drop for AnswerStream {
    fn drop(&mut self) {
        self.room.close();
    }
}

impl AnswerSink {
    /// Hands on status and headers.
    pub(crate) fn head(&self, head: AnswerHead) {
        self.send(Piece::Head(head));
    }

    /// Hands on bytes of the body, as the caller has room for them.
    pub(crate) async fn data(&self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            let cost = u32::try_from(piece.len() + PIECE_COST).expect("pieces are small");
            match self.room.acquire_many(cost).await {
                Ok(room) => room.forget(),
                Err(_) => return,
            }
            self.send(Piece::Data(if piece.len() < COPIED { Bytes::copy_from_slice(&piece) } else { piece }));
        }
    }

    fn send(&self, piece: Piece) {
        if !self.room.is_closed() {
            // The caller may be leaving just now.
            let _ = self.pieces.send(piece);
        }
    }

    /// Hands on no more where the function can only wait for its caller, who has had all the time of the call; `true` if so.
    pub(crate) fn hang_up(&self) -> bool {
        let is_held_up = !self.room.is_closed() && self.room.available_permits() < PIECE + PIECE_COST;
        if is_held_up {
            self.room.close();
        }
        is_held_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> AnswerHead {
        AnswerHead { status: StatusCode::CREATED, headers: HeaderMap::new() }
    }

    /// Whether all of it finds room at once.
    async fn fits(sink: &AnswerSink, bytes: usize) -> bool {
        tokio::select! {
            biased;
            () = sink.data(vec![0; bytes].into()) => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn pieces_arrive_in_order_until_the_call_ends() {
        let (sink, mut stream) = answer_stream();
        sink.head(head());
        sink.data(vec![1; PIECE + 1].into()).await;
        sink.data(Bytes::new()).await;
        drop(sink);
        assert!(matches!(stream.next().await, Some(Piece::Head(head)) if head.status == StatusCode::CREATED));
        assert!(matches!(stream.next().await, Some(Piece::Data(bytes)) if bytes.len() == PIECE));
        assert!(matches!(stream.next().await, Some(Piece::Data(bytes)) if bytes.len() == 1));
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_on_its_way_is_bounded() {
        let (sink, mut stream) = answer_stream();
        for _ in 0..4 {
            assert!(fits(&sink, PIECE - PIECE_COST).await);
        }
        assert!(!fits(&sink, 1).await, "the window is full");
        stream.next().await.expect("a piece");
        assert!(fits(&sink, PIECE - PIECE_COST).await, "there is room again");
        let mut small = 0;
        stream.next().await.expect("a piece");
        while fits(&sink, 1).await {
            small += 1;
        }
        assert_eq!(small, PIECE / (PIECE_COST + 1), "small pieces take room too");
    }

    #[tokio::test]
    async fn what_is_there_is_there_for_a_task_that_has_had_its_turn_too() {
        let (sink, mut stream) = answer_stream();
        // tokio lets a task have 128 things in one turn.
        for _ in 0..200 {
            sink.data(Bytes::from_static(b"x")).await;
        }
        assert_eq!(std::iter::from_fn(|| stream.try_next()).count(), 200);
    }

    #[tokio::test]
    async fn what_is_on_its_way_keeps_no_buffer_for_a_few_bytes() {
        let (sink, mut stream) = answer_stream();
        let buffer = Bytes::from(vec![1; PIECE]);
        for (bytes, is_kept) in [(1, false), (COPIED - 1, false), (COPIED, true)] {
            sink.data(buffer.slice(..bytes)).await;
            let Some(Piece::Data(piece)) = stream.next().await else { panic!("a piece") };
            assert_eq!((piece.len(), piece.as_ptr() == buffer.as_ptr()), (bytes, is_kept));
        }
    }

    #[tokio::test]
    async fn a_caller_that_leaves_lets_the_function_go_on() {
        let (sink, stream) = answer_stream();
        assert!(fits(&sink, 3 * PIECE).await && !fits(&sink, PIECE).await);
        let (leaves, waits) = (async { drop(stream) }, sink.data(vec![0; PIECE].into()));
        tokio::join!(waits, leaves);
        assert!(fits(&sink, 100 * PIECE).await);
        assert!(!sink.hang_up(), "nobody holds it up");
    }

    #[tokio::test]
    async fn one_that_is_hung_up_on_hears_no_more() {
        let (sink, mut stream) = answer_stream();
        assert!(!sink.hang_up(), "it waits for nobody");
        assert!(fits(&sink, 3 * PIECE).await && !fits(&sink, PIECE).await);
        assert!(sink.hang_up() && !sink.hang_up());
        assert!(fits(&sink, 100 * PIECE).await);
        for _ in 0..3 {
            assert!(stream.try_next().is_some());
        }
        assert!(stream.try_next().is_none());
    }
}
