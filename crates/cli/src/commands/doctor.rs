//! `fungraph doctor`: what this host can give, in a table for people. It changes nothing and starts nothing.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use fungraph_instance::Interpreters;
use fungraph_sandbox::{Engine, EngineReport, WallState};

use super::runtimes::{self, Means};
use crate::args::DoctorArgs;
use crate::config::{Network, Settings};
use crate::exit::Exit;
use crate::{data_folder, environment, host, platform, runtime_images, say};

pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let settings = Settings::of(&environment::document(&args.locate, args.listen.as_deref(), None)?)?;
    let mut report = Report::default();
    report.section("Host");
    let memory = host::memory_bytes() >> 20;
    report.line("ok", "kernel", &format!("{}, {} processors, {memory} MB", host::kernel(), host::processors()));
    report.line("ok", "cgroups", host::cgroup_mode());
    engine(&mut report, settings.sandbox.engine);
    report.line("ok", "stay awake", &platform::stay_awake(&settings).1);
    walls(&mut report, &settings);
    network(&mut report, &settings);
    mounts(&mut report, &settings);
    let plan = environment::search_plan(&settings.runtimes);
    interpreters(&mut report, Interpreters::discover(&plan, None), &settings);
    places(&mut report, &settings);
    say::raw(report.text.as_bytes());
    if report.bad == 0 {
        say::out("\nAll is well: `fungraph serve` can start.");
        return Ok(Exit::Clean);
    }
    say::out(format!("\n{} of these {} to be looked at.", report.bad, if report.bad == 1 { "has" } else { "have" }));
    Ok(Exit::Failed)
}

#[derive(Default)]
struct Report {
    text: String,
    bad: usize,
}

impl Report {
    fn section(&mut self, title: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        self.text += &format!("{gap}{title}\n");
    }

    fn line(&mut self, state: &str, name: &str, text: &str) {
        self.text += &format!("  {state:<8} {name:<18} {text}\n");
    }

    fn bad(&mut self, state: &str, name: &str, text: &str) {
        self.bad += 1;
        self.line(state, name, text);
    }
}

fn engine(report: &mut Report, engine: Engine) {
    match engine.inspect(&environment::path()) {
        Ok(EngineReport { program: None, version }) => report.line("ok", "engine", &format!("{engine}: {version}")),
        Ok(EngineReport { program: Some(program), version }) => {
            report.line("ok", "engine", &format!("{engine}: {version} ({})", program.display()));
        }
        Err(error) => report.bad("MISSING", "engine", &error.to_string()),
    }
}

fn walls(report: &mut Report, settings: &Settings) {
    report.section("Walls around each function");
    for found in fungraph_sandbox::inspect() {
        let name = found.wall.name();
        match found.state {
            WallState::Available => report.line("ok", name, "available"),
            WallState::Missing { why, remedy } if settings.sandbox.accept_missing.contains(&found.wall) => {
                report.line("accepted", name, &format!("missing: {why}; {remedy}"));
            }
            WallState::Missing { why, remedy } => report.bad("MISSING", name, &format!("{why}; {remedy}")),
        }
    }
}

fn network(report: &mut Report, settings: &Settings) {
    report.section("Network of functions");
    match settings.sandbox.network {
        Network::None => report.line("ok", "none", "functions reach themselves alone"),
        Network::Host => {
            report.line("ok", "host", "functions reach whatever the host reaches, its own services included");
        }
        Network::Egress => match fungraph_sandbox::inspect_egress(&settings.sandbox.egress) {
            WallState::Available => report.line("ok", "egress", "functions reach the public internet through a filter"),
            WallState::Missing { why, remedy } if settings.sandbox.egress.required => {
                report.bad("MISSING", "egress", &format!("{why}; {remedy}"));
            }
            WallState::Missing { why, remedy } => {
                report.line("absent", "egress", &format!("functions will have no network: {why}; {remedy}"));
            }
        },
    }
    for chain in fungraph_sandbox::closed_ways() {
        report.line("note", "", &chain);
    }
}

