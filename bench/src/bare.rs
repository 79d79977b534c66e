//! The bare limit: what HTTP in Rust and plain interpreter loops behind sockets reach, with no platform in between.
//!
//! No isolation, no authentication, no logs, no metrics, no time limits, and a call that goes wrong ends the program. It
//! is written to be fast, not to be fair to us: one buffer out, one read back, no task between request and socket.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use clap::ValueEnum;
use http::header::{CONTENT_TYPE, HeaderName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::java;

const LENGTH: usize = 4;

/// Languages with a loop under `apps/bare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Python,
    Node,
    Java,
}

impl Language {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Java => "Java",
        }
    }

    /// The word that says it to this program, and with which its interpreter's name begins.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Java => "java",
        }
    }

    /// What its interpreter is given to run the loop.
    fn loop_args(self) -> Result<Vec<String>> {
        let files = |file: &str| Ok([app(file), app("handler")].map(|path| path.display().to_string()).to_vec());
        match self {
            Self::Python => files("bare/loop.py"),
            Self::Node => files("bare/loop.js"),
            Self::Java => java::loop_args(),
        }
    }
}

/// A file or folder under `apps`.
pub(crate) fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("apps").join(name)
}

/// One interpreter at the other end of a socket.
pub(crate) struct Worker {
    link: UnixStream,
    input: BytesMut,
    output: BytesMut,
    _process: Child,
}

impl Worker {
    /// Starts an interpreter with its loop. The socket is its standard input, which needs no unsafe code to arrange.
    pub(crate) fn start(language: Language, program: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(language.loop_args()?);
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        command.stdin(Stdio::from(OwnedFd::from(theirs))).kill_on_drop(true);
        let process = command.spawn().with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let buffer = || BytesMut::with_capacity(4096);
        Ok(Self { link: UnixStream::from_std(ours)?, input: buffer(), output: buffer(), _process: process })
    }

    /// One frame out, one frame back.
    pub(crate) async fn call(&mut self, event: &[u8]) -> Result<Bytes> {
        self.output.clear();
        self.output.put_u32_le(u32::try_from(event.len())?);
        self.output.put_slice(event);
        self.link.write_all(&self.output).await?;
        loop {
            if let Some(mut length) = self.input.get(..LENGTH) {
                let length = usize::try_from(length.get_u32_le())?;
                if self.input.len() >= LENGTH + length {
                    let mut frame = self.input.split_to(LENGTH + length);
                    frame.advance(LENGTH);
                    return Ok(frame.freeze());
                }
            }
            self.input.reserve(4096);
            anyhow::ensure!(self.link.read_buf(&mut self.input).await? > 0, "the loop has ended");
        }
    }
}

/// Idle workers. The semaphore counts them, so whoever has a permit finds one.
struct Workers {
    free: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

impl Workers {
    async fn call(&self, event: &[u8]) -> Bytes {
        let _permit = self.free.acquire().await.expect("the semaphore is never closed");
        let mut worker = self.idle.lock().expect("no holder panics").pop().expect("a permit stands for an idle worker");
        let result = worker.call(event).await.expect("the loop answers");
        self.idle.lock().expect("no holder panics").push(worker);
        result
    }
}

/// Serves calls until it is killed.
pub(crate) async fn run(language: Language, program: PathBuf, workers: usize) -> Result<()> {
    let idle: Vec<Worker> = (0..workers).map(|_| Worker::start(language, &program)).collect::<Result<_>>()?;
    let workers = Arc::new(Workers { free: Semaphore::new(idle.len()), idle: Mutex::new(idle) });
    serve(Router::new().fallback(call).with_state(workers)).await
}

async fn call(State(workers): State<Arc<Workers>>, event: Bytes) -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(CONTENT_TYPE, "application/json")], workers.call(&event).await)
}

/// Serves the floor of the transport.
pub(crate) async fn echo() -> Result<()> {
    serve(Router::new().fallback(|body: Bytes| async move { ([(CONTENT_TYPE, "application/json")], body) })).await
}

pub(crate) async fn serve(router: Router) -> Result<()> {
    use axum::serve::ListenerExt as _;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // Only a delay is lost where it is refused.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}
