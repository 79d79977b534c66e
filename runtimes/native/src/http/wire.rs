//! One request to the function's server, each over a connection of its own (contract: custom-runtime.md 2.2).

use std::{io, net::Ipv4Addr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Where the server has to listen.
const PORT: u16 = 8000;

type Cause = dyn std::error::Error + Send + Sync;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nothing listens.
    #[error("port {PORT} of the function takes no connection: {0}")]
    Refused(io::Error),
    /// The connection ended too early, or what came was no HTTP.
    #[error("the function's server broke off the request: {}", because(.0.as_ref()))]
    Broken(Box<Cause>),
    /// Status and headers have more bytes than a frame may.
    #[error("the headers of the function's answer are too large")]
    LargeHead,
    /// The body has more bytes than are allowed.
    #[error("the answer is too large")]
    TooLarge,
}

/// A connection to the server.
pub(super) async fn connect() -> io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).await
}

/// Sends a request and lets `take` have the answer; the connection lives as long as that takes.
pub(super) async fn exchange<T, F>(
    request: Request<Full<Bytes>>,
    take: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let stream = connect().await.map_err(Error::Refused)?;
    // Only a delay is lost where it is refused.
    let _slower = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.title_case_headers(true);
    let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answered = async { take(sender.send_request(request).await.map_err(broken)?).await };
    tokio::pin!(connection, answered);
    tokio::select! {
        biased;
        answer = &mut answered => answer,
        // What ends the connection is told by the answer, if there is one.
        _ended = &mut connection => answered.await,
    }
}

/// The same, with the whole answer, whose body has at most `limit` bytes.
pub(super) async fn whole(request: Request<Full<Bytes>>, limit: usize) -> Result<Response<Bytes>, Error> {
    exchange(request, async |answer: Response<Incoming>| {
        let (head, body) = answer.into_parts();
        if body.size_hint().lower() > limit as u64 {
            return Err(Error::TooLarge);
        }
        match Limited::new(body, limit).collect().await {
            Ok(whole) => Ok(Response::from_parts(head, whole.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge),
            Err(error) => Err(Error::Broken(error)),
        }
    })
    .await
}

pub(super) fn broken(error: hyper::Error) -> Error {
    Error::Broken(error.into())
}

/// The innermost cause says most.
fn because(error: &Cause) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
