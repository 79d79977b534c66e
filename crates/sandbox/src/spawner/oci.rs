//! One launch by an OCI program: `create`, then, once the network stands, `start`.
//!
//! Both are short-lived. What they leave is the container's first process, which becomes a child of the spawner (it adopts what its
//! descendants leave) and is waited for as any other. Its program is our init, which does what the executor of the
//! embedded engine does (see init/code.rs): it is on descriptor 5 and is started by that name, so no file of ours is seen
//! inside. The function's arguments and environment are the init's arguments, since these programs add variables of their own.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, getppid, set_child_subreaper, set_parent_process_death_signal};

use super::init::{Init, encode};
use super::reserved::Reserved;
use crate::engine::Engine;
use crate::launch::Launch;
use crate::patience::end_within;

/// The init, as the program of a bundle names it.
const INIT: &str = "/proc/self/fd/5";

/// Longest time that a program may take: a hundred times what it takes on a busy host.
const LIMIT: Duration = Duration::from_secs(10);

/// An OCI program and what it needs each time.
#[derive(Debug)]
pub(super) struct Oci {
    engine: Engine,
    program: PathBuf,
    /// Where it keeps its notes.
    state: PathBuf,
    /// Longest time that one run may take.
    limit: Duration,
    /// `linux.seccomp` of every bundle.
    pub(super) seccomp: serde_json::Value,
}

/// Why the program did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum OciError {
    #[error("cannot run {engine}")]
    Run { engine: Engine, source: io::Error },
    #[error("{engine} {verb} failed: {told}")]
    Failed { engine: Engine, verb: &'static str, told: String },
    #[error("{engine} {verb} did not end within {} seconds", limit.as_secs())]
    Slow { engine: Engine, verb: &'static str, limit: Duration },
    #[error("{engine} did not write the number of the new process")]
    NoPid { engine: Engine },
}

impl Oci {
    /// From here on this process adopts what its descendants leave behind.
    pub(super) fn new(engine: Engine, program: PathBuf, state: PathBuf, seccomp: serde_json::Value) -> io::Result<Oci> {
        // Any number but none turns it on.
        set_child_subreaper(Pid::from_raw(1))?;
        Ok(Oci { engine, program, state, limit: LIMIT, seccomp })
    }

    /// Makes the container: its first process waits for [`Oci::start`].
    pub(super) fn create(&self, id: &str, bundle: &Path, output: OwnedFd) -> Result<Pid, OciError> {
        let pid_file = bundle.join("pid");
        let errors = output.try_clone().map_err(|source| OciError::Run { engine: self.engine, source })?;
        let mut command = self.command(bundle);
        command.arg("create").arg("--bundle").arg(bundle).arg("--pid-file").arg(&pid_file);
        command.args(["--preserve-fds", "3", id]).stdout(output).stderr(errors);
        self.run("create", command, bundle)?;
        let pid = fs::read_to_string(&pid_file).ok().and_then(|text| Pid::from_raw(text.trim().parse().ok()?));
        pid.ok_or(OciError::NoPid { engine: self.engine })
    }

    /// Lets it go on to the init.
    pub(super) fn start(&self, id: &str, bundle: &Path) -> Result<(), OciError> {
        let mut command = self.command(bundle);
        command.args(["start", id]).stdout(Stdio::null()).stderr(Stdio::null());
        self.run("start", command, bundle)
    }

    fn command(&self, bundle: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null()).current_dir("/");
        // What it says of itself must not become output of the function.
        command.arg("--root").arg(&self.state).arg("--log").arg(log(bundle));
        if self.engine == Engine::Crun {
            // runc takes systemd only where it is told to.
            command.args(["--cgroup-manager", "cgroupfs"]);
        }
        die_with_us(&mut command);
        command
    }

    fn run(&self, verb: &'static str, mut command: Command, bundle: &Path) -> Result<(), OciError> {
        let engine = self.engine;
        let cannot = |source| OciError::Run { engine, source };
        let mut child = command.spawn().map_err(cannot)?;
        // While it runs, no other launch, fit or kill is served.
        if !end_within(&mut child, self.limit).map_err(cannot)? {
            return Err(OciError::Slow { engine, verb, limit: self.limit });
        }
        let status = child.wait().map_err(cannot)?;
        if status.success() {
            return Ok(());
        }
        let told = fs::read_to_string(log(bundle)).ok().and_then(|text| last_words(&text));
        Err(OciError::Failed { engine, verb, told: told.unwrap_or_else(|| status.to_string()) })
    }
}

