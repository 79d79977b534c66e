//! Builds the parts of the platform in their order, and stops them in the opposite one.
//!
//! There are two halves, because privilege can only be given up before threads exist. [`Ground`] is laid by one thread,
//! as root: folder, interpreters, spawner. [`Platform`] stands on it inside the runtime, as nobody.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fungraph_engine::{
    AsyncLimits, DestinationSettings, Destinations, DisSettings, Engine, MountName, MountNames, Parts, SmnSettings,
};
use fungraph_gateway::StayAwake;
use fungraph_instance::{Interpreters, Launcher, NativeBootstrap, SandboxLauncher};
use fungraph_model::{ProjectId, Secret};
use fungraph_pool::Pool;
use fungraph_sandbox::{Egress, Share, Spawner, SpawnerProcess, Wall, WallState};
use fungraph_store::images::{Credentials, Held, read_credentials};
use fungraph_store::objects::{ObjectSettings, Objects};
use fungraph_store::queue::{Queue, QueueConfig, Retention};
use fungraph_store::{ImageLimits, ImageSettings, Images, LogLimits, Logs, PackageLimits, Packages, Store};

use crate::config::{Mount, Network, SecretKey, Settings, Wakefulness};
use crate::data_folder::DataFolder;
use crate::environment;
use crate::exit::Stop;
use crate::host;
use crate::privileges::{Identity, take_precedence};
use crate::runtime_images;

/// Part of the host's memory that instances may have where no setting says otherwise.
const MEMORY_SHARE: f64 = 0.8;
/// Largest segment of a log; an eighth of what a function may keep where that is less.
const LOG_SEGMENT: u64 = 8 << 20;
/// File of the data folder that keeps the versions of interpreters.
const INTERPRETERS: &str = "interpreters.json";

/// What is there before the first thread is.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) folder: DataFolder,
    pub(crate) interpreters: Interpreters,
    process: SpawnerProcess,
    /// What this process runs, opened while every file can be.
    executable: Arc<File>,
    /// And what it has loaded.
    libraries: Vec<(String, Arc<File>)>,
    /// Accounts for registries, in a file that perhaps only root may read.
    credentials: Credentials,
    /// Where packages come from; its key may be in such a file too.
    objects: ObjectSettings,
    /// Who is told of the ends of asynchronous calls, with their secrets.
    destinations: DestinationSettings,
}

impl Ground {
    /// Locks the folder, looks at the walls, starts the spawner, and finds interpreters while it makes itself ready.
    ///
    /// # Errors
    /// The folder is in use, or this host cannot give what a sandbox needs.
    pub(crate) fn lay(settings: &Settings, folder: &Path) -> anyhow::Result<Self> {
        require_root()?;
        let engine = settings.sandbox.engine;
        engine.inspect(&environment::path()).map_err(|error| Stop::usage(error.to_string()))?;
        let credentials = credentials(settings)?;
        let objects = objects(settings)?;
        let destinations = destinations(settings)?;
        let folder = DataFolder::open(folder)?;
        let config = fungraph_sandbox::Config {
            folder: folder.path().join("sandbox"),
            name: folder.short_name(),
            engine,
            accept_missing: walls(settings)?,
            egress: egress(settings),
            shares: shown(shares(settings, folder.path())?)?,
        };
        let starting = fungraph_sandbox::begin(&config)?;
        // Meanwhile: programs that are asked for their version take as long as the spawner does.
        let plan = environment::search_plan(&settings.runtimes);
        let interpreters = Interpreters::discover(&plan, Some(&folder.path().join(INTERPRETERS)));
        let process = starting.ready()?;
        if let Some(WallState::Missing { why, remedy }) = process.egress() {
            tracing::warn!("functions have NO NETWORK, as if sandbox.network were \"none\": {why}; {remedy}");
        }
        let executable = Arc::new(File::open("/proc/self/exe").context("cannot read the program that runs")?);
        let libraries =
            fungraph_instance::loaded_libraries().context("cannot read the libraries of the program that runs")?;
        Ok(Self { folder, interpreters, process, executable, libraries, credentials, objects, destinations })
    }

