//! `fungraph logs NAME`: what calls of a function logged, read from the data folder. No server is needed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fungraph_model::{FunctionKey, FunctionRef, ProjectId, Qualifier, RequestId};
use fungraph_store::logs::{self, LogFilter, LogRecord};

use crate::args::{Locate, LogsArgs};
use crate::credentials::Credentials;
use crate::environment;
use crate::exit::{Exit, Stop};
use crate::say;
use crate::target;

pub(crate) fn run(args: &LogsArgs) -> anyhow::Result<Exit> {
    let request = args.request.as_deref().map(request_id).transpose()?;
    let meanings = target::meanings(&args.function).map_err(|fault| Stop::usage(fault.message))?;
    let (folder, project) = place(&args.locate, meanings.first())?;
    let (key, version) = meant(&folder, meanings, &project).ok_or_else(|| Stop::usage("name a function"))?;
    let version = version.map(version_of).transpose()?;
    let mut found = false;
    for record in logs::read(&folder, &key, LogFilter { version: version.clone(), request, last: args.last })? {
        show(&record?);
        found = true;
    }
    if found {
        return Ok(Exit::Clean);
    }
    let of =
        format!("{}:{}{}", key.package, key.name, version.map_or_else(String::new, |version| format!(":{version}")));
    let what = match args.request.as_deref() {
        Some(id) => format!("no log of the call {id} of {of}; the id is the X-Cff-Request-Id of its answer"),
        None => format!("no logs of {of}; call it first, or check the name"),
    };
    Err(Stop::failed(format!("{} holds {what}", folder.display())))
}

/// The function that is meant: the first that has logs here, else the likeliest. With it the version, where one is named.
pub(super) fn meant(
    folder: &Path,
    meanings: Vec<FunctionRef>,
    project: &ProjectId,
) -> Option<(FunctionKey, Option<Qualifier>)> {
    let mut all = meanings.into_iter().map(|function| {
        let FunctionRef { project: own, package, name, qualifier } = function;
        (FunctionKey { project: own.unwrap_or_else(|| project.clone()), package, name }, qualifier)
    });
    let likeliest = all.next()?;
    if logs::exist(folder, &likeliest.0) {
        return Some(likeliest);
    }
    Some(all.find(|(key, _)| logs::exist(folder, key)).unwrap_or(likeliest))
}

fn version_of(qualifier: Qualifier) -> anyhow::Result<String> {
    match qualifier {
        Qualifier::Alias(name) => Err(Stop::usage(format!(
            "logs are kept by version, and an alias has pointed to several perhaps; name the version that !{name} points to"
        ))),
        version => Ok(version.to_string()),
    }
}

/// The data folder that has logs, and the project to look in where a name has none.
pub(super) fn place(locate: &Locate, function: Option<&FunctionRef>) -> anyhow::Result<(PathBuf, ProjectId)> {
    for folder in environment::client_folders(locate)? {
        if !readable(&folder)? {
            continue;
        }
        let own = || function.and_then(|function| function.project.clone());
        let project = Credentials::read(&folder)?.map(|found| ProjectId(found.project_id));
        if let Some(project) = project.or_else(own) {
            return Ok((folder, project));
        }
    }
    Err(Stop::usage(
        "no data folder of a server was found; name it with --data-dir. A folder run with `fungraph invoke` keeps no logs",
    ))
}

fn readable(folder: &Path) -> anyhow::Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Stop::usage(format!(
            "you may not read the data folder {}: it belongs to the server's user; run this with sudo",
            folder.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", folder.display())),
    }
}

fn request_id(text: &str) -> anyhow::Result<RequestId> {
    RequestId::parse(text).ok_or_else(|| {
        Stop::usage(format!("--request {text:?} is no request id; it looks like 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10"))
    })
}

fn show(record: &LogRecord) {
    let request = record.request.map_or_else(|| "note of the server".to_owned(), |id| id.to_string());
    let version = if record.version.is_empty() { String::new() } else { format!(" {}", record.version) };
    say::out(format!("--- {:.3} {request}{version}", record.started));
    say::raw(&record.text);
    if !record.text.is_empty() && !record.text.ends_with(b"\n") {
        say::raw(b"\n");
    }
}
