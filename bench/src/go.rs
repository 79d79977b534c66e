//! What has to be built before Go can be measured: the function, against the stand-in for the service's library that the tests
//! have too, and the bare loop. With the Go that the path has; nothing is fetched.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::bare::app;

/// Whether there is a Go to build with.
pub(crate) fn is_there() -> bool {
    Command::new("go").arg("version").output().is_ok_and(|run| run.status.success())
}

/// The program of a folder below `apps/go`. Go keeps what it built, so this is quick when nothing has changed.
pub(crate) fn build(name: &str) -> Result<PathBuf> {
    let home = std::env::current_exe()?.with_file_name("bench-go");
    let program = home.join(name);
    let mut command = Command::new("go");
    command.args(["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"]).arg(&program).arg(".");
    command.current_dir(app(&format!("go/{name}")));
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
