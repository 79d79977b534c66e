//! Runs a folder as a function, here and now: the same engine and sandbox as a server's, on a data folder of one call.

use std::cmp::Reverse;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use fungraph_engine::{
    AttachedDraft, CodeDraft, Error, FunctionDraft, Invocation, InvokeRequest, NoHeaders, SpecDraft, Stopwatch,
};
use fungraph_instance::Interpreters;
use fungraph_model::{Caller, FunctionRef, Language, Outcome, RequestId, Runtime, Value, limits};
use rustix::fs::Mode;
use tokio::signal::unix::{SignalKind, signal};

use super::report::{End, Numbers, Report};
use super::{event, pack};
use crate::args::InvokeArgs;
use crate::config::Settings;
use crate::environment;
use crate::exit::{Exit, Stop};
use crate::platform::{self, Ground, Platform};
use crate::telemetry;

/// Runs the folder in `place`, an empty folder that the caller removes afterwards.
pub(super) fn run(args: &InvokeArgs, place: &Path) -> anyhow::Result<Exit> {
    let folder = Path::new(&args.target);
    let chosen = language(folder, args.runtime.as_deref())?;
    let event = event::read(&args.data)?;
    if chosen.parses_event() {
        event::check_json(&event)?;
    }
    let mut settings = settings(args)?;
    telemetry::start_log(&settings.log_filter);
    let package = pack::pack(folder)?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let ground = Ground::lay(&settings, place)?;
    let runtime = match chosen {
        Chosen::Runtime(runtime) => runtime,
        Chosen::Language(language) => {
            newest(&ground.interpreters, language).or_else(|error| in_image(&settings, language).ok_or(error))?
        }
    };
    // No other image is worth bringing for one call.
    settings.runtimes.images.retain(|wanted| wanted.runtime == runtime);
    let draft = draft(args, runtime, package.into());
    ground.give_up_root(&settings)?;
    let threads = platform::runtime(&settings)?;
    let called = threads.block_on(start_and_call(&settings, ground, draft, event));
    threads.shutdown_background();
    let report = called?;
    report.show();
    Ok(if report.failed() { Exit::Failed } else { Exit::Clean })
}

async fn start_and_call(
    settings: &Settings,
    ground: Ground,
    draft: FunctionDraft,
    event: Bytes,
) -> anyhow::Result<Report> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let platform = Platform::start(settings, ground).await?;
    let called = tokio::select! {
        called = call(&platform, draft, event) => called,
        _ = interrupt.recv() => Err(Stop::failed("interrupted")),
        _ = terminate.recv() => Err(Stop::failed("interrupted")),
    };
    // The one call has ended or is not wanted any more: nothing is waited for.
    platform.stop(Duration::ZERO).await;
    called
}

/// The settings of a server on loopback; where it would listen and keep its data does not matter here.
fn settings(args: &InvokeArgs) -> anyhow::Result<Settings> {
    let mut settings = Settings::of(&environment::document(&args.locate, Some("127.0.0.1:0"), None)?)?;
    if environment::variable("RUST_LOG").is_none() && settings.log_filter == "info" {
        // The server's remarks about itself would stand between the person and the function's log.
        settings.log_filter = "error".to_owned();
    }
    // One call is all there will be.
    (settings.pool.blanks_least, settings.pool.blanks_most) = (0, 0);
    Ok(settings)
}

async fn call(platform: &Platform, draft: FunctionDraft, event: Bytes) -> anyhow::Result<Report> {
    let engine = &platform.engine;
    let first = engine.first_credentials().await?;
    let caller = Caller { domain: first.domain_id, project: first.project_id };
    let name = draft.name.clone().unwrap_or_default();
    engine.create_function(&caller, draft).await.map_err(told)?;
    let arrived = Instant::now();
    let function = FunctionRef::parse(&name).map_err(|fault| Stop::usage(fault.message))?;
    let request = InvokeRequest {
        request: RequestId::random(),
        event,
        tail: true,
        memory: None,
        headers: &NoHeaders,
        arrived,
        watch: Stopwatch::since(arrived),
        sink: None,
    };
    let (invocation, _record) = engine.invoke(&caller, function, request).await.map_err(told)?;
    Ok(report(invocation, arrived))
}

/// A refusal is for the person; a failure of the platform keeps its cause.
fn told(error: Error) -> anyhow::Error {
    match error {
        Error::Refused(fault) => Stop::usage(fault.message),
        error => anyhow::Error::from(error),
    }
}

fn report(invocation: Invocation, begun: Instant) -> Report {
    let summary = invocation.summary;
    let duration = Duration::from_micros(summary.duration_us);
    let end = match invocation.outcome {
        Outcome::Returned(Value::Nothing) => End::Returned { value: Vec::new(), is_line: false },
        Outcome::Returned(Value::Text(value) | Value::Json(value)) => {
            End::Returned { value: value.to_vec(), is_line: true }
        }
        Outcome::Returned(Value::Bytes(value)) => End::Returned { value: value.to_vec(), is_line: false },
        Outcome::Failed(failure) => End::Failed { number: failure.code.number(), object: failure.object.to_vec() },
    };
    let numbers = Numbers {
        duration_ms: summary.duration_us as f64 / 1000.0,
        billed_ms: summary.billing_ms,
        memory_mb: summary.memory_mb.into(),
        used_mb: summary.memory_used as f64 / f64::from(1 << 20),
    };
    let beside = begun.elapsed().saturating_sub(duration);
    Report { end, log: invocation.tail.as_str().to_owned(), numbers: Some(numbers), beside: Some(beside) }
}

