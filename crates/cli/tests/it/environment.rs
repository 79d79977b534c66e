//! Virtual environments of Python below `target/`, each made once for its list of requirements.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use crate::harness::repository;

/// The interpreter that has what `tests/NAME/requirements.txt` lists, `module` among it. The first caller installs it, with pip and from
/// wherever pip is set to look.
///
/// # Panics
/// With what to do, where it cannot be installed.
pub(crate) fn python(name: &str, module: &str) -> PathBuf {
    let folder = repository(&format!("target/{name}-tests"));
    fs::create_dir_all(&folder).expect("a folder below target");
    // Tests of other processes may want it too.
    let lock = File::create(folder.join("lock")).expect("a file to lock");
    flock(&lock, FlockOperation::LockExclusive).expect("a lock");
    let requirements = repository(&format!("tests/{name}/requirements.txt"));
    let wanted = fs::read_to_string(&requirements).expect("a list of requirements");
    let (home, ready) = (folder.join("venv"), folder.join("installed.txt"));
    let python = home.join("bin/python");
    if fs::read_to_string(&ready).ok().as_ref() != Some(&wanted) || !works(&python, module) {
        let _ = fs::remove_file(&ready);
        run(
            Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home),
            "on Debian: apt-get install python3-venv",
        );
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
        run(&mut pip, "it needs PyPI, or a mirror that pip is configured for");
        fs::write(&ready, wanted).expect("a note that it is complete");
    }
    python
}

fn works(python: &Path, module: &str) -> bool {
    Command::new(python).args(["-c", &format!("import {module}")]).status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command, hint: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; {hint}\n{}{said}", String::from_utf8_lossy(&output.stdout));
}
