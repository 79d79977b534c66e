//! The launcher of the product: every process behind the walls of `fungraph-sandbox`.

use std::{
    fs, io,
    net::TcpStream,
    os::fd::OwnedFd,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fungraph_model::{Language, Mounts, limits};
use fungraph_sandbox::{
    Bind, Error as SandboxError, ExitStatus, Fit, Launch, Limits, Mount, Network, Sandbox, Spawner, User,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, unix::pipe},
};

use crate::{
    Blueprint, BoxFuture, Ended, Interpreter, LaunchError, Launched, Launcher, Plan, Process, Socket, Sources,
    bootstrap::{Bootstrap, RUNTIME_ROOT},
    compile, java,
    kept::Kept,
    load::CODE_ROOT,
    native::{Native, NativeBootstrap},
    prepared::{self, Prepared, Turn},
    recipe::{Recipe, Work},
};

/// How instances are started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Absolute path of the data folder, as the spawner sees it.
    pub data_folder: PathBuf,
    /// Folder for the bootstraps, below the data folder or absolute; written at start.
    pub bootstraps: PathBuf,
    /// Folder for what was compiled of templates, below the data folder or absolute; made when there is something.
    pub compiled: PathBuf,
    /// What instances can reach.
    pub network: Network,
    /// Whether CPU is a hard quota as well as a weight.
    pub cpu_quota: bool,
    /// Whether interpreters prepare what makes later starts faster; not worth it for a single one.
    pub prepare: bool,
    /// What runs programs of the user's own.
    pub native: NativeBootstrap,
}

/// Memory limit of a blank instance, the least that a function can have (contract: limits.md). An idle bootstrap of any language
/// stays well below.
pub const BLANK_MEMORY_MB: u32 = 128;

/// What an interpreter may take to prepare one file that instances can do without, on a host that has much else to do.
const PREPARED_WITHIN: Duration = Duration::from_secs(60);
/// The same where somebody waits: less than a start may take, so that who waits is told why.
const NEEDED_WITHIN: Duration = Duration::from_secs(25);
/// What a program may take to print its version.
const ASKED_WITHIN: Duration = Duration::from_secs(20);
/// How much of a failed command's output is told.
const SHOWN_BYTES: usize = 4096;
/// The signal that the kernel kills with for want of memory.
const KILL: i32 = 9;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Starts processes through the spawner.
pub struct SandboxLauncher {
    shared: Arc<Shared>,
}

struct Shared {
    spawner: Spawner,
    config: Arc<Config>,
    launched: AtomicU64,
    prepared: Prepared,
    kept: Kept,
    native: Native,
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
        let prepared = Prepared::new(folder)?;
        let native = Native::new(config.native.clone());
        let kept = Kept::new(config.compiled.clone());
        let config = Arc::new(config);
        Ok(Self { shared: Arc::new(Shared { spawner, config, launched: AtomicU64::new(0), prepared, kept, native }) })
    }

    /// Asks a program of an image for its version, in a sandbox that no function ever enters; gives what it prints.
    ///
    /// # Errors
    /// It cannot be started there, or takes too long.
    pub async fn ask_version(&self, interpreter: &Interpreter) -> Result<String, LaunchError> {
        let printed = tokio::time::timeout(ASKED_WITHIN, self.shared.version(interpreter)).await;
        let printed = printed.unwrap_or_else(|_| {
            Err(format!("it did not print its version in {} seconds", ASKED_WITHIN.as_secs()).into())
        });
        printed.map_err(|source| LaunchError { of: interpreter.program.display().to_string(), told: None, source })
    }
}

