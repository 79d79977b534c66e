//! From a started program to one that speaks RPC: its port, and how long it is waited for.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher as _,
    io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};

use super::{
    cannot_load,
    rpc::{Broken, GREETING, Replies},
};
use crate::{
    child::{self, Program},
    failure::Failure,
    leave,
};

/// Ports to choose from: below those that the kernel gives to connections, since one that is tried again and again from among
/// those would sooner or later connect to itself.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Ports that are tried.
const TRIES: u16 = 100;
/// How soon a closed port is tried again: at first, and later.
const SOON: Duration = Duration::from_micros(500);
const LATER: Duration = Duration::from_millis(25);

/// A free port on the loopback interface.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port(u16);

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
    Ended(ExitStatus),
    /// The port stayed closed.
    Closed(Duration),
    /// It was opened, and nothing was said in time.
    Silent(Duration),
    /// It is not the port of an RPC server.
    Broken(Broken),
    /// The connection was lost.
    Lost(io::ErrorKind),
}

impl Port {
    /// Where instances share the host's network, each needs a port of its own; so it is a random one.
    pub(super) fn choose() -> io::Result<Self> {
        let count = PORTS.end - PORTS.start;
        let random = u16::try_from(RandomState::new().hash_one(0) % u64::from(count)).unwrap_or_default();
        let mut last = io::ErrorKind::AddrInUse.into();
        for step in 0..TRIES {
            let port = Self(PORTS.start + (random + step) % count);
            match TcpListener::bind(port.address()) {
                Ok(_) => return Ok(port),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) fn address(self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.0)
    }
}

/// Connects as soon as the program listens; not later than `until`, which is `limit` after its start.
pub(super) async fn connect(
    port: Port,
    program: &Program,
    until: Instant,
    limit: Duration,
) -> Result<Connected, NotReady> {
    let connecting = async {
        let stream = timeout_at(until, dial(port)).await.map_err(|_| NotReady::Closed(limit))?;
        timeout_at(until, greet(stream)).await.map_err(|_| NotReady::Silent(limit))?
    };
    tokio::select! {
        biased;
        connected = connecting => connected,
        status = program.ended() => {
            if status.signal() == Some(Signal::KILL.as_raw()) {
                // Perhaps for want of memory, and the platform knows whether.
                leave::like(status);
            }
            Err(NotReady::Ended(status))
        }
    }
}

/// Tries until the port is open.
async fn dial(port: Port) -> TcpStream {
    let mut pause = SOON;
    loop {
        if let Ok(stream) = TcpStream::connect(port.address()).await
            && stream.local_addr().ok() != stream.peer_addr().ok()
        {
            return stream;
        }
        sleep(pause).await;
        pause = (pause * 5 / 4).min(LATER);
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
    /// What the caller is told; each says what to do.
    pub(super) fn failure(&self, handler: &str) -> Failure {
        const SERVE: &str = "`main` must call `runtime.Register(handler)` of the Go runtime library";
        match self {
            Self::Ended(status) => cannot_load(&format!(
                "{handler:?} {} before it served its function; what it printed is in the log, and {SERVE}",
                child::how(*status)
            )),
            Self::Closed(limit) => Failure::not_ready(&format!(
                "{handler:?} did not listen at RUNTIME_API_ADDR within {} seconds; {SERVE}",
                limit.as_millis().div_ceil(1000)
            )),
            Self::Silent(limit) => Failure::not_ready(&format!(
                "{handler:?} listens at RUNTIME_API_ADDR, but did not agree to speak Go's RPC within {} seconds; {SERVE}",
                limit.as_millis().div_ceil(1000)
            )),
            Self::Broken(broken) => cannot_load(&format!("{handler:?}: {broken}")),
            Self::Lost(kind) => cannot_load(&format!(
                "{handler:?} closed the connection instead of speaking Go's RPC ({kind}); {SERVE}"
            )),
        }
    }
}
