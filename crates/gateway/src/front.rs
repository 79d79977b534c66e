//! The front door for everybody: requests to the functions behind APIs, which gateway triggers make (contract: events.md section 4). It plays
//! the API gateway that stands before the service elsewhere.
//!
//! A request becomes an event, and what the function returns becomes the answer. A web server's answer is sent on while it comes.

mod cors;
mod event;
mod problem;
mod reply;
pub(crate) mod wall;

use std::{pin::Pin, sync::Arc, time::Instant};

use bytes::Bytes;
use fungraph_engine::{
    AnswerHead, AnswerSink, AnswerStream, AsyncRequest, Engine, Error, GatewayApi, GatewayAuth, GatewayRoute,
    Invocation, InvokeRequest, OpenRecord, Piece, Stopwatch, answer_stream, beside,
};
use fungraph_model::{ErrorCode, Outcome, Phase, Qualifier, RequestId, Right, limits};
use http::{HeaderMap, Method, header::CONTENT_TYPE, request::Parts};
use hyper::body::Incoming;
use tokio::time::timeout;

pub(crate) use self::problem::Problem;
use crate::{
    activity::Arriving,
    answer::{self, Content, Refusal, Response, StreamContent, TEXT},
    body::{self, Limit, Received},
    project,
    routes::{invocations::Sent, rights},
    service::{self, Peer, Service},
};

/// Path in front of the group of an API.
pub(crate) const PREFIX: &str = "/gateway/";

/// The largest body whose event is not too large, since the event has it in base64.
const BODY: Limit = Limit { bytes: limits::EVENT_BYTES / 4 * 3, code: ErrorCode::BodyTooLarge };

/// The same of an API that does not wait, whose event goes into the queue.
const QUEUED: Limit = Limit { bytes: limits::ASYNC_EVENT_BYTES / 4 * 3, code: ErrorCode::BodyTooLarge };

/// A request to an API.
pub(crate) struct Asked<'a> {
    pub(crate) id: RequestId,
    pub(crate) peer: Peer,
    pub(crate) arrived: Instant,
    pub(crate) watch: Stopwatch,
    pub(crate) head: &'a Parts,
    /// Group and path within it, as sent.
    pub(crate) place: &'a str,
}

/// The running call of an API.
type Call = Pin<Box<dyn Future<Output = Result<(Invocation, OpenRecord), Error>> + Send>>;

/// The first that is known of an answer.
#[allow(clippy::large_enum_variant, reason = "it lives for a moment, on the stack")]
enum First {
    /// Status and headers; the body follows.
    Head(AnswerHead),
    /// The call has ended.
    Ended(Box<Result<(Invocation, OpenRecord), Error>>),
}

/// Answers a request to an API.
pub(crate) async fn serve(
    service: &Service,
    mut asked: Asked<'_>,
    body: &mut Arriving<Incoming>,
) -> Result<Response, Refusal> {
    let head = asked.head;
    let (group, path) = asked.place.split_at(asked.place.find('/').unwrap_or(asked.place.len()));
    let find = |method: &Method| service.engine.gateway_route(group, path, method.as_str());
    if let Some(method) = cors::asked(&head.method, &head.headers)
        && find(&method).is_some_and(|route| route.api.cors)
    {
        let mut response = answer::no_content();
        response.headers_mut().extend(cors::allow(&method, &head.headers));
        return Ok(response);
    }
    let route = find(&head.method).ok_or_else(Problem::no_api)?;
    let mut called = call_api(service, &route, path, &mut asked, body).await;
    if let Ok(response) = &mut called
        && !service.is_host_of_apis(head)
    {
        wall::close(response.headers_mut());
    }
    if !route.api.cors {
        return called;
    }
    // A page is to see why it was refused, too.
    let mut response = match called {
        Ok(response) => response,
        Err(refusal) => service.refuse(refusal, asked.id, head, body).await,
    };
    cors::open(response.headers_mut());
    Ok(response)
}

async fn call_api(
    service: &Service,
    route: &GatewayRoute,
    path: &str,
    asked: &mut Asked<'_>,
    body: &mut Arriving<Incoming>,
) -> Result<Response, Refusal> {
    let api = &route.api;
    let Received { bytes, share, .. } = receive(service, api, asked, body).await?;
    let event = beside(bytes.len(), || event(route, path, asked, &bytes));
    // The event has it: from here on nobody needs both.
    drop(bytes);
    if !api.waits {
        let _share = share;
        return accept(service, api, asked, event).await;
    }
    let event = match share {
        Some(share) => share.held_by(event),
        None => event,
    };
    answer(service, api, asked, event).await
}

