//! Servers as processes: started, waited for, and ended.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::http1::{Connection, Request, split_url};

/// Only so that a broken server ends the run with a text.
const START: Duration = Duration::from_secs(60);

/// A server on loopback. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts a server that says `listening on URL` on standard output.
    pub(crate) async fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child =
            command.spawn().with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let ready = timeout(START, lines.next_line()).await.context("not ready in time")??;
        let Some(url) = ready.as_deref().and_then(|line| line.strip_prefix("listening on ")) else {
            bail!("expected `listening on URL`, and got {ready:?} from {:?}", command.as_std());
        };
        Ok(Self { child, address: split_url(url)?.0 })
    }

    /// Starts a server that says nothing, and asks until it answers.
    pub(crate) async fn start_silent(mut command: Command, address: String, probe: &Request) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child =
            command.spawn().with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let probe = probe.render(&address);
        let answers = async {
            loop {
                if let Some(status) = child.try_wait()? {
                    bail!("it ended with {status}");
                }
                if let Ok(mut connection) = Connection::open(&address).await
                    && connection.call(&probe).await.is_ok_and(|answer| answer.status < 500)
                {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(START, answers).await.context("no answer in time")??;
        Ok(Self { child, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Waits for the end of a server that somebody killed.
    pub(crate) async fn killed(mut self) -> Result<()> {
        timeout(START, self.child.wait()).await.context("it does not end")??;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<ExitStatus> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("it has ended already")?;
        kill_process(pid, Signal::TERM)?;
        Ok(timeout(START, self.child.wait()).await.context("it does not end")??)
    }
}

/// A port that is free now. For peers that cannot be given port 0.
pub(crate) fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
