//! Bodies of requests: counted and hashed while they arrive, within a size and a time.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use bytes::{Bytes, BytesMut};
use fungraph_model::{ErrorCode, Fault};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use sha2::{Digest, Sha256};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout_at},
};

use crate::memory::{SMALL, Seat, Share};

/// Bytes of a body after which its pieces are hashed and put together beside the reading, which takes as long as that. Small pieces are not
/// worth it.
const LARGE: usize = 1 << 20;

/// How fast a sender must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Longest pause.
    pub(crate) pause: Duration,
    /// Longest time altogether.
    pub(crate) whole: Duration,
}

/// Most bytes a body may have, and the code for more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    pub(crate) code: ErrorCode,
}

/// A body that arrived whole.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    /// SHA-256 of the bytes.
    pub(crate) hash: [u8; 32],
    /// Of the memory for bodies, to be held as long as the bytes are.
    pub(crate) share: Option<Share>,
}

impl Received {
    /// The bytes, which keep their share themselves.
    pub(crate) fn held(self) -> Bytes {
        match self.share {
            Some(share) => share.held_by(self.bytes),
            None => self.bytes,
        }
    }
}

/// Reads a body to its end. A large one waits for its share of the memory first; one that does not say how large it is has a share of
/// the largest.
///
/// # Errors
/// The limit's code where there is too much, at once where the length is announced; FSS.0408 where the sender is too slow;
/// FSS.0400 where it broke off; FSS.0429 or FSS.0503 where there is no memory for it.
pub(crate) async fn read<B>(body: &mut B, limit: Limit, pace: Pace, seat: Seat<'_>) -> Result<Received, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit.bytes {
        return Err(too_large(limit));
    }
    let share = if announced > SMALL { Some(seat.take(announced).await?) } else { None };
    let mut gathered = Gathered::new(announced, share);
    let mut length = 0;
    if !body.is_end_stream() {
        let (mut patience, mut beside) = (Patience::new(pace), None);
        while let Some(data) = next(body, &mut patience).await? {
            length += data.len();
            if length > limit.bytes {
                return Err(too_large(limit));
            }
            if let Some(beside) = beside.take() {
                gathered = settled(beside).await?;
            }
            if length > SMALL && gathered.share.is_none() {
                gathered.share = Some(seat.take(limit.bytes).await?);
            }
            if length > LARGE && data.len() >= SMALL {
                let mut gathering = std::mem::take(&mut gathered);
                beside = Some(spawn_blocking(move || {
                    gathering.push(data);
                    gathering
                }));
            } else {
                gathered.push(data);
            }
            // A body of known length is not asked for more than that.
            if body.is_end_stream() {
                break;
            }
        }
        if let Some(beside) = beside {
            gathered = settled(beside).await?;
        }
    }
    Ok(gathered.received(length))
}

/// What has come so far, once the piece is in it that was put there beside the reading of the next.
async fn settled(beside: JoinHandle<Gathered>) -> Result<Gathered, Fault> {
    beside.await.map_err(|_| Fault::new(ErrorCode::Unavailable, "The server is stopping: send the request again"))
}

/// Lets a refused sender finish, within bounds, so that it gets to read the answer: most clients send everything before they look.
///
/// Nothing is kept. A sender that waits for `100 Continue` must not be brought here, since reading would invite the body.
pub(crate) async fn drain<B>(body: &mut B, most: usize, pace: Pace)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut patience = Patience::new(pace);
    let mut length = 0;
    while !body.is_end_stream() && length <= most {
        match next(body, &mut patience).await {
            Ok(Some(data)) => length += data.len(),
            Ok(None) | Err(_) => return,
        }
    }
}

/// How long a sender is waited for, from the first time that it is.
struct Patience {
    pace: Pace,
    end: Option<Instant>,
}

impl Patience {
    fn new(pace: Pace) -> Self {
        Self { pace, end: None }
    }

    fn deadline(&mut self) -> Instant {
        let now = Instant::now();
        let end = *self.end.get_or_insert(now + self.pace.whole);
        end.min(now + self.pace.pause)
    }
}

type Next<E> = Option<Result<Frame<Bytes>, E>>;

