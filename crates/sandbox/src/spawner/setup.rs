//! What the spawner does before its first launch.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{PidfdFlags, getpid, pidfd_open, umask};

use super::bundle::Controllers;
use super::disk::{DiskError, Disks};
use super::embedded::Embedded;
use super::init::Init;
use super::launcher::{Launcher, Maker};
use super::mounts;
use super::namespace::HomeNetwork;
use super::network::Hub;
use super::oci::Oci;
use super::open_files;
use super::reserved::Reserved;
use super::seccomp::{self, FilterError, Filters};
use super::shares::{ShareError, Shares};
use super::skeleton::Skeletons;
use super::slots::Slots;
use super::staging::{Staging, USER_ID};
use super::turn::Turn;
use crate::cgroup::{CGROUP_ROOT, Cgroups, Controller};
use crate::config::Config;
use crate::engine::{Engine, EngineMissing};
use crate::wall::{Wall, WallReport, WallState, inspect, mkfs};

/// How long the spawner before may take to end; it gives itself less.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// How long what a killed spawner left may take to die.
const SWEEP_WITHIN: Duration = Duration::from_secs(5);
/// The usual size of `/tmp`; its template is made at the start, as the proof that disks work here.
const USUAL_TMP_BYTES: u64 = 512 << 20;

/// Why the spawner cannot work here.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    #[error("the wall {wall} cannot be had: {why}; {remedy}{}", acceptable(*.wall))]
    Wall { wall: Wall, why: String, remedy: String },
    #[error("the name {name:?} must match [a-z0-9]{{1,16}}")]
    Name { name: String },
    #[error("cannot {step}")]
    Step { step: &'static str, source: io::Error },
    #[error(
        "what an earlier spawner of this data folder left cannot be removed from below {CGROUP_ROOT}; is another one running?"
    )]
    Sweep,
    #[error("sandboxes of this host cannot have network = \"egress\": {why}; {remedy}; or set it to \"none\"")]
    Egress { why: String, remedy: String },
    #[error("a folder cannot be given to functions: {why}; {remedy}")]
    Share { why: String, remedy: &'static str },
    #[error("the engine cannot be used")]
    Engine(#[source] EngineMissing),
    #[error("cannot filter system calls")]
    Filters(#[source] FilterError),
}

impl SetupError {
    #[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
    fn share(error: ShareError) -> SetupError {
        SetupError::Share { why: error.why(), remedy: error.remedy() }
    }
}

fn acceptable(wall: Wall) -> String {
    if wall.can_be_missing() {
        format!("; or accept that by name: accept_missing = [\"{wall}\"]")
    } else {
        String::new()
    }
}

fn step<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> SetupError {
    move |source| SetupError::Step { step, source: source.into() }
}

/// Brings descriptors and signals in order: gives descriptor 3, reserved, and the socket to the server.
pub(super) fn enter() -> io::Result<(Reserved, OwnedFd)> {
    let reserved = Reserved::reserve()?;
    // Out of the way of the numbers that sandboxed processes get.
    let control = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 10)?;
    rustix::net::sockopt::socket_type(&control)
        .map_err(|_| io::Error::other("this command is not for people: the server starts it by itself"))?;
    rustix::stdio::dup2_stdin(fs::File::open("/dev/null")?)?;
    outlive_interrupts();
    umask(Mode::from_raw_mode(0o022));
    rustix::thread::set_name(c"fungraph-spawn")?;
    Ok((reserved, control))
}

/// Control-C, and a service manager's SIGTERM, reach server and spawner alike. The server drains; the spawner must still be there
/// then, and ends when the server's socket does.
#[allow(unsafe_code)]
fn outlive_interrupts() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: to ignore a signal calls no function of ours, and this process has one thread.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Checks the walls, sweeps, and prepares all that launches share.
pub(super) fn prepare(config: &Config, reserved: Reserved) -> Result<Launcher, SetupError> {
    check_name(&config.name)?;
    check_walls(config)?;
    open_files::raise();
    let folder = &config.folder;
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(step("make the spawner's folder"))?;
    let turn = Turn::wait(folder, Instant::now() + TURN_WITHIN).map_err(step("lock the spawner's folder"))?;
    let turn = turn.ok_or(SetupError::Sweep)?;
    let cgroups = Cgroups::new(Path::new(CGROUP_ROOT), &config.name);
    if !sweep(&cgroups, Instant::now() + SWEEP_WITHIN) {
        return Err(SetupError::Sweep);
    }
    cgroups.prepare().map_err(step("make the cgroup of this data folder"))?;
    let home_network = HomeNetwork::new().map_err(step("open the network namespace"))?;
    mounts::leave_host_namespace().map_err(step("make a mount namespace"))?;
    hide_cgroups(&cgroups, config.engine).map_err(step("hide the cgroups nobody needs"))?;
    let staging = Staging::prepare().map_err(step("prepare the staging folder"))?;
    let shares = Shares::prepare(&config.shares).map_err(SetupError::share)?;
    let disks = disks(config, &staging)?;
    let (hub, egress) = egress(config, &home_network, &staging)?;
    let engine = engine(config.engine, staging.path("state"))?;
    Ok(Launcher {
        staging,
        controllers: controllers(&cgroups),
        cgroups,
        disks,
        skeletons: Skeletons::default(),
        slots: Slots::new(&config.name),
        shares,
        engine,
        init: Rc::new(Init::write().map_err(step("write the init of sandboxes"))?),
        home_network,
        hub,
        egress,
        reserved,
        _turn: turn,
    })
}

fn engine(engine: Engine, state: PathBuf) -> Result<Maker, SetupError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let report = engine.inspect(&path).map_err(SetupError::Engine)?;
    match report.program {
        Some(program) => {
            let oci = Oci::new(engine, program, state, seccomp::profile()).map_err(step("adopt orphans"))?;
            Ok(Maker::Oci(oci))
        }
        None => {
            let filters = Rc::new(Filters::compile().map_err(SetupError::Filters)?);
            let this = Rc::new(pidfd_open(getpid(), PidfdFlags::empty()).map_err(step("open a pidfd"))?);
            Ok(Maker::Embedded(Embedded { filters, this, state }))
        }
    }
}

