//! What a sandbox costs by itself: one around a program that is there at once.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use anyhow::Result;
use fungraph_sandbox::{Config, Engine, Launch, Limits, Network, Spawner, User, start};
use tempfile::TempDir;

/// A spawner of our own.
pub(crate) struct Sandboxes {
    spawner: Spawner,
    launched: usize,
    _folder: TempDir,
}

impl Sandboxes {
    pub(crate) fn start() -> Result<Self> {
        let folder = super::ours::open_folder()?;
        let config = Config {
            folder: folder.path().join("sandbox"),
            name: format!("bench{}", std::process::id()),
            engine: Engine::default(),
            accept_missing: Vec::new(),
            egress: None,
            shares: Vec::new(),
        };
        Ok(Self { spawner: Spawner::connect(start(&config)?)?, launched: 0, _folder: folder })
    }

    /// Milliseconds from the request to the running program.
    pub(crate) async fn create(&mut self) -> Result<f64> {
        self.launched += 1;
        let (_ours, theirs) = UnixStream::pair()?;
        let begin = Instant::now();
        let sandbox = self.spawner.launch(self.launch(), OwnedFd::from(theirs), null()?).await?;
        let took = begin.elapsed().as_secs_f64() * 1000.0;
        sandbox.exited().await;
        Ok(took)
    }

    fn launch(&self) -> Launch {
        Launch {
            root: None,
            user: User::FUNCTION,
            id: format!("n{}", self.launched),
            binds: Vec::new(),
            late: None,
            mount_points: Vec::new(),
            links: Vec::new(),
            args: vec!["/bin/true".to_owned()],
            env: Vec::new(),
            cwd: "/".to_owned(),
            hostname: "bench".to_owned(),
            limits: Limits {
                memory_bytes: 128 << 20,
                cpu_millicores: 300,
                cpu_quota: false,
                pids: 1024,
                open_files: 1024,
                tmp_bytes: 512 << 20,
            },
            network: Network::None,
        }
    }

    pub(crate) async fn stop(self) {
        self.spawner.shutdown().await;
    }
}

fn null() -> Result<OwnedFd> {
    Ok(std::fs::File::options().write(true).open("/dev/null")?.into())
}