impl Shared {
    fn launch_message(&self, interpreter: &Interpreter, args: Vec<String>, tmp_mb: u32, memory_mb: u32) -> Launch {
        let number = self.launched.fetch_add(1, Ordering::Relaxed);
        let config = &self.config;
        let mut binds =
            vec![Bind { source: config.data_folder.join(&config.bootstraps), target: RUNTIME_ROOT.to_owned() }];
        binds.extend(interpreter.parts().into_iter().map(same_place));
        binds.extend(java::gson_bind(interpreter).map(|(source, target)| Bind { source, target }));
        Launch {
            id: format!("i{number}"),
            root: interpreter.image.as_ref().map(|image| config.data_folder.join(&image.tree)),
            user: User::FUNCTION,
            binds,
            late: Some(CODE_ROOT.to_owned()),
            mount_points: Vec::new(),
            links: Vec::new(),
            args,
            env: environment(interpreter),
            cwd: "/opt/function".to_owned(),
            hostname: format!("fungraph-{number}"),
            limits: Limits {
                memory_bytes: u64::from(memory_mb) << 20,
                cpu_millicores: limits::cpu_millicores(memory_mb),
                cpu_quota: false,
                pids: limits::PROCESSES,
                open_files: limits::OPEN_FILES,
                tmp_bytes: u64::from(tmp_mb) << 20,
            },
            network: config.network,
        }
    }