    /// Tells the spawner where we listen, so that the network of functions costs our callers nothing.
    ///
    /// # Errors
    /// The spawner is gone.
    pub(crate) fn listening(&self, address: SocketAddr) -> anyhow::Result<()> {
        Ok(self.process.leave_untracked(address.port())?)
    }

    /// Goes into the data folder and becomes somebody who is not root. From here on paths are relative to it.
    ///
    /// # Errors
    /// The new user cannot reach the folder, or the kernel refuses.
    pub(crate) fn give_up_root(&self, settings: &Settings) -> anyhow::Result<()> {
        let identity = Identity::of_server(settings.server.user.as_deref(), self.folder.path())?;
        self.folder.hand_over(identity)?;
        std::env::set_current_dir(self.folder.path()).context("cannot enter the data folder")?;
        take_precedence(settings.server.precedence);
        fungraph_sandbox::drop_privileges(identity.uid, identity.gid).context("cannot give up root")?;
        tracing::debug!(uid = identity.uid, gid = identity.gid, "gave up root");
        Ok(())
    }
}

/// The sandbox takes root for now: rootless hosts need a delegated cgroup tree and come later.
///
/// # Errors
/// We are not root.
pub(crate) fn require_root() -> anyhow::Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Stop::usage(
        "functions run in sandboxes, and making them takes root: run this again with sudo. One small process stays root; \
         the server gives it up before it takes the first call",
    ))
}

/// The walls to be without: those named in the settings, and on loopback those this host lacks.
fn walls(settings: &Settings) -> anyhow::Result<Vec<Wall>> {
    let loopback = settings.server.listen.ip().is_loopback();
    let mut accepted = settings.sandbox.accept_missing.clone();
    for report in fungraph_sandbox::inspect() {
        let WallState::Missing { why, remedy } = report.state else { continue };
        let wall = report.wall;
        if !wall.can_be_missing() {
            return Err(Stop::usage(format!(
                "this host cannot give the wall {wall}, which no sandbox is without: {why}; {remedy}"
            )));
        }
        if !accepted.contains(&wall) {
            if !loopback {
                return Err(Stop::usage(format!(
                    "this host cannot give the wall {wall}: {why}; {remedy}. Functions of others could do harm without \
                     it: either do that, or listen on 127.0.0.1, or accept it with sandbox.accept_missing = [\"{wall}\"]"
                )));
            }
            accepted.push(wall);
        }
        tracing::warn!("running WITHOUT THE WALL {wall}: {why}; {remedy}");
    }
    Ok(accepted)
}

/// How processors stay awake between calls, and the same in words. For root, as only root may ask the kernel for it; the device stays open.
pub(crate) fn stay_awake(settings: &Settings) -> (StayAwake, String) {
    match settings.server.stay_awake {
        Wakefulness::No => (StayAwake::No, "processors sleep between calls, as the settings say".to_owned()),
        Wakefulness::BusyPoll => busy_poll(", as the settings say"),
        Wakefulness::Auto => match host::idle_latency() {
            Ok(latency) => {
                let text = "the kernel keeps processors awake between calls that follow closely";
                (StayAwake::Kernel(latency), text.to_owned())
            }
            Err(why) => busy_poll(&format!(": {why}")),
        },
    }
}

fn busy_poll(why: &str) -> (StayAwake, String) {
    if host::processors() > 1 {
        return (StayAwake::BusyPoll, format!("busy polling between calls that follow closely{why}"));
    }
    // On one processor it would take from the function what it gives to the server.
    (StayAwake::No, "it sleeps between calls: busy polling would keep functions from it".to_owned())
}

/// A runtime with the threads that the settings say.
///
/// # Errors
/// The system has no threads to give.
pub(crate) fn runtime(settings: &Settings) -> anyhow::Result<tokio::runtime::Runtime> {
    let workers = if settings.server.workers == 0 { host::processors().div_ceil(2) } else { settings.server.workers };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(workers).thread_name("worker").enable_all().build().context("cannot start threads")
}

