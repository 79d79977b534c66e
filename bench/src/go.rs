//! Programs in Go: the one that is measured, and how it is called without a platform.
//!
//! It is built against the stand-in for the service's library that the tests have too, with the Go that the path has; nothing is fetched.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use fungraph_instance::go_rpc::{Answer, GREETING, Replies, Request, Requests};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bare::app;

/// Whether there is a Go to build with.
pub(crate) fn is_there() -> bool {
    Command::new("go").arg("version").output().is_ok_and(|run| run.status.success())
}

/// The function's program. Go keeps what it built, so this is quick when nothing has changed.
pub(crate) fn build() -> Result<PathBuf> {
    let home = std::env::current_exe()?.with_file_name("bench-go");
    let program = home.join("function");
    let mut command = Command::new("go");
    command.args(["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"]).arg(&program).arg(".");
    command.current_dir(app("go/function"));
    let settings = [
        ("GOFLAGS", "-mod=mod"),
        ("GOPROXY", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GOWORK", "off"),
        ("CGO_ENABLED", "0"),
    ];
    command.envs(settings).envs(folders(&home));
    let run = command.output().context("cannot run go")?;
    ensure!(run.status.success(), "{command:?}: {}", String::from_utf8_lossy(&run.stderr));
    Ok(program)
}

fn folders(home: &Path) -> [(&'static str, PathBuf); 2] {
    [("GOCACHE", home.join("cache")), ("GOPATH", home.join("path"))]
}

/// A kept connection to a program, one call at a time.
pub(crate) struct Client {
    stream: TcpStream,
    requests: Requests,
    replies: Replies,
    calls: u64,
}

impl Client {
    /// To a program that listens.
    pub(crate) async fn open(mut stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.write_all(GREETING).await?;
        Ok(Self { stream, requests: Requests::default(), replies: Replies::default(), calls: 0 })
    }

    /// One request out, one answer back.
    pub(crate) async fn call(&mut self, payload: &[u8]) -> Result<Bytes> {
        self.calls += 1;
        let header = [("X-Cff-Request-Id", "11111111-1111-1111-1111-111111111111")];
        let (before, after) = self.requests.next(&Request { call: self.calls, payload, header: &header });
        self.stream.write_all(&[&before, payload, &after].concat()).await?;
        loop {
            if let Some(reply) = self.replies.reply()? {
                match reply.answer {
                    Answer::Returned { payload, .. } => return Ok(Bytes::copy_from_slice(payload)),
                    Answer::Failed(why) => bail!("the program failed: {why}"),
                }
            }
            let read = self.stream.read(self.replies.room()).await?;
            ensure!(read > 0, "the program has ended");
            self.replies.filled(read);
        }
    }
}
