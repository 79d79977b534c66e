//! Starting the spawner process from the server, before the server has threads.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::channel;
use crate::config::Config;
use crate::error::Error;
use crate::message::{Reply, Request};
use crate::wall::WallState;

/// The hidden command that makes the program a spawner: cli calls [`spawner_main`](crate::spawner_main) when `argv[1]` is this.
pub const SPAWNER_COMMAND: &str = "__spawner";

/// What is kept of the server's environment: where tools are, and how to log.
const KEPT_VARIABLES: [&str; 3] = ["PATH", "RUST_LOG", "NO_COLOR"];

/// A host so slow that this is not enough could not serve.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A spawner that said it is ready, not yet used. Dropping it ends it.
#[derive(Debug)]
pub struct SpawnerProcess {
    pub(crate) child: Child,
    pub(crate) socket: OwnedFd,
    egress: Option<WallState>,
}

impl SpawnerProcess {
    /// The spawner's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether its sandboxes can have a way out ([`Network::Egress`](crate::Network)); none if the configuration wants none.
    pub fn egress(&self) -> Option<&WallState> {
        self.egress.as_ref()
    }

    /// Tells it the TCP port of the server. The filters of a way out make the kernel track all connections of the host; those of the
    /// server over loopback are then left out, so that they cost about what they did before and never fill the table of connections.
    ///
    /// # Errors
    /// The spawner cannot be told: it is gone.
    pub fn leave_untracked(&self, port: u16) -> Result<(), Error> {
        let failed = |error: channel::ChannelError| Error::Start { reason: error.to_string() };
        channel::send(&self.socket, &Request::Untrack { port }, &[]).map_err(failed)
    }
}

/// A spawner that makes itself ready: there is time to do something else meanwhile. Dropping it ends it.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    socket: OwnedFd,
}

/// Starts the same program again as the spawner and waits until it is ready.
///
/// # Errors
/// As [`begin`] and [`Starting::ready`].
pub fn start(config: &Config) -> Result<SpawnerProcess, Error> {
    begin(config)?.ready()
}

/// Starts the same program again as the spawner.
///
/// Called as root, before threads exist and before anything is open that the spawner must not have.
///
/// # Errors
/// The program cannot be started.
pub fn begin(config: &Config) -> Result<Starting, Error> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(Error::system("make the spawner's socket"))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(SPAWNER_COMMAND).env_clear().stdin(Stdio::from(theirs)).stdout(Stdio::null());
    command.envs(KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    let child = command.spawn().map_err(|source| Error::System { step: "start the spawner", source })?;
    // The command holds the other end of the socket, and only without it does the spawner's end show.
    drop(command);
    let starting = Starting { child, socket: ours };
    match channel::send(&starting.socket, &Request::Setup(config.clone()), &[]) {
        Ok(()) => Ok(starting),
        Err(error) => Err(starting.give_up(Error::Start { reason: error.to_string() })),
    }
}

impl Starting {
    /// Waits until it is ready.
    ///
    /// # Errors
    /// [`Error::Start`] with the spawner's own words if this host cannot give a wall that `accept_missing` does not name.
    pub fn ready(self) -> Result<SpawnerProcess, Error> {
        match wait_until_ready(&self.socket) {
            Ok(egress) => Ok(SpawnerProcess { child: self.child, socket: self.socket, egress }),
            Err(error) => Err(self.give_up(error)),
        }
    }

    fn give_up(self, error: Error) -> Error {
        let Starting { mut child, socket } = self;
        // It ends by itself when its socket closes; the kill is for one that hangs.
        drop(socket);
        let _ended = child.kill();
        let _reaped = child.wait();
        error
    }
}

fn wait_until_ready(socket: &OwnedFd) -> Result<Option<WallState>, Error> {
    let failed = |reason: String| Error::Start { reason };
    let timeout = READY_WITHIN.try_into().expect("seconds fit");
    let ready = poll(&mut [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)], Some(&timeout));
    if ready.map_err(Error::system("wait for the spawner"))? == 0 {
        return Err(failed(format!("it was not ready within {} s", READY_WITHIN.as_secs())));
    }
    match channel::receive::<Reply>(socket, &mut Vec::new()) {
        Ok(Some((Reply::Ready { egress }, _))) => Ok(egress),
        Ok(Some((Reply::Failed { reason }, _))) => Err(failed(reason)),
        Ok(Some(_)) => Err(failed("it spoke out of turn".into())),
        Ok(None) => Err(failed("it ended at once; its last words are on standard error".into())),
        Err(error) => Err(failed(error.to_string())),
    }
}
