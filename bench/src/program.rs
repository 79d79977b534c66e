//! The bare limit of programs of their own: the same program, with nothing between it and the same HTTP front.
//!
//! For http functions and for programs in Go the front calls the program's port over a connection that it keeps, as the platform does where
//! calls come one after the other: by HTTP, and by Go's RPC with the platform's own codec. For Custom functions the front is the runtime API itself.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use bytes::Bytes;
use clap::ValueEnum;
use http::header::{CONTENT_TYPE, HeaderName};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::bare::{app, serve};
use crate::compare::EVENT;
use crate::go;
use crate::http1::{Connection, Request};

/// How a program is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    Custom,
    Http,
    Go,
}

impl Program {
    /// The runtime's name, as in the API.
    pub(crate) fn runtime(self) -> &'static str {
        match self {
            Self::Custom => "Custom",
            Self::Http => "http",
            Self::Go => "Go1.x",
        }
    }

    /// The word that says it to this program.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Custom => "custom",
            Self::Http => "http",
            Self::Go => "go",
        }
    }

    /// What the same program is without a platform, in the table.
    pub(crate) fn bare(self) -> &'static str {
        match self {
            Self::Custom => "bare API",
            Self::Http => "its port, by HTTP",
            Self::Go => "its port, by net/rpc",
        }
    }
}

/// Files below `apps/programs`.
pub(crate) const CUSTOM: &str = "custom.js";
pub(crate) const HTTP: &str = "http.js";

type Json = ([(HeaderName, &'static str); 1], Bytes);

/// Serves calls until it is killed.
pub(crate) async fn run(program: Program) -> Result<()> {
    match program {
        Program::Custom => custom().await,
        Program::Http => http().await,
        Program::Go => go().await,
    }
}

fn start_node(file: &str, variable: &str, value: &str) -> Result<Child> {
    start(&["node".as_ref(), app("programs").join(file).as_os_str()], variable, value)
}

fn start(program: &[&OsStr], variable: &str, value: &str) -> Result<Child> {
    // It ends with this process, which is killed.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .args(program)
        .env(variable, value)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start {program:?}"))
}

/// An address that nobody listens at.
fn free_address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Connects as soon as a program listens.
async fn connect(address: SocketAddr) -> TcpStream {
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return stream,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
}

async fn go() -> Result<()> {
    let address = free_address()?;
    let _child = start(&[go::build()?.as_os_str()], "RUNTIME_API_ADDR", &address.to_string())?;
    let client = Mutex::new(go::Client::open(connect(address).await).await?);
    serve(Router::new().fallback(call_go).with_state(Arc::new(client))).await
}

async fn call_go(State(client): State<Arc<Mutex<go::Client>>>, event: Bytes) -> Json {
    json(client.lock().await.call(&event).await.expect("the program answers"))
}

async fn http() -> Result<()> {
    let free = free_address()?;
    let _child = start_node(HTTP, "PORT", &free.port().to_string())?;
    drop(connect(free).await);
    let address = free.to_string();
    let request = Request::post("/", EVENT.into()).render(&address);
    let connection = Mutex::new(Connection::open(&address).await?);
    serve(Router::new().fallback(call_port).with_state(Arc::new(Port { address, request, connection }))).await
}

/// A program that listens.
struct Port {
    address: String,
    request: Bytes,
    connection: Mutex<Connection>,
}

async fn call_port(State(port): State<Arc<Port>>, _event: Bytes) -> Json {
    let mut connection = port.connection.lock().await;
    let mut answer = connection.call(&port.request).await;
    if answer.is_err() {
        // It was idle for too long while the other side was measured.
        *connection = Connection::open(&port.address).await.expect("the program listens");
        answer = connection.call(&port.request).await;
    }
    json(answer.expect("the program answers").body)
}

/// An event, and where its answer goes.
type Event = (Bytes, oneshot::Sender<Bytes>);

struct Api {
    events: Mutex<mpsc::Receiver<Event>>,
    /// The program answers one event after the other.
    running: Mutex<Option<oneshot::Sender<Bytes>>>,
}

async fn custom() -> Result<()> {
    let (sender, events) = mpsc::channel(64);
    let api = Arc::new(Api { events: Mutex::new(events), running: Mutex::new(None) });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let _child = start_node(CUSTOM, "RUNTIME_API_ADDR", &listener.local_addr()?.to_string())?;
    let routes = Router::new()
        .route("/v1/runtime/invocation/request", get(hand_out))
        .route("/v1/runtime/invocation/response/{id}", post(take))
        .with_state(api);
    use axum::serve::ListenerExt as _;
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("it is a TCP socket"));
    // Ends with this process.
    tokio::spawn(async move { axum::serve(listener, routes).await });
    serve(Router::new().fallback(call_loop).with_state(sender)).await
}

async fn call_loop(State(sender): State<mpsc::Sender<Event>>, event: Bytes) -> Json {
    let (done, answer) = oneshot::channel();
    sender.send((event, done)).await.expect("the API runs");
    json(answer.await.expect("the program answers"))
}

async fn hand_out(State(api): State<Arc<Api>>) -> ([(HeaderName, &'static str); 1], Bytes) {
    let (event, done) = api.events.lock().await.recv().await.expect("the front runs");
    *api.running.lock().await = Some(done);
    ([(HeaderName::from_static("x-cff-request-id"), "11111111-1111-1111-1111-111111111111")], event)
}

async fn take(State(api): State<Arc<Api>>, Path(_): Path<String>, answer: Bytes) {
    if let Some(done) = api.running.lock().await.take() {
        done.send(answer).expect("the front waits");
    }
}

fn json(body: Bytes) -> Json {
    ([(CONTENT_TYPE, "application/json")], body)
}
