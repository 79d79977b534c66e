//! Whether a connection still does something, noted in counters instead of timers: a timer for every request costs more than
//! the rest of the waiting.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Version;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::sleep,
};

/// Looks at the counters in the time after which a connection is idle; so much later than that it may be noticed.
const LOOKS: u32 = 4;

/// What a connection has done so far. Requests are begun, and all of this is looked at, by the connection's own task.
#[derive(Debug)]
pub(crate) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
    writes: AtomicU64,
    /// A write waits for the client to take what was sent.
    blocked: AtomicBool,
    is_http2: AtomicBool,
    /// Pieces of bodies that were asked for.
    pieces: AtomicU64,
    opened: Instant,
    /// When the first bytes after the last request were read, in nanoseconds since the connection was opened; 0 where none were.
    first_read: AtomicU64,
    /// Pieces of answers that were given away and what follows not asked for, each by its number, with the time.
    offers: Mutex<BTreeMap<u64, tokio::time::Instant>>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            pieces: AtomicU64::new(0),
            opened: Instant::now(),
            first_read: AtomicU64::new(0),
            offers: Mutex::default(),
        }
    }
}

/// A request that is being served, until its answer has been taken; dropping it ends that.
pub(crate) struct Serving(Arc<Activity>);

/// A piece of an answer that its client has not taken yet, as far as is known; dropping it ends that.
pub(crate) struct Offer {
    number: u64,
    activity: Arc<Activity>,
}

impl Activity {
    /// Notes that a request has arrived, and tells when its first byte did. That is not known of one that was read together with the
    /// one before it, nor of any after the first of an HTTP/2 connection.
    pub(crate) fn serve(self: &Arc<Self>, version: Version) -> (Serving, Option<Instant>) {
        if version == Version::HTTP_2 {
            self.is_http2.store(true, Ordering::Relaxed);
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
        let first = self.first_read.swap(0, Ordering::Relaxed);
        let first = (first > 0).then(|| self.opened + Duration::from_nanos(first));
        (Serving(Arc::clone(self)), first)
    }

    /// The body of a request, whose pieces are counted.
    pub(crate) fn receive<B>(self: &Arc<Self>, body: B) -> Arriving<B> {
        Arriving { body, activity: Arc::clone(self) }
    }

    /// Requests begun, and pieces of their bodies asked for: it changes while the connection passes a request on to its handler.
    pub(crate) fn received(&self) -> u64 {
        self.begun.load(Ordering::Relaxed).wrapping_add(self.pieces.load(Ordering::Relaxed))
    }

    /// Notes that bytes were read; between two requests the first of them are the next one's. Empty lines are nobody's: some clients
    /// end a body with one (RFC 9112, section 2.2), and what is between that and the next request is idle time.
    fn read(&self, bytes: &[u8]) {
        let idle = self.begun.load(Ordering::Relaxed) == self.ended.load(Ordering::Relaxed);
        if idle
            && self.first_read.load(Ordering::Relaxed) == 0
            && !self.is_http2.load(Ordering::Relaxed)
            && bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
        {
            let since = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.first_read.store(since.max(1), Ordering::Relaxed);
        }
    }

    /// Resolves once the client has not completed the head of a request for `limit`, with no request being served and no answer
    /// under way. Reading does not count: a client that sends a head byte by byte is as good as silent.
    ///
    /// After its first request an HTTP/2 connection is never idle: the protocol's own pings tell whether its client is there.
    pub(crate) async fn ceased(&self, limit: Duration) {
        let (mut last, mut quiet) = (None, 0);
        while quiet < LOOKS {
            sleep(limit / LOOKS).await;
            let seen = self.look();
            quiet = if seen.is_some() && seen == last { quiet + 1 } else { 0 };
            last = seen;
            if quiet == 0 && seen == Some((0, 0)) {
                // Nothing since the connection was opened, which is when the wait began.
                quiet = 1;
            }
        }
    }

    /// Resolves once the client has taken nothing for `limit` of something that waits for it.
    pub(crate) async fn unread(&self, limit: Duration) {
        let (mut last, mut quiet) = (None, 0);
        while quiet < LOOKS && self.oldest_offer().is_none_or(|since| since.elapsed() < limit) {
            sleep(limit / LOOKS).await;
            let waits = self.blocked.load(Ordering::Relaxed);
            let seen = waits.then(|| self.writes.load(Ordering::Relaxed));
            quiet = if seen.is_some() && seen == last { quiet + 1 } else { 0 };
            last = seen;
        }
    }

    fn offers(&self) -> MutexGuard<'_, BTreeMap<u64, tokio::time::Instant>> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn oldest_offer(&self) -> Option<tokio::time::Instant> {
        self.offers().first_key_value().map(|(_, since)| *since)
    }