/// The body, of a caller that may call the API.
async fn receive(
    service: &Service,
    api: &GatewayApi,
    asked: &mut Asked<'_>,
    body: &mut Arriving<Incoming>,
) -> Result<Received, Refusal> {
    let limit = if api.waits { BODY } else { QUEUED };
    if api.auth == GatewayAuth::None {
        let seat = service.public_seat(limit, &api.owner.domain.0);
        let received = body::read(body, limit, service.pace(), seat).await?;
        asked.watch.lap(Phase::Accept);
        return Ok(received);
    }
    let (proof, received) = service.authenticate(asked.head, body, limit, &mut asked.watch).await?;
    let caller = project::caller(&proof, &api.owner.project.0, &asked.head.headers);
    let (_, rights) = caller.map_err(|_| Problem::not_yours())?;
    rights::check_right(rights, Right::Invoke)?;
    asked.watch.lap(Phase::Authenticate);
    Ok(received)
}

fn event(route: &GatewayRoute, path: &str, asked: &Asked<'_>, body: &[u8]) -> Bytes {
    let (api, head, peer) = (&route.api, asked.head, asked.peer);
    let parameters = route.parameters.iter().map(|(name, value)| (name.clone(), event::text(value)));
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    event::event(&event::Arrived {
        request: asked.id,
        api: &api.id,
        stage: &api.stage,
        method: &head.method,
        path: if path.is_empty() { "/" } else { path },
        query: head.uri.query(),
        parameters: &parameters.collect::<Vec<_>>(),
        headers: &head.headers,
        is_proven: api.auth != GatewayAuth::None,
        from: peer.remote.ip().to_canonical(),
        port: peer.local.port(),
        host: &service::host(&head.headers, authority, peer.local),
        is_https: service::is_https(&head.headers),
        body,
    })
}

/// Queues the call of an API whose caller does not wait for its function.
async fn accept(service: &Service, api: &GatewayApi, asked: &Asked<'_>, event: Bytes) -> Result<Response, Refusal> {
    let headers = &Sent(&asked.head.headers);
    let request = AsyncRequest { function: api.function.clone(), event, memory: None, headers, parent: None };
    Ok(answer::accepted(service.engine.invoke_async(&api.owner, request).await?))
}

/// Calls the function of an API and gives the answer, within the time that the API has.
async fn answer(service: &Service, api: &GatewayApi, asked: &Asked<'_>, event: Bytes) -> Result<Response, Refusal> {
    let (sink, mut pieces) = answer_stream();
    let mut call = call(&service.engine, api, asked, event, sink);
    // A call that is left because it was too slow runs to its end, as any whose client has left.
    let first = timeout(api.timeout, first(&mut call, &mut pieces)).await;
    match first.map_err(|_| Problem::too_slow(api.timeout))? {
        First::Head(head) => Ok(streamed(&service.engine, head, pieces, call)?),
        First::Ended(ended) => whole((*ended)?),
    }
}

fn call(engine: &Arc<Engine>, api: &GatewayApi, asked: &Asked<'_>, event: Bytes, sink: AnswerSink) -> Call {
    let (engine, caller, function) = (Arc::clone(engine), api.owner.clone(), api.function.clone());
    let (request, arrived, watch) = (asked.id, asked.arrived, asked.watch);
    // Only rules of aliases look at them.
    let headers = match &function.qualifier {
        Some(Qualifier::Alias(_)) => asked.head.headers.clone(),
        _ => HeaderMap::new(),
    };
    Box::pin(async move {
        let (headers, sink) = (Sent(&headers), Some(sink));
        let request =
            InvokeRequest { request, event, tail: false, memory: None, headers: &headers, arrived, watch, sink };
        engine.invoke(&caller, function, request).await
    })
}

async fn first(call: &mut Call, pieces: &mut AnswerStream) -> First {
    let ended = tokio::select! {
        biased;
        piece = pieces.next() => match piece {
            Some(Piece::Head(head)) => return First::Head(head),
            // A function that is no web server leaves the stream alone.
            Some(Piece::Data(_)) | None => return First::Ended(Box::new(call.await)),
        },
        ended = &mut *call => ended,
    };
    // A short answer may have come whole meanwhile, before its call was seen to end.
    match pieces.try_next() {
        Some(Piece::Head(head)) => {
            *call = Box::pin(std::future::ready(ended));
            First::Head(head)
        }
        _ => First::Ended(Box::new(ended)),
    }
}

fn whole((invocation, record): (Invocation, OpenRecord)) -> Result<Response, Refusal> {
    let result = match &invocation.outcome {
        Outcome::Returned(value) => beside(value.size(), || reply::reply(value)),
        Outcome::Failed(failure) => return Err(Problem::failed(failure.code).into()),
    };
    // Its last phase is over.
    drop(record);
    let mut response = result?.map(Content::whole);
    response.headers_mut().entry(CONTENT_TYPE).or_insert(TEXT);
    Ok(response)
}

fn streamed(engine: &Engine, head: AnswerHead, pieces: AnswerStream, call: Call) -> Result<Response, Problem> {
    // Not by the body: nobody polls that while the client does not read, and the call would have no end.
    let ended = Box::pin(engine.run_on(call));
    if head.status.is_informational() {
        return Err(Problem::bad_answer());
    }
    let mut response = Response::new(Content::Stream(StreamContent::new(pieces, ended)));
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Ok(response)
}
