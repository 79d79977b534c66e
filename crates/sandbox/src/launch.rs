//! Everything needed to start one sandbox, and the checks that need no file system.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Everything needed for one instance. Travels to the spawner as a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Launch {
    /// `[a-z0-9-]{1,64}`, one of a kind among the running sandboxes of a data folder.
    pub id: String,
    /// A host folder that is the root file system, read-only; `None` for the host's `/usr` and what belongs to it.
    pub root: Option<PathBuf>,
    /// Whom its processes run as.
    pub user: User,
    /// Host folders or files shown read-only at a place inside: the interpreter's prefix, the bootstrap, the code.
    pub binds: Vec<Bind>,
    /// A folder inside that is empty at the start and is filled, once and read-only, by [`Fit`](crate::Fit).
    pub late: Option<String>,
    /// Folders inside that are empty at the start, and are filled likewise with the operator's [shares](crate::Share).
    pub mount_points: Vec<String>,
    /// Symlinks made in the root: (absolute path inside, target).
    pub links: Vec<(String, String)>,
    /// The command line; `args[0]` is an absolute path inside.
    pub args: Vec<String>,
    /// The whole environment, in this order; nothing is added.
    pub env: Vec<(String, String)>,
    /// Absolute working directory inside, e.g. `/opt/function`.
    pub cwd: String,
    /// Host name inside, at most 64 bytes.
    pub hostname: String,
    /// What it may use.
    pub limits: Limits,
    /// Which network it sees.
    pub network: Network,
}

/// User and group inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct User {
    /// 1 to 65534.
    pub uid: u32,
    /// 1 to 65534.
    pub gid: u32,
}

impl User {
    /// The user of functions, as the cloud has it (contract: runtimes.md section 2).
    pub const FUNCTION: Self = Self { uid: 1003, gid: 1003 };
}

/// One read-only bind mount.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bind {
    /// A folder or file of the host. Folders above it may be closed to others; it and what it holds must be readable by all.
    pub source: PathBuf,
    /// Absolute path inside. Below `/usr` only the very same path as `source` is allowed, since the host's `/usr` is there already.
    pub target: String,
}

/// What one sandbox may use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of all its processes, page cache included, in bytes; swap is off.
    pub memory_bytes: u64,
    /// Thousandths of a CPU.
    pub cpu_millicores: u32,
    /// Whether `cpu_millicores` is a hard limit too, not just a weight.
    pub cpu_quota: bool,
    /// Processes and threads.
    pub pids: u32,
    /// Open files per process.
    pub open_files: u64,
    /// Size of `/tmp` in bytes, file system included.
    pub tmp_bytes: u64,
}

/// Which network a sandbox sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Network {
    /// A loopback of its own, nothing else.
    None,
    /// A loopback of its own, and a filtered way out; only of a spawner that has one.
    Egress,
    /// The host's network, its loopback included.
    Host,
}

/// What is wrong with a [`Launch`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidLaunch {
    /// The id is empty, too long or has other characters.
    #[error("the id must match [a-z0-9-]{{1,64}}")]
    Id,
    /// There is no command, or it is not an absolute path.
    #[error("args[0] must be an absolute path inside the sandbox")]
    Command,
    /// A text holds a NUL byte, or a variable's name is empty or holds `=`.
    #[error("{what} holds a NUL byte or an empty or unusable name")]
    Text {
        /// Which of the texts.
        what: &'static str,
    },
    /// The host name is empty or longer than Linux takes.
    #[error("the host name must have 1 to 64 bytes")]
    Hostname,
    /// A path inside is not absolute and plain, or is at a place the sandbox makes itself.
    #[error(
        "{path:?} cannot be used inside: give an absolute path without `..`, outside /proc, /dev, /tmp, /etc, /bin, /sbin and /lib"
    )]
    Target {
        /// The path as given.
        path: String,
    },
    /// Something else than `/usr` itself would have to be shown below `/usr`.
    #[error("{target:?} is below /usr, which is the host's; bind it from that same path or choose another target")]
    BelowUsr {
        /// The path as given.
        target: String,
    },
    /// Two binds or links are in each other's way.
    #[error("{inner:?} lies inside or upon {outer:?}")]
    Nested {
        /// The inner path.
        inner: String,
        /// The outer path.
        outer: String,
    },
    /// The host's path is not absolute.
    #[error("the bind source {path:?} must be absolute")]
    Source {
        /// The path as given.
        path: PathBuf,
    },
    /// The user is root, or none that a sandbox has.
    #[error("user and group must be 1 to 65534")]
    User,
    /// A part of a share is not named plainly.
    #[error("the folder {folder:?} of a mount must be relative and without `..`")]
    Folder {
        /// As given.
        folder: String,
    },
    /// A limit is zero or below what a process needs to exist.
    #[error("the limit {what} is too small")]
    Limit {
        /// Which of the limits.
        what: &'static str,
    },
}

