//! Which walls this host can give, for `fungraph doctor` and for the decision to start at all.
//!
//! Everything here looks without changing anything. The spawner makes the walls in earnest and refuses to work without one that
//! nobody said may be absent.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cgroup::{CGROUP_ROOT, Cgroups, Controller};
use crate::egress::Egress;

/// Something that keeps a sandboxed process from what is not its own. Its name in `sandbox.accept_missing` is in kebab-case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wall {
    /// pid, mount, net, ipc, uts and cgroup namespaces of its own.
    Namespaces,
    /// A user namespace with host ids of its own.
    UserNamespace,
    /// A read-only root: only `/tmp` and `/dev/shm` can be written.
    ReadOnlyRoot,
    /// No capabilities, `no_new_privs`, a server without root.
    PrivilegeDrop,
    /// The filter of system calls.
    Seccomp,
    /// A limit on memory.
    Memory,
    /// Swap counts as memory.
    Swap,
    /// A share of, or limit on, CPU.
    Cpu,
    /// A limit on processes and threads.
    Pids,
    /// `/tmp` of its own size on disk. Without it `/tmp` is charged to the memory.
    TmpLimit,
}

/// One wall and whether the host gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WallReport {
    /// The wall.
    pub wall: Wall,
    /// What was found.
    pub state: WallState,
}

/// Whether a wall can be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WallState {
    /// It can.
    Available,
    /// It cannot.
    Missing {
        /// What was found.
        why: String,
        /// What the operator can do about it.
        remedy: String,
    },
}

impl Wall {
    /// All of them, in the order they are reported.
    pub const ALL: [Wall; 10] = [
        Wall::Namespaces,
        Wall::UserNamespace,
        Wall::ReadOnlyRoot,
        Wall::PrivilegeDrop,
        Wall::Seccomp,
        Wall::Memory,
        Wall::Swap,
        Wall::Cpu,
        Wall::Pids,
        Wall::TmpLimit,
    ];

    /// Its name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Wall::Namespaces => "namespaces",
            Wall::UserNamespace => "user-namespace",
            Wall::ReadOnlyRoot => "read-only-root",
            Wall::PrivilegeDrop => "privilege-drop",
            Wall::Seccomp => "seccomp",
            Wall::Memory => "memory",
            Wall::Swap => "swap",
            Wall::Cpu => "cpu",
            Wall::Pids => "pids",
            Wall::TmpLimit => "tmp-limit",
        }
    }

    /// The wall of that name.
    pub fn from_name(name: &str) -> Option<Wall> {
        Wall::ALL.into_iter().find(|wall| wall.name() == name)
    }

    /// Whether sandboxes can be made without it. The others are not a matter of choice: without them no process starts.
    pub fn can_be_missing(self) -> bool {
        matches!(self, Wall::Memory | Wall::Swap | Wall::Cpu | Wall::Pids | Wall::TmpLimit)
    }
}

impl std::fmt::Display for Wall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What this host, and this process, can and cannot give.
pub fn inspect() -> Vec<WallReport> {
    inspect_at(Path::new("/"), rustix::process::geteuid().is_root())
}

/// Whether sandboxes of this host can have a way out. It is tried in a network namespace that ends with the attempt; the kernel may
/// load its modules for it. For a process that may have threads: [`drop_privileges`](crate::drop_privileges) is not called after it.
pub fn inspect_egress(egress: &Egress) -> WallState {
    let attempt = || crate::spawner::probe_network(egress);
    // Namespaces belong to threads: this one's are left alone, whatever happens.
    std::thread::scope(|scope| scope.spawn(attempt).join())
        .unwrap_or_else(|_| missing("the attempt failed", "tell the makers of this program what its log says"))
}

pub(crate) fn inspect_at(root: &Path, is_root: bool) -> Vec<WallReport> {
    let report = |wall| WallReport { wall, state: if is_root { state(root, wall) } else { not_root(wall) } };
    Wall::ALL.into_iter().map(report).collect()
}

fn not_root(wall: Wall) -> WallState {
    if wall == Wall::PrivilegeDrop {
        return WallState::Available;
    }
    missing(
        "this process is not root",
        "start the server as root: it keeps one small process as root and gives up root itself",
    )
}

