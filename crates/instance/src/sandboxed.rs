//! The launcher of the product: every process behind the walls of `fungraph-sandbox`.

use std::{
    fs, io,
    os::fd::OwnedFd,
    os::unix::{fs::PermissionsExt, net::UnixStream as StdUnixStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use fungraph_model::limits;
use fungraph_sandbox::{Bind, ExitStatus, Fit, Launch, Limits, Network, Sandbox, Spawner};
use tokio::net::{UnixStream, unix::pipe};

use crate::{
    Blueprint, BoxFuture, Ended, LaunchError, Launched, Launcher, Plan, Process,
    bootstrap::{Bootstrap, RUNTIME_ROOT},
    load::CODE_ROOT,
};

/// How instances are started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Absolute path of the data folder, as the spawner sees it.
    pub data_folder: PathBuf,
    /// Folder for the bootstraps, below the data folder or absolute; written at start.
    pub bootstraps: PathBuf,
    /// What instances can reach.
    pub network: Network,
    /// Whether CPU is a hard quota as well as a weight.
    pub cpu_quota: bool,
}

/// Memory limit of a blank instance, the least that a function can have (contract: limits.md). An idle bootstrap of any language
/// stays well below.
pub const BLANK_MEMORY_MB: u32 = 128;

/// The signal that the kernel kills with for want of memory.
const KILL: i32 = 9;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Starts processes through the spawner.
pub struct SandboxLauncher {
    spawner: Spawner,
    config: Arc<Config>,
    launched: AtomicU64,
}

impl SandboxLauncher {
    /// Writes the bootstraps down and is ready to launch.
    ///
    /// # Errors
    /// When the bootstraps cannot be written.
    pub fn new(spawner: Spawner, config: Config) -> io::Result<Self> {
        let folder = &config.bootstraps;
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        for bootstrap in Bootstrap::all() {
            let file = folder.join(bootstrap.file);
            fs::write(&file, bootstrap.text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
        }
        Ok(Self { spawner, config: Arc::new(config), launched: AtomicU64::new(0) })
    }

    fn launch_message(&self, blueprint: &Blueprint, bootstrap: &Bootstrap) -> Launch {
        let number = self.launched.fetch_add(1, Ordering::Relaxed);
        let config = &self.config;
        let interpreter = &blueprint.interpreter;
        let mut binds =
            vec![Bind { source: config.data_folder.join(&config.bootstraps), target: RUNTIME_ROOT.to_owned() }];
        if let Some(prefix) = &interpreter.prefix {
            binds.push(Bind { source: prefix.clone(), target: prefix.to_string_lossy().into_owned() });
        }
        Launch {
            id: format!("i{number}"),
            binds,
            late: Some(CODE_ROOT.to_owned()),
            links: Vec::new(),
            args: bootstrap.args(interpreter),
            env: environment(),
            cwd: "/opt/function".to_owned(),
            hostname: format!("fungraph-{number}"),
            limits: Limits {
                memory_bytes: u64::from(BLANK_MEMORY_MB) << 20,
                cpu_millicores: limits::cpu_millicores(BLANK_MEMORY_MB),
                cpu_quota: false,
                pids: limits::PROCESSES,
                open_files: limits::OPEN_FILES,
                tmp_bytes: u64::from(blueprint.tmp_mb) << 20,
            },
            network: config.network,
        }
    }

    async fn start(&self, blueprint: &Blueprint) -> Result<Launched, Cause> {
        let language = blueprint.interpreter.language;
        let bootstrap = Bootstrap::of(language).ok_or_else(|| format!("no bootstrap is built for {language:?}"))?;
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (read_end, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let output = pipe::Receiver::from_owned_fd(nonblocking(read_end)?)?;
        let socket = UnixStream::from_std(ours)?;
        let sandbox = self.spawner.launch(self.launch_message(blueprint, bootstrap), theirs.into(), write_end).await?;
        let process = Sandboxed { sandbox, config: Arc::clone(&self.config) };
        Ok(Launched { socket, output, process: Box::new(process) })
    }
}

fn fit_message(config: &Config, plan: &Plan) -> Fit {
    let memory_mb = plan.version.spec.memory_mb;
    Fit {
        source: config.data_folder.join(&plan.code),
        memory_bytes: u64::from(memory_mb) << 20,
        cpu_millicores: limits::cpu_millicores(memory_mb),
        cpu_quota: config.cpu_quota,
    }
}

fn nonblocking(fd: OwnedFd) -> io::Result<OwnedFd> {
    rustix::io::ioctl_fionbio(&fd, true)?;
    Ok(fd)
}

/// What a process has before LOAD names its function.
fn environment() -> Vec<(String, String)> {
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/home/snuser"),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONIOENCODING", "utf-8"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

impl Launcher for SandboxLauncher {
    fn launch<'a>(&'a self, blueprint: &'a Blueprint) -> BoxFuture<'a, Result<Launched, LaunchError>> {
        Box::pin(async move {
            self.start(blueprint).await.map_err(|source| LaunchError { of: blueprint.to_string(), source })
        })
    }
}

struct Sandboxed {
    sandbox: Sandbox,
    config: Arc<Config>,
}

impl Process for Sandboxed {
    fn fit<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            let fitted = self.sandbox.fit(fit_message(&self.config, plan)).await;
            fitted.map_err(|error| LaunchError { of: plan.version.key.to_string(), source: error.into() })
        })
    }

    fn kill(&self) {
        self.sandbox.kill();
    }

    fn exited(&self) -> BoxFuture<'_, Ended> {
        Box::pin(async {
            let exit = self.sandbox.exited().await;
            let (code, signal) = match exit.status {
                ExitStatus::Code(code) => (Some(code), None),
                ExitStatus::Signal(signal) => (None, Some(signal)),
            };
            // Where the kernel killed a child, now or long ago, the function went on and ended by itself.
            let out_of_memory = exit.out_of_memory && signal == Some(KILL);
            Ended { code, signal, out_of_memory }
        })
    }

    fn take_peak(&self) -> u64 {
        self.sandbox.memory().take_peak()
    }
}
