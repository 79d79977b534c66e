//! One launch by libcontainer, in this process.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::syscall::syscall::SyscallType;
use tracing::subscriber::{NoSubscriber, with_default};

use super::descriptors::Descriptors;
use super::executor::Payload;
use super::init::Init;
use super::launcher::{LaunchError, step};
use super::seccomp::Filters;

/// What the embedded engine needs each time.
#[derive(Debug)]
pub(super) struct Embedded {
    pub(super) filters: Rc<Filters>,
    /// A pidfd of this process.
    pub(super) this: Rc<OwnedFd>,
    /// Where libcontainer keeps its notes.
    pub(super) state: PathBuf,
}

impl Embedded {
    /// Makes the container: its first process waits for [`start`].
    pub(super) fn create(
        &self,
        id: &str,
        bundle: &Path,
        reporter: OwnedFd,
        init: &Rc<Init>,
        output: OwnedFd,
    ) -> Result<Container, LaunchError> {
        let payload = Payload {
            filters: self.filters.clone(),
            report: Rc::new(reporter),
            init: init.clone(),
            spawner: self.this.clone(),
        };
        let null = File::open("/dev/null").map_err(step("open /dev/null"))?;
        let errors = output.try_clone().map_err(step("duplicate the output"))?;
        let open = Descriptors::of_this_process();
        // What libcontainer logs is either in the error it returns or said at every start.
        with_default(NoSubscriber::default(), || {
            ContainerBuilder::new(id.to_owned(), SyscallType::default())
                .with_root_path(self.state.clone())?
                .with_executor(payload)
                .with_preserved_fds(1)
                .with_stdin(null)
                .with_stdout(output)
                .with_stderr(errors)
                .as_init(bundle)
                .with_systemd(false)
                .with_detach(true)
                .build()
        })
        .inspect_err(|_| open.close_newer())
        .map_err(LaunchError::Container)
    }
}

/// Lets the first process go on to the program.
pub(super) fn start(container: &mut Container) -> Result<(), LibcontainerError> {
    with_default(NoSubscriber::default(), || container.start())
}
