//! The last steps inside the new process, run by libcontainer once every namespace, mount and limit stands.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::{CString, NulError};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use oci_spec::runtime::Spec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::seccomp::Filters;

/// What turns the prepared process into the wanted program.
#[derive(Clone)]
pub(super) struct Payload {
    /// The filters to put on.
    pub(super) filters: Rc<Filters>,
    /// Closed by a successful exec; otherwise the reason is written here first. libcontainer itself has no way to tell, since it
    /// counts a process as started before it runs.
    pub(super) report: Rc<OwnedFd>,
    /// A pidfd of the spawner.
    pub(super) spawner: Rc<OwnedFd>,
}

impl Executor for Payload {
    /// Runs after the change of user, which would clear the death signal, and before the wait for the start, which a spawner
    /// killed meanwhile would never send.
    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        die_with(&self.spawner).map_err(|error| {
            ExecutorValidationError::ArgValidationError(format!("cannot tie its life to the spawner's: {error}"))
        })
    }

    /// The environment goes to exec as it is; this process's own is never touched.
    fn setup_envs(&self, _envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let Err(reason) = self.run(spec);
        // If nobody reads it any more, nobody wants to know.
        let _unread = rustix::io::write(&*self.report, reason.as_bytes());
        Err(ExecutorError::Other(reason))
    }
}

impl Payload {
    fn run(&self, spec: &Spec) -> Result<Infallible, String> {
        let process = spec.process().as_ref().ok_or("the bundle has no process")?;
        let arguments = c_strings(process.args()).map_err(|error| error.to_string())?;
        let environment = c_strings(process.env()).map_err(|error| error.to_string())?;
        let program = arguments.first().ok_or("the bundle has no command")?;
        restore_signals();
        self.filters.apply().map_err(|error| format!("cannot filter system calls: {error}"))?;
        Err(format!("cannot run {}: {}", program.to_string_lossy(), execve(program, &arguments, &environment)))
    }
}

fn die_with(spawner: &OwnedFd) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The spawner may have died just before; then no signal will come, but its pidfd says so. getppid cannot: it is 0 here anyway.
    let mut spawner = [PollFd::new(spawner, PollFlags::IN)];
    match poll(&mut spawner, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? {
        0 => Ok(()),
        _ => Err(io::Error::other("the spawner is dead")),
    }
}

fn c_strings(texts: &Option<Vec<String>>) -> Result<Vec<CString>, NulError> {
    texts.iter().flatten().map(|text| CString::new(text.as_str())).collect()
}

/// What is ignored stays so across exec: SIGPIPE by Rust, a few by the spawner, SIGHUP under nohup. Shells would misbehave.
#[allow(unsafe_code)]
fn restore_signals() {
    for signal in 1..=64 {
        // SAFETY: the default action is no function of ours that could be called at a bad moment, and this process has one thread.
        // The few signals that are not ours to set are refused, which is no harm.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Becomes the program; comes back only with the reason why not.
#[allow(unsafe_code)]
fn execve(program: &CString, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers =
        |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end in a null pointer and point to NUL-terminated strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}