/// The running parts.
pub(crate) struct Platform {
    pub(crate) engine: Arc<Engine>,
    pub(crate) spawner: Spawner,
    /// Those of the host, and of images that stand in for them.
    pub(crate) interpreters: Interpreters,
    /// Images that runtimes run in; they must stay.
    _images: Vec<Held>,
    /// Absolute path of the data folder, which we stand in; its lock goes last.
    folder: DataFolder,
}

impl Platform {
    /// Starts every part. The metrics recorder is installed before.
    ///
    /// # Errors
    /// The first part that does not start.
    pub(crate) async fn start(settings: &Settings, ground: Ground) -> anyhow::Result<Self> {
        let Ground { folder, mut interpreters, process, executable, libraries, credentials, objects, destinations } =
            ground;
        let objects = Objects::new(objects);
        let destinations = DestinationSettings { objects: Some(objects.clone()), ..destinations };
        let native = NativeBootstrap { libraries, ..native(settings, executable, interpreters.clone()) };
        let network = network(settings, &process);
        let here = PathBuf::from(".");
        let spawner = Spawner::connect(process)?;
        let store = fungraph_store::Config { folder: here.clone(), readers: settings.server.database_readers };
        let images = Images::open(&here, images(settings, credentials), image_limits(settings));
        let images = images.context("cannot open the images")?;
        let launcher = launcher(settings, network, &folder, spawner.clone(), native)?;
        let start = runtime_images::Start { settings, images: &images, launcher: &launcher };
        let held = start.assign(&mut interpreters).await?;
        let launcher: Arc<dyn Launcher> = Arc::new(launcher);
        // Each waits for its own file most of the time.
        let store = async { Store::open(&store).await.context("cannot open the database") };
        let queue = QueueConfig { clock: environment::queue_clock(), ..QueueConfig::new(&here) };
        let queue = async { Queue::open(&queue).await.context("cannot open the queue of asynchronous calls") };
        let (store, queue) = tokio::try_join!(store, queue)?;
        let engine = Engine::start(Parts {
            config: engine(settings),
            store,
            packages: Packages::open(&here, PackageLimits::default()).context("cannot open the code packages")?,
            images,
            objects: objects.clone(),
            destinations: Destinations::open(destinations)
                .await
                .context("cannot prepare the destinations of asynchronous calls")?,
            logs: Logs::open(&here, logs(settings)).context("cannot open the logs")?,
            queue,
            pool: Pool::new(pool(settings), Arc::clone(&launcher)),
            interpreters: interpreters.clone(),
            compiler: launcher,
        });
        Ok(Self { engine: engine.await?, spawner, interpreters, _images: held, folder })
    }

    /// Stops every part; what is not done within `limit` is given up.
    pub(crate) async fn stop(self, limit: Duration) {
        self.engine.shutdown(limit).await;
        self.spawner.shutdown().await;
        drop(self.folder);
    }
}

/// What the spawner must be able to give.
fn egress(settings: &Settings) -> Option<Egress> {
    (settings.sandbox.network == Network::Egress).then(|| settings.sandbox.egress.clone())
}

/// What instances get: the way out only where there is one.
fn network(settings: &Settings, process: &SpawnerProcess) -> fungraph_sandbox::Network {
    match settings.sandbox.network {
        Network::Egress if process.egress() == Some(&WallState::Available) => fungraph_sandbox::Network::Egress,
        Network::Egress | Network::None => fungraph_sandbox::Network::None,
        Network::Host => fungraph_sandbox::Network::Host,
    }
}

