//! Web servers of the user's own on port 8000: http functions (contract: custom-runtime.md section 2), and container images, which get
//! requests like those, or events as the body of `POST /invoke` (section 3).

mod answer;
mod event;
mod head;
mod metered;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

use std::{future::pending, sync::Arc, time::Duration};

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode, FunctionVersion, Value, limits};
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::time::timeout;

use self::{event::BadEvent, head::Head, wire::Port};
use super::{
    Answers, Call,
    busy::{Busy, Task},
    failure,
};
use crate::{AnswerSink, Plan, beside, instance::RESULT_TOLERANCE};

/// What a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// The request that an event describes.
    Requests,
    /// `POST /invoke` with the event as it came.
    Events,
}

/// How long a broken connection may be the first sign of a program that is ending: its bootstrap ends after it, the spawner sees that, and
/// tells us.
const LAST_BREATH: Duration = Duration::from_millis(500);
/// How long answers of a program that has ended are looked for: they lie in a socket of ours already, at whose end the connection breaks.
/// Only a host that is short of processors takes long for them.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// More bytes than this are too large a result.
const RESULT_BYTES: usize = limits::RESULT_BYTES + RESULT_TOLERANCE;
/// The same of a body that the result carries as base64, which is a third longer.
const BODY_BYTES: usize = RESULT_BYTES / 4 * 3;

/// A running web server. Cheap to share.
#[derive(Clone)]
pub(crate) struct Http {
    server: Arc<Server>,
}

struct Server {
    answers: Answers,
    head: Head,
    port: Port,
    /// Requests that may still be answered.
    open: Busy,
    asks: Asks,
}

impl Http {
    /// The server of a function, whose port takes connections.
    pub(crate) fn new(plan: &Plan, answers: Answers) -> Self {
        Self::at(wire::PORT, &plan.version, &plan.region, answers)
    }

    fn at(port: u16, version: &FunctionVersion, region: &str, answers: Answers) -> Self {
        let spec = &version.spec;
        let server = Server {
            port: Port::new(answers.clone(), port, spec.strategy.concurrent_num),
            head: Head::of(version, region),
            answers,
            open: Busy::default(),
            asks: if version.image.is_some() && spec.handler != "http" { Asks::Events } else { Asks::Requests },
        };
        Self { server: Arc::new(server) }
    }

    /// `POST /init` with `{}`.
    pub(crate) async fn initialize(&self, call: Call) {
        let server = &*self.server;
        let mut open = Some(server.open.begin());
        match server.initialize(&call, &mut open).await {
            Ok(()) => server.answers.initialized(call.number),
            Err(failure) => server.answers.failed(call.number, &failure),
        }
    }

    /// Sends the request that the event describes, or the event. The answer goes to the sink where there is one.
    pub(crate) async fn call(&self, call: Call, sink: Option<&AnswerSink>) {
        let server = &*self.server;
        let answers = &server.answers;
        // Until the answer is where the end of the instance finds it.
        let mut open = Some(server.open.begin());
        let failed = match (server.asks, sink) {
            (Asks::Requests, Some(sink)) => match server.stream(&call, sink, &mut open).await {
                Ok(status) => return answers.answered(call.number, status.as_u16(), Value::Nothing),
                Err(failure) => failure,
            },
            (Asks::Requests, None) => match server.call(&call, &mut open).await {
                Ok((status, result)) => return answers.answered(call.number, status.as_u16(), Value::Json(result)),
                Err(failure) => failure,
            },
            (Asks::Events, _) => match server.invoke(&call, &mut open).await {
                Ok(result) => return answers.returned(call.number, Value::Bytes(result)),
                Err(failure) => failure,
            },
        };
        answers.failed(call.number, &failed);
    }

    /// Takes the answers that were sent just before the end.
    pub(crate) async fn ended(&self) {
        let _unanswered = timeout(LAST_ANSWERS, self.server.open.done()).await;
    }

    /// Nothing is said to it any more.
    pub(crate) fn close(&self) {
        self.server.port.close();
    }
}