    async fn run(&self, launch: Launch) -> Result<(Sandbox, Socket, pipe::Receiver), Cause> {
        let (socket, theirs) = Socket::pair()?;
        let (read_end, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let output = pipe::Receiver::from_owned_fd(nonblocking(read_end)?)?;
        let sandbox = self.spawner.launch(launch, theirs.into(), write_end).await?;
        Ok((sandbox, socket, output))
    }

    async fn version(&self, interpreter: &Interpreter) -> Result<String, Cause> {
        let args = vec![interpreter.program.to_string_lossy().into_owned(), "--version".to_owned()];
        let launch = self.launch_message(interpreter, args, limits::TMP_MB[0], BLANK_MEMORY_MB);
        let (_sandbox, _socket, output) = self.run(launch).await?;
        let mut bytes = Vec::new();
        output.take(SHOWN_BYTES as u64).read_to_end(&mut bytes).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn start(self: &Arc<Self>, blueprint: &Blueprint) -> Result<Launched, Cause> {
        let mut launch = match blueprint.interpreter.language {
            Language::Custom if blueprint.root.is_some() => self.image_launch(blueprint).await?,
            Language::Custom => self.native_launch(blueprint).await?,
            language => self.interpreter_launch(language, blueprint).await?,
        };
        launch.mount_points.clone_from(&blueprint.mount_points);
        let (sandbox, socket, output) = self.run(launch).await?;
        let process = Sandboxed { sandbox, config: Arc::clone(&self.config) };
        Ok(Launched { socket, output, process: Box::new(process) })
    }

    async fn native_launch(&self, blueprint: &Blueprint) -> Result<Launch, Cause> {
        self.native.copy_to(&self.config.bootstraps).await?;
        let mut launch = self.launch_message(
            &blueprint.interpreter,
            self.native.args(),
            blueprint.tmp_mb,
            blueprint.blank_memory_mb(),
        );
        launch.binds.extend_from_slice(self.native.binds());
        launch.links.extend_from_slice(self.native.links());
        Ok(launch)
    }

    /// The same in an image: nothing of the host is there but the bootstrap and what that is linked with.
    async fn image_launch(&self, blueprint: &Blueprint) -> Result<Launch, Cause> {
        self.native.copy_to(&self.config.bootstraps).await?;
        let mut launch =
            self.launch_message(&blueprint.interpreter, self.native.args_anywhere(), blueprint.tmp_mb, BLANK_MEMORY_MB);
        if let Some(root) = &blueprint.root {
            launch.root = Some(self.config.data_folder.join(&root.tree));
            launch.user = User { uid: root.uid, gid: root.gid };
        }
        launch.env = Vec::new();
        Ok(launch)
    }

    async fn interpreter_launch(self: &Arc<Self>, language: Language, blueprint: &Blueprint) -> Result<Launch, Cause> {
        let interpreter = &blueprint.interpreter;
        let recipe = Recipe::of(language).ok_or_else(|| format!("no bootstrap is built for {language:?}"))?;
        let files = self.files(interpreter, recipe).await?;
        let memory_mb = blueprint.blank_memory_mb();
        let args = recipe.args(interpreter, &files, memory_mb);
        let mut launch = self.launch_message(interpreter, args, blueprint.tmp_mb, memory_mb);
        launch.env.extend(recipe.env(interpreter, memory_mb));
        Ok(launch)
    }

    /// What the interpreter has prepared. Waits for what an instance cannot start without, and for nothing else.
    async fn files(self: &Arc<Self>, interpreter: &Arc<Interpreter>, recipe: Recipe) -> Result<Vec<String>, Cause> {
        let (mut seen, turn) = self.prepared.join(interpreter);
        let needed = recipe.needed();
        if let Some(turn) = turn.filter(|_| needed > 0 || self.config.prepare) {
            // A task of its own, which ends by itself: whoever began it may stop waiting, and others want it too.
            tokio::spawn(Arc::clone(self).prepare(Arc::clone(interpreter), recipe, turn));
        }
        if seen.borrow().files.len() >= needed {
            return Ok(seen.borrow().files.clone());
        }
        let ready = seen.wait_for(|progress| progress.files.len() >= needed || progress.failed.is_some()).await;
        let progress = ready.map_err(|_| "what it needs is no longer being prepared")?.clone();
        match progress.failed {
            Some(why) if progress.files.len() < needed => {
                Err(format!("{interpreter} could not compile its bootstrap: {why}").into())
            }
            _ => Ok(progress.files),
        }
    }

    /// Takes step after step. One that fails ends it; where instances cannot start without it, the next start tries again.
    async fn prepare(self: Arc<Self>, interpreter: Arc<Interpreter>, recipe: Recipe, turn: Turn) {
        loop {
            let done = turn.progress.borrow().files.len();
            let is_needed = done < recipe.needed();
            let next = recipe.next(&interpreter, &turn.progress.borrow().files);
            let Some(step) = next.filter(|_| is_needed || self.config.prepare) else { return };
            let within = if is_needed { NEEDED_WITHIN } else { PREPARED_WITHIN };
            let made = self.make(&interpreter, &step.work, 1, within).await;
            let kept = made.and_then(|made| Ok(self.prepared.keep(&interpreter, &turn, step.extension, &made[0])?));
            let Err(cause) = kept else { continue };
            let why = chain(&*cause);
            tracing::warn!(cause = why, program = %interpreter.program.display(), file = step.extension, "an interpreter could not prepare \
                 what its instances start from");
            if is_needed {
                self.prepared.forget(&interpreter);
            }
            turn.progress.send_modify(|progress| progress.failed = Some(why.into()));
            return;
        }
    }

    /// Compiles functions, unless an earlier server did. What they are compiled against lies beside their sources.
    async fn compile(&self, compiler: &Interpreter, sources: &Sources) -> Result<Vec<Vec<u8>>, Cause> {
        let (work, within) =
            compile::work(compiler, sources).ok_or("functions of this language are not compiled here")?;
        let count = sources.makes.len();
        let name = Kept::name(compiler, sources, &work);
        if let Some(files) = self.kept.read(&name, count).await {
            return Ok(files);
        }
        let files = self.make(compiler, &work, count, within).await?;
        self.kept.write(name, files).await
    }

    /// Does a work and takes the files out of what it prints.
    async fn make(
        &self,
        interpreter: &Interpreter,
        work: &Work,
        files: usize,
        within: Duration,
    ) -> Result<Vec<Vec<u8>>, Cause> {
        let made = tokio::time::timeout(within, self.output(interpreter, work)).await;
        let made = made.unwrap_or_else(|_| Err(format!("it took longer than {} seconds", within.as_secs()).into()));
        let (status, bytes) = made?;
        let printed = prepared::printed(&bytes);
        if status == ExitStatus::Code(0) && printed.len() == files {
            return Ok(printed.into_iter().map(<[u8]>::to_vec).collect());
        }
        // What it printed says why.
        Err(format!("{status:?}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)])).into())
    }

    async fn output(&self, interpreter: &Interpreter, work: &Work) -> Result<(ExitStatus, Vec<u8>), Cause> {
        self.prepared.write(&work.sources)?;
        let mut launch = self.launch_message(interpreter, work.command.clone(), limits::TMP_MB[0], work.memory_mb);
        launch.binds.extend(work.tools.iter().cloned().map(same_place));
        // Nothing is fetched, whatever functions may reach.
        launch.network = Network::None;
        let (sandbox, _socket, output) = self.run(launch).await?;
        let mut bytes = Vec::new();
        output.take(work.most_bytes).read_to_end(&mut bytes).await?;
        Ok((sandbox.exited().await.status, bytes))
    }
}

fn same_place(path: PathBuf) -> Bind {
    Bind { target: path.to_string_lossy().into_owned(), source: path }
}

/// An error with its causes, for those who only get a text.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn fit_message(config: &Config, plan: &Plan) -> Fit {
    let memory_mb = plan.version.spec.memory_mb;
    Fit {
        source: config.data_folder.join(&plan.code),
        mounts: mounts(&plan.version.spec.mounts),
        memory_bytes: u64::from(memory_mb) << 20,
        cpu_millicores: limits::cpu_millicores(memory_mb),
        cpu_quota: config.cpu_quota,
    }
}

fn mounts(mounts: &Mounts) -> Vec<Mount> {
    let (uid, gid) = mounts.user.owner();
    let mount = |mount: &fungraph_model::Mount| Mount {
        place: mount.local_path.clone(),
        share: mount.resource.clone(),
        folder: mount.folder().to_owned(),
        uid,
        gid,
    };
    mounts.list.iter().map(mount).collect()
}

fn nonblocking(fd: OwnedFd) -> io::Result<OwnedFd> {
    rustix::io::ioctl_fionbio(&fd, true)?;
    Ok(fd)
}

/// What a process has before LOAD names its function. In an image, what that says of itself goes first, and its own `PATH` counts.
fn environment(interpreter: &Interpreter) -> Vec<(String, String)> {
    let usual = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/home/snuser"),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONIOENCODING", "utf-8"),
    ];
    let own = interpreter.image.as_ref().map_or(&[][..], |image| &image.env);
    let has_path = own.iter().any(|(name, _)| name == "PATH");
    let usual = usual.into_iter().filter(|(name, _)| *name != "PATH" || !has_path);
    let usual: Vec<_> = usual.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let is_usual = |name: &String| usual.iter().any(|(other, _)| other == name);
    own.iter().filter(|(name, _)| !is_usual(name)).cloned().chain(usual.clone()).collect()
}

impl Launcher for SandboxLauncher {
    fn compile<'a>(
        &'a self,
        compiler: &'a Arc<Interpreter>,
        sources: &'static Sources,
    ) -> BoxFuture<'a, Result<Vec<Vec<u8>>, LaunchError>> {
        Box::pin(async move {
            self.shared.compile(compiler, sources).await.map_err(|source| LaunchError {
                of: compiler.to_string(),
                told: None,
                source,
            })
        })
    }

    fn launch<'a>(&'a self, blueprint: &'a Blueprint) -> BoxFuture<'a, Result<Launched, LaunchError>> {
        Box::pin(async move {
            self.shared.start(blueprint).await.map_err(|source| LaunchError {
                of: blueprint.to_string(),
                told: None,
                source,
            })
        })
    }
}