/// The operator's folders. None may hold our own, or be in it: who mounts it chooses the owner that he is.
///
/// # Errors
/// One of them does.
pub(crate) fn shares(settings: &Settings, data_folder: &Path) -> anyhow::Result<Vec<Share>> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let ours = real(data_folder);
    let share = |mount: &Mount| {
        let path = real(&mount.path);
        if path.starts_with(&ours) || ours.starts_with(&path) {
            return Err(Stop::usage(format!(
                "mounts.{}.path = {:?} is not possible: it and the data folder {} are one in the other; choose another folder",
                mount.name,
                mount.path.display().to_string(),
                ours.display()
            )));
        }
        Ok(Share { name: mount.name.clone(), path: mount.path.clone(), read_only: mount.read_only })
    };
    settings.mounts.iter().map(share).collect()
}

/// Seen to before the spawner does: what is wrong with a setting is told as such.
fn shown(shares: Vec<Share>) -> anyhow::Result<Vec<Share>> {
    for share in &shares {
        if let WallState::Missing { why, remedy } = fungraph_sandbox::inspect_share(share) {
            return Err(Stop::usage(format!("mounts.{} cannot be given to functions: {why}; {remedy}", share.name)));
        }
    }
    Ok(shares)
}

fn mount_names(settings: &Settings) -> MountNames {
    let name = |mount: &Mount| MountName {
        name: mount.name.clone(),
        projects: mount.projects.as_ref().map(|projects| projects.iter().cloned().map(ProjectId).collect()),
    };
    MountNames(settings.mounts.iter().map(name).collect())
}

fn launcher(
    settings: &Settings,
    network: fungraph_sandbox::Network,
    folder: &DataFolder,
    spawner: Spawner,
    native: NativeBootstrap,
) -> anyhow::Result<SandboxLauncher> {
    let config = fungraph_instance::Config {
        data_folder: folder.path().to_path_buf(),
        bootstraps: "bootstraps".into(),
        compiled: "compiled".into(),
        network,
        cpu_quota: settings.sandbox.cpu_quota,
        prepare: settings.pool.blanks_most > 0,
        native,
    };
    SandboxLauncher::new(spawner, config).context("cannot write the bootstraps")
}

/// This program again, for functions that are programs of their own.
fn native(settings: &Settings, executable: Arc<File>, interpreters: Interpreters) -> NativeBootstrap {
    let (argument, strict) = (fungraph_native::COMMAND, settings.runtimes.strict);
    NativeBootstrap { executable, libraries: Vec::new(), argument, interpreters, strict }
}

fn engine(settings: &Settings) -> fungraph_engine::Config {
    fungraph_engine::Config {
        region: settings.server.region.clone(),
        billing_step_ms: settings.billing_step_ms,
        sync_ceiling: settings.limits.sync,
        functions_per_project: settings.limits.functions_per_project,
        dependencies_per_project: settings.limits.dependencies_per_project,
        reserved_instances: settings.limits.reserved_instances,
        code_bytes_per_project: settings.limits.code_per_project,
        strict_runtimes: settings.runtimes.strict,
        image_pull: settings.images.pull,
        mounts: mount_names(settings),
        time_zone: settings.time_zone.clone(),
        recorded_event_bytes: settings.limits.recorded_event,
        statistics_days: settings.statistics.days,
        statistics_rows: settings.statistics.most_rows,
        queue: queue(settings),
    }
}

fn queue(settings: &Settings) -> AsyncLimits {
    let queue = &settings.queue;
    AsyncLimits {
        running: queue.running,
        running_per_function: queue.running_per_function,
        running_per_project: queue.running_per_project.unwrap_or(usize::MAX),
        waiting_per_function: queue.waiting_per_function,
        waiting_per_project: queue.waiting_per_project.unwrap_or(u64::MAX),
        waiting_bytes_per_project: queue.waiting_bytes_per_project,
        records: Retention {
            age: queue.records_age,
            per_function: queue.records_per_function,
            total: queue.records,
            recorded_bytes: queue.recorded_bytes,
        },
        ..AsyncLimits::default()
    }
}

fn images(settings: &Settings, credentials: Credentials) -> ImageSettings {
    let (registries, insecure) = (settings.images.registries.clone(), settings.images.insecure.clone());
    ImageSettings { registries, insecure, credentials }
}

