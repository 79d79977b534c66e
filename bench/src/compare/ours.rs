//! The real server, as shipped: started with defaults, given functions over its API, called with signatures.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::host;
use super::process::Server;
use super::table::{Budget, Row, Table};
use crate::bare::{Language, app};
use crate::http1::{Answer, Connection, Request};
use crate::java;
use crate::load::Target;
use crate::program::Program;
use crate::sign::Credentials;

/// A running server with its first key.
pub(crate) struct Ours {
    server: Server,
    credentials: Credentials,
    // Dropped last: the server writes into it until it ends.
    folder: TempDir,
}

/// The measured function, twice, and the interpreter it runs on.
pub(crate) struct Deployed {
    /// At most two instances.
    pub(crate) capped: Function,
    /// As many as there are calls at once.
    pub(crate) free: Function,
    pub(crate) program: PathBuf,
    pub(crate) runtime: String,
}

/// A function to call.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    path: String,
    /// The same among the server's own paths.
    own: String,
}

/// Asynchronous calls of a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    pub(crate) waiting: u64,
    pub(crate) running: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    discarded: u64,
}

impl Calls {
    pub(crate) fn ended(self) -> u64 {
        self.succeeded + self.failed + self.discarded
    }
}

/// Milliseconds from the start of the process to its ready line, each time in a fresh folder: the median.
pub(crate) async fn starts(program: &Path, times: usize) -> Result<f64> {
    let mut all = Vec::new();
    for _ in 0..times {
        let folder = open_folder()?;
        let start = Instant::now();
        let server = Server::start(serve(program, folder.path())).await?;
        all.push(start.elapsed().as_secs_f64() * 1000.0);
        server.stop().await?;
    }
    Ok(super::rounds::median(&mut all))
}

/// A folder that the user whom the server becomes may enter.
pub(crate) fn open_folder() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// The data folder in a folder of a server.
pub(crate) fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

fn serve(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.join("data"));
    command.env("RUST_LOG", "warn");
    command
}

impl Ours {
    /// With these settings, those of a file; defaults else.
    pub(crate) async fn start(program: &Path, settings: &str) -> Result<Self> {
        Self::start_on(program, settings, open_folder()?).await
    }

    /// The same in a folder that a server has left, or a new one.
    pub(crate) async fn start_on(program: &Path, settings: &str, folder: TempDir) -> Result<Self> {
        let file = folder.path().join("fungraph.toml");
        std::fs::write(&file, settings)?;
        let mut command = serve(program, folder.path());
        command.arg("--config").arg(file);
        let server = Server::start(command).await?;
        let text = std::fs::read_to_string(folder.path().join("data/credentials.json")).context("credentials.json")?;
        Ok(Self { server, credentials: Credentials::parse(&text)?, folder })
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Stops it, and gives its folder with all that it has.
    pub(crate) async fn leave(self) -> Result<TempDir> {
        let status = self.server.stop().await?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(self.folder)
    }

    /// Its first project.
    pub(crate) fn project(&self) -> &str {
        &self.credentials.project
    }

    /// Where it keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        data(&self.folder)
    }

    /// How it ended, if not well.
    pub(crate) async fn stop(self) -> Result<Option<String>> {
        let status = self.server.stop().await?;
        Ok((!status.success()).then(|| status.to_string()))
    }

    /// Memory before the first call.
    pub(crate) fn idle(&self, table: &mut Table) -> Result<()> {
        let spawner: f64 = host::descendants(self.server.pid()).iter().map(|(pid, _)| host::resident_mb(*pid)).sum();
        table.push(Row::alone(
            "idle server, resident memory",
            host::resident_mb(self.server.pid()),
            "MB",
            Some(Budget::AtMost(20.0)),
        ));
        table.push(Row::alone("idle spawner beside it", spawner, "MB", None));
        Ok(())
    }

    /// What each idle instance has of its own, on average.
    pub(crate) fn instances(&self, language: Language, table: &mut Table) -> Result<()> {
        let budget = match language {
            Language::Python => Some(6.0),
            Language::Node => Some(15.0),
            Language::Java => None,
        };
        let all: Vec<f64> = host::descendants(self.server.pid())
            .into_iter()
            .filter(|(_, program)| program.starts_with(language.word()))
            .map(|(pid, _)| host::own_mb(pid))
            .collect();
        if all.is_empty() {
            table.push(Row::missing(format!("{}: idle instance, own memory", language.name()), "no instance found"));
            return Ok(());
        }
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let what = format!("{}: idle instance, own memory (of {})", language.name(), all.len());
        table.push(Row::alone(what, mean, "MB", budget.map(Budget::AtMost)));
        Ok(())
    }

