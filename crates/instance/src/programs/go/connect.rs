//! From a program that listens to one that has agreed to speak RPC.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout, timeout_at},
};

use super::{
    cannot_load,
    replies::GRACE,
    rpc::{Broken, GREETING, Replies},
};
use crate::{
    Death, Ended,
    programs::{Answers, Patience, failure},
};

/// How soon a port that takes no connection is tried again: at first, and later.
const SOON: Duration = Duration::from_millis(5);
const LATER: Duration = Duration::from_millis(500);

/// A connection on which the program has agreed to speak RPC.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) stream: TcpStream,
    pub(super) replies: Replies,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NotReady {
    /// The program has ended.
    Ended(Ended),
    /// Its port was open, and nothing was said in time.
    Silent(Patience),
    /// It is not the port of an RPC server.
    Broken(Broken),
    /// The connection was lost.
    Lost(io::ErrorKind),
    /// The platform has no way to it: a fault of ours.
    NoWay(io::Error),
}

/// What LOADED says of a Go function.
#[derive(Debug, Deserialize)]
struct Loaded {
    /// It serves there, on the loopback interface of its network.
    port: u16,
}

/// Connects, and agrees to speak RPC.
pub(super) async fn connect(loaded: &Bytes, patience: Patience, answers: &Answers) -> Result<Connected, NotReady> {
    let until = patience.until.into();
    let connecting = async { timeout_at(until, speak(loaded, answers)).await.map_err(|_| NotReady::Silent(patience))? };
    let lost = tokio::select! {
        biased;
        connected = connecting => match connected {
            Err(lost @ (NotReady::Lost(_) | NotReady::NoWay(_))) => lost,
            other => return other,
        },
        ended = answers.process_ended() => return Err(NotReady::Ended(ended)),
    };
    // A program that ends closes its connection first, and how it ended tells more.
    let ended = timeout(GRACE, answers.process_ended()).await;
    Err(ended.map_or(lost, NotReady::Ended))
}

async fn speak(loaded: &Bytes, answers: &Answers) -> Result<Connected, NotReady> {
    let Loaded { port } = serde_json::from_slice(loaded).map_err(|error| NotReady::NoWay(error.into()))?;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into();
    let mut pause = SOON;
    loop {
        let socket = answers.tcp_socket().await.map_err(NotReady::NoWay)?;
        match socket.connect(address).await {
            Ok(stream) => return greet(stream).await,
            // It has the port, and is about to listen.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => sleep(pause).await,
            Err(error) => return Err(NotReady::Lost(error.kind())),
        }
        pause = (pause * 2).min(LATER);
    }
}

async fn greet(mut stream: TcpStream) -> Result<Connected, NotReady> {
    let lost = |error: io::Error| NotReady::Lost(error.kind());
    // A call is one small write, and must not wait for company.
    stream.set_nodelay(true).map_err(lost)?;
    stream.write_all(GREETING).await.map_err(lost)?;
    let mut replies = Replies::default();
    while !replies.is_open().map_err(NotReady::Broken)? {
        match stream.read(replies.room()).await.map_err(lost)? {
            0 => return Err(NotReady::Lost(io::ErrorKind::UnexpectedEof)),
            read => replies.filled(read),
        }
    }
    Ok(Connected { stream, replies })
}

impl NotReady {
    /// What the caller is told, and the log; each says what to do.
    pub(super) fn failure(&self, handler: &str, answers: &Answers) -> Failure<Bytes> {
        if let Self::Ended(ended) = self
            && ended.is_killed()
        {
            return Death::Ended(*ended).start_failure();
        }
        if let Self::NoWay(cause) = self {
            tracing::warn!(%cause, handler, "a program of Go could not be reached");
        }
        let failure = self.told(handler);
        answers.failed(0, &failure);
        failure
    }

    fn told(&self, handler: &str) -> Failure<Bytes> {
        const SERVE: &str = "`main` must call `runtime.Register(handler)` of the Go runtime library";
        match self {
            Self::Ended(ended) => cannot_load(&format!(
                "{handler:?} {} before it served its function; what it printed is in the log, and {SERVE}",
                ended.how()
            )),
            Self::Silent(patience) => failure::told(
                FailureCode::InitializerTimedOut,
                "FunctionTimeout",
                &format!(
                    "{handler:?} listens at RUNTIME_API_ADDR, but did not agree to speak Go's RPC within {} seconds; {SERVE}",
                    patience.seconds()
                ),
            ),
            Self::Broken(broken) => cannot_load(&format!("{handler:?}: {broken}")),
            Self::Lost(kind) => cannot_load(&format!(
                "{handler:?} closed the connection instead of speaking Go's RPC ({kind}); {SERVE}"
            )),
            Self::NoWay(_) => failure::unreachable(),
        }
    }
}