    /// Requests and writes so far; `None` while there is something to do.
    fn look(&self) -> Option<(u64, u64)> {
        if self.blocked.load(Ordering::Relaxed) || self.is_http2.load(Ordering::Relaxed) {
            return None;
        }
        let (begun, ended) = (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
        // Before the first request there is nothing to answer: what is written then is HTTP/2's greeting.
        let writes = if begun == 0 { 0 } else { self.writes.load(Ordering::Relaxed) };
        (begun == ended).then_some((begun, writes))
    }
}

impl Serving {
    /// Notes that a piece of the answer was given away.
    pub(crate) fn offer(&self) -> Offer {
        let mut offers = self.0.offers();
        let number = offers.last_key_value().map_or(0, |(last, _)| last + 1);
        offers.insert(number, tokio::time::Instant::now());
        Offer { number, activity: Arc::clone(&self.0) }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.activity.offers().remove(&self.number);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A body on its way.
pub(crate) struct Arriving<B> {
    body: B,
    activity: Arc<Activity>,
}

impl<B: Body + Unpin> Body for Arriving<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.activity.pieces.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose writes are counted, and whose reads between requests are noted.
pub(crate) struct Counted<T> {
    pub(crate) io: T,
    pub(crate) activity: Arc<Activity>,
}

impl<T> Counted<T> {
    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.blocked.store(written.is_pending(), Ordering::Relaxed);
        if written.is_ready() {
            self.activity.writes.fetch_add(1, Ordering::Relaxed);
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if read.is_ready() {
            self.activity.read(&buffer.filled()[before..]);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.count(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.count(written)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Seconds until the connection counts as idle.
    async fn ceased(activity: &Activity) -> u64 {
        let begun = tokio::time::Instant::now();
        activity.ceased(LIMIT).await;
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_idle_after_the_limit() {
        let activity = Arc::new(Activity::default());
        assert_eq!(ceased(&activity).await, 60, "it never asked");
        drop(activity.serve(Version::HTTP_11));
        assert_eq!(ceased(&activity).await, 75, "a look later than the limit, since the request came between two");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_served_is_no_idleness() {
        let activity = Arc::new(Activity::default());
        let serving = activity.serve(Version::HTTP_11);
        assert!(timeout(LIMIT * 100, activity.ceased(LIMIT)).await.is_err());
        drop(serving);
        assert_eq!(ceased(&activity).await, 75);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_the_client_takes_slowly_is_no_idleness() {
        let activity = Arc::new(Activity::default());
        let (near, mut far) = tokio::io::duplex(8);
        let mut counted = Counted { io: near, activity: Arc::clone(&activity) };
        drop(activity.serve(Version::HTTP_11));
        let mut write = |bytes| Pin::new(&mut counted).poll_write(&mut Context::from_waker(Waker::noop()), bytes);
        assert!(write(b"all room").is_ready() && write(b"more").is_pending());
        assert!(timeout(LIMIT * 100, activity.ceased(LIMIT)).await.is_err());
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut [0; 8]).await.expect("it was written");
        assert!(write(b"more").is_ready());
        assert_eq!(ceased(&activity).await, 75);
    }

    #[test]
    fn a_request_begins_with_its_first_byte() {
        let activity = Arc::new(Activity::default());
        activity.read(b"POST");
        let (serving, first) = activity.serve(Version::HTTP_11);
        let first = first.expect("its head was read");
        assert!(first > activity.opened);
        activity.read(b"POST");
        drop(serving);
        assert_eq!(activity.serve(Version::HTTP_11).1, None, "what was read meanwhile was a body");
        activity.read(b"POST");
        activity.read(b"POST");
        let (serving, second) = activity.serve(Version::HTTP_2);
        assert!(second.is_some_and(|second| second >= first));
        drop(serving);
        activity.read(b"POST");
        assert_eq!(activity.serve(Version::HTTP_2).1, None, "whose frames those were cannot be told");
    }

    #[tokio::test]
    async fn an_empty_line_begins_no_request() {
        let activity = Arc::new(Activity::default());
        let (near, mut far) = tokio::io::duplex(64);
        let mut counted = Counted { io: near, activity: Arc::clone(&activity) };
        drop(activity.serve(Version::HTTP_11));
        for (sent, begins) in [("\r\n", false), ("\n", false), ("\r\nPO", true), ("ST", true)] {
            tokio::io::AsyncWriteExt::write_all(&mut far, sent.as_bytes()).await.expect("there is room");
            let read = tokio::io::AsyncReadExt::read(&mut counted, &mut [0; 64]).await.expect("it was sent");
            assert_eq!((read, activity.first_read.load(Ordering::Relaxed) > 0), (sent.len(), begins), "{sent:?}");
        }
        assert!(activity.serve(Version::HTTP_11).1.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn http2_has_its_own_pings() {
        let activity = Arc::new(Activity::default());
        drop(activity.serve(Version::HTTP_2));
        assert!(timeout(LIMIT * 100, activity.ceased(LIMIT)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_answer_is_not_idle() {
        let activity = Arc::new(Activity::default());
        let mut counted = Counted { io: tokio::io::sink(), activity: Arc::clone(&activity) };
        drop(activity.serve(Version::HTTP_11));
        let takes = async {
            for _ in 0..100 {
                sleep(LIMIT / 2).await;
                let write = std::future::poll_fn(|context| Pin::new(&mut counted).poll_write(context, b"a piece"));
                assert_eq!(write.await.expect("a sink takes all"), 7);
            }
        };
        tokio::select! {
            () = takes => {}
            () = activity.ceased(LIMIT) => panic!("it took a piece every half minute"),
        }
        assert_eq!(ceased(&activity).await, 75);
    }
}
