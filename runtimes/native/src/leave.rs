//! The end of this process: the same as that of the program it ran, so that the platform tells it as it does for every language.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

use rustix::process::{Signal, getpid, kill_process};

/// What shells add to the number of a signal.
const BY_SIGNAL: i32 = 128;

/// Ends as the program did. Where the kernel killed it for want of memory that makes the difference: the platform knows of the lack, and
/// believes it where the instance ends by SIGKILL.
pub(crate) fn like(status: ExitStatus) -> ! {
    if let Some(number) = status.signal() {
        // Twice: Rust's own handler of SIGSEGV and SIGBUS takes the first one, and puts back what the system does.
        for _ in 0..2 {
            if let Some(signal) = Signal::from_named_raw(number) {
                let _ended_or_ignored = kill_process(getpid(), signal);
            }
        }
    }
    with(status.code().unwrap_or_else(|| BY_SIGNAL + status.signal().unwrap_or_default()))
}

/// Ends with this code.
#[allow(clippy::disallowed_methods, reason = "nothing has to be undone here: all of it goes with the sandbox")]
pub(crate) fn with(code: i32) -> ! {
    std::process::exit(code)
}
