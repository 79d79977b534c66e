//! One launch, from a request to a process that is about to exec.
//!
//! Launches follow one another: the place where a root is put together exists once. What takes long, an interpreter's own start,
//! comes after and beside the next launch.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use libcontainer::container::Container;
use libcontainer::error::LibcontainerError;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::bundle::{self, Controllers, Reader};
use super::disk::{Disk, Disks};
use super::embedded::{self, Embedded};
use super::init::Init;
use super::instance::Instance;
use super::late::LateFolders;
use super::mounts;
use super::namespace::HomeNetwork;
use super::network::{Hub, Lease, NetworkError};
use super::oci::{self, Oci, OciError};
use super::open_files::{self, TooFew};
use super::report::Report;
use super::reserved::Reserved;
use super::shares::{ShareError, Shares};
use super::skeleton::{Skeleton, Skeletons, inside};
use super::slots::Slots;
use super::staging::Staging;
use super::turn::Turn;
use crate::cgroup::Cgroups;
use crate::fit::Fit;
use crate::launch::{InvalidLaunch, Launch, Network, User};
use crate::wall::WallState;

/// Everything launches share.
pub(super) struct Launcher {
    pub(super) staging: Staging,
    pub(super) cgroups: Cgroups,
    pub(super) controllers: Controllers,
    /// None: `/tmp` is memory, by the operator's word.
    pub(super) disks: Option<Disks>,
    pub(super) skeletons: Skeletons,
    pub(super) slots: Slots,
    pub(super) shares: Shares,
    pub(super) engine: Maker,
    pub(super) init: Rc<Init>,
    pub(super) home_network: HomeNetwork,
    /// None: sandboxes have no way out, and `egress` says why.
    pub(super) hub: Option<Hub>,
    pub(super) egress: Option<WallState>,
    pub(super) reserved: Reserved,
    /// Held, so that no other spawner works on this data folder.
    pub(super) _turn: Turn,
}

/// Who reads the bundles.
pub(super) enum Maker {
    Embedded(Embedded),
    Oci(Oci),
}

/// A container whose first process waits.
enum Made {
    Embedded(Box<Container>),
    Oci(Pid),
}

impl Made {
    fn pid(&self) -> Option<Pid> {
        match self {
            Made::Embedded(container) => container.pid().and_then(|pid| Pid::from_raw(pid.as_raw())),
            Made::Oci(pid) => Some(*pid),
        }
    }
}

