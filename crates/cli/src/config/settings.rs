//! Every setting, read and checked, in the sections of `default.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use fungraph_sandbox::{Cidr, Egress, Engine, Wall};
use jiff::tz::TimeZone;
use toml::Value;

use super::Error;
use super::destinations::{self, Destinations};
use super::document::Document;
use super::mounts::{self, Mount};
use super::obs::{self, Obs};
use super::reader::{Section, list};
use super::runtime_images::{self, RuntimeImage};

/// What is in effect.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) sandbox: Sandbox,
    pub(crate) pool: Pool,
    pub(crate) billing_step_ms: u64,
    pub(crate) answers: Answers,
    pub(crate) runtimes: Runtimes,
    pub(crate) images: Images,
    pub(crate) obs: Obs,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) logs: Logs,
    pub(crate) limits: Limits,
    pub(crate) destinations: Destinations,
    pub(crate) statistics: Statistics,
    pub(crate) queue: Queue,
    /// `triggers.time_zone`.
    pub(crate) time_zone: TimeZone,
    pub(crate) log_filter: String,
}

/// `[server]`.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    /// `None`: the default place.
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) auth: bool,
    pub(crate) region: String,
    pub(crate) drain: Duration,
    /// `None`: chosen at the start.
    pub(crate) user: Option<String>,
    /// 0: one for each processor.
    pub(crate) workers: usize,
    pub(crate) database_readers: u32,
    pub(crate) management_body: u64,
    pub(crate) clock_skew: Duration,
    pub(crate) header: Duration,
    pub(crate) body_pause: Duration,
    pub(crate) body: Duration,
    pub(crate) answer_pause: Duration,
    pub(crate) stay_awake: Wakefulness,
    /// Steps of `nice`.
    pub(crate) precedence: u32,
    /// `None`: HTTP APIs have no host name of their own.
    pub(crate) api_host: Option<String>,
    pub(crate) link: Duration,
}

/// How processors stay awake between calls that follow each other closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakefulness {
    /// By the kernel where it can, else by busy polling.
    Auto,
    /// A thread goes on looking at its sockets.
    BusyPoll,
    /// They go to sleep.
    No,
}

/// `[sandbox]`.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) network: Network,
    pub(crate) egress: Egress,
    pub(crate) cpu_quota: bool,
    pub(crate) accept_missing: Vec<Wall>,
}

/// What functions reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Themselves.
    None,
    /// The public internet, through a filter.
    Egress,
    /// Whatever the host reaches.
    Host,
}

/// `[pool]`.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) idle: Duration,
    pub(crate) wait: Duration,
    pub(crate) queue_per_function: usize,
    /// `None`: only the line of all functions is limited.
    pub(crate) queue_per_project: Option<usize>,
    pub(crate) queue: usize,
    pub(crate) most_instances: usize,
    /// `None`: all of the host's.
    pub(crate) most_instances_per_project: Option<usize>,
    /// `None`: all of the host's.
    pub(crate) memory_per_project: Option<u64>,
    pub(crate) blanks_least: usize,
    pub(crate) blanks_most: usize,
    /// `None`: a share of the host's memory.
    pub(crate) memory: Option<u64>,
    pub(crate) start: Duration,
}

/// `[answers]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers {
    pub(crate) v0_user_failure: u16,
    pub(crate) v1_user_failure: u16,
}

/// `[runtimes]`.
#[derive(Clone, Debug)]
pub(crate) struct Runtimes {
    pub(crate) strict: bool,
    pub(crate) search: Vec<PathBuf>,
    /// `None`: looked for.
    pub(crate) gson: Option<PathBuf>,
    /// Runtimes that run in images.
    pub(crate) images: Vec<RuntimeImage>,
}

/// `[images]`.
#[derive(Clone, Debug)]
pub(crate) struct Images {
    /// Empty: all.
    pub(crate) registries: Vec<String>,
    pub(crate) insecure: Vec<String>,
    pub(crate) auth_file: Option<PathBuf>,
    pub(crate) pull: Duration,
    pub(crate) total: u64,
    /// 0: all.
    pub(crate) per_project: u64,
    pub(crate) unused: Duration,
}

/// `[logs]`, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logs {
    pub(crate) per_function: u64,
    pub(crate) total: u64,
    pub(crate) per_call: usize,
}

/// `[statistics]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statistics {
    pub(crate) days: u32,
    pub(crate) most_rows: u64,
}

/// `[limits]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) functions_per_project: u64,
    pub(crate) dependencies_per_project: u64,
    pub(crate) reserved_instances: u32,
    pub(crate) code_per_project: u64,
    pub(crate) sync: Duration,
    pub(crate) recorded_event: usize,
}