    /// Puts the measured function there.
    pub(crate) async fn deploy(&self, language: Language, runtime: &str) -> Result<Deployed> {
        let handler = std::fs::read_to_string(app(match language {
            Language::Python => "handler/index.py",
            Language::Node => "handler/index.js",
            Language::Java => "handler/index.java",
        }))?;
        let probe = match language {
            Language::Python => "import os\ndef handler(event, context):\n    return os.readlink('/proc/self/exe')\n",
            Language::Node => "exports.handler = async (event, context) => process.execPath;\n",
            Language::Java => {
                "public class index { public static String handler(Object event, Object context) {
                    return System.getProperty(\"java.home\") + \"/bin/java\"; } }\n"
            }
        };
        let probe = self.create("probe", runtime, probe, -1).await?;
        let program = String::from_utf8(self.call(&probe).await?.body.to_vec())?.into();
        self.delete(&probe).await?;
        let name = |kind: &str| format!("{}-{kind}", language.name().replace('.', ""));
        Ok(Deployed {
            capped: self.create(&name("capped"), runtime, &handler, 2).await?,
            free: self.create(&name("free"), runtime, &handler, -1).await?,
            program,
            runtime: runtime.to_owned(),
        })
    }

    /// A new function with this code.
    pub(crate) async fn create(&self, name: &str, runtime: &str, code: &str, instances: i32) -> Result<Function> {
        let (code_type, bytes) =
            if runtime.starts_with("Java") { ("jar", java::jar(code)?) } else { ("inline", code.into()) };
        let body = json!({
            "func_name": name, "package": "default", "runtime": runtime, "handler": "index.handler", "timeout": 30,
            "memory_size": 128, "code_type": code_type, "func_code": { "file": BASE64_STANDARD.encode(bytes) },
            "strategy_config": { "concurrency": instances, "concurrent_num": 1 },
        });
        self.create_from(&body).await
    }

    async fn create_from(&self, body: &Value) -> Result<Function> {
        let request = Request::post(self.credentials.path(""), body.to_string().into_bytes());
        let name = &body["func_name"];
        let created: Value = self.send(request).await?.json().with_context(|| format!("cannot create {name}"))?;
        let urn = created["func_urn"].as_str().context("no func_urn in the answer")?;
        let urn = urn.trim_end_matches(":latest").replace(':', "%3A");
        let own = format!("/fungraph/{}/functions/{urn}/async", self.credentials.project);
        Ok(Function { path: self.credentials.path(&format!("/{urn}")), own })
    }

    /// A new function that is a program of its own.
    pub(crate) async fn create_program(&self, program: Program, package: &[u8]) -> Result<Function> {
        let runtime = program.runtime();
        self.create_from(&json!({
            "func_name": format!("program-{}", program.word()), "package": "default", "runtime": runtime, "handler": "bootstrap",
            "timeout": 30, "memory_size": 128, "code_type": "zip", "func_code": { "file": BASE64_STANDARD.encode(package) },
            "strategy_config": { "concurrency": 1, "concurrent_num": 1 },
        }))
        .await
    }

    pub(crate) async fn delete(&self, function: &Function) -> Result<()> {
        let answer = self.send(Request::new("DELETE", &*function.path, Vec::new())).await?;
        ensure!(answer.status == 204, "cannot delete: {}", answer.status);
        Ok(())
    }

    /// The call to measure, signed now.
    pub(crate) fn target(&self, function: &Function) -> Target {
        self.target_with(function, super::EVENT)
    }

    /// The same with another event.
    pub(crate) fn target_with(&self, function: &Function, event: &str) -> Target {
        self.signed(Request::post(format!("{}/invocations", function.path), event.into()))
    }

    /// A call to be put into the queue, signed now.
    pub(crate) fn queue_target(&self, function: &Function, event: &str) -> Target {
        self.signed(Request::post(format!("{}/invocations-async", function.path), event.into()))
    }

    /// A page of its records, however old.
    pub(crate) fn page_target(&self, function: &Function, marker: u64) -> Target {
        let query = format!("limit=100&marker={marker}&query_begin_time=2020-01-01T00%3A00%3A00");
        self.signed(Request::new("GET", format!("{}/async-invocations?{query}", function.path), Vec::new()))
    }

    /// Lets its asynchronous calls wait, or run.
    pub(crate) async fn pause(&self, function: &Function, is_paused: bool) -> Result<()> {
        let what = if is_paused { "pause" } else { "resume" };
        let answer = self.send(Request::post(format!("{}/{what}", function.own), Vec::new())).await?;
        ensure!(answer.status == 204, "cannot {what}: {}", String::from_utf8_lossy(&answer.body));
        Ok(())
    }

    /// Throws away those that wait.
    pub(crate) async fn purge(&self, function: &Function) -> Result<()> {
        self.send(Request::post(format!("{}/purge", function.own), Vec::new())).await?.json().map(drop)
    }

    /// How many there are of its asynchronous calls.
    pub(crate) async fn calls(&self, function: &Function) -> Result<Calls> {
        let counts = self.send(Request::new("GET", &*function.own, Vec::new())).await?.json()?;
        let count = |name: &str| counts[name].as_u64().with_context(|| format!("no {name} in {counts}"));
        Ok(Calls {
            waiting: count("waiting")?,
            running: count("running")?,
            succeeded: count("succeeded")?,
            failed: count("failed")?,
            discarded: count("discarded")?,
        })
    }

    /// One call.
    pub(crate) async fn call(&self, function: &Function) -> Result<Answer> {
        let target = self.target(function);
        let answer = Connection::open(&target.address).await?.call(&target.request).await?;
        ensure!(answer.status == 200, "answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(answer)
    }

    /// A request to the functions of the project with nothing in its body, signed now; `rest` may have a query.
    pub(crate) fn get(&self, rest: &str) -> Target {
        self.signed(Request::new("GET", self.credentials.path(rest), Vec::new()))
    }

    /// The configuration of a function.
    pub(crate) fn show(&self, function: &Function) -> Target {
        self.signed(Request::new("GET", format!("{}/config", function.path), Vec::new()))
    }

    /// A creation.
    pub(crate) fn creation(&self, body: &Value) -> Target {
        self.signed(Request::post(self.credentials.path(""), body.to_string().into_bytes()))
    }

    fn signed(&self, request: Request) -> Target {
        let request = self.credentials.sign(request).render(&self.credentials.address);
        Target { address: self.server.address.clone(), request }
    }

    async fn send(&self, request: Request) -> Result<Answer> {
        let bytes = self.credentials.sign(request).render(&self.credentials.address);
        Connection::open(&self.server.address).await?.call(&bytes).await
    }
}
