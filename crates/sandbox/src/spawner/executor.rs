//! The last steps inside the new process, run by libcontainer once every namespace, mount and limit stands: it starts the program
//! and becomes the init that watches it (see init.rs).

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

use super::init::{FUNCTION, Init};
use super::report::STARTED;
use super::seccomp::Filters;

/// What turns the prepared process into the wanted program.
#[derive(Clone)]
pub(super) struct Payload {
    /// The filters to put on.
    pub(super) filters: Rc<Filters>,
    /// Where to tell how it went (see report.rs).
    pub(super) report: Rc<OwnedFd>,
    pub(super) init: Rc<Init>,
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
        start(program, &arguments, &environment)
            .map_err(|error| format!("cannot run {}: {error}", program.to_string_lossy()))?;
        rustix::io::write(&*self.report, &[STARTED]).map_err(|errno| format!("cannot report: {errno}"))?;
        Err(format!("cannot become its init: {}", self.init.run(&*self.report)))
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

/// What the new process needs until it has become the program, and where it leaves the reason why it has not.
struct Start {
    program: *const libc::c_char,
    arguments: *const *const libc::c_char,
    environment: *const *const libc::c_char,
    errno: i32,
}

/// Runs the program as the next process; comes back once it runs, or cannot.
#[allow(unsafe_code)]
fn start(program: &CString, arguments: &[CString], environment: &[CString]) -> io::Result<()> {
    const STACK: usize = 64 << 10;
    let pointers =
        |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    let mut start =
        Start { program: program.as_ptr(), arguments: arguments.as_ptr(), environment: environment.as_ptr(), errno: 0 };
    // u128 for the alignment that stacks have.
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the new process has a stack of its own, and this one stands still until it has called exec or exit, so that all it is
    // given outlives its use. What it runs takes no lock and no memory.
    let pid = unsafe { libc::clone(exec, stack.as_mut_ptr_range().end.cast(), flags, (&raw mut start).cast()) };
    match (pid, start.errno) {
        (-1, _) => Err(io::Error::last_os_error()),
        (FUNCTION, 0) => Ok(()),
        (_, 0) => Err(io::Error::other(format!("it became process {pid}"))),
        (_, errno) => Err(io::Error::from_raw_os_error(errno)),
    }
}

#[allow(unsafe_code)]
extern "C" fn exec(start: *mut libc::c_void) -> libc::c_int {
    // SAFETY: it is the caller's `Start`, and the caller stands still. Its pointers lead to NUL-terminated texts and to lists that end
    // in a null pointer.
    unsafe {
        let start = start.cast::<Start>();
        // A session of its own, as a first process would have; it cannot fail for a process that was just made.
        libc::setsid();
        libc::execve((*start).program, (*start).arguments, (*start).environment);
        (*start).errno = *libc::__errno_location();
    }
    1
}
