//! Answers on their way out. A request is served until its client has taken the whole body, and over HTTP/2, where one client may leave
//! many bodies untaken at once, it is known since when each waits.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::activity::{Offer, Serving};

/// Bytes given to HTTP/2 at once: it keeps what the client has no room for, and asks for more only when there is.
const PIECE: usize = 16 << 10;

/// A body that is sent.
pub(crate) struct Leaving<B> {
    body: B,
    /// What is left of a piece that was too large.
    rest: Bytes,
    serving: Serving,
    is_http2: bool,
    /// A piece was given away, and the next has not been asked for.
    offer: Option<Offer>,
}

impl<B: Body<Data = Bytes> + Unpin> Leaving<B> {
    pub(crate) fn new(body: B, serving: Serving, is_http2: bool) -> Self {
        Self { body, rest: Bytes::new(), serving, is_http2, offer: None }
    }

    fn in_pieces(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(mut data) => {
                self.rest = data.split_off(data.len().min(PIECE));
                Frame::data(data)
            }
            Err(other) => other,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Leaving<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        this.offer = None;
        if !this.is_http2 {
            return Pin::new(&mut this.body).poll_frame(context);
        }
        let frame = if this.rest.is_empty() {
            ready!(Pin::new(&mut this.body).poll_frame(context))
        } else {
            Some(Ok(Frame::data(std::mem::take(&mut this.rest))))
        };
        let frame = frame.map(|frame| frame.map(|frame| this.in_pieces(frame)));
        if matches!(frame, Some(Ok(_))) && !this.is_end_stream() {
            this.offer = Some(this.serving.offer());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use http::Version;
    use http_body_util::{BodyExt, Full};
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::activity::Activity;

    const LIMIT: Duration = Duration::from_secs(60);

    fn leaving(activity: &Arc<Activity>, bytes: usize, version: Version) -> Leaving<Full<Bytes>> {
        let (serving, _) = activity.serve(version);
        Leaving::new(Full::new(vec![7; bytes].into()), serving, version == Version::HTTP_2)
    }

    #[tokio::test]
    async fn a_body_arrives_whole_however_it_is_cut() {
        let activity = Arc::new(Activity::default());
        for bytes in [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 3] {
            for version in [Version::HTTP_11, Version::HTTP_2] {
                let body = leaving(&activity, bytes, version);
                assert_eq!(body.size_hint().exact(), Some(bytes as u64));
                let got = body.collect().await.expect("no error").to_bytes();
                assert_eq!(got, vec![7; bytes], "{bytes} over {version:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_http2_that_nobody_takes_is_noticed_beside_others_that_are() {
        let activity = Arc::new(Activity::default());
        let mut left = leaving(&activity, 3 * PIECE, Version::HTTP_2);
        let piece = left.frame().await.expect("a frame").expect("no error").into_data().expect("data");
        assert_eq!((piece.len(), left.size_hint().exact()), (PIECE, Some(2 * PIECE as u64)));
        let others = async {
            loop {
                sleep(LIMIT / 10).await;
                leaving(&activity, 2 * PIECE, Version::HTTP_2).collect().await.expect("no error");
            }
        };
        let begun = tokio::time::Instant::now();
        tokio::select! {
            () = others => {}
            () = activity.unread(LIMIT) => {}
        }
        assert_eq!(begun.elapsed().as_secs(), 60);
        drop(left);
        assert!(timeout(LIMIT * 10, activity.unread(LIMIT)).await.is_err(), "it has gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_waits_for_its_function_is_not_left_untaken() {
        struct Silent;
        impl Body for Silent {
            type Data = Bytes;
            type Error = std::io::Error;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
                Poll::Pending
            }
        }
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let activity = Arc::new(Activity::default());
            let (serving, _) = activity.serve(version);
            let mut body = Leaving::new(Silent, serving, version == Version::HTTP_2);
            assert!(timeout(LIMIT, body.frame()).await.is_err());
            assert!(timeout(LIMIT * 100, activity.unread(LIMIT)).await.is_err());
            assert!(timeout(LIMIT * 100, activity.ceased(LIMIT)).await.is_err(), "its answer is under way");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_no_room_is_made_for_is_noticed() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let activity = Arc::new(Activity::default());
        let (near, mut far) = tokio::io::duplex(8);
        let mut counted = crate::activity::Counted { io: near, activity: Arc::clone(&activity) };
        let write = async {
            loop {
                counted.write_all(b"pieces").await.expect("nobody closes");
            }
        };
        let read = async {
            for _ in 0..20 {
                sleep(LIMIT / 2).await;
                far.read_exact(&mut [0; 2]).await.expect("it was written");
            }
            std::future::pending::<()>().await;
        };
        let begun = tokio::time::Instant::now();
        tokio::select! {
            () = write => {}
            () = read => {}
            () = activity.unread(LIMIT) => {}
        }
        let passed = begun.elapsed();
        assert!(passed >= LIMIT * 11 && passed <= LIMIT * 12, "{passed:?}");
    }
}
