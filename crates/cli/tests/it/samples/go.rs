//! Builds the program of a Go sample: a real one, against a small stand-in for the service's library (`runtimes/go`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::harness::repository;

/// One build at a time: the first one on a machine takes the standard library with it.
static ONE: Mutex<()> = Mutex::new(());

/// Whether a file is what a program is made of, or a record of what one said: no part of the package.
pub(super) fn is_no_part(file: &Path) -> bool {
    let source = file.extension().is_some_and(|extension| extension == "go") || file.ends_with("go.mod");
    source || file.ends_with("wire.json")
}

/// The executable of the sample in a folder; `None` where it has no source. Go keeps what it built, so this is quick when
/// nothing has changed.
pub(crate) fn build(name: &str, folder: &Path) -> Option<PathBuf> {
    let source = folder.join("main.go");
    if !source.exists() {
        return None;
    }
    // Whoever comes second finds what the first one built.
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let place = home.join("samples").join(name);
    fs::create_dir_all(&place).expect("a folder below target");
    fs::copy(&source, place.join("main.go")).expect("it can be copied");
    fs::write(place.join("go.mod"), module(folder)).expect("it can be written");

    let mut command = Command::new("go");
    command.args(["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", "handler", "."]).current_dir(&place);
    // Nothing is fetched: neither modules nor another Go.
    for (variable, value) in [("GOFLAGS", "-mod=mod"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOWORK", "off")]
    {
        command.env(variable, value);
    }
    command.env("CGO_ENABLED", "0").env("GOCACHE", home.join("cache")).env("GOPATH", home.join("path"));
    let run = command.output().expect("`go` can be run; `cargo xtask check host` installs it");
    assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
    Some(place.join("handler"))
}

/// The sample's own `go.mod`, and where the library is. The real one comes from the service's site.
fn module(folder: &Path) -> String {
    let own = fs::read_to_string(folder.join("go.mod")).expect("a Go sample is a module");
    let library = repository("runtimes/go");
    if own.contains("huaweicloud.com/go-runtime") {
        format!("{own}\nreplace huaweicloud.com/go-runtime => {}\n", library.display())
    } else {
        own
    }
}