/// `[async]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    pub(crate) running: usize,
    pub(crate) running_per_function: usize,
    /// `None`: only all together are limited.
    pub(crate) running_per_project: Option<usize>,
    pub(crate) waiting_per_function: u64,
    /// `None`: only each function is limited.
    pub(crate) waiting_per_project: Option<u64>,
    pub(crate) waiting_bytes_per_project: u64,
    pub(crate) records_age: Duration,
    pub(crate) records_per_function: u64,
    pub(crate) records: u64,
    pub(crate) recorded_bytes: u64,
}

impl Settings {
    /// Reads every setting.
    ///
    /// # Errors
    /// The first value that is not possible, with its place and what is.
    pub(crate) fn of(document: &Document) -> Result<Self, Error> {
        #[cfg(test)]
        let read = std::cell::RefCell::default();
        #[cfg(test)]
        let section = |name| Section::new(document, name, &read);
        #[cfg(not(test))]
        let section = |name| Section::new(document, name);
        let settings = read_all(section, mounts::read(document)?, runtime_images::read(document)?)?;
        #[cfg(test)]
        super::tests::every_setting_is_read(document, read.into_inner());
        settings.check_together(document)?;
        Ok(settings)
    }

    /// What no single value shows.
    fn check_together(&self, document: &Document) -> Result<(), Error> {
        let (listen, auth) = (self.server.listen, self.server.auth);
        if !auth && !listen.ip().is_loopback() {
            let (value, place) = document.get("server", "auth");
            let allowed = format!(
                "without signatures everybody who reaches {listen} could run code here; keep it on, or listen on a \
                 loopback address such as 127.0.0.1:{}",
                listen.port()
            );
            return Err(super::document::value_error(&place, "server.auth", value, &allowed));
        }
        if self.logs.per_function > self.logs.total {
            let (value, place) = document.get("logs", "per_function_mb");
            return Err(super::document::value_error(
                &place,
                "logs.per_function_mb",
                value,
                "it must not be more than logs.total_mb",
            ));
        }
        self.obs.check(document)?;
        self.destinations.check(document)
    }
}

fn read_all<'a>(
    section: impl Fn(&'static str) -> Section<'a>,
    mounts: Vec<Mount>,
    images_of_runtimes: Vec<RuntimeImage>,
) -> Result<Settings, Error> {
    Ok(Settings {
        server: server(&section("server"))?,
        sandbox: sandbox(&section("sandbox"))?,
        pool: pool(&section("pool"))?,
        billing_step_ms: section("billing").either("step_ms", [100, 1])?.into(),
        answers: answers(&section("answers"))?,
        runtimes: Runtimes { images: images_of_runtimes, ..runtimes(&section("runtimes"))? },
        images: images(&section("images"))?,
        obs: obs::read(&section(obs::SECTION))?,
        mounts,
        logs: logs(&section("logs"))?,
        limits: limits(&section("limits"))?,
        destinations: destinations::read(&section(destinations::SECTION))?,
        statistics: statistics(&section("statistics"))?,
        queue: queue(&section("async"))?,
        time_zone: section("triggers").text("time_zone", time_zone)?,
        log_filter: section("log").text("filter", filter)?,
    })
}

fn server(section: &Section<'_>) -> Result<Server, Error> {
    Ok(Server {
        listen: section.text("listen", address)?,
        data_dir: section.text("data_dir", |text| Ok((!text.is_empty()).then(|| PathBuf::from(text))))?,
        auth: section.truth("auth")?,
        region: section.text("region", region)?,
        drain: section.seconds("drain_seconds", 0..=3600)?,
        user: section.text("user", |text| Ok((!text.is_empty()).then(|| text.to_owned())))?,
        workers: section.number("workers", 0..=256)? as usize,
        database_readers: section.number("database_readers", 1..=64)?,
        management_body: section.megabytes("management_body_mb", 1..=1024)?,
        clock_skew: section.seconds("clock_skew_seconds", 1..=86_400)?,
        header: section.seconds("header_seconds", 1..=3600)?,
        body_pause: section.seconds("body_pause_seconds", 1..=3600)?,
        answer_pause: section.seconds("answer_pause_seconds", 1..=3600)?,
        body: section.seconds("body_seconds", 1..=3600)?,
        stay_awake: section.text("stay_awake", stay_awake)?,
        precedence: section.number("precedence", 0..=20)?,
        api_host: section.text("api_host", api_host)?,
        link: section.seconds("link_seconds", 1..=86_400)?,
    })
}

