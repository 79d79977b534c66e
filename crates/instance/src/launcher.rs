//! The one seam below the pool: how a process comes to be. Sandboxed in the product, a plain task in tests.

use std::{
    fmt,
    future::Future,
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use fungraph_model::{FunctionVersion, Language};
use tokio::net::{TcpSocket, unix::pipe};

use crate::{BLANK_MEMORY_MB, Interpreter, Socket};

/// A future of a trait object's method.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a blank instance is made of: all that cannot be changed once its process runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Blueprint {
    /// The program that will run a function.
    pub interpreter: Arc<Interpreter>,
    /// Size of its `/tmp` in MB.
    pub tmp_mb: u32,
    /// Memory in MB, for programs that divide it up when they start: the heap of a JVM, and of .NET. Others learn it later.
    pub memory_mb: Option<u32>,
    /// Its root file system and user, where they are not the usual ones.
    pub root: Option<Arc<Root>>,
    /// Where its function has mounts: folders that are empty until it is known whose they are.
    pub mount_points: Vec<String>,
}

/// A container image, unpacked, and whom it runs as.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Root {
    /// The folder; below the data folder or absolute.
    pub tree: PathBuf,
    /// User inside.
    pub uid: u32,
    /// Group inside.
    pub gid: u32,
}

impl Blueprint {
    /// For functions of an interpreter with so much memory.
    #[must_use]
    pub fn new(interpreter: Arc<Interpreter>, tmp_mb: u32, memory_mb: u32) -> Self {
        let memory_mb = matches!(interpreter.language, Language::Java | Language::CSharp).then_some(memory_mb);
        Self { interpreter, tmp_mb, memory_mb, root: None, mount_points: Vec::new() }
    }

    /// The memory limit of a blank one, in MB.
    #[must_use]
    pub fn blank_memory_mb(&self) -> u32 {
        self.memory_mb.unwrap_or(BLANK_MEMORY_MB)
    }
}

/// What an instance is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The function and its configuration.
    pub version: Arc<FunctionVersion>,
    /// The program that runs it.
    pub interpreter: Arc<Interpreter>,
    /// The unpacked code; an empty folder where the root file system holds it.
    pub code: PathBuf,
    /// Its root file system, where it is an image.
    pub root: Option<Arc<Root>>,
    /// Where web servers are told that they run.
    pub region: Arc<str>,
}

impl Plan {
    /// What of it a process must have from its start.
    #[must_use]
    pub fn blueprint(&self) -> Blueprint {
        let spec = &self.version.spec;
        let usual = Blueprint::new(Arc::clone(&self.interpreter), spec.tmp_mb, spec.memory_mb);
        let mut mount_points: Vec<String> = spec.mounts.list.iter().map(|mount| mount.local_path.clone()).collect();
        // In one order, so that all functions with the same ones share what is ready.
        mount_points.sort();
        Blueprint { root: self.root.clone(), mount_points, ..usual }
    }
}

impl fmt::Display for Blueprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} MB of /tmp", self.interpreter, self.tmp_mb)?;
        self.memory_mb.map_or(Ok(()), |memory_mb| write!(f, " and {memory_mb} MB of memory"))?;
        self.root.as_ref().map_or(Ok(()), |root| write!(f, " in {}", root.tree.display()))?;
        if self.mount_points.is_empty() {
            Ok(())
        } else {
            write!(f, " with mounts at {}", self.mount_points.join(", "))
        }
    }
}

/// Sources of small functions, to be compiled together.
#[derive(Debug)]
pub struct Sources {
    /// Tells them from others; their folder's name.
    pub name: &'static str,
    /// Paths below their folder, and texts.
    pub files: &'static [(&'static str, &'static str)],
    /// Names of the files that are made of them: one jar, one assembly, or a program of each folder of that name.
    pub makes: &'static [&'static str],
}

/// Starts processes that speak `PROTOCOL.md`.
pub trait Launcher: Send + Sync + 'static {
    /// Starts one. The process has our socket as descriptor 3 and the pipe as 1 and 2, and no function's code.
    fn launch<'a>(&'a self, blueprint: &'a Blueprint) -> BoxFuture<'a, Result<Launched, LaunchError>>;

    /// Compiles functions with a compiler of the host, in a sandbox that no function ever enters; gives each file that is made.
    fn compile<'a>(
        &'a self,
        compiler: &'a Arc<Interpreter>,
        _sources: &'static Sources,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, LaunchError>> {
        let of = compiler.to_string();
        Box::pin(async move { Err(LaunchError { of, told: None, source: "nothing is compiled here".into() }) })
    }
}

/// A process that was started but has not said a word yet.
pub struct Launched {
    /// Our end of the socket.
    pub socket: Socket,
    /// What it prints outside the protocol.
    pub output: pipe::Receiver,
    /// The process itself; dropping it ends the process.
    pub process: Box<dyn Process>,
}

/// A running process as its instance needs it.
pub trait Process: Send + Sync {
    /// Gives it the code and the share of the host that its function has. Asked once, before LOAD.
    fn fit<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), LaunchError>>;
    /// Ends it and everything it started; never waits.
    fn kill(&self);
    /// Resolves when it has ended.
    fn exited(&self) -> BoxFuture<'_, Ended>;
    /// A TCP socket (IPv4) of its network, neither bound nor connected: what listens on loopback there is reached with it, and what runs there
    /// can reach it. The process never holds it. It is to be closed when the process has ended, since it keeps the network alive.
    /// This one is of a process that shares our network.
    fn tcp_socket(&self) -> BoxFuture<'_, io::Result<TcpSocket>> {
        Box::pin(async { TcpSocket::new_v4() })
    }
    /// Most memory used since it was last asked, in bytes.
    fn take_peak(&self) -> u64;
    /// The same after a call that was sent `took` before its answer came at `now`. After short calls it may be the peak of the last look.
    fn take_peak_of(&self, _took: Duration, _now: Instant) -> u64 {
        self.take_peak()
    }
    /// What to tell the function's author if the walls refused a connection since this was last asked. It costs more than a call may
    /// cost, so it is asked after a failure, and rarely else.
    fn refused_connection(&self) -> Option<&'static str> {
        None
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code, where it exited.
    pub code: Option<i32>,
    /// Signal, where one ended it.
    pub signal: Option<i32>,
    /// Whether the kernel's out-of-memory killer was at work in its cgroup.
    pub out_of_memory: bool,
}

/// Why no process came to be, or none that a function can run in: the platform's fault, number 6001.
#[derive(Debug, thiserror::Error)]
#[error("start a sandbox for {of}")]
pub struct LaunchError {
    /// The function it was for, or the kind of blank instance.
    pub of: String,
    /// What the function's author may know of it: it names nothing of the host.
    pub told: Option<String>,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl LaunchError {
    /// Nothing was there in time.
    #[must_use]
    pub fn too_slow(of: &impl fmt::Display, limit: Duration) -> Self {
        let source = format!("it was not there within {} seconds", limit.as_secs());
        Self { of: of.to_string(), told: None, source: source.into() }
    }
}