fn state(root: &Path, wall: Wall) -> WallState {
    let at = |path: &str| root.join(path);
    let cgroups = Cgroups::new(&at(CGROUP_ROOT.trim_start_matches('/')), "");
    match wall {
        Wall::Namespaces => {
            let kinds = ["pid", "mnt", "net", "ipc", "uts", "cgroup"];
            match kinds.iter().find(|kind| !at(&format!("proc/self/ns/{kind}")).exists()) {
                None => WallState::Available,
                Some(kind) => {
                    missing(format!("the kernel has no {kind} namespaces"), "boot a kernel of a current distribution")
                }
            }
        }
        Wall::UserNamespace => user_namespace(root),
        Wall::ReadOnlyRoot | Wall::PrivilegeDrop => WallState::Available,
        Wall::Seccomp => {
            if at("proc/sys/kernel/seccomp/actions_avail").exists() {
                WallState::Available
            } else {
                missing("the kernel has no seccomp filters", "boot a kernel with CONFIG_SECCOMP_FILTER")
            }
        }
        Wall::Memory => controller(&cgroups, Controller::Memory, "memory"),
        Wall::Cpu => controller(&cgroups, Controller::Cpu, "cpu"),
        Wall::Pids => controller(&cgroups, Controller::Pids, "pids"),
        Wall::Swap => swap(root, &cgroups),
        Wall::TmpLimit => tmp_limit(root),
    }
}

fn user_namespace(root: &Path) -> WallState {
    let limit = fs::read_to_string(root.join("proc/sys/user/max_user_namespaces")).unwrap_or_default();
    match limit.trim().parse::<u64>() {
        Ok(0) => missing("user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=15000"),
        Ok(_) => WallState::Available,
        Err(_) => missing("the kernel has no user namespaces", "boot a kernel with CONFIG_USER_NS"),
    }
}

fn controller(cgroups: &Cgroups, controller: Controller, name: &str) -> WallState {
    if cgroups.has(controller) {
        return WallState::Available;
    }
    let remedy = format!(
        "mount cgroups at {CGROUP_ROOT} with the {name} controller; some hosts need cgroup_enable={name} at boot"
    );
    missing(format!("there is no {name} controller below {CGROUP_ROOT}"), remedy)
}

/// A host without swap has nothing to forbid. The answer for v2 is only known once the group exists; the spawner looks again.
fn swap(root: &Path, cgroups: &Cgroups) -> WallState {
    let swaps = fs::read_to_string(root.join("proc/swaps")).unwrap_or_default();
    if swaps.lines().count() < 2 || cgroups.counts_swap() || cgroups.version() == crate::cgroup::Version::V2 {
        return WallState::Available;
    }
    missing("the host has swap and does not count it", "boot with swapaccount=1, or turn swap off")
}

fn tmp_limit(root: &Path) -> WallState {
    if !root.join("dev/loop-control").exists() {
        return missing(
            "there is no /dev/loop-control",
            "modprobe loop; in a container, pass the loop devices through",
        );
    }
    if mkfs(root).is_none() {
        return missing("there is no mkfs.ext4", "install e2fsprogs");
    }
    WallState::Available
}

/// The program that makes the file system of `/tmp`.
pub(crate) fn mkfs(root: &Path) -> Option<std::path::PathBuf> {
    ["usr/sbin/mkfs.ext4", "sbin/mkfs.ext4", "usr/bin/mkfs.ext4"]
        .iter()
        .map(|path| root.join(path))
        .find(|path| path.exists())
}

pub(crate) fn missing(why: impl Into<String>, remedy: impl Into<String>) -> WallState {
    WallState::Missing { why: why.into(), remedy: remedy.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("it has a parent")).expect("it is made");
            fs::write(path, text).expect("it is written");
        }
        root
    }

    fn missing_walls(root: &Path) -> Vec<Wall> {
        let missing = |report: &WallReport| report.state != WallState::Available;
        inspect_at(root, true).into_iter().filter(missing).map(|report| report.wall).collect()
    }

    #[test]
    fn names_are_those_of_the_settings() {
        for wall in Wall::ALL {
            assert_eq!(Wall::from_name(wall.name()), Some(wall));
            assert_eq!(serde_json::to_value(wall).expect("a name"), wall.name());
        }
        assert_eq!(Wall::from_name("door"), None);
    }

    #[test]
    fn an_empty_host_lacks_what_the_kernel_gives() {
        let root = host(&[]);
        let expected =
            [Wall::Namespaces, Wall::UserNamespace, Wall::Seccomp, Wall::Memory, Wall::Cpu, Wall::Pids, Wall::TmpLimit];
        assert_eq!(missing_walls(root.path()), expected);
    }

    #[test]
    fn uncounted_swap_is_reported_only_where_there_is_swap() {
        let header = "Filename Type Size Used Priority\n";
        let with = host(&[("proc/swaps", &format!("{header}/dev/sda2 partition 1 0 -2\n"))]);
        assert!(missing_walls(with.path()).contains(&Wall::Swap));
        let without = host(&[("proc/swaps", header)]);
        assert!(!missing_walls(without.path()).contains(&Wall::Swap));
    }

    #[test]
    fn without_root_almost_nothing_can_be_had() {
        let root = host(&[]);
        let available =
            inspect_at(root.path(), false).into_iter().filter(|report| report.state == WallState::Available);
        assert_eq!(available.map(|report| report.wall).collect::<Vec<_>>(), [Wall::PrivilegeDrop]);
    }
}