fn sandbox(section: &Section<'_>) -> Result<Sandbox, Error> {
    let network = section.text("network", network)?;
    Ok(Sandbox {
        engine: section.text("engine", engine)?,
        network,
        egress: egress(section, network)?,
        cpu_quota: section.truth("cpu_quota")?,
        accept_missing: section.texts("accept_missing", wall)?,
    })
}

fn pool(section: &Section<'_>) -> Result<Pool, Error> {
    Ok(Pool {
        idle: section.seconds("idle_seconds", 1..=86_400)?,
        wait: section.seconds("wait_seconds", 0..=900)?,
        queue_per_function: section.number("queue_per_function", 0..=1_000_000)? as usize,
        queue_per_project: Some(section.number("queue_per_project", 0..=1_000_000)? as usize).filter(|most| *most > 0),
        queue: section.number("queue", 0..=10_000_000)? as usize,
        most_instances: section.number("most_instances", 1..=100_000)? as usize,
        most_instances_per_project: Some(section.number("most_instances_per_project", 0..=100_000)? as usize)
            .filter(|most| *most > 0),
        memory_per_project: Some(section.megabytes("memory_mb_per_project", 0..=u32::MAX)?).filter(|bytes| *bytes > 0),
        blanks_least: section.number("blanks_least", 0..=1000)? as usize,
        blanks_most: section.number("blanks_most", 0..=1000)? as usize,
        memory: Some(section.megabytes("memory_mb", 0..=u32::MAX)?).filter(|bytes| *bytes > 0),
        start: section.seconds("start_seconds", 1..=600)?,
    })
}

fn answers(section: &Section<'_>) -> Result<Answers, Error> {
    let status = |key| section.either(key, [500, 200]).map(|status| if status == 200 { 200 } else { 500 });
    Ok(Answers { v0_user_failure: status("v0_user_failure")?, v1_user_failure: status("v1_user_failure")? })
}

fn runtimes(section: &Section<'_>) -> Result<Runtimes, Error> {
    Ok(Runtimes {
        strict: section.truth("strict")?,
        search: section.texts("search", folder)?,
        gson: section.text("gson", |text| if text.is_empty() { Ok(None) } else { folder(text).map(Some) })?,
        images: Vec::new(),
    })
}

fn images(section: &Section<'_>) -> Result<Images, Error> {
    Ok(Images {
        registries: section.texts("registries", registry)?,
        insecure: section.texts("insecure", registry)?,
        auth_file: section.text("auth_file", |text| if text.is_empty() { Ok(None) } else { folder(text).map(Some) })?,
        pull: section.seconds("pull_seconds", 1..=3600)?,
        total: section.megabytes("total_mb", 64..=u32::MAX)?,
        per_project: section.megabytes("total_mb_per_project", 0..=u32::MAX)?,
        unused: Duration::from_secs(section.number("unused_hours", 0..=8760)?.into()) * 3600,
    })
}

fn logs(section: &Section<'_>) -> Result<Logs, Error> {
    Ok(Logs {
        per_function: section.megabytes("per_function_mb", 1..=1_048_576)?,
        total: section.megabytes("total_mb", 1..=1_048_576)?,
        per_call: section.number("per_call_kb", 4..=65_536)? as usize * 1024,
    })
}

fn limits(section: &Section<'_>) -> Result<Limits, Error> {
    Ok(Limits {
        functions_per_project: section.number("functions_per_project", 1..=1_000_000)?.into(),
        dependencies_per_project: section.number("dependencies_per_project", 1..=1_000_000)?.into(),
        reserved_instances: section.number("reserved_instances", 0..=100_000)?,
        code_per_project: section.megabytes("code_mb_per_project", 1..=1_048_576)?,
        sync: section.seconds("sync_seconds", 1..=86_400)?,
        recorded_event: section.number("recorded_event_kb", 1..=6144)? as usize * 1024,
    })
}

fn statistics(section: &Section<'_>) -> Result<Statistics, Error> {
    Ok(Statistics {
        days: section.number("days", 1..=400)?,
        most_rows: section.number("most_rows", 1000..=1_000_000_000)?.into(),
    })
}