fn check_name(name: &str) -> Result<(), SetupError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if plain && (1..=16).contains(&name.len()) { Ok(()) } else { Err(SetupError::Name { name: name.to_owned() }) }
}

fn check_walls(config: &Config) -> Result<(), SetupError> {
    for WallReport { wall, state } in inspect() {
        let WallState::Missing { why, remedy } = state else { continue };
        if !wall.can_be_missing() || !config.accept_missing.contains(&wall) {
            return Err(SetupError::Wall { wall, why, remedy });
        }
        tracing::warn!(%wall, why, remedy, "sandboxes go without a wall, as accepted");
    }
    Ok(())
}

/// Removes what bears the name, until it is gone or the deadline is over.
pub(super) fn sweep(cgroups: &Cgroups, deadline: Instant) -> bool {
    while !cgroups.sweep() {
        if Instant::now() > deadline {
            return false;
        }
        // Killed processes take a moment to leave their cgroup, and nothing tells when the last one has.
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

fn controllers(cgroups: &Cgroups) -> Controllers {
    Controllers {
        memory: cgroups.has(Controller::Memory),
        swap: cgroups.counts_swap(),
        cpu: cgroups.has(Controller::Cpu),
        pids: cgroups.has(Controller::Pids),
    }
}

/// From the engine, which would join every hierarchy.
fn hide_cgroups(cgroups: &Cgroups, engine: Engine) -> io::Result<()> {
    match (engine, cgroups.needed()) {
        (Engine::Crun, Some(needed)) => mounts::show_only(Path::new(CGROUP_ROOT), &needed),
        (Engine::Crun, None) => Ok(()),
        (Engine::Embedded | Engine::Runc, _) => {
            cgroups.unneeded().iter().for_each(|hierarchy| mounts::detach(hierarchy));
            Ok(())
        }
    }
}

/// Makes the way out, if one is wanted; tells what is missing where the configuration can do without.
fn egress(
    config: &Config,
    home: &HomeNetwork,
    staging: &Staging,
) -> Result<(Option<Hub>, Option<WallState>), SetupError> {
    let Some(egress) = &config.egress else { return Ok((None, None)) };
    match Hub::make(&config.name, egress, home, staging.path("resolv.conf")) {
        Ok(hub) => Ok((Some(hub), Some(WallState::Available))),
        Err(error) => match error.missing() {
            WallState::Missing { why, remedy } if egress.required => Err(SetupError::Egress { why, remedy }),
            state => Ok((None, Some(state))),
        },
    }
}

/// Makes one disk in earnest: that a program and a device file exist proves little.
fn disks(config: &Config, staging: &Staging) -> Result<Option<Disks>, SetupError> {
    const REMEDY: &str = "make loop devices and ext4 work here (modprobe loop ext4)";
    let missing = |error: DiskError| {
        let remedy = if error.is_full() { "free some space on the disk of the data folder" } else { REMEDY };
        (super::chain(&error), remedy)
    };
    let made = (|| {
        let mkfs = mkfs(Path::new("/")).ok_or_else(|| ("there is no mkfs.ext4".to_owned(), REMEDY))?;
        let disks = Disks::new(&config.folder.join("tmp"), mkfs).map_err(missing)?;
        let target = staging.path("launch");
        let probe = disks.mount_new(USUAL_TMP_BYTES, USER_ID, &target).map_err(missing)?;
        mounts::detach(&target);
        drop(probe);
        Ok(disks)
    })();
    match made {
        Ok(disks) => Ok(Some(disks)),
        Err((why, _)) if config.accept_missing.contains(&Wall::TmpLimit) => {
            tracing::warn!(why, "/tmp is charged to memory, as accepted");
            Ok(None)
        }
        Err((why, remedy)) => Err(SetupError::Wall { wall: Wall::TmpLimit, why, remedy: remedy.to_owned() }),
    }
}
