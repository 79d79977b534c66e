//! The Custom runtime's API: three paths, HTTP/1.1, plain (contract: custom-runtime.md 1.2).

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use fungraph_model::Value;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, runtime::Handle, time::timeout};

use super::{
    super::{
        Answers, Call,
        body::{self, BadBody},
        failure,
        fault::Fault,
    },
    desk::{Arriving, Desk, Unwanted},
    door::Seat,
    line::{Client, Line},
    pace::Pace,
};

const REQUEST: &str = "/v1/runtime/invocation/request";
const RESPONSE: &str = "/v1/runtime/invocation/response/";
const ERROR: &str = "/v1/runtime/invocation/error/";

/// A poll is answered with nothing after so long.
const LONGEST_POLL: Duration = Duration::from_secs(600);
/// What a connection that has to leave may take for its last answer.
const FAREWELL: Duration = Duration::from_millis(100);
/// Most bytes of a connection that wait to be looked at, and so of the head of a request.
const BUFFER: usize = 64 << 10;

/// What somebody is told for whom there is no place.
const FULL_HOUSE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 112\r\n\r\n\
    every connection that the calls of this instance can need is busy with an event or an answer; close some of them";

type Answer = Response<Full<Bytes>>;

/// What the paths work with. Cheap to share.
#[derive(Clone)]
pub(super) struct Api {
    desk: Desk,
    pace: Arc<Pace>,
    answers: Answers,
    /// Bytes of an answer.
    limit: usize,
}

/// What a client asks for, by method and path.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Event,
    Returned(&'a str),
    Failed(&'a str),
    OtherMethod,
    Unknown,
}

impl Api {
    pub(super) fn new(desk: Desk, pace: Arc<Pace>, answers: Answers, limit: usize) -> Self {
        Self { desk, pace, answers, limit }
    }

    /// Waits until another connection may come.
    pub(super) async fn turn(&self) {
        self.pace.turn().await;
    }

    /// Waits until no answer is arriving.
    pub(super) async fn all_taken(&self) {
        self.desk.all_taken().await;
    }

    /// Serves one connection until its client, or somebody who needs its place, ends it.
    pub(super) async fn connection(self, stream: TcpStream, seat: Arc<Seat>) {
        // Only a delay is lost where it is refused.
        let _slower = stream.set_nodelay(true);
        let (line, client) = Line::new(stream, self.desk.clone(), Arc::clone(&seat));
        let service = service_fn(|request| {
            let (api, client, seat) = (&self, &client, &seat);
            async move { Ok::<_, Infallible>(api.answer(request, client, seat).await) }
        });
        let mut http = http1::Builder::new();
        // A program may keep a connection for as long as it works on an event; which of them is kept too long is the door's business.
        http.title_case_headers(true).header_read_timeout(None).max_buf_size(BUFFER);
        let mut served = pin!(http.serve_connection(TokioIo::new(line), service));
        tokio::select! {
            // How it ends is the client's business.
            _ended = served.as_mut() => {}
            () = seat.is_wanted() => {
                // In this order: the answer of a poll then says that the connection closes after it.
                served.as_mut().graceful_shutdown();
                self.desk.dismiss(seat.number);
                // An event that was given to it just then is written as a whole: nobody else gets it.
                while timeout(FAREWELL, served.as_mut()).await.is_err() && seat.is_busy() {}
            }
        }
    }

    /// Tells somebody who finds no place why, and reads what it sends meanwhile: a connection that is closed with unread bytes is reset, and
    /// takes what it was told with it.
    pub(super) async fn refuse(mut stream: TcpStream) {
        let told = async {
            stream.write_all(FULL_HOUSE.as_bytes()).await?;
            stream.shutdown().await?;
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        };
        // Only a courtesy is lost where it does not listen.
        let _slow = timeout(FAREWELL, told).await;
    }

    async fn answer(&self, request: Request<Incoming>, client: &Client, seat: &Arc<Seat>) -> Answer {
        self.pace.turn().await;
        let (parts, body) = request.into_parts();
        match route(&parts.method, parts.uri.path()) {
            Route::Event => self.event(client, seat).await,
            Route::Returned(id) => self.takes(id, body, seat, true).await,
            Route::Failed(id) => self.takes(id, body, seat, false).await,
            Route::OtherMethod => plain(StatusCode::METHOD_NOT_ALLOWED, "GET asks for an event, POST answers one"),
            Route::Unknown => plain(
                StatusCode::NOT_FOUND,
                "there is GET /v1/runtime/invocation/request, and POST /v1/runtime/invocation/response/ID and .../error/ID",
            ),
        }
    }

    async fn event(&self, client: &Client, seat: &Seat) -> Answer {
        let mut poll = self.desk.ask(seat.number);
        match timeout(LONGEST_POLL, poll.event()).await {
            Ok(Some(call)) if client.has_left() => {
                self.desk.put_back(call.number);
                status(StatusCode::NO_CONTENT)
            }
            Ok(Some(call)) => {
                client.gets(call.number);
                handed_out(call)
            }
            _ => status(StatusCode::NO_CONTENT),
        }
    }

    async fn takes(&self, id: &str, body: Incoming, seat: &Arc<Seat>, is_result: bool) -> Answer {
        let arriving = match self.desk.begin(id).await {
            Ok(arriving) => arriving,
            Err(unwanted) => {
                self.pass_over(body).await;
                return refused(&unwanted);
            }
        };
        let (api, needed, fault) = (self.clone(), seat.is_needed(), Fault::of(&self.answers, super::FAULT));
        Taking::begin(async move {
            let _held = (needed, fault);
            api.take(arriving, body, is_result).await
        })
        .await
    }

    async fn take(&self, arriving: Arriving, body: Incoming, is_result: bool) -> Answer {
        let read = body::whole(body, self.limit).await;
        if matches!(read, Err(BadBody::Broken(_))) {
            return status(StatusCode::BAD_REQUEST);
        }
        arriving.counts();
        let call = arriving.number;
        match read {
            Ok(object) if !is_result => self.answers.failed(call, &failure::reported(&object)),
            Ok(value) if value.is_empty() => self.answers.returned(call, Value::Nothing),
            Ok(value) => self.answers.returned(call, Value::Bytes(value)),
            Err(_) => {
                self.answers.failed(call, &failure::too_large());
                return plain(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "more than 6 MB; put large results into a store and answer with their address",
                );
            }
        }
        status(StatusCode::OK)
    }

    /// Reads a body that nobody wants, and keeps nothing of it: a client that has not sent all of it might not read what it is told.
    async fn pass_over(&self, body: Incoming) {
        if body.size_hint().lower() > self.limit as u64 {
            return;
        }
        let mut body = Limited::new(body, self.limit);
        while let Some(Ok(_)) = body.frame().await {}
    }
}

/// An answer that is taken in. A client may leave once it has sent it, and the end of its connection must not lose that: what is not done
/// then, a task does. That ends soon, as nothing more of a body comes. A task for each would cost each call a thread's wake-up.
struct Taking(Option<Pin<Box<dyn Future<Output = Answer> + Send>>>);

impl Taking {
    fn begin(take: impl Future<Output = Answer> + Send + 'static) -> Self {
        Self(Some(Box::pin(take)))
    }
}

impl Future for Taking {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let Some(take) = &mut self.0 else { return Poll::Pending };
        let answer = ready!(take.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(answer)
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        let take = self.0.take().filter(|_| !std::thread::panicking());
        if let (Some(take), Ok(runtime)) = (take, Handle::try_current()) {
            drop(runtime.spawn(take));
        }
    }
}

fn refused(why: &Unwanted) -> Answer {
    match why {
        Unwanted::Second => plain(StatusCode::CONFLICT, "this request was answered already; the first answer counts"),
        Unwanted::Unknown => {
            plain(StatusCode::NOT_FOUND, "no such request is running; its id stands in X-Cff-Request-Id")
        }
    }
}

fn route<'a>(method: &Method, path: &'a str) -> Route<'a> {
    let id = |prefix: &str| path.strip_prefix(prefix).filter(|id| !id.is_empty() && !id.contains('/'));
    let (route, wanted) = if path == REQUEST {
        (Route::Event, Method::GET)
    } else if let Some(id) = id(RESPONSE) {
        (Route::Returned(id), Method::POST)
    } else if let Some(id) = id(ERROR) {
        (Route::Failed(id), Method::POST)
    } else {
        return Route::Unknown;
    };
    if *method == wanted { route } else { Route::OtherMethod }
}

