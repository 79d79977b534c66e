//! Web servers of the user's own on port 8000: http functions, which `bootstrap` starts (contract: custom-runtime.md section 2), and
//! container images, which get requests like those, or events as the body of `POST /invoke` (section 3).

mod answer;
mod event;
mod head;
mod image;
mod stream;
mod wire;

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

use self::{
    event::BadEvent,
    stream::{Credit, Credits},
    wire::Port,
};
use crate::{
    busy::{Busy, Task},
    child::{self, Program},
    failure::{self, Failure},
    frame::{Call, Form},
    link::Link,
    load::Load,
};

/// What a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// The request that an event describes.
    Requests,
    /// `POST /invoke` with the event as it came.
    Events,
}

/// What starts `bootstrap`: it needs neither a first line nor the right to be executed.
const SHELL: &str = "/bin/bash";
/// Pauses between looks at the port grow to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// How long a broken connection may be the first sign of a program that is ending.
const LAST_BREATH: Duration = Duration::from_millis(100);
/// How long answers of a program that has ended are looked for: they lie in a socket of this process already, or somebody whom it left
/// behind would have to send them.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// A running web server.
pub(crate) struct Http {
    shared: Arc<Shared>,
}

struct Shared {
    load: Arc<Load>,
    link: Link,
    /// Region of the server, for a header; empty where it is not known.
    region: String,
    program: Program,
    port: Port,
    /// Requests that may still be answered.
    open: Busy,
    asks: Asks,
    /// Of the calls whose answers are sent in pieces.
    credits: Arc<Credits>,
}

impl Http {
    /// Starts `bootstrap`; it is ready when its port takes a connection.
    pub(crate) async fn start(load: Arc<Load>, link: &Link) -> Result<(Self, Program), Failure> {
        let path = load.code_root().join("bootstrap");
        child::check_file(&path, false)?;
        let mut command = child::command(SHELL, &load);
        command.arg("bootstrap");
        let no_shell = |error: std::io::Error| {
            Failure::start(&format!("{SHELL}, which runs bootstrap, cannot be started: {error}"))
        };
        Self::run(load, link, command, Asks::Requests, "bootstrap", no_shell).await
    }

    /// Starts the command of an image.
    pub(crate) async fn start_image(load: Arc<Load>, link: &Link) -> Result<(Self, Program), Failure> {
        let asks = if load.handler == "http" { Asks::Requests } else { Asks::Events };
        let command = image::command(&load)?;
        let why = image::explain(&load);
        Self::run(load, link, command, asks, "the container's program", why).await
    }

    async fn run(
        load: Arc<Load>,
        link: &Link,
        command: Command,
        asks: Asks,
        name: &str,
        explain: impl FnOnce(std::io::Error) -> Failure,
    ) -> Result<(Self, Program), Failure> {
        if wire::connect(wire::PORT).await.is_ok() {
            return Err(Failure::start(
                "port 8000 is taken before the function is started: functions of this server share the host's network \
                 (sandbox.network = \"host\"), in which http functions and images cannot run",
            ));
        }
        let program = Program::start(command).map_err(explain)?;
        let limit = load.start_limit();
        tokio::select! {
            () = listening() => {}
            status = program.ended() => {
                let before = "before anything listened on port 8000; start the server in the foreground (exec ./server)";
                return Err(child::ended_early(name, status, before));
            }
            () = sleep(limit) => return Err(Failure::not_ready(&format!(
                "nothing listens on port 8000 after {} seconds; let the server listen on 127.0.0.1:8000 or 0.0.0.0:8000, or raise initializer_timeout",
                load.start_seconds()
            ))),
        }
        let region = std::env::var(crate::REGION).unwrap_or_default();
        let shared = Shared {
            port: Port::new(wire::PORT, load.concurrent_num),
            load,
            link: link.clone(),
            region,
            program: program.clone(),
            asks,
            open: Busy::default(),
            credits: Arc::default(),
        };
        Ok((Self { shared: Arc::new(shared) }, program))
    }

    /// `POST /init` with `{}`.
    pub(crate) fn initialize(&self, call: Call) {
        let (shared, open) = (Arc::clone(&self.shared), self.shared.open.begin());
        tokio::spawn(async move {
            match shared.initialize(&call, open).await {
                Ok(()) => shared.link.initialized(call.number).await,
                Err(failure) => shared.link.failed(call.number, &failure).await,
            }
        });
    }

    /// Sends the request that the event describes.
    pub(crate) fn call(&self, call: Call) {
        let (shared, open) = (Arc::clone(&self.shared), self.shared.open.begin());
        let credit = call.streamed.then(|| shared.credits.open(call.number));
        tokio::spawn(async move {
            let link = &shared.link;
            let failed = match (shared.asks, credit) {
                (Asks::Requests, Some(credit)) => match shared.stream(&call, &credit, open).await {
                    Ok(status) => return link.answered(call.number, status.as_u16(), Form::Nothing, &[]).await,
                    Err(failure) => failure,
                },
                (Asks::Requests, None) => match shared.call(&call, open).await {
                    Ok((status, result)) => {
                        return link.answered(call.number, status.as_u16(), Form::Json, &result).await;
                    }
                    Err(failure) => failure,
                },
                (Asks::Events, _) => match shared.invoke(&call, open).await {
                    Ok(result) => return link.returned(call.number, Form::Bytes, &result).await,
                    Err(failure) => failure,
                },
            };
            link.failed(call.number, &failed).await;
        });
    }