/// Why a launch did not work; told to the server as text.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaunchError {
    #[error("the request is not valid")]
    Invalid(#[source] InvalidLaunch),
    #[error(transparent)]
    OpenFiles(#[from] TooFew),
    #[error("as many sandboxes run as one server can have")]
    NoSlot,
    #[error("cannot {step}")]
    Step { step: &'static str, source: io::Error },
    #[error("it has no late folder, or that is filled already")]
    NoLateFolder,
    #[error("it has no mount point {place}, or that is filled already")]
    NoMountPoint { place: String },
    #[error("a mount cannot be shown")]
    Share(#[source] ShareError),
    #[error("cannot make /tmp")]
    Disk(#[source] super::disk::DiskError),
    #[error("this spawner has no way out for sandboxes")]
    NoEgress,
    #[error("cannot connect the sandbox")]
    Network(#[source] NetworkError),
    #[error("cannot make the container")]
    Container(#[source] LibcontainerError),
    #[error("cannot make the container")]
    Oci(#[source] OciError),
}

impl LaunchError {
    /// What others than the operator may know of it.
    pub(super) fn told(&self) -> Option<String> {
        match self {
            LaunchError::Share(error) => Some(error.told()),
            _ => None,
        }
    }
}

/// An error of the system, with what was being done.
pub(super) fn step<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> LaunchError {
    move |source| LaunchError::Step { step, source: source.into() }
}

impl Launcher {
    /// Starts one sandbox. On failure nothing of it is left but what [`Launcher::clean_up`] removes.
    pub(super) fn launch(
        &mut self,
        launch: &Launch,
        socket: &OwnedFd,
        output: OwnedFd,
    ) -> Result<Instance, LaunchError> {
        launch.check().map_err(LaunchError::Invalid)?;
        open_files::check(launch.limits.open_files)?;
        let slot = self.slots.take().ok_or(LaunchError::NoSlot)?;
        let first_id = self.slots.first_id(&slot);
        match self.create(launch, first_id, socket, output) {
            Ok(Created { started: Started { pid, pidfd, address }, report, disk, late, skeleton }) => {
                let gauge = self.cgroups.open_gauge(&launch.id);
                let User { uid, gid } = launch.user;
                Ok(Instance {
                    id: launch.id.clone(),
                    user: User { uid: first_id + uid, gid: first_id + gid },
                    slot,
                    pid,
                    pidfd,
                    disk,
                    late: Some(late),
                    skeleton,
                    gauge,
                    counters: counters(launch.network, pid),
                    address,
                    report,
                    is_known: false,
                    is_killed: false,
                    failure: None,
                })
            }
            Err(error) => {
                self.slots.give_back(slot);
                Err(error)
            }
        }
    }

    fn create(
        &mut self,
        launch: &Launch,
        first_id: u32,
        socket: &OwnedFd,
        output: OwnedFd,
    ) -> Result<Created, LaunchError> {
        let mut phases = Phases::start();
        let (assembly, late) = self.assemble(launch)?;
        phases.mark("root");
        let disk = self.mount_tmp(launch, &assembly, first_id + launch.user.uid)?;
        phases.mark("tmp");
        let bundle = self.write_bundle(launch, &assembly, &late, first_id)?;
        let (report, reporter) = Report::new(&launch.args[0]).map_err(step("make a pipe"))?;
        let mut made = self.build(launch, &bundle, reporter, socket, output)?;
        phases.mark("create");
        let started = self.start(launch, &bundle, &mut made)?;
        phases.mark("start");
        phases.report(&launch.id);
        Ok(Created { started, report, disk, late, skeleton: Rc::clone(&assembly.skeleton) })
    }

    /// The root as this sandbox will see it, at a place that is taken down when the sandbox has its own copy.
    fn assemble(&mut self, launch: &Launch) -> Result<(Assembly, LateFolders), LaunchError> {
        let skeleton = self.skeletons.get(&self.staging, launch).map_err(step("prepare the root file system"))?;
        let root = self.staging.path("launch");
        mounts::bind(&skeleton.root, &root).map_err(step("mount the root file system"))?;
        let assembly = Assembly { root, skeleton };
        for bind in launch.binds.iter().filter(|bind| !bind.is_below_usr()) {
            mounts::bind_read_only(&bind.source, &inside(&assembly.root, &bind.target))
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", bind.source.display())))
                .map_err(step("bind a source"))?;
        }
        match launch.network {
            Network::None => {}
            Network::Egress => {
                let resolv_conf = self.hub.as_mut().ok_or(LaunchError::NoEgress)?.resolv_conf();
                mounts::bind_read_only(
                    resolv_conf.map_err(LaunchError::Network)?,
                    &assembly.root.join("etc/resolv.conf"),
                )
                .map_err(step("bind resolv.conf"))?;
            }
            Network::Host => {
                for file in ["etc/resolv.conf", "etc/hosts"] {
                    mounts::bind_read_only(&Path::new("/").join(file), &assembly.root.join(file))
                        .map_err(step("bind the host's resolver files"))?;
                }
            }
        }
        let late = LateFolders::prepare(&self.staging, launch).map_err(step("prepare the late folders"))?;
        if matches!(self.engine, Maker::Embedded(_)) {
            late.show_in(&assembly.root).map_err(step("show the late folders"))?;
        }
        Ok((assembly, late))
    }

    fn mount_tmp(&self, launch: &Launch, assembly: &Assembly, owner: u32) -> Result<Option<Disk>, LaunchError> {
        let (tmp, bytes) = (assembly.root.join("tmp"), launch.limits.tmp_bytes);
        match &self.disks {
            Some(disks) => disks.mount_new(bytes, owner, &tmp).map(Some).map_err(LaunchError::Disk),
            None => mounts::memory_tmp(&tmp, bytes, owner).map(|()| None).map_err(step("mount /tmp")),
        }
    }

    fn write_bundle(
        &self,
        launch: &Launch,
        assembly: &Assembly,
        late: &LateFolders,
        first_id: u32,
    ) -> Result<Bundle, LaunchError> {
        let folder = self.staging.path("bundles").join(&launch.id);
        fs::create_dir(&folder).map_err(step("make the bundle"))?;
        let bundle = Bundle { folder };
        let root = assembly.root.to_string_lossy();
        let path = self.cgroups.path_of(&launch.id);
        let places = late.places();
        let reader = match &self.engine {
            Maker::Embedded(_) => Reader::Embedded,
            Maker::Oci(oci) => Reader::Program { seccomp: &oci.seccomp, late: &places },
        };
        let config = bundle::config(launch, &root, &path, first_id, self.controllers, reader);
        fs::write(bundle.folder.join("config.json"), config.to_string()).map_err(step("write the bundle"))?;
        Ok(bundle)
    }

    /// Makes the container; its first process waits.
    fn build(
        &mut self,
        launch: &Launch,
        bundle: &Bundle,
        reporter: OwnedFd,
        socket: &OwnedFd,
        output: OwnedFd,
    ) -> Result<Made, LaunchError> {
        let reserved = step("place descriptors");
        let made = match &self.engine {
            Maker::Embedded(embedded) => {
                let placed = self.reserved.place(&[socket.as_fd()]).map_err(reserved);
                let create = || embedded.create(&launch.id, &bundle.folder, reporter, &self.init, output);
                placed.and_then(|()| create()).map(|container| Made::Embedded(Box::new(container)))
            }
            Maker::Oci(oci) => {
                let placed = oci::place(&mut self.reserved, socket, &reporter, &self.init).map_err(reserved);
                let create = || oci.create(&launch.id, &bundle.folder, output).map_err(LaunchError::Oci);
                placed.and_then(|()| create()).map(Made::Oci)
            }
        };
        // Also where only some were placed: the numbers are the next launch's, and what is on them must not stay open.
        self.reserved.take_back();
        made
    }

    fn start(&self, launch: &Launch, bundle: &Bundle, made: &mut Made) -> Result<Started, LaunchError> {
        let pid = made.pid().ok_or_else(|| step("find the new process")(io::Error::from(io::ErrorKind::NotFound)))?;
        let started = || {
            let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(step("watch the new process"))?;
            let number = pid.as_raw_nonzero().get().cast_unsigned();
            let address = self.connect(launch.network, number)?;
            prefer_as_victim(number);
            match (made, &self.engine) {
                (Made::Embedded(container), _) => embedded::start(container).map_err(LaunchError::Container)?,
                (Made::Oci(_), Maker::Oci(oci)) => {
                    oci.start(&launch.id, &bundle.folder).map_err(LaunchError::Oci)?;
                }
                (Made::Oci(_), Maker::Embedded(_)) => {}
            }
            Ok(Started { pid, pidfd, address })
        };
        started().inspect_err(|_| {
            // It waits for a start that will not come. Already dead is as good.
            let _gone = kill_process(pid, Signal::KILL);
        })
    }

    /// Gives a running sandbox what it gets late. On failure it is of no use any more.
    pub(super) fn fit(&self, id: &str, user: User, late: Option<LateFolders>, fit: &Fit) -> Result<(), LaunchError> {
        fit.check().map_err(LaunchError::Invalid)?;
        let late = late.ok_or(LaunchError::NoLateFolder)?;
        self.cgroups.set(id, fit).map_err(step("set the limits"))?;
        late.fill(fit, &self.shares, user)
    }

    fn connect(&self, network: Network, pid: u32) -> Result<Option<Lease>, LaunchError> {
        match network {
            Network::None => {
                self.home_network.raise_loopback_of(pid).map_err(step("raise the loopback interface"))?;
                Ok(None)
            }
            Network::Egress => {
                let hub = self.hub.as_ref().ok_or(LaunchError::NoEgress)?;
                hub.connect(pid, &self.home_network).map(Some).map_err(LaunchError::Network)
            }
            Network::Host => Ok(None),
        }
    }

    /// Only what a way out brings along is undone, so without one there is nothing to do.
    pub(super) fn untrack(&mut self, port: u16) {
        if let Some(Err(error)) = self.hub.as_mut().map(|hub| hub.leave_untracked(port)) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "calls over loopback are slower than they could be"
            );
        }
    }

    /// Removes what a dead sandbox leaves outside itself. False while its cgroups cannot be removed yet.
    pub(super) fn clean_up(&self, id: &str) -> bool {
        let state = self.staging.path("state").join(id);
        match fs::remove_dir_all(&state) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, id, "cannot remove a sandbox's notes");
            }
            _ => {}
        }
        self.cgroups.remove(id)
    }
}

/// A process that goes on to its program.
struct Started {
    pid: Pid,
    pidfd: OwnedFd,
    /// Its address, if it has a way out.
    address: Option<Lease>,
}

/// The folder of the process's network counters.
fn counters(network: Network, pid: Pid) -> Option<File> {
    let path = format!("/proc/{}/net", pid.as_raw_nonzero());
    // A process that is dead already refuses nothing.
    if network == Network::Host { None } else { File::open(path).ok() }
}

/// When the whole host is out of memory, a sandbox goes before the server does.
fn prefer_as_victim(pid: u32) {
    if let Err(error) = fs::write(format!("/proc/{pid}/oom_score_adj"), "500") {
        tracing::debug!(%error, "cannot make a sandbox the preferred victim");
    }
}

/// A started process, before anything is known of its exec.
struct Created {
    started: Started,
    report: Report,
    disk: Option<Disk>,
    late: LateFolders,
    skeleton: Rc<Skeleton>,
}

/// A root put together; taken down when dropped.
struct Assembly {
    root: PathBuf,
    skeleton: Rc<Skeleton>,
}

impl Drop for Assembly {
    fn drop(&mut self) {
        mounts::detach(&self.root);
    }
}

/// A bundle on disk, with the environment in it; gone when dropped.
struct Bundle {
    folder: PathBuf,
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "cannot remove a bundle");
        }
    }
}

/// Where the time of a launch goes.
struct Phases {
    last: Instant,
    spent: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn start() -> Phases {
        Phases { last: Instant::now(), spent: Vec::with_capacity(4) }
    }

    fn mark(&mut self, name: &'static str) {
        let now = Instant::now();
        self.spent.push((name, now - self.last));
        self.last = now;
    }

    fn report(&self, id: &str) {
        tracing::debug!(id, phases = ?self.spent, "launched");
    }
}