fn handed_out(call: Call) -> Answer {
    let invoke_type = if call.is_async { "async" } else { "sync" };
    let mut answer = Response::new(Full::new(call.event));
    let headers = answer.headers_mut();
    if let Ok(id) = HeaderValue::try_from(call.id) {
        headers.insert("x-cff-request-id", id);
    }
    headers.insert("x-cff-invoke-type", HeaderValue::from_static(invoke_type));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn status(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

fn plain(code: StatusCode, text: &'static str) -> Answer {
    let mut answer = status(code);
    *answer.body_mut() = Full::new(Bytes::from_static(text.as_bytes()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_paths_and_no_other() {
        for (method, path, expected) in [
            (Method::GET, REQUEST, Route::Event),
            (Method::POST, "/v1/runtime/invocation/response/a-b", Route::Returned("a-b")),
            (Method::POST, "/v1/runtime/invocation/error/a-b", Route::Failed("a-b")),
            (Method::POST, REQUEST, Route::OtherMethod),
            (Method::GET, "/v1/runtime/invocation/response/a-b", Route::OtherMethod),
            (Method::POST, "/v1/runtime/invocation/response/", Route::Unknown),
            (Method::POST, "/v1/runtime/invocation/response/a/b", Route::Unknown),
            (Method::GET, "/v1/runtime/invocation/next", Route::Unknown),
            (Method::GET, "/", Route::Unknown),
        ] {
            assert_eq!(route(&method, path), expected, "{method} {path}");
        }
    }
}