fn draft(args: &InvokeArgs, runtime: Runtime, package: Bytes) -> FunctionDraft {
    FunctionDraft {
        name: Some(name(Path::new(&args.target))),
        package: None,
        spec: SpecDraft {
            runtime: Some(runtime.name().to_owned()),
            handler: Some(args.handler.clone().unwrap_or_else(|| default_handler(runtime).to_owned())),
            timeout: Some(args.timeout.unwrap_or(3).into()),
            memory_size: Some(args.memory.unwrap_or(128).into()),
            ..SpecDraft::default()
        },
        code: CodeDraft {
            code_type: Some("zip".to_owned()),
            filename: Some("folder.zip".to_owned()),
            bytes: Some(package),
            ..CodeDraft::default()
        },
        attached: AttachedDraft::default(),
        tags: None,
    }
}

/// Custom and http functions take any handler, and tell their bootstrap by its file; that of a Go function names its executable,
/// which the service's own examples call so.
fn default_handler(runtime: Runtime) -> &'static str {
    match runtime.language() {
        Language::Go => "handler",
        language if language.is_native() => "bootstrap",
        _ => "index.handler",
    }
}

/// The folder's name as far as a function may be called so.
fn name(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(limits::NAME_CHARS).collect();
    let name = name.trim_matches('-');
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name.to_owned() } else { "function".to_owned() }
}

/// What is known of the runtime before interpreters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// Named by the person.
    Runtime(Runtime),
    /// Told by the folder's main file.
    Language(Language),
}

impl Chosen {
    /// Whether the event must be JSON.
    fn parses_event(self) -> bool {
        match self {
            Self::Runtime(runtime) => runtime.parses_event(),
            Self::Language(language) => !language.is_native(),
        }
    }
}

/// What a folder holds.
///
/// # Errors
/// It is not there, or does not tell.
pub(super) fn language(folder: &Path, runtime: Option<&str>) -> anyhow::Result<Chosen> {
    let shown = folder.display();
    if !folder.exists() {
        return Err(Stop::usage(format!(
            "there is no folder {shown}; to call a function of a server, give its name without a slash"
        )));
    }
    if !folder.is_dir() {
        return Err(Stop::usage(format!("{shown} is a file; give the folder that holds it")));
    }
    if let Some(name) = runtime {
        return Runtime::parse(name).map(Chosen::Runtime).ok_or_else(|| unknown_runtime(name));
    }
    let is_there = |file: &str| folder.join(file).is_file();
    if is_there("bootstrap") {
        // What a person packs with a bootstrap is started by it, whatever lies beside.
        return Ok(Chosen::Language(Language::Custom));
    }
    let there: Vec<_> = MAIN_FILES.into_iter().filter(|(file, _, _)| is_there(file)).collect();
    match there.as_slice() {
        [(_, language, _)] => Ok(Chosen::Language(*language)),
        [] => Err(Stop::usage(format!(
            "{shown} has none of {}, bootstrap; say what it is, such as --runtime Python3.12 --handler main.handler",
            MAIN_FILES.map(|(file, _, _)| file).join(", ")
        ))),
        several => {
            let files: Vec<&str> = several.iter().map(|(file, _, _)| *file).collect();
            let flags: Vec<String> = several.iter().map(|(_, _, runtime)| format!("--runtime {runtime}")).collect();
            let (files, flags) = (files.join(" and "), flags.join(" or "));
            Err(Stop::usage(format!("{shown} has {files}; say which with {flags}")))
        }
    }
}

/// Files that tell what a folder holds, and the newest runtime of each.
const MAIN_FILES: [(&str, Language, &str); 3] = [
    ("index.py", Language::Python, "Python3.12"),
    ("index.js", Language::NodeJs, "Node.js20.15"),
    ("index.php", Language::Php, "PHP8.3"),
];

/// The newest runtime of a language that the settings give an image, for a host that has no interpreter of it.
fn in_image(settings: &Settings, language: Language) -> Option<Runtime> {
    let all = settings.runtimes.images.iter().map(|wanted| wanted.runtime);
    all.filter(|runtime| runtime.language() == language).max_by_key(|runtime| runtime.version())
}

fn unknown_runtime(name: &str) -> anyhow::Error {
    let runs = |runtime: &Runtime| runtime.language().is_built() && !runtime.loads_plugin();
    let names: Vec<&str> = Runtime::all().filter(runs).map(Runtime::name).collect();
    Stop::usage(format!("there is no runtime {name:?}; those that run here are {}", names.join(", ")))
}

/// The newest runtime name that this host has an interpreter for that is no older; else the oldest that runs at all.
fn newest(found: &Interpreters, language: Language) -> anyhow::Result<Runtime> {
    let mut all: Vec<Runtime> = Runtime::all().filter(|runtime| runtime.language() == language).collect();
    all.sort_by_key(|runtime| Reverse(runtime.version()));
    let chosen = |runtime: &Runtime| found.choose(*runtime, false);
    let covered = all.iter().find(|runtime| {
        chosen(runtime).is_ok_and(|choice| {
            let (major, minor, _) = choice.interpreter.version;
            (major, minor) >= runtime.version()
        })
    });
    let any = covered.or_else(|| all.iter().rev().find(|runtime| chosen(runtime).is_ok()));
    let newest = all.first().copied().context("every language has a runtime")?;
    any.copied().ok_or_else(|| match chosen(&newest) {
        Err(unavailable) => Stop::usage(unavailable.message()),
        Ok(_) => Stop::failed("no runtime fits"),
    })
}