struct Sandboxed {
    sandbox: Sandbox,
    config: Arc<Config>,
}

/// What a refused connection means, by the network.
fn explanation(network: Network) -> &'static str {
    match network {
        Network::Egress => {
            "a connection was refused: functions of this server reach the public internet, but neither its host, nor each other, \
             nor private or link-local networks; its operator opens ranges with sandbox.egress_allow"
        }
        Network::None | Network::Host => {
            "a connection was refused: functions of this server have no network; its operator gives them one with \
             sandbox.network, and `fungraph doctor` says what that takes"
        }
    }
}

impl Process for Sandboxed {
    fn fit<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async move {
            let fitted = self.sandbox.fit(fit_message(&self.config, plan)).await;
            fitted.map_err(|error| {
                let told = if let SandboxError::Fit { told, .. } = &error { told.clone() } else { None };
                LaunchError { of: plan.version.key.to_string(), told, source: error.into() }
            })
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

    fn tcp_socket(&self) -> BoxFuture<'_, io::Result<TcpSocket>> {
        Box::pin(async {
            let socket = self.sandbox.tcp_socket().await.map_err(io::Error::other)?;
            Ok(TcpSocket::from_std_stream(TcpStream::from(socket)))
        })
    }

    fn take_peak(&self) -> u64 {
        self.sandbox.memory().take_peak()
    }

    fn take_peak_of(&self, took: Duration, now: Instant) -> u64 {
        self.sandbox.memory().take_peak_of(took, now)
    }

    fn refused_connection(&self) -> Option<&'static str> {
        (self.sandbox.refused_connections() > 0).then(|| explanation(self.config.network))
    }
}
