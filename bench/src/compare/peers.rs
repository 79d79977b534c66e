//! Programs that people use today for the same, where `bench/peers` has installed them.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use super::EVENT;
use super::host::installed;
use super::process::{Server, free_address};
use crate::bare::{Language, app};
use crate::http1::{Connection, Request};
use crate::load::Target;

/// Something to be compared with.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    kind: Kind,
    /// How many times its throughput we want to reach.
    pub(crate) budget: Option<f64>,
}

#[derive(Clone, Copy)]
enum Kind {
    FunctionsFrameworkNode,
    FunctionsFrameworkPython,
    Workerd,
    MiniStack(Language),
}

/// A peer that runs.
pub(crate) struct Started {
    pub(crate) target: Target,
    server: Server,
    _folder: Option<TempDir>,
}

impl Started {
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }
}

/// Those of a language.
pub(crate) fn all(language: Language) -> Vec<Peer> {
    let ministack = Peer { name: "MiniStack, Lambda API", kind: Kind::MiniStack(language), budget: None };
    let peer = |name, kind, budget| Peer { name, kind, budget: Some(budget) };
    match language {
        Language::Node => vec![
            peer("functions-framework", Kind::FunctionsFrameworkNode, 5.0),
            peer("workerd", Kind::Workerd, 1.5),
            ministack,
        ],
        Language::Python => vec![peer("functions-framework", Kind::FunctionsFrameworkPython, 8.0), ministack],
        Language::Java => Vec::new(),
    }
}

fn home(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers").join(name)
}

impl Peer {
    /// Starts it; `None` where it is not installed.
    pub(crate) async fn start(&self, runtime: &str) -> Result<Option<Started>> {
        let program = home(match self.kind {
            Kind::FunctionsFrameworkNode => "npm/node_modules/.bin/functions-framework",
            Kind::FunctionsFrameworkPython => "functions-framework/bin/functions-framework",
            Kind::Workerd => "npm/node_modules/.bin/workerd",
            Kind::MiniStack(_) => "ministack/bin/ministack",
        });
        if !installed(&program) {
            return Ok(None);
        }
        let address = free_address()?;
        let port = address.rsplit(':').next().context("a port")?.to_owned();
        let mut command = Command::new(&program);
        let mut folder = None;
        match self.kind {
            Kind::FunctionsFrameworkNode => {
                command
                    .args(["--target=handler", "--port", &port, "--host", "127.0.0.1"])
                    .current_dir(app("functions-framework-node"));
            }
            Kind::FunctionsFrameworkPython => {
                command.args(["--target", "handler", "--port", &port, "--host", "127.0.0.1", "--source"]);
                command.arg(app("functions-framework-python/main.py"));
            }
            Kind::Workerd => {
                command.arg("serve").arg(app("workerd/config.capnp")).arg(format!("--socket-addr=http={address}"));
            }
            Kind::MiniStack(_) => {
                let home = tempfile::tempdir()?;
                command
                    .env("GATEWAY_PORT", &port)
                    .env("HOME", home.path())
                    .env("LAMBDA_EXECUTOR", "local")
                    .current_dir(home.path());
                folder = Some(home);
            }
        }
        let probe = Request::post("/", EVENT.into());
        let server = Server::start_silent(command, address, &probe).await?;
        let request = match self.kind {
            Kind::MiniStack(language) => lambda(&server.address, language, runtime).await?,
            _ => probe,
        };
        let target = Target { address: server.address.clone(), request: request.render(&server.address) };
        Ok(Some(Started { target, server, _folder: folder }))
    }
}

/// Puts the measured handler behind a Lambda API; gives the call.
async fn lambda(address: &str, language: Language, runtime: &str) -> Result<Request> {
    let (file, theirs) = match language {
        Language::Python => ("index.py", runtime.to_lowercase()),
        Language::Node => ("index.js", "nodejs20.x".to_owned()),
        Language::Java => anyhow::bail!("no peer is measured in Java"),
    };
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(file, zip::write::SimpleFileOptions::default())?;
    archive.write_all(&std::fs::read(app("handler").join(file))?)?;
    let archive = archive.finish()?.into_inner();
    let body = json!({
        "FunctionName": "peer", "Runtime": theirs, "Role": "arn:aws:iam::000000000000:role/peer", "Handler": "index.handler",
        "Code": { "ZipFile": BASE64_STANDARD.encode(archive) },
    });
    let scope =
        "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0";
    let create = Request::post("/2015-03-31/functions", body.to_string().into_bytes()).header("Authorization", scope);
    Connection::open(address)
        .await?
        .call(&create.render(address))
        .await?
        .json()
        .context("cannot create the function")?;
    Ok(Request::post("/2015-03-31/functions/peer/invocations", EVENT.into()).header("Authorization", scope))
}