fn image_limits(settings: &Settings) -> ImageLimits {
    ImageLimits {
        total_bytes: settings.images.total,
        project_bytes: settings.images.per_project,
        unused: settings.images.unused,
        ..ImageLimits::default()
    }
}

/// Accounts for registries.
///
/// # Errors
/// The file that the settings name cannot be used.
fn credentials(settings: &Settings) -> anyhow::Result<Credentials> {
    let Some(file) = &settings.images.auth_file else { return Ok(Credentials::default()) };
    read_credentials(file).map_err(|why| Stop::usage(format!("images.auth_file cannot be used: {why}")))
}

/// The object store with its key, and hosts that links may lead to.
///
/// # Errors
/// The file with the secret cannot be used.
fn objects(settings: &Settings) -> anyhow::Result<ObjectSettings> {
    let obs = &settings.obs;
    let secret = match &obs.secret_key {
        None => None,
        Some(SecretKey::Here(secret)) => Some(secret.clone()),
        Some(SecretKey::File(file)) => Some(secret_in("obs.secret_key_file", file)?),
    };
    let mut endpoint = obs.endpoint.clone();
    if let Some(endpoint) = &mut endpoint {
        endpoint.account = obs.access_key.clone().zip(secret);
    }
    let (buckets, hosts) = (obs.buckets.clone(), obs.hosts.clone());
    Ok(ObjectSettings { endpoint, buckets, hosts, limit: obs.fetch, ..ObjectSettings::default() })
}

/// Who is told of the ends of asynchronous calls, beside the object store.
///
/// # Errors
/// A file with a secret cannot be used.
fn destinations(settings: &Settings) -> anyhow::Result<DestinationSettings> {
    let set = &settings.destinations;
    let secret =
        |setting: &str, file: &Option<PathBuf>| file.as_deref().map(|file| secret_in(setting, file)).transpose();
    let smn_secret = secret("destinations.smn_secret_file", &set.smn_secret_file)?;
    let password = secret("destinations.dis_password_file", &set.dis_password_file)?;
    let smn = set.smn_endpoint.clone().map(|endpoint| SmnSettings { endpoint, secret: smn_secret });
    let dis = set.dis_server.clone().map(|server| DisSettings { server, user: set.dis_user.clone(), password });
    Ok(DestinationSettings { objects: None, buckets: set.obs_buckets.clone(), smn, dis, give_up: set.give_up })
}

fn secret_in(setting: &str, file: &Path) -> anyhow::Result<Secret> {
    let named = |why: String| Stop::usage(format!("{setting} cannot be used: {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| named(error.to_string()))?;
    let secret = text.trim();
    if secret.is_empty() { Err(named("it is empty".to_owned())) } else { Ok(Secret::new(secret.to_owned())) }
}

fn pool(settings: &Settings) -> fungraph_pool::Config {
    let pool = &settings.pool;
    fungraph_pool::Config {
        idle: pool.idle,
        wait: pool.wait,
        queue_per_function: pool.queue_per_function,
        queue_per_project: pool.queue_per_project.unwrap_or(usize::MAX),
        queue: pool.queue,
        most_instances: pool.most_instances,
        most_instances_per_project: pool.most_instances_per_project.unwrap_or(usize::MAX),
        memory_bytes_per_project: pool.memory_per_project.unwrap_or(u64::MAX),
        blanks_least: pool.blanks_least,
        blanks_most: pool.blanks_most,
        memory_bytes: pool.memory.unwrap_or_else(|| (host::memory_bytes() as f64 * MEMORY_SHARE) as u64),
        start: pool.start,
        log_bytes_per_call: settings.logs.per_call,
        ..fungraph_pool::Config::default()
    }
}

fn logs(settings: &Settings) -> LogLimits {
    LogLimits {
        segment_bytes: LOG_SEGMENT.min(settings.logs.per_function / 8),
        function_bytes: settings.logs.per_function,
        total_bytes: settings.logs.total,
        ..LogLimits::default()
    }
}