impl Server {
    async fn initialize(&self, call: &Call, open: &mut Option<Task>) -> Result<(), Failure<Bytes>> {
        let mut request = event::initialization();
        self.head.add(request.headers_mut(), call);
        let failed = |why: String| failure::told(FailureCode::InitializerFailed, "HttpInitializerError", &why);
        match self.port.whole(request, RESULT_BYTES).await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => {
                let text = String::from_utf8_lossy(answer.body());
                Err(failed(format!("POST /init was answered with {}: {}", answer.status().as_u16(), clip(&text))))
            }
            Err(error) => Err(self.broken(call, open, FailureCode::InitializerFailed, &error).await),
        }
    }

    async fn call(&self, call: &Call, open: &mut Option<Task>) -> Result<(StatusCode, Bytes), Failure<Bytes>> {
        let mut request = described(&call.event)?;
        self.head.add(request.headers_mut(), call);
        match self.port.whole(request, BODY_BYTES).await {
            Ok(answer) => {
                let object = beside(answer.body().len(), || answer::object(&answer, &call.id));
                Ok((answer.status(), object.into()))
            }
            Err(wire::Error::TooLarge) => Err(failure::too_large()),
            Err(error) => Err(self.broken(call, open, FailureCode::HandlerFailed, &error).await),
        }
    }

    /// Sends the answer on as it comes.
    async fn stream(
        &self,
        call: &Call,
        sink: &AnswerSink,
        open: &mut Option<Task>,
    ) -> Result<StatusCode, Failure<Bytes>> {
        let mut request = described(&call.event)?;
        self.head.add(request.headers_mut(), call);
        let passed_on = self.port.exchange(request, |answer| stream::pass_on(answer, sink)).await;
        match passed_on {
            Ok(status) => Ok(status),
            Err(error) => Err(self.broken(call, open, FailureCode::HandlerFailed, &error).await),
        }
    }

    /// The event is the body, and so is the result; any status but 200 is a failure that the body tells of.
    async fn invoke(&self, call: &Call, open: &mut Option<Task>) -> Result<Bytes, Failure<Bytes>> {
        let mut request = event::invocation(call.event.clone());
        self.head.add(request.headers_mut(), call);
        match self.port.whole(request, RESULT_BYTES).await {
            Ok(answer) if answer.status() == StatusCode::OK => Ok(answer.into_body()),
            Ok(answer) if answer.body().is_empty() => {
                let status = answer.status().as_u16();
                let why = format!("POST /invoke was answered with {status}");
                Err(failure::told(FailureCode::HandlerFailed, "Error", &why))
            }
            Ok(answer) => Err(failure::reported(answer.body())),
            Err(wire::Error::TooLarge) => Err(failure::too_large()),
            Err(error) => Err(self.broken(call, open, FailureCode::HandlerFailed, &error).await),
        }
    }

    /// A connection broke. Where the program ends too, that is what its caller is told, and not by us; but a call whose connection it
    /// did not even take goes to another instance.
    async fn broken(
        &self,
        call: &Call,
        open: &mut Option<Task>,
        code: FailureCode,
        error: &wire::Error,
    ) -> Failure<Bytes> {
        let is_unseen =
            code == FailureCode::HandlerFailed && matches!(error, wire::Error::Refused(_) | wire::Error::NoWay(_));
        // While it is held, the end of the instance waits.
        open.take_if(|_| !is_unseen);
        let has_ended = timeout(LAST_BREATH, self.answers.process_ended()).await.is_ok();
        let is_killed = self.answers.is_killed();
        if has_ended && is_unseen && !is_killed {
            self.answers.not_begun(call.number);
        }
        open.take();
        if has_ended || is_killed {
            // The end of the instance answers the call, and drops this. Where that was our doing, it is known why.
            pending::<()>().await;
        }
        if let wire::Error::NoWay(cause) = error {
            tracing::warn!(%cause, request = call.id, "a function's web server could not be reached");
            self.answers.unreached(call.number);
            pending::<()>().await;
        }
        failure::told(code, "HttpServerError", &error.to_string())
    }
}

/// The request that an event describes.
fn described(event: &Bytes) -> Result<Request<Full<Bytes>>, Failure<Bytes>> {
    beside(event.len(), || event::request(event)).map_err(|error| bad_event(&error))
}

fn bad_event(error: &BadEvent) -> Failure<Bytes> {
    failure::told(
        FailureCode::LoadFailed,
        "FunctionEventError",
        &format!(
            "an http function is called with a gateway event, an object with httpMethod, path, headers, queryStringParameters, \
             body and isBase64Encoded; {error}"
        ),
    )
}

/// Text of others in a message is cut short.
fn clip(text: &str) -> String {
    text.chars().take(400).collect()
}
