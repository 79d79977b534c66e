//! The server on its data folder, started and killed many times, and the two functions on it: one that is called, and one that is its
//! destination. Both write a line to a shared folder each time they run.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::Trouble;
use super::disk::Disk;
use crate::compare::host;
use crate::compare::ours::open_folder;
use crate::compare::process::Server;
use crate::http1::{Connection, Request};

/// How long a start may be put off by what the last run left.
const PATIENCE: Duration = Duration::from_secs(60);

const VICTIM: &str = "\
import os
def handler(event, context):
    out = os.open('/mnt/out/ran', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(out, (context.getRequestID() + '\\n').encode())
    os.close(out)
    return 'done'
";

const TOLD: &str = "\
import os
def handler(event, context):
    out = os.open('/mnt/out/told', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    line = event['request_context']['request_id'] + ' ' + context.getRequestID() + '\\n'
    os.write(out, line.encode())
    os.close(out)
    return 'done'
";

/// What stays from round to round.
pub(super) struct Stage {
    program: PathBuf,
    project: String,
    pub(super) disk: Option<Disk>,
    home: TempDir,
}

/// A server of one round.
pub(super) struct Running {
    server: Server,
    project: String,
}

impl Stage {
    /// A fresh place.
    pub(super) async fn set(program: &Path, trouble: Trouble) -> Result<Self> {
        let home = open_folder()?;
        let out = home.path().join("out");
        std::fs::create_dir(&out)?;
        // Functions are somebody of their own in there.
        std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o777))?;
        let settings = format!("[mounts.\"out\"]\npath = {:?}\nmode = \"rw\"\n", out.display().to_string());
        std::fs::write(home.path().join("fungraph.toml"), settings)?;
        let data = home.path().join("data");
        std::fs::create_dir(&data)?;
        let disk = if trouble == Trouble::Disk { Some(Disk::mount(&data)?) } else { None };
        Ok(Self { program: program.to_owned(), project: String::new(), disk, home })
    }

    /// Starts the server; what a killed one leaves may keep the folder for a moment. `step` is what its clock is set by, in seconds.
    pub(super) async fn start(&mut self, step: i64) -> Result<Running> {
        let begun = Instant::now();
        loop {
            let mut command = Command::new(&self.program);
            command.args(["serve", "--listen", "127.0.0.1:0", "--auth", "off", "--data-dir"]).arg(self.data());
            command.arg("--config").arg(self.home.path().join("fungraph.toml")).env("RUST_LOG", "error");
            let log = std::fs::OpenOptions::new().create(true).append(true).open(self.home.path().join("log"))?;
            command.stderr(log);
            if step != 0 {
                command.env("FUNGRAPH_TEST_CLOCK_STEP", step.to_string());
            }
            match Server::start(command).await {
                Ok(server) => {
                    if self.project.is_empty() {
                        let text = std::fs::read_to_string(self.data().join("credentials.json"))?;
                        let credentials: Value = serde_json::from_str(&text)?;
                        self.project = credentials["project_id"].as_str().context("no project_id")?.to_owned();
                    }
                    return Ok(Running { server, project: self.project.clone() });
                }
                Err(error) if begun.elapsed() > PATIENCE => return Err(error.context(self.last_words())),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Puts the functions there.
    pub(super) async fn deploy(&self, server: &Running, runtime: &str) -> Result<()> {
        for (name, code) in [("victim", VICTIM), ("told", TOLD)] {
            let body = json!({
                "func_name": name, "package": "default", "runtime": runtime, "handler": "index.handler", "timeout": 30,
                "memory_size": 128, "code_type": "inline", "func_code": { "file": BASE64_STANDARD.encode(code) },
                "mount_config": {
                    "mount_user": { "user_id": -1, "user_group_id": -1 },
                    "func_mounts": [{
                        "mount_type": "sfs", "mount_resource": "out", "mount_share_path": "/", "local_mount_path": "/mnt/out",
                    }],
                },
            });
            server.ask("POST", "", &body).await.with_context(|| format!("cannot create {name}"))?;
        }
        let param = json!({ "func_urn": format!("{}:default:told", self.project) }).to_string();
        // A clock that is set ahead by hours makes calls older than they may be by default.
        let old = json!({ "max_async_event_age_in_seconds": 86400, "max_async_retry_attempts": 3 });
        server.ask("PUT", "/told/async-invoke-config", &old).await.context("cannot set the age of the told")?;
        let settings = json!({
            "max_async_event_age_in_seconds": 86400, "max_async_retry_attempts": 3,
            "destination_config": { "on_success": { "destination": "FunctionGraph", "param": param } },
        });
        server.ask("PUT", "/victim/async-invoke-config", &settings).await.context("cannot set the destination")?;
        Ok(())
    }

    /// Lines that a function wrote.
    pub(super) fn lines(&self, name: &str) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(self.home.path().join("out").join(name)).unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The write-ahead log of the queue.
    pub(super) fn queue_log(&self) -> PathBuf {
        self.data().join("queue.db-wal")
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
        let from = log.len().saturating_sub(2000);
        format!("the server's log ends with: {}", log.get(from..).unwrap_or_default())
    }
}

impl Running {
    pub(super) fn address(&self) -> &str {
        &self.server.address
    }

    /// The path of an operation on functions.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v2/{}/fgs/functions{rest}", self.project)
    }

    /// One request; the JSON of its answer.
    pub(super) async fn ask(&self, method: &'static str, rest: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::new(method, self.path(rest), body).render(self.address());
        Connection::open(self.address()).await?.call(&request).await?.json()
    }

    /// Ends it as a power cut would, with its spawner or without.
    pub(super) async fn kill(self, with_spawner: bool) -> Result<()> {
        let spawner = host::descendants(self.server.pid()).first().map(|(pid, _)| *pid).filter(|_| with_spawner);
        for pid in [Some(self.server.pid()), spawner].into_iter().flatten() {
            let pid = Pid::from_raw(pid.cast_signed()).context("no process")?;
            // It may have ended with the first.
            let _ = kill_process(pid, Signal::KILL);
        }
        self.server.killed().await
    }

    /// Ends it in order.
    pub(super) async fn stop(self) -> Result<()> {
        let status = self.server.stop().await?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }
}