/// Places inside that the sandbox makes itself, so that nothing of the host's can be shown there.
pub const OWN_PLACES: [&str; 10] =
    ["/proc", "/dev", "/tmp", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/sys"];

impl Launch {
    /// The checks that need no look at the host. Server and spawner both make them: the first to answer early, the second since
    /// it trusts nobody.
    pub(crate) fn check(&self) -> Result<(), InvalidLaunch> {
        check_id(&self.id)?;
        if !self.args.first().is_some_and(|program| program.starts_with('/')) {
            return Err(InvalidLaunch::Command);
        }
        check_texts(self)?;
        if self.hostname.is_empty() || self.hostname.len() > 64 {
            return Err(InvalidLaunch::Hostname);
        }
        if [self.user.uid, self.user.gid].iter().any(|id| !(1..=65_534).contains(id)) {
            return Err(InvalidLaunch::User);
        }
        self.root.as_deref().map_or(Ok(()), check_source)?;
        for bind in &self.binds {
            check_bind(bind)?;
            // Only the host's own /usr shows already what is below it.
            if self.root.is_some() && bind.is_below_usr() {
                return Err(InvalidLaunch::BelowUsr { target: bind.target.clone() });
            }
        }
        for path in self.late_places().chain(self.links.iter().map(|(path, _)| path)) {
            check_own_target(path)?;
        }
        check_nesting(self)?;
        check_limits(&self.limits)
    }

    /// All that is filled after its start.
    pub(crate) fn late_places(&self) -> impl Iterator<Item = &String> {
        self.late.iter().chain(&self.mount_points)
    }
}

impl Bind {
    /// Whether a launch may have this bind, as far as that can be told without its others.
    ///
    /// # Errors
    /// [`InvalidLaunch`] names what is wrong with it.
    pub fn check(&self) -> Result<(), InvalidLaunch> {
        check_bind(self)
    }

    /// Whether the host's `/usr`, which every sandbox sees, shows this already.
    pub(crate) fn is_below_usr(&self) -> bool {
        below(&self.target, "/usr")
    }
}

fn check_id(id: &str) -> Result<(), InvalidLaunch> {
    let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if plain && (1..=64).contains(&id.len()) { Ok(()) } else { Err(InvalidLaunch::Id) }
}

fn check_texts(launch: &Launch) -> Result<(), InvalidLaunch> {
    let clean = |text: &String| !text.contains('\0');
    if !launch.args.iter().all(clean) {
        return Err(InvalidLaunch::Text { what: "args" });
    }
    let named = |name: &String| clean(name) && !name.is_empty() && !name.contains('=');
    if !launch.env.iter().all(|(name, value)| named(name) && clean(value)) {
        return Err(InvalidLaunch::Text { what: "env" });
    }
    if !clean(&launch.cwd) || !launch.cwd.starts_with('/') {
        return Err(InvalidLaunch::Text { what: "cwd" });
    }
    if !launch.links.iter().all(|(_, target)| clean(target) && !target.is_empty()) {
        return Err(InvalidLaunch::Text { what: "links" });
    }
    Ok(())
}

pub(crate) fn check_source(source: &Path) -> Result<(), InvalidLaunch> {
    if source.is_absolute() { Ok(()) } else { Err(InvalidLaunch::Source { path: source.to_owned() }) }
}

/// A place that is made for this launch, so it cannot be in the host's `/usr`.
pub(crate) fn check_own_target(path: &str) -> Result<(), InvalidLaunch> {
    check_target(path)?;
    if below(path, "/usr") { Err(InvalidLaunch::BelowUsr { target: path.to_owned() }) } else { Ok(()) }
}

fn check_bind(bind: &Bind) -> Result<(), InvalidLaunch> {
    check_source(&bind.source)?;
    check_target(&bind.target)?;
    if bind.is_below_usr() && bind.source != Path::new(&bind.target) {
        return Err(InvalidLaunch::BelowUsr { target: bind.target.clone() });
    }
    Ok(())
}

fn check_target(path: &str) -> Result<(), InvalidLaunch> {
    // By the text: Path would pass over `.` and doubled slashes, and the same place must not have two names.
    let mut parts = path.strip_prefix('/').into_iter().flat_map(|path| path.split('/')).peekable();
    let named = parts.peek().is_some();
    let plain = named && !path.contains('\0') && parts.all(|part| !matches!(part, "" | "." | ".."));
    let own = OWN_PLACES.iter().any(|place| below(path, place));
    if plain && !own { Ok(()) } else { Err(InvalidLaunch::Target { path: path.to_owned() }) }
}

/// Mount points inside mounts would have to exist in somebody's folder, and the order would matter: neither is wanted.
fn check_nesting(launch: &Launch) -> Result<(), InvalidLaunch> {
    let binds = launch.binds.iter().filter(|bind| !bind.is_below_usr()).map(|bind| &bind.target);
    let places: Vec<&String> =
        binds.chain(launch.late_places()).chain(launch.links.iter().map(|(path, _)| path)).collect();
    for (index, outer) in places.iter().enumerate() {
        for (other, inner) in places.iter().enumerate() {
            if index != other && below(inner, outer) {
                return Err(InvalidLaunch::Nested { inner: (*inner).clone(), outer: (*outer).clone() });
            }
        }
    }
    Ok(())
}

const MIB: u64 = 1 << 20;

fn check_limits(limits: &Limits) -> Result<(), InvalidLaunch> {
    check_memory_and_cpu(limits.memory_bytes, limits.cpu_millicores)?;
    all_hold(&[
        ("pids", limits.pids >= 1),
        ("open_files", limits.open_files >= 16),
        ("tmp_bytes", limits.tmp_bytes >= 8 * MIB),
    ])
}

pub(crate) fn check_memory_and_cpu(memory_bytes: u64, cpu_millicores: u32) -> Result<(), InvalidLaunch> {
    all_hold(&[
        ("memory_bytes", memory_bytes >= 4 * MIB && memory_bytes <= i64::MAX as u64),
        ("cpu_millicores", cpu_millicores >= 1),
    ])
}

fn all_hold(checks: &[(&'static str, bool)]) -> Result<(), InvalidLaunch> {
    match checks.iter().find(|(_, fits)| !fits) {
        Some((what, _)) => Err(InvalidLaunch::Limit { what }),
        None => Ok(()),
    }
}

fn below(path: &str, folder: &str) -> bool {
    Path::new(path).starts_with(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        Launch {
            id: "a-1".into(),
            root: None,
            user: User::FUNCTION,
            binds: vec![Bind { source: "/srv/code".into(), target: "/opt/function/code".into() }],
            late: None,
            mount_points: vec![],
            links: vec![],
            args: vec!["/bin/sh".into()],
            env: vec![("PATH".into(), "/usr/bin".into())],
            cwd: "/opt/function".into(),
            hostname: "f".into(),
            limits: Limits {
                memory_bytes: 128 << 20,
                cpu_millicores: 300,
                cpu_quota: false,
                pids: 1024,
                open_files: 2048,
                tmp_bytes: 512 << 20,
            },
            network: Network::None,
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Launch), expected: &Result<(), InvalidLaunch>) {
        let mut launch = launch();
        change(&mut launch);
        assert_eq!(&launch.check(), expected);
    }

    fn bind(source: &str, target: &str) -> Bind {
        Bind { source: source.into(), target: target.into() }
    }

    fn target(path: &str) -> Result<(), InvalidLaunch> {
        Err(InvalidLaunch::Target { path: path.into() })
    }

    #[test]
    fn a_good_launch_passes() {
        check(|_| (), &Ok(()));
        check(|l| l.binds.push(bind("/home/ada/.pyenv/versions/3.9.18", "/home/ada/.pyenv/versions/3.9.18")), &Ok(()));
        check(|l| l.binds.push(bind("/usr/local", "/usr/local")), &Ok(()));
    }

    #[test]
    fn ids_are_plain() {
        for id in ["", "A", "a/b", "..", "a_b", &"a".repeat(65)] {
            check(|l| l.id = id.into(), &Err(InvalidLaunch::Id));
        }
    }

    #[test]
    fn targets_are_plain_and_not_ours() {
        for path in
            ["code", "/", "/a/../b", "/a/", "//a", "/a/./b", "/proc/x", "/dev", "/tmp/x", "/etc/passwd", "/lib64"]
        {
            check(|l| l.binds = vec![bind("/srv", path)], &target(path));
        }
        let below = Err(InvalidLaunch::BelowUsr { target: "/usr/lib/x".into() });
        check(|l| l.late = Some("/usr/lib/x".into()), &below);
        check(|l| l.binds = vec![bind("/srv", "/usr/lib/x")], &below);
    }

    #[test]
    fn a_root_of_its_own_shows_nothing_of_the_hosts_and_nobody_is_root() {
        check(|l| l.root = Some("/srv/image".into()), &Ok(()));
        check(|l| l.root = Some("image".into()), &Err(InvalidLaunch::Source { path: "image".into() }));
        let below = Err(InvalidLaunch::BelowUsr { target: "/usr/local".into() });
        check(|l| (l.root, l.binds) = (Some("/srv/image".into()), vec![bind("/usr/local", "/usr/local")]), &below);
        for user in [User { uid: 0, gid: 1 }, User { uid: 1, gid: 0 }, User { uid: 65_535, gid: 1 }] {
            check(|l| l.user = user, &Err(InvalidLaunch::User));
        }
    }

    #[test]
    fn binds_do_not_nest() {
        let nested =
            |inner: &str| Err(InvalidLaunch::Nested { inner: inner.into(), outer: "/opt/function/code".into() });
        check(|l| l.binds.push(bind("/srv", "/opt/function/code/x")), &nested("/opt/function/code/x"));
        check(|l| l.links.push(("/opt/function/code".into(), "x".into())), &nested("/opt/function/code"));
        check(|l| l.late = Some("/opt/function/code/x".into()), &nested("/opt/function/code/x"));
        check(
            |l| l.mount_points = vec!["/mnt/a".into(), "/opt/function/code/x".into()],
            &nested("/opt/function/code/x"),
        );
        let twice = Err(InvalidLaunch::Nested { inner: "/mnt/a".into(), outer: "/mnt/a".into() });
        check(|l| l.mount_points = vec!["/mnt/a".into(), "/mnt/a".into()], &twice);
    }

    #[test]
    fn texts_and_limits_are_checked() {
        check(|l| l.args = vec!["sh".into()], &Err(InvalidLaunch::Command));
        check(|l| l.args.push("a\0b".into()), &Err(InvalidLaunch::Text { what: "args" }));
        check(|l| l.env.push(("A=B".into(), String::new())), &Err(InvalidLaunch::Text { what: "env" }));
        check(|l| l.limits.pids = 0, &Err(InvalidLaunch::Limit { what: "pids" }));
    }
}