async fn next<B>(body: &mut B, patience: &mut Patience) -> Result<Option<Bytes>, Fault>
where
    B: Body<Data = Bytes> + Unpin,
{
    loop {
        let frame = match at_once(body).await {
            Some(frame) => frame,
            None => timeout_at(patience.deadline(), body.frame()).await.map_err(|_| too_slow())?,
        };
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(Fault::new(
                    ErrorCode::BadParameter,
                    "The body broke off or its chunks are malformed: send it again",
                ));
            }
            Some(Ok(frame)) => {
                // Trailers are no part of the body.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// What comes next of a body, if it has arrived: hyper hands it over in the turn in which it is asked. A timer is set only for what has
/// still to come, which of nearly all bodies is nothing.
async fn at_once<B>(body: &mut B) -> Option<Next<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut asked = false;
    poll_fn(|context| match Pin::new(&mut *body).poll_frame(context) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending if std::mem::replace(&mut asked, true) => Poll::Ready(None),
        Poll::Pending => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

fn too_slow() -> Fault {
    Fault::new(ErrorCode::RequestTimeout, "The body did not arrive in time: send it again, faster")
}

fn too_large(limit: Limit) -> Fault {
    let what = if limit.code == ErrorCode::EventTooLarge { "The event" } else { "The body of the request" };
    Fault::new(limit.code, format!("{what} is larger than {} bytes: send less", limit.bytes))
}

/// What has come of a body: its pieces, the hash of them, and the memory that they have.
#[derive(Default)]
struct Gathered {
    pieces: Pieces,
    hasher: Sha256,
    announced: usize,
    share: Option<Share>,
}

/// One piece, which is what a small body comes in, is never copied.
#[derive(Default)]
enum Pieces {
    #[default]
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Gathered {
    fn new(announced: usize, share: Option<Share>) -> Self {
        Self { announced, share, ..Self::default() }
    }

    fn push(&mut self, data: Bytes) {
        self.hasher.update(&data);
        self.pieces = match std::mem::take(&mut self.pieces) {
            Pieces::Nothing => Pieces::One(data),
            Pieces::One(first) => {
                // An announcement is not trusted with more than this before the bytes are there.
                let mut all = BytesMut::with_capacity(self.announced.min(LARGE).max(first.len() + data.len()));
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                Pieces::Many(all)
            }
            Pieces::Many(mut all) => {
                all.extend_from_slice(&data);
                Pieces::Many(all)
            }
        };
    }

    fn received(self, length: usize) -> Received {
        let Self { pieces, hasher, mut share, .. } = self;
        if let Some(share) = &mut share {
            share.shrink_to(length);
        }
        let bytes = match pieces {
            Pieces::Nothing => Bytes::new(),
            Pieces::One(data) => data,
            Pieces::Many(all) => all.freeze(),
        };
        Received { bytes, hash: hasher.finalize().into(), share }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, task::Context};

    use http_body_util::Full;

    use super::*;
    use crate::memory::Memory;

    const PACE: Pace = Pace { pause: Duration::from_secs(30), whole: Duration::from_secs(900) };
    const LIMIT: Limit = Limit { bytes: 8, code: ErrorCode::EventTooLarge };

    /// A body of unannounced length: the chunks, then its end or silence.
    struct Chunks {
        left: Vec<&'static [u8]>,
        stalls: bool,
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.left.pop() {
                Some(chunk) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(chunk))))),
                None if self.stalls => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    #[tokio::test]
    async fn pieces_are_joined_and_hashed() {
        let memory = Memory::of_bodies(2, 1);
        let seat = Seat { memory: &memory, account: "a", is_public: false };
        let mut body = Chunks { left: vec![b"gh", b"ef", b"abcd"], stalls: false };
        let received = read(&mut body, LIMIT, PACE, seat).await.expect("eight bytes");
        assert_eq!(&received.bytes[..], b"abcdefgh");
        assert_eq!(received.hash, <[u8; 32]>::from(Sha256::digest(b"abcdefgh")));
        let nothing = read(&mut Full::new(Bytes::new()), LIMIT, PACE, seat).await.expect("nothing");
        assert_eq!(nothing.hash, <[u8; 32]>::from(Sha256::digest(b"")));
    }

    #[tokio::test]
    async fn large_bodies_are_joined_and_hashed_beside_their_reading() {
        let bytes: &'static [u8] = (0..3 * LARGE + 7).map(|place| (place % 251) as u8).collect::<Vec<_>>().leak();
        let limit = Limit { bytes: bytes.len(), code: ErrorCode::BodyTooLarge };
        let memory = Memory::of_bodies(2, limit.bytes);
        let seat = Seat { memory: &memory, account: "a", is_public: false };
        for width in [bytes.len(), LARGE, LARGE + 1, 470 << 10] {
            let mut body = Chunks { left: bytes.chunks(width).rev().collect(), stalls: false };
            let received = read(&mut body, limit, PACE, seat).await.expect("no more than it may have");
            assert!(received.bytes == bytes, "pieces of {width}");
            assert_eq!(received.hash, <[u8; 32]>::from(Sha256::digest(bytes)));
            assert!(received.share.is_some());
        }
        let less = Limit { bytes: 2 * LARGE, ..limit };
        let mut body = Chunks { left: bytes.chunks(LARGE / 2).collect(), stalls: false };
        assert_eq!(read(&mut body, less, PACE, seat).await.expect_err("too much").code, ErrorCode::BodyTooLarge);
    }

    #[tokio::test]
    async fn too_much_is_refused_announced_or_not() {
        let memory = Memory::of_bodies(2, 1);
        let seat = Seat { memory: &memory, account: "a", is_public: false };
        let announced = read(&mut Full::new(Bytes::from_static(b"123456789")), LIMIT, PACE, seat).await;
        assert_eq!(announced.expect_err("too much").code, ErrorCode::EventTooLarge);
        let mut chunked = Chunks { left: vec![b"6789", b"12345"], stalls: false };
        assert_eq!(read(&mut chunked, LIMIT, PACE, seat).await.expect_err("too much").code, ErrorCode::EventTooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_stops_is_not_waited_for() {
        let memory = Memory::of_bodies(2, 1);
        let seat = Seat { memory: &memory, account: "a", is_public: false };
        let mut body = Chunks { left: vec![b"12"], stalls: true };
        assert_eq!(read(&mut body, LIMIT, PACE, seat).await.expect_err("too slow").code, ErrorCode::RequestTimeout);
        drain(&mut Chunks { left: vec![], stalls: true }, 100, PACE).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_keeps_its_share_until_its_call_lets_go_of_it() {
        static LARGE: [u8; SMALL + 1] = [0; SMALL + 1];
        let limit = Limit { bytes: SMALL + 1, code: ErrorCode::EventTooLarge };
        let memory = Memory::of_bodies(2, limit.bytes);
        let seat = Seat { memory: &memory, account: "a", is_public: false };
        let received = read(&mut Full::new(Bytes::from_static(&LARGE)), limit, PACE, seat).await;
        let in_line = received.expect("there is room").held();
        assert_eq!(seat.take(limit.bytes).await.expect_err("it is in line").code, ErrorCode::TooManyRequests);
        drop(in_line);
        let _next = seat.take(limit.bytes).await.expect("its call has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_have_a_share_and_small_ones_need_none() {
        static LARGE: [u8; SMALL + 1] = [0; SMALL + 1];
        let limit = Limit { bytes: 1 << 20, code: ErrorCode::BodyTooLarge };
        let memory = Memory::of_bodies(2, limit.bytes);
        let seat = Seat { memory: &memory, account: "a", is_public: false };
        let small =
            read(&mut Full::new(Bytes::from_static(&LARGE[1..])), limit, PACE, seat).await.expect("it is small");
        assert!(small.share.is_none());
        for chunks in [vec![&LARGE[..]], vec![&LARGE[..], &LARGE[..]]] {
            let mut body = Chunks { left: chunks.clone(), stalls: false };
            let received = read(&mut body, limit, PACE, seat).await.expect("there is room");
            assert!(received.share.is_some());
            let rest = limit.bytes - received.bytes.len().next_multiple_of(1 << 10);
            let rest = seat.take(rest).await.expect("no more than it needs");
            let announced = read(&mut Full::new(Bytes::from_static(&LARGE)), limit, PACE, seat).await;
            assert_eq!(announced.expect_err("no room").code, ErrorCode::TooManyRequests);
            let mut body = Chunks { left: chunks, stalls: false };
            let unannounced = read(&mut body, limit, PACE, seat).await;
            assert_eq!(unannounced.expect_err("no room").code, ErrorCode::TooManyRequests);
            drop(rest);
        }
    }
}
