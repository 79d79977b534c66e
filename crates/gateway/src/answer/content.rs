//! The body of an answer: bytes at hand, or a file or a function's answer sent piece by piece.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use fungraph_engine::Turn;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    fs::File,
    io::{AsyncRead, ReadBuf},
};

use super::StreamContent;

/// Bytes of a file in one frame.
const PIECE: usize = 64 * 1024;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of it.
    Whole(Bytes),
    /// A file, from where it stands.
    File(FileContent),
    /// What a function's server sends, while it does.
    Stream(StreamContent),
}

/// A file that is being sent.
#[derive(Debug)]
pub(crate) struct FileContent {
    file: File,
    left: u64,
    piece: Vec<u8>,
    /// Whoever counts such files counts this one until it is sent.
    _turn: Option<Turn>,
}

impl FileContent {
    /// The first `length` bytes of an open file.
    pub(crate) fn new(file: File, length: u64) -> Self {
        Self { file, left: length, piece: Vec::new(), _turn: None }
    }

    /// The same, with a turn that ends when it is sent or given up.
    pub(crate) fn with(self, turn: Option<Turn>) -> Self {
        Self { _turn: turn, ..self }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.piece.resize(PIECE.min(usize::try_from(self.left).unwrap_or(PIECE)), 0);
        let mut buffer = ReadBuf::new(&mut self.piece);
        ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer))?;
        let filled = buffer.filled().len();
        if filled == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        self.left -= filled as u64;
        let mut piece = std::mem::take(&mut self.piece);
        piece.truncate(filled);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }
}

impl Content {
    /// All of it.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }

    /// The bytes of a body that is not a file.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::File(_) | Self::Stream(_) => &[],
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::File(file) => file.poll_piece(context),
            Self::Stream(stream) => stream.poll_piece(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::File(file) => file.left == 0,
            // Its end must be seen, since only then is it known to be whole.
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::File(file) => SizeHint::with_exact(file.left),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_file_is_sent_whole() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contract/operations.json");
        let expected = std::fs::read(path).expect("the file is there");
        assert!(expected.len() > PIECE, "it takes several frames");
        let file = File::open(path).await.expect("it opens");
        let content = Content::File(FileContent::new(file, expected.len() as u64));
        assert_eq!(content.size_hint().exact(), Some(expected.len() as u64));
        assert_eq!(content.collect().await.expect("it reads").to_bytes(), expected);
    }

    #[tokio::test]
    async fn a_file_that_ends_early_is_an_error() {
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).await.expect("it opens");
        assert!(Content::File(FileContent::new(file, 1 << 30)).collect().await.is_err());
    }
}
