//! Web servers of the user's own on port 8000: http functions, which `bootstrap` starts (contract: custom-runtime.md section 2), and
//! container images (section 3). The platform calls them itself as soon as the port takes connections.

mod image;

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    process::Command,
    time::{Instant, sleep},
};

use crate::{
    child::{self, Program},
    failure::Failure,
    load::Load,
};

/// Where the server has to listen.
const PORT: u16 = 8000;
/// What starts `bootstrap`: it needs neither a first line nor the right to be executed.
const SHELL: &str = "/bin/bash";
/// Pauses between looks at the port grow to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// Starts `bootstrap`; it is ready when its port takes a connection.
pub(crate) async fn start(load: &Load) -> Result<Program, Failure> {
    let path = load.code_root().join("bootstrap");
    child::check_file(&path, false)?;
    let mut command = child::command(SHELL, load);
    command.arg("bootstrap");
    let no_shell =
        |error: io::Error| Failure::start(&format!("{SHELL}, which runs bootstrap, cannot be started: {error}"));
    run(load, command, "bootstrap", no_shell).await
}

/// Starts the command of an image.
pub(crate) async fn start_image(load: &Arc<Load>) -> Result<Program, Failure> {
    let command = image::command(load)?;
    run(load, command, "the container's program", image::explain(load)).await
}

async fn run(
    load: &Load,
    command: Command,
    name: &str,
    explain: impl FnOnce(io::Error) -> Failure,
) -> Result<Program, Failure> {
    if connect().await.is_ok() {
        return Err(Failure::start(
            "port 8000 is taken before the function is started: functions of this server share the host's network \
             (sandbox.network = \"host\"), in which http functions and images cannot run",
        ));
    }
    let program = Program::start(command).map_err(explain)?;
    tokio::select! {
        () = listening() => Ok(program),
        status = program.ended() => {
            let before = "before anything listened on port 8000; start the server in the foreground (exec ./server)";
            Err(child::ended_early(name, status, before))
        }
        () = sleep(load.start_limit()) => Err(Failure::not_ready(&format!(
            "nothing listens on port 8000 after {} seconds; let the server listen on 127.0.0.1:8000 or 0.0.0.0:8000, or raise initializer_timeout",
            load.start_seconds()
        ))),
    }
}

/// Waits until the port takes a connection: looked at often in the beginning, since that is when most servers are there.
async fn listening() {
    let begun = Instant::now();
    while connect().await.is_err() {
        sleep((begun.elapsed() / 8).clamp(Duration::from_millis(1), LONGEST_PAUSE)).await;
    }
}

async fn connect() -> io::Result<()> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).await.map(drop)
}
