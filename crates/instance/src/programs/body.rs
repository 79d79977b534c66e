//! Bodies of HTTP that programs send.

use std::{future::poll_fn, pin::Pin};

use bytes::{Bytes, BytesMut};
use hyper::body::Body;

/// Why a body was not taken.
#[derive(Debug)]
pub(crate) enum BadBody<E> {
    /// It has more bytes than are allowed.
    TooLarge,
    /// It broke off.
    Broken(E),
}

/// The whole of a body that has at most `limit` bytes.
///
/// One that comes in pieces is put together while it comes: pieces of one byte, which a program may send by the million, would take many times
/// their size until the last is there.
pub(crate) async fn whole<B>(mut body: B, limit: usize) -> Result<Bytes, BadBody<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(BadBody::TooLarge);
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        // Trailers are no part of it.
        let Ok(bytes) = frame.map_err(BadBody::Broken)?.into_data() else { continue };
        if first.len() + all.len() + bytes.len() > limit {
            return Err(BadBody::TooLarge);
        }
        if all.is_empty() && first.is_empty() {
            first = bytes;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&bytes);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        io,
        task::{Context, Poll},
    };

    use hyper::body::Frame;

    use super::*;

    /// Pieces, and an error for each that is none.
    struct Pieces(VecDeque<Option<&'static str>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            let next = self.0.pop_front();
            Poll::Ready(next.map(|piece| {
                let piece = piece.ok_or(io::ErrorKind::UnexpectedEof)?;
                Ok(Frame::data(Bytes::from_static(piece.as_bytes())))
            }))
        }
    }

    async fn check(pieces: &[Option<&'static str>], limit: usize, expected: &str) {
        let told = match whole(Pieces(pieces.iter().copied().collect()), limit).await {
            Ok(whole) => String::from_utf8_lossy(&whole).into_owned(),
            Err(BadBody::TooLarge) => "too large".to_owned(),
            Err(BadBody::Broken(_)) => "broken".to_owned(),
        };
        assert_eq!(told, expected, "{pieces:?}");
    }

    #[tokio::test]
    async fn pieces_are_put_together_up_to_the_limit() {
        check(&[], 0, "").await;
        check(&[Some("one")], 3, "one").await;
        check(&[Some("one")], 2, "too large").await;
        check(&[Some(""), Some("o"), Some(""), Some("ne"), Some("two")], 6, "onetwo").await;
        check(&[Some("one"), Some("two")], 5, "too large").await;
        check(&[Some("one"), None], 100, "broken").await;
    }
}
