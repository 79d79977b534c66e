//! The Custom runtime's API: three paths, HTTP/1.1, plain (contract: custom-runtime.md 1.2).

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{
    calls::Match,
    desk::Desk,
    line::{Client, Line},
};
use crate::{
    failure::Failure,
    frame::{Call, Form},
    link::Link,
};

const REQUEST: &str = "/v1/runtime/invocation/request";
const RESPONSE: &str = "/v1/runtime/invocation/response/";
const ERROR: &str = "/v1/runtime/invocation/error/";

/// A poll is answered with nothing after so long.
const LONGEST_POLL: Duration = Duration::from_secs(600);
/// Before the next connection is taken where this process has no descriptor for one.
const PAUSE: Duration = Duration::from_millis(10);

type Answer = Response<Full<Bytes>>;

/// What the paths work with. Cheap to share.
#[derive(Clone)]
pub(super) struct Api {
    desk: Desk,
    link: Link,
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

/// Takes connections, for ever.
pub(super) async fn serve(listener: TcpListener, api: Api) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(api.clone().connection(stream))),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

impl Api {
    pub(super) fn new(desk: Desk, link: Link, limit: usize) -> Self {
        Self { desk, link, limit }
    }

    async fn connection(self, stream: TcpStream) {
        // Only a delay is lost where it is refused.
        let _slower = stream.set_nodelay(true);
        let (line, client) = Line::new(stream, self.desk.clone());
        let service = service_fn(|request| {
            let (api, client) = (self.clone(), client.clone());
            async move { Ok::<_, Infallible>(api.answer(request, &client).await) }
        });
        let mut http = http1::Builder::new();
        http.title_case_headers(true).header_read_timeout(None);
        // How it ends is the client's business.
        let _ended = http.serve_connection(TokioIo::new(line), service).await;
    }

    async fn answer(&self, request: Request<Incoming>, client: &Client) -> Answer {
        let (parts, body) = request.into_parts();
        match route(&parts.method, parts.uri.path()) {
            Route::Event => self.event(client).await,
            Route::Returned(id) => self.takes(id, body, true).await,
            Route::Failed(id) => self.takes(id, body, false).await,
            Route::OtherMethod => plain(StatusCode::METHOD_NOT_ALLOWED, "GET asks for an event, POST answers one"),
            Route::Unknown => plain(
                StatusCode::NOT_FOUND,
                "there is GET /v1/runtime/invocation/request, and POST /v1/runtime/invocation/response/ID and .../error/ID",
            ),
        }
    }

    async fn event(&self, client: &Client) -> Answer {
        let mut poll = self.desk.ask();
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

    /// In a task of its own: a client may leave once it has sent its answer, and the end of its connection must neither lose that nor
    /// cut a frame to the platform in two.
    async fn takes(&self, id: &str, body: Incoming, is_result: bool) -> Answer {
        let (api, id, arriving) = (self.clone(), id.to_owned(), self.desk.takes());
        let taken = tokio::spawn(async move {
            let _arriving = arriving;
            api.take(&id, body, is_result).await
        });
        taken.await.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
    }

    async fn take(&self, id: &str, body: Incoming, is_result: bool) -> Answer {
        let Some(body) = self.read(body).await else { return status(StatusCode::BAD_REQUEST) };
        let number = match self.desk.answer(id) {
            Match::Call(number) => number,
            Match::Second => {
                return plain(StatusCode::CONFLICT, "this request was answered already; the first answer counts");
            }
            Match::Unknown => {
                return plain(StatusCode::NOT_FOUND, "no such request is running; its id stands in X-Cff-Request-Id");
            }
        };
        match body {
            None => {
                self.link.failed(number, &Failure::too_large()).await;
                plain(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "more than 6 MB; put large results into a store and answer with their address",
                )
            }
            Some(value) => {
                if !is_result {
                    self.link.failed(number, &Failure::reported(&value)).await;
                } else if value.is_empty() {
                    self.link.returned(number, Form::Nothing, b"").await;
                } else {
                    self.link.returned(number, Form::Bytes, &value).await;
                }
                status(StatusCode::OK)
            }
        }
    }

    /// The whole body, or inside `None` where it is too large; nothing where it broke off.
    async fn read(&self, body: Incoming) -> Option<Option<Bytes>> {
        if body.size_hint().lower() > self.limit as u64 {
            return Some(None);
        }
        match Limited::new(body, self.limit).collect().await {
            Ok(whole) => Some(Some(whole.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Some(None),
            Err(_) => None,
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