    /// More of a call's answer may be sent.
    pub(crate) fn credit(&self, call: u32, bytes: u32) {
        self.shared.credits.add(call, bytes);
    }

    /// Takes the answers that were sent just before.
    pub(crate) async fn program_ended(&self) {
        let _unanswered = timeout(LAST_ANSWERS, self.shared.open.done()).await;
    }
}

impl Shared {
    async fn initialize(&self, call: &Call, open: Task) -> Result<(), Failure> {
        let mut request = event::initialization();
        head::add(request.headers_mut(), &self.load, &self.region, call);
        let answered = self.port.whole(request, self.load.result_limit()).await;
        let failed = |why: String| Failure::new(failure::INITIALIZER, "HttpInitializerError", &why);
        match answered {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => {
                let text = String::from_utf8_lossy(answer.body());
                Err(failed(format!("POST /init was answered with {}: {}", answer.status().as_u16(), clip(&text))))
            }
            Err(error) => Err(self.broken(call, open, failure::INITIALIZER, &error).await),
        }
    }

    async fn call(&self, call: &Call, open: Task) -> Result<(StatusCode, Vec<u8>), Failure> {
        let mut request = event::request(&call.event).map_err(|error| bad_event(&error))?;
        head::add(request.headers_mut(), &self.load, &self.region, call);
        // The result carries the body as base64, which is a third longer.
        let limit = self.load.result_limit() / 4 * 3;
        match self.port.whole(request, limit).await {
            Ok(answer) => Ok((answer.status(), answer::object(&answer, &call.id))),
            Err(wire::Error::TooLarge) => Err(Failure::too_large()),
            Err(error) => Err(self.broken(call, open, failure::CALL, &error).await),
        }
    }

    /// Sends the answer on as it comes.
    async fn stream(&self, call: &Call, credit: &Credit, open: Task) -> Result<StatusCode, Failure> {
        let mut request = event::request(&call.event).map_err(|error| bad_event(&error))?;
        head::add(request.headers_mut(), &self.load, &self.region, call);
        let passed_on = self.port.exchange(request, |answer| stream::pass_on(answer, &self.link, call, credit)).await;
        match passed_on {
            Ok(status) => Ok(status),
            Err(error) => Err(self.broken(call, open, failure::CALL, &error).await),
        }
    }

    /// The event is the body, and so is the result; any status but 200 is a failure that the body tells of.
    async fn invoke(&self, call: &Call, open: Task) -> Result<Vec<u8>, Failure> {
        let mut request = event::invocation(call.event.clone());
        head::add(request.headers_mut(), &self.load, &self.region, call);
        match self.port.whole(request, self.load.result_limit()).await {
            Ok(answer) if answer.status() == StatusCode::OK => Ok(answer.into_body().into()),
            Ok(answer) if answer.body().is_empty() => {
                let status = answer.status().as_u16();
                Err(Failure::new(failure::CALL, "Error", &format!("POST /invoke was answered with {status}")))
            }
            Ok(answer) => Err(Failure::reported(answer.body())),
            Err(wire::Error::TooLarge) => Err(Failure::too_large()),
            Err(error) => Err(self.broken(call, open, failure::CALL, &error).await),
        }
    }

    /// A connection broke. Where the program ends too, that is what its caller is told, and not by us; but a call whose connection it
    /// did not even take goes to another instance.
    async fn broken(&self, call: &Call, open: Task, code: u16, error: &wire::Error) -> Failure {
        let is_unseen = code == failure::CALL && matches!(error, wire::Error::Refused(_));
        // While it is held, this process waits with its own end.
        let mut open = Some(open).filter(|_| is_unseen);
        let ends = async {
            self.program.ended().await;
            if open.is_some() {
                self.link.not_begun(call.number).await;
                open.take();
            }
            // Now this process ends as well.
            std::future::pending::<()>().await;
        };
        let _lives = timeout(LAST_BREATH, ends).await;
        Failure::new(code, "HttpServerError", &error.to_string())
    }
}

/// Waits until the port takes a connection: looked at often in the beginning, since that is when most servers are there.
async fn listening() {
    let begun = Instant::now();
    while wire::connect(wire::PORT).await.is_err() {
        sleep((begun.elapsed() / 8).clamp(Duration::from_millis(1), LONGEST_PAUSE)).await;
    }
}

fn bad_event(error: &BadEvent) -> Failure {
    Failure::new(
        failure::LOAD,
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