fn queue(section: &Section<'_>) -> Result<Queue, Error> {
    let of_project = section.number("running_per_project", 0..=100_000)? as usize;
    let waiting_of_project = u64::from(section.number("waiting_per_project", 0..=100_000_000)?);
    Ok(Queue {
        running: section.number("running", 1..=100_000)? as usize,
        running_per_function: section.number("running_per_function", 1..=100_000)? as usize,
        running_per_project: Some(of_project).filter(|most| *most > 0),
        waiting_per_function: section.number("waiting_per_function", 1..=100_000_000)?.into(),
        waiting_per_project: Some(waiting_of_project).filter(|most| *most > 0),
        waiting_bytes_per_project: section.megabytes("waiting_mb_per_project", 1..=1_048_576)?,
        records_age: Duration::from_secs(section.number("records_days", 1..=3650)?.into()) * 24 * 3600,
        records_per_function: section.number("records_per_function", 1..=100_000_000)?.into(),
        records: section.number("records", 1..=100_000_000)?.into(),
        recorded_bytes: section.megabytes("recorded_events_mb", 1..=1_048_576)?,
    })
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    let known = TimeZone::get(name);
    known.map_err(|_| "it must be a time zone that this host knows, such as UTC or Europe/Prague".to_owned())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let allowed = "it must be an address and a port, such as 127.0.0.1:3470, 0.0.0.0:3470 or [::1]:0";
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| allowed.to_owned())
}

fn api_host(text: &str) -> Result<Option<String>, String> {
    let good =
        text.len() <= 253 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let host = (!text.is_empty()).then(|| text.to_ascii_lowercase());
    good.then_some(host).ok_or_else(|| "it must be a host name without a port, or empty".to_owned())
}

fn region(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    good.then(|| text.to_owned()).ok_or_else(|| "it must be 1 to 64 letters, digits and dashes".to_owned())
}

fn engine(text: &str) -> Result<Engine, String> {
    let others = "use \"embedded\", \"crun\" or \"runc\"";
    match text {
        "runsc" => Err(format!(
            "gVisor does not see what is mounted into a running sandbox, and that is how a function's code gets there; {others}"
        )),
        "kata" => Err(format!(
            "Kata Containers has had no OCI command line since version 2, so it cannot be driven; {others}"
        )),
        _ => Engine::from_name(text).ok_or_else(|| "it must be \"embedded\", \"crun\" or \"runc\"".to_owned()),
    }
}

fn stay_awake(text: &str) -> Result<Wakefulness, String> {
    match text {
        "auto" => Ok(Wakefulness::Auto),
        "busy-poll" => Ok(Wakefulness::BusyPoll),
        "no" => Ok(Wakefulness::No),
        _ => Err("it must be \"auto\", \"busy-poll\" or \"no\"".to_owned()),
    }
}

fn network(text: &str) -> Result<Network, String> {
    match text {
        "none" => Ok(Network::None),
        "egress" => Ok(Network::Egress),
        "host" => Ok(Network::Host),
        _ => Err("it must be \"egress\", \"none\" or \"host\"".to_owned()),
    }
}

/// Each value is checked where it is read, so that the error names it.
fn egress(section: &Section<'_>, network: Network) -> Result<Egress, Error> {
    let range = |text: &str| text.parse::<Cidr>().map_err(|error| error.to_string());
    let checked = |egress: Egress| egress.check().map(|()| egress).map_err(|error| error.to_string());
    let with_subnet = |text: &str| checked(Egress { subnet: range(text)?, ..Egress::new() });
    let egress = section.text("egress_subnet", with_subnet)?;
    let with_allow = |value: &Value| checked(Egress { allow: list(value, range)?, ..egress.clone() });
    let egress = section.value("egress_allow", with_allow)?;
    // Who asks for it by name shall not do without; the default does what the host can.
    Ok(Egress { required: network == Network::Egress && section.is_given("network"), ..egress })
}

fn wall(text: &str) -> Result<Wall, String> {
    let optional = || Wall::ALL.into_iter().filter(|wall| wall.can_be_missing());
    optional().find(|wall| wall.name() == text).ok_or_else(|| {
        let names: Vec<&str> = optional().map(Wall::name).collect();
        match Wall::from_name(text) {
            Some(_) => {
                format!("no process can be started without the wall {text}; only {} may be missing", names.join(", "))
            }
            None => format!("{text:?} is no wall that may be missing; those are {}", names.join(", ")),
        }
    })
}

fn registry(text: &str) -> Result<String, String> {
    let good = !text.is_empty() && !text.contains('/') && text.chars().all(|c| c.is_ascii_graphic());
    good.then(|| text.to_owned()).ok_or_else(|| {
        format!("{text:?} must be a host with its port where it has one, such as registry.example.com or 10.0.0.7:5000")
    })
}

pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err(format!("{text:?} must be an absolute path")) }
}

fn filter(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::filter::Targets>() {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => {
            Err("it must be error, warn, info, debug, trace, or directives such as \"info,fungraph_pool=debug\""
                .to_owned())
        }
    }
}