/// Tried in earnest, as at the start.
fn mounts(report: &mut Report, settings: &Settings) {
    if settings.mounts.is_empty() {
        return;
    }
    report.section("Folders that functions may mount");
    // Without a place for it, which is told below, there is nothing that they could hold.
    let folder = environment::data_folder(settings).unwrap_or_else(|| "/nowhere".into());
    let shares = match platform::shares(settings, &folder) {
        Ok(shares) => shares,
        Err(error) => return report.bad("REFUSED", "mounts", &error.to_string()),
    };
    for (share, mount) in shares.iter().zip(&settings.mounts) {
        let mode = if share.read_only { "read-only" } else { "writable" };
        let whose = match &mount.projects {
            None => "all projects".to_owned(),
            Some(projects) => format!("{} of the projects", projects.len()),
        };
        match fungraph_sandbox::inspect_share(share) {
            WallState::Available => {
                report.line("ok", &share.name, &format!("{}, {mode}, for {whose}", share.path.display()));
            }
            WallState::Missing { why, remedy } => report.bad("MISSING", &share.name, &format!("{why}; {remedy}")),
        }
    }
}

fn interpreters(report: &mut Report, mut found: Interpreters, settings: &Settings) {
    report.section("Interpreters");
    let folder = environment::data_folder(settings);
    let unseen = runtime_images::recall(settings, folder.as_deref(), &mut found);
    let offers = runtimes::offers(&found, &unseen, settings.runtimes.strict);
    let runs = runtimes::by_interpreter(&offers);
    for interpreter in found.all() {
        let names = runs.iter().find(|(other, _)| Arc::ptr_eq(other, interpreter)).map(|(_, names)| names.join(", "));
        report.line(
            "ok",
            &interpreter.to_string(),
            &format!("{} ({})", interpreter.program.display(), interpreter.origin.name()),
        );
        report.line("", "", &format!("runs {}", names.as_deref().unwrap_or("-")));
    }
    for (interpreter, names) in &runs {
        let Some(image) = &interpreter.image else { continue };
        let where_from = format!("{} from image {}", interpreter.program.display(), image.name);
        report.line("ok", &interpreter.to_string(), &where_from);
        report.line("", "", &format!("runs {}", names.join(", ")));
    }
    for wanted in &unseen {
        report.line("ok", wanted.runtime.name(), &runtimes::unseen(&wanted.image));
    }
    let own = runtimes::names(&offers, |means| matches!(means, Means::OwnProgram));
    report.line("ok", "own programs", &format!("run {own}: no interpreter is needed"));
    for note in found.notes() {
        report.line("note", "", note);
    }
    if found.all().is_empty() && settings.runtimes.images.is_empty() {
        report.bad(
            "MISSING",
            "interpreter",
            "functions in a script language cannot run; install what `fungraph runtimes` says",
        );
    }
    let missing = runtimes::names(&offers, |means| matches!(means, Means::Missing(_)));
    if !missing.is_empty() {
        report.line("absent", "", &format!("{missing}: `fungraph runtimes` says why, and what to install"));
    }
}

fn places(report: &mut Report, settings: &Settings) {
    report.section("Places");
    match environment::data_folder(settings) {
        None => report.bad("MISSING", "data folder", "there is no home folder; choose one with --data-dir"),
        Some(folder) => folder_line(report, &folder),
    }
    let listen = settings.server.listen;
    match TcpListener::bind(listen) {
        Ok(_) => report.line("ok", "address", &format!("{listen} is free")),
        Err(error) => report.bad("BUSY", "address", &format!("{listen}: {error}; choose another with --listen")),
    }
}

fn folder_line(report: &mut Report, folder: &Path) {
    let shown = folder.display();
    match data_folder::holder(folder) {
        Some(pid) => report.bad("BUSY", "data folder", &format!("{shown} is in use by process {pid}")),
        None if folder.is_dir() => report.line("ok", "data folder", &format!("{shown} is there")),
        None => report.line("ok", "data folder", &format!("{shown} will be made at the first start")),
    }
}
