//! `fungraph serve`: start in order, say that it is ready, wait for the end, drain, stop in order.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use fungraph_engine::Engine;
use fungraph_gateway::{Auth, Gateway, StayAwake, UserFailureStatus};
use fungraph_instance::Interpreters;
use rustix::fs::Mode;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::runtimes::{by_interpreter, offers};
use crate::args::ServeArgs;
use crate::config::Settings;
use crate::credentials::Credentials;
use crate::environment;
use crate::exit::{Exit, Stop};
use crate::platform::{self, Ground, Platform};
use crate::privileges::raise_file_limit;
use crate::{say, telemetry};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    let document = environment::document(&args.locate, args.listen.as_deref(), args.auth)?;
    let settings = Settings::of(&document)?;
    if args.print_config {
        say::raw(document.to_string().as_bytes());
        return Ok(Exit::Clean);
    }
    // Whatever we make is for us alone; what others must reach is opened by name.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    raise_file_limit();
    telemetry::start_log(&settings.log_filter);
    let folder = environment::data_folder(&settings)
        .ok_or_else(|| Stop::usage("there is no home folder to put data into; choose a folder with --data-dir"))?;
    let ground = Ground::lay(&settings, &folder)?;
    for note in ground.interpreters.notes() {
        tracing::debug!("{note}");
    }
    let listener = bind(settings.server.listen)?;
    ground.listening(listener.local_addr()?)?;
    let (stay_awake, told) = platform::stay_awake(&settings);
    tracing::debug!("{told}");
    ground.give_up_root(&settings)?;
    let runtime = platform::runtime(&settings)?;
    let exit = runtime.block_on(serve(&settings, ground, stay_awake, listener));
    // Nothing that matters runs any more; what a blocking thread still does is not waited for.
    runtime.shutdown_background();
    exit
}

async fn serve(
    settings: &Settings,
    ground: Ground,
    stay_awake: StayAwake,
    listener: TcpListener,
) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    let metrics = telemetry::install_metrics()?;
    let address = listener.local_addr()?;
    let platform = tokio::select! {
        platform = Platform::start(settings, ground) => platform?,
        // It may take as long as a registry does.
        name = signals.next() => {
            tracing::info!("{name} before the server was ready");
            return Ok(Exit::Clean);
        }
    };
    tell_runtimes(settings, &platform.interpreters);
    let engine = platform.engine.clone();
    credentials(&engine, address).await?.write(Path::new("."))?;
    let kept = keep_credentials(engine.clone(), address);
    let stop = CancellationToken::new();
    let counted = engine.clone();
    let gateway = Gateway::new(gateway(settings, stay_awake), engine, move || {
        let histograms = counted.publish_metrics();
        metrics.render() + &histograms
    });
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut serving = tokio::spawn(gateway.run(listener, stop.clone()));
    warn_of_plain_http(address);
    say::out(format!("listening on http://{address}"));

    tokio::select! {
        name = signals.next() => tracing::info!("{name}: finishing what runs, for up to {} s; a second signal ends at once", settings.server.drain.as_secs()),
        never = kept => match never {},
        () = platform.spawner.lost() => {
            tracing::error!("the spawner ended, and every instance with it; start the server again");
            return Ok(Exit::SpawnerLost);
        }
        ended = &mut serving => {
            ended.context("the HTTP server ended by a panic")??;
            return Err(Stop::failed("the HTTP server ended by itself"));
        }
    }

    stop.cancel();
    platform.engine.stop_triggers();
    let drain = async {
        let deadline = tokio::time::Instant::now() + settings.server.drain;
        if tokio::time::timeout_at(deadline, &mut serving).await.is_err() {
            tracing::warn!("calls were still running after {} s and were ended", settings.server.drain.as_secs());
        }
        platform.stop(deadline - tokio::time::Instant::now().min(deadline)).await;
    };
    tokio::select! {
        () = drain => Ok(Exit::Clean),
        name = signals.next() => {
            tracing::warn!("{name} again: ending at once");
            Ok(Exit::Failed)
        }
    }
}

/// What asks a server to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Stop::busy(format!(
            "the address {address} is in use; stop what listens there, or choose another with --listen, such as {}:0",
            address.ip()
        )),
        _ => Stop::usage(format!("cannot listen on {address}: {error}; choose another address with --listen")),
    })?;
    listener.set_nonblocking(true)?;
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

async fn credentials(engine: &Engine, address: SocketAddr) -> anyhow::Result<Credentials> {
    Ok(file_of(engine, address, engine.first_credentials().await?))
}

/// Writes the file anew whenever the operator's key is another one: clients of this host read it with every command.
async fn keep_credentials(engine: Arc<Engine>, address: SocketAddr) -> Infallible {
    let mut operator = engine.operator();
    loop {
        if operator.changed().await.is_err() {
            // The engine holds the other end, and so do we.
            std::future::pending::<()>().await;
        }
        let Some(now) = operator.borrow_and_update().clone() else { continue };
        match file_of(&engine, address, now).write(Path::new(".")) {
            Ok(()) => tracing::info!("the operator's key is another one: credentials.json was written anew"),
            Err(error) => tracing::error!("credentials.json still has a key that counts no more: {error:#}"),
        }
    }
}

fn file_of(engine: &Engine, address: SocketAddr, known: fungraph_engine::Credentials) -> Credentials {
    Credentials {
        endpoint: format!("http://{}", reachable(address)),
        region: engine.region().to_owned(),
        domain_id: known.domain_id.to_string(),
        project_id: known.project_id.to_string(),
        access_key: known.access_key,
        secret_key: known.secret_key,
    }
}

/// An address that a client of this host can connect to: "all addresses" is none.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn warn_of_plain_http(address: SocketAddr) {
    if !address.ip().is_loopback() {
        tracing::warn!(
            "plain HTTP on {address}: whoever sees the traffic can read events, results and code; put a proxy with TLS \
             in front"
        );
    }
}

/// Those of images were told when they were found.
fn tell_runtimes(settings: &Settings, found: &Interpreters) {
    let all = by_interpreter(&offers(found, &[], settings.runtimes.strict));
    for (interpreter, names) in all.iter().filter(|(interpreter, _)| interpreter.image.is_none()) {
        tracing::info!("{interpreter} ({}) runs {}", interpreter.program.display(), names.join(", "));
    }
    if all.is_empty() {
        tracing::warn!(
            "no interpreter was found, so no function in a script language can run; `fungraph runtimes` says what to install"
        );
    }
}

fn gateway(settings: &Settings, stay_awake: StayAwake) -> fungraph_gateway::Config {
    let server = &settings.server;
    fungraph_gateway::Config {
        auth: if server.auth { Auth::On } else { Auth::Off },
        management_body_bytes: usize::try_from(server.management_body).unwrap_or(usize::MAX),
        clock_skew: server.clock_skew,
        user_failure_status: UserFailureStatus {
            v0: settings.answers.v0_user_failure,
            v1: settings.answers.v1_user_failure,
        },
        header_read_timeout: server.header,
        body_pause_timeout: server.body_pause,
        body_read_timeout: server.body,
        answer_pause_timeout: server.answer_pause,
        stay_awake,
        api_host: server.api_host.clone(),
        link_lifetime: server.link,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_name_an_address_that_can_be_reached() {
        for (bound, expected) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("127.0.0.1:3470", "127.0.0.1:3470"),
            ("192.0.2.7:1", "192.0.2.7:1"),
        ] {
            let bound: SocketAddr = bound.parse().expect(bound);
            assert_eq!(reachable(bound).to_string(), expected);
        }
    }
}
