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
    let there = elsewhere(args)?.unwrap_or_else(|| here.clone());
    let path = format!("/fungraph/{}/events/{}", encode(&here.project_id), args.request);
    let recorded = Recorded::read(&client::ask(&here, Method::GET, &path, &Value::Null)?)
        .context("the server's answer has no event; is it older than this program?")?;
    if args.show {
        say::raw(&recorded.event);
        return Ok(Exit::Clean);
    }
    let urn = format!("{}:{}:{}:{}", there.project_id, recorded.package, recorded.name, recorded.version);
    let function = format!("/v2/{}/fgs/functions/{}", encode(&there.project_id), encode(&urn));
    if !args.any_code {
        let config = client::ask(&there, Method::GET, &format!("{function}/config"), &Value::Null)?;
        same_code(&recorded, &config)?;
    }
    remote::call_path(&there, &format!("{function}/invocations"), Bytes::from(recorded.event), args.tail)
}

/// The other server, where one is named. Keys are no arguments: everybody on a host sees those.
fn elsewhere(args: &ReplayArgs) -> anyhow::Result<Option<Credentials>> {
    if let Some(folder) = &args.to_data_dir {
        return client::credentials(&Locate { data_dir: Some(folder.clone()), config: None }).map(Some);
    }
    let Some(endpoint) = &args.to else { return Ok(None) };
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
            event: STANDARD.decode(text("event")?).ok()?,
        })
    }
}
