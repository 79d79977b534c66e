//! A gateway on a real engine, store and pool. Only sandboxes are missing: every start fails, as on a host that is broken.

use std::{net::SocketAddr, sync::Arc};

use fungraph_engine::{Credentials, Destinations, Engine, Parts};
use fungraph_gateway::{Config, Gateway};
use fungraph_instance::{
    Blueprint, BoxFuture, Interpreters, LaunchError, Launched, Launcher, interpreters::SearchPlan,
};
use fungraph_model::{Administrator, ProjectId, Role};
use fungraph_pool::Pool;
use fungraph_store::queue::{Queue, QueueConfig};
use fungraph_store::{
    ImageLimits, ImageSettings, Images, LogLimits, Logs, ObjectSettings, Objects, PackageLimits, Packages, Store,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A running server; its folder goes with it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) credentials: Credentials,
    pub(crate) engine: Arc<Engine>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), fungraph_gateway::Error>>,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start(config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = engine(&folder).await;
        let credentials = engine.first_credentials().await.expect("a first key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shutdown = CancellationToken::new();
        let gateway = Gateway::new(config, engine.clone(), || "numbers 1\n".to_owned());
        let running = tokio::spawn(gateway.run(listener, shutdown.clone()));
        Self { address, credentials, engine, shutdown, running, _folder: folder }
    }

    /// The right to decide about everything.
    pub(crate) fn administrator(&self) -> Administrator {
        let key = self.engine.access_key(&self.credentials.access_key, None, jiff::Timestamp::now());
        Administrator::of(&key.expect("the first key").proof()).expect("the first key decides")
    }

    /// A key of a new user with one role.
    pub(crate) async fn user(&self, name: &str, role: Role, project: &ProjectId) -> Credentials {
        let by = self.administrator();
        self.engine.create_user(&by, name, None).await.expect("a user");
        self.engine.grant(&by, name.into(), role, Some(project.to_string())).await.expect("a role");
        let key = self.engine.create_key(&by, name.into()).await.expect("a key");
        let (domain_id, project_id) = (self.credentials.domain_id.clone(), project.clone());
        Credentials { domain_id, project_id, access_key: key.access, secret_key: key.secret }
    }

    /// Stops accepting and waits for what is in flight.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.expect("no panic").expect("no error");
    }

    /// Asks it to stop and goes on.
    pub(crate) fn begin_stop(&self) {
        self.shutdown.cancel();
    }
}

async fn engine(folder: &TempDir) -> Arc<Engine> {
    let path = folder.path();
    let plan = SearchPlan {
        path: std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect(),
        homes: std::env::home_dir().into_iter().collect(),
        roots: vec!["/".into()],
        ..SearchPlan::default()
    };
    let store = fungraph_store::Config { folder: path.to_owned(), readers: 1 };
    let parts = Parts {
        config: fungraph_engine::Config::default(),
        store: Store::open(&store).await.expect("a store"),
        packages: Packages::open(path, PackageLimits::default()).expect("packages"),
        images: Images::open(path, ImageSettings::default(), ImageLimits::default()).expect("images"),
        objects: Objects::new(ObjectSettings::default()),
        destinations: Destinations::default(),
        logs: Logs::open(path, LogLimits::default()).expect("logs"),
        queue: Queue::open(&QueueConfig::new(path)).await.expect("a queue"),
        pool: Pool::new(fungraph_pool::Config::default(), Arc::new(NoSandbox)),
        interpreters: Interpreters::discover(&plan, None),
        compiler: Arc::new(NoSandbox),
    };
    Engine::start(parts).await.expect("an engine")
}

struct NoSandbox;

impl Launcher for NoSandbox {
    fn launch<'a>(&'a self, blueprint: &'a Blueprint) -> BoxFuture<'a, Result<Launched, LaunchError>> {
        let of = blueprint.to_string();
        Box::pin(async move { Err(LaunchError { of, told: None, source: "this host has no sandboxes".into() }) })
    }
}