/// The arguments of the bundle's process: the init's (see init/code.rs).
pub(super) fn arguments(launch: &Launch) -> Vec<String> {
    let count = u32::try_from(launch.args.len()).unwrap_or(u32::MAX);
    let count = encode(count).to_string_lossy().into_owned();
    let environment = launch.env.iter().map(|(name, value)| format!("{name}={value}"));
    let arguments = [INIT.to_owned(), count].into_iter().chain(launch.args.iter().cloned());
    arguments.chain([String::new()]).chain(environment).collect()
}

/// The numbers by which the init knows its report and itself; 3 is the function's socket.
pub(super) fn place(reserved: &mut Reserved, socket: &OwnedFd, report: &OwnedFd, init: &Init) -> io::Result<()> {
    reserved.place(&[socket.as_fd(), report.as_fd(), init.as_fd()])
}

fn log(bundle: &Path) -> PathBuf {
    bundle.join("log")
}

/// The last line of a log that says something. runc's are `key=value` pairs, of which `msg` counts.
fn last_words(log: &str) -> Option<String> {
    let line = log.lines().rev().find(|line| !line.trim().is_empty())?;
    let text = line.split_once("msg=").map_or(line, |(_, text)| text).trim();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    Some(quoted.unwrap_or(text).replace("\\\"", "\""))
}

/// A spawner that is killed must not leave a program behind that goes on making what the next one has just swept. What this one
/// ignores is not ignored there.
#[allow(unsafe_code)]
fn die_with_us(command: &mut Command) {
    let us = Some(getpid());
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // One that died just before sends no signal any more.
        if getppid() != us {
            return Err(io::ErrorKind::NotFound.into());
        }
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: the default action is no function of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: it makes system calls and nothing else: no memory, no lock.
    unsafe { command.pre_exec(prepare) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patience::script;

    #[test]
    fn a_program_that_hangs_is_ended_and_one_that_fails_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("crun");
        let create = |text: &str, limit: Duration| {
            script(&program, text);
            let state = folder.path().join("state");
            let oci =
                Oci { engine: Engine::Crun, program: program.clone(), state, limit, seccomp: serde_json::Value::Null };
            let output = fs::File::open("/dev/null").expect("it is there");
            oci.create("a", folder.path(), output.into()).map(Pid::as_raw_nonzero).map_err(|error| error.to_string())
        };
        let long = Duration::from_secs(60);
        let pid = format!("echo $$ > {}", folder.path().join("hanging").display());
        let slow = create(&format!("{pid}; exec sleep 1000"), Duration::from_secs(1));
        assert_eq!(slow, Err("crun create did not end within 1 seconds".to_owned()));
        // On a very slow host it was ended before it could tell.
        let hanging = fs::read_to_string(folder.path().join("hanging")).unwrap_or_else(|_| "0".to_owned());
        assert!(!Path::new("/proc").join(hanging.trim()).exists(), "it was ended and collected");
        let log = log(folder.path()).display().to_string();
        assert_eq!(
            create(&format!("echo no such thing > {log}; exit 1"), long),
            Err("crun create failed: no such thing".to_owned())
        );
        assert_eq!(create("exit 0", long), Err("crun did not write the number of the new process".to_owned()));
        let number = create(&format!("echo 77 > {}", folder.path().join("pid").display()), long);
        assert_eq!(number.map(std::num::NonZero::get), Ok(77));
    }

    #[test]
    fn the_log_of_either_program_tells_why() {
        let crun = "2024-05-01T10:00:00.000000000Z: executable file not found";
        assert_eq!(last_words(crun).as_deref(), Some(crun));
        let runc = "time=\"2024-05-01\" level=error msg=\"runc create failed: a \\\"b\\\"\"\n\n";
        assert_eq!(last_words(runc).as_deref(), Some("runc create failed: a \"b\""));
        assert_eq!(last_words("\n"), None);
    }
}
