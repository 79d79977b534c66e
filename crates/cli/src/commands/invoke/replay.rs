//! `fungraph replay REQUEST_ID`: makes a recorded call again, with the same event and the same code, here or on another server.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fungraph_model::{RequestId, Secret};
use http::Method;
use serde_json::Value;

use super::remote;
use crate::args::{Locate, ReplayArgs};
use crate::client::{self, encode};
use crate::credentials::Credentials;
use crate::environment::variable;
use crate::exit::{Exit, Stop};
use crate::say;

/// What the server kept.
struct Recorded {
    package: String,
    name: String,
    version: String,
    digest: String,
    /// The alias that led to the version.
    alias: Option<String>,
    /// Memory that was asked for.
    memory_mb: Option<u64>,
    event: Vec<u8>,
}

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    if RequestId::parse(&args.request).is_none() {
        return Err(Stop::usage(format!(
            "{:?} is no request id; it looks like 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10",
            args.request
        )));
    }
    let here = client::credentials(&args.locate)?;
    let path = format!("/fungraph/{}/events/{}", encode(&here.project_id), args.request);
    let recorded = Recorded::read(&client::ask(&here, Method::GET, &path, &Value::Null)?)
        .context("the server's answer has no event; is it older than this program?")?;
    if args.show {
        say::raw(&recorded.event);
        return Ok(Exit::Clean);
    }
    let there = elsewhere(args)?.unwrap_or(here);
    if !args.any_code {
        let path = format!("{}/config", recorded.path(&there, &recorded.version));
        same_code(&recorded, &client::ask(&there, Method::GET, &path, &Value::Null)?)?;
    }
    let path = format!("{}/invocations", recorded.path(&there, &recorded.qualifier(&there)));
    let memory = recorded.memory_mb.map(|memory| memory.to_string());
    let mut headers: Vec<(&str, &str)> =
        memory.iter().map(|memory| ("x-cff-instance-memory", memory.as_str())).collect();
    if args.tail {
        headers.push(remote::TAIL);
    }
    remote::call_path(&there, &path, &headers, Bytes::from(recorded.event), args.tail)
}

/// The other server, where one is named. Keys are no arguments: everybody on a host sees those.
fn elsewhere(args: &ReplayArgs) -> anyhow::Result<Option<Credentials>> {
    if let Some(folder) = &args.to_data_dir {
        return client::credentials(&Locate { data_dir: Some(folder.clone()), config: None }).map(Some);
    }
    let Some(endpoint) = &args.to else { return Ok(None) };
    if !client::is_of_this_host(endpoint) {
        say::note(format!(
            "the event and its result cross the network over plain HTTP to {endpoint}: whoever sees the traffic can read them"
        ));
    }
    let needed = |name: &str| {
        variable(name).ok_or_else(|| Stop::usage(format!("--to needs the variable {name}: a key of the other server")))
    };
    let project_id = args.to_project.clone().or_else(|| variable("FUNGRAPH_TO_PROJECT_ID"));
    Ok(Some(Credentials {
        endpoint: endpoint.clone(),
        region: "local".to_owned(),
        domain_id: String::new(),
        project_id: project_id.ok_or_else(|| Stop::usage("--to needs --to-project: a project of the other server"))?,
        access_key: needed("FUNGRAPH_TO_AK")?,
        secret_key: Secret::new(needed("FUNGRAPH_TO_SK")?),
    }))
}

/// A published version never changes; latest may have, and the other server may have another one by the same name.
fn same_code(recorded: &Recorded, config: &Value) -> anyhow::Result<()> {
    let digest = config.get("digest").and_then(Value::as_str).unwrap_or_default();
    if digest == recorded.digest {
        return Ok(());
    }
    Err(Stop::failed(format!(
        "the code of {}:{} is not what the call ran: it was changed since, or is another one on that server. --any-code runs what is \
         there; versions that are published stay as they are",
        recorded.name, recorded.version
    )))
}

impl Recorded {
    fn read(answer: &Value) -> Option<Self> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            package: text("package")?,
            name: text("func_name")?,
            version: text("version")?,
            digest: text("digest")?,
            alias: text("alias"),
            memory_mb: answer.get("memory_mb").and_then(Value::as_u64),
            event: STANDARD.decode(text("event")?).ok()?,
        })
    }

    /// Path of the function on a server, by a version or alias.
    fn path(&self, there: &Credentials, qualifier: &str) -> String {
        let urn = format!("{}:{}:{}:{qualifier}", there.project_id, self.package, self.name);
        format!("/v2/{}/fgs/functions/{}", encode(&there.project_id), encode(&urn))
    }

    /// By the alias that the call came by, as long as that leads to the same version and no other: the function sees its name.
    fn qualifier(&self, there: &Credentials) -> String {
        let Some(alias) = &self.alias else { return self.version.clone() };
        let path = format!("{}/aliases/{}", self.path(there, "latest"), encode(alias));
        let found = client::ask(there, Method::GET, &path, &Value::Null).unwrap_or_default();
        let leads_there = found["version"] == self.version.as_str()
            && ["additional_version_weights", "additional_version_strategy"]
                .iter()
                .all(|split| found[*split].is_null());
        if leads_there {
            return format!("!{alias}");
        }
        say::note(format!(
            "the alias {alias} does not lead to {} alone: the version is called by its own name",
            self.version
        ));
        self.version.clone()
    }
}
