//! A body that a function's server is still sending.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use fungraph_engine::{AnswerStream, Piece};
use hyper::body::Frame;

/// The rest of a streamed answer. Dropped, because the client has left, it lets the call run to its end unheard.
pub(crate) struct StreamContent {
    pieces: AnswerStream,
    call: Running,
}

/// The call that sends it: nobody else waits for it.
enum Running {
    Yet(Pin<Box<dyn Future<Output = bool> + Send>>),
    Ended { well: bool },
}

impl StreamContent {
    /// The pieces after the head, of a call that tells at its end whether it returned.
    pub(crate) fn new(pieces: AnswerStream, call: Pin<Box<dyn Future<Output = bool> + Send>>) -> Self {
        Self { pieces, call: Running::Yet(call) }
    }

    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Running::Yet(call) = &mut self.call
            && let Poll::Ready(well) = call.as_mut().poll(context)
        {
            self.call = Running::Ended { well };
        }
        match (self.pieces.poll_next(context), &self.call) {
            (Poll::Ready(Some(Piece::Data(bytes))), _) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (Poll::Ready(None), Running::Ended { well: true }) => Poll::Ready(None),
            // The client must see that something is missing: its connection breaks off.
            (Poll::Ready(None), Running::Ended { well: false }) | (Poll::Ready(Some(Piece::Head(_))), _) => {
                Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
            }
            (Poll::Ready(None), Running::Yet(_)) | (Poll::Pending, _) => Poll::Pending,
        }
    }
}

impl fmt::Debug for StreamContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamContent").finish_non_exhaustive()
    }
}
