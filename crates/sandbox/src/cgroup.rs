//! Where the cgroups of one data folder are, what is read from them, and how they go away.
//!
//! libcontainer makes each sandbox's cgroups and writes their limits; this is the rest. Every path starts from an argument, so all
//! of it runs against a plain folder in tests. Hybrid hosts count as v1: their v2 tree has no controllers.

pub(crate) mod share;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::gauge::GaugeKind;

/// Where every distribution mounts cgroups.
pub(crate) const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// Which of the two interfaces the controllers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// The cgroups named after one data folder, `fungraph-<name>`, with one child per sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    root: PathBuf,
    version: Version,
    group: String,
}

/// A limit's controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    Memory,
    Cpu,
    Pids,
}

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Pids => "pids",
        }
    }
}

impl Cgroups {
    pub(crate) fn new(root: &Path, name: &str) -> Cgroups {
        let version = if root.join("cgroup.controllers").exists() { Version::V2 } else { Version::V1 };
        Cgroups { root: root.to_owned(), version, group: format!("fungraph-{name}") }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Whether the host has the controller.
    pub(crate) fn has(&self, controller: Controller) -> bool {
        match self.version {
            Version::V1 => self.root.join(controller.name()).join("cgroup.procs").exists(),
            Version::V2 => {
                let controllers = fs::read_to_string(self.root.join("cgroup.controllers")).unwrap_or_default();
                controllers.split_ascii_whitespace().any(|name| name == controller.name())
            }
        }
    }

    /// Whether swap is counted, and so can be forbidden. Asks the cgroup of one sandbox or of the group: the root has no limits.
    pub(crate) fn counts_swap(&self) -> bool {
        match self.version {
            Version::V1 => self.root.join("memory/memory.memsw.limit_in_bytes").exists(),
            Version::V2 => self.root.join(&self.group).join("memory.swap.max").exists(),
        }
    }

    /// The path of one sandbox's cgroup below each controller's root, as a bundle names it.
    pub(crate) fn path_of(&self, id: &str) -> String {
        format!("/{}/{id}", self.group)
    }

    /// Makes the group itself. On v2 the controllers are handed down to it, so that its files tell what the host can.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        if self.version == Version::V2 {
            fs::create_dir_all(self.root.join(&self.group))?;
            for controller in [Controller::Memory, Controller::Cpu, Controller::Pids] {
                if self.has(controller) {
                    let line = format!("+{}", controller.name());
                    write(&self.root.join("cgroup.subtree_control"), &line)?;
                    write(&self.root.join(&self.group).join("cgroup.subtree_control"), &line)?;
                }
            }
        }
        Ok(())
    }

    /// v1 hierarchies without any limit of ours, which libcontainer would join all the same: 13 steps instead of four, and on some
    /// kernels a wait in each. It finds what is mounted, so the spawner unmounts these for itself. Devices it insists on.
    pub(crate) fn unneeded(&self) -> Vec<PathBuf> {
        if self.version == Version::V2 {
            return Vec::new();
        }
        let is_unneeded = |name: &str| name != "unified" && !is_needed(name);
        self.entries(|kind, name| kind.is_dir() && is_unneeded(name))
    }

    /// The others, and the links to them: all that crun is to see. It makes plain folders where it finds nothing mounted, and refuses
    /// hosts whose v2 tree has controllers as well. None on v2, which has nothing to hide.
    pub(crate) fn needed(&self) -> Option<Vec<PathBuf>> {
        (self.version == Version::V1).then(|| self.entries(|_, name| is_needed(name)))
    }

    fn entries(&self, wanted: impl Fn(fs::FileType, &str) -> bool) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let is_wanted = |entry: &fs::DirEntry| {
            let kind = entry.file_type().ok()?;
            Some(wanted(kind, entry.file_name().to_str()?))
        };
        entries.filter(|entry| is_wanted(entry) == Some(true)).map(|entry| entry.path()).collect()
    }

    fn memory(&self, id: &str) -> PathBuf {
        self.folder(Controller::Memory, id)
    }

    /// Where the files of one sandbox for one controller are.
    fn folder(&self, controller: Controller, id: &str) -> PathBuf {
        match self.version {
            Version::V1 => self.root.join(controller.name()).join(&self.group).join(id),
            Version::V2 => self.root.join(&self.group).join(id),
        }
    }

    /// Opens the file a gauge reads; none where the host has no memory controller.
    pub(crate) fn open_gauge(&self, id: &str) -> Option<(GaugeKind, File)> {
        let folder = self.memory(id);
        let open = |name: &str, write: bool| OpenOptions::new().read(true).write(write).open(folder.join(name)).ok();
        match self.version {
            Version::V1 => open("memory.max_usage_in_bytes", true).map(|file| (GaugeKind::Peak, file)),
            Version::V2 => {
                // The first write shows whether this kernel resets peaks (6.12 and later).
                let peak = open("memory.peak", true).filter(|mut file| file.write_all(b"0").is_ok());
                let current = || open("memory.current", false).map(|file| (GaugeKind::Current, file));
                peak.map(|file| (GaugeKind::Peak, file)).or_else(current)
            }
        }
    }

    /// Whether the kernel killed something in this sandbox for want of memory.
    pub(crate) fn ran_out_of_memory(&self, id: &str) -> bool {
        let file = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        fs::read_to_string(self.memory(id).join(file)).is_ok_and(|text| count(&text, "oom_kill") > 0)
    }

    /// Kills what is in one sandbox, without waiting for any of it. On v1, and on v2 before Linux 5.14, a fork can slip through: do it
    /// again until the sandbox is gone.
    pub(crate) fn kill(&self, id: &str) {
        let controllers = [Controller::Memory, Controller::Cpu, Controller::Pids];
        let folders = controllers.map(|controller| self.folder(controller, id));
        // One hierarchy is enough, as every process is in all of them. Devices it is in even where the host can limit nothing.
        let folders = folders.into_iter().chain([self.root.join("devices").join(&self.group).join(id)]);
        if let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) {
            kill_all(&folder);
        }
    }

    /// Removes the cgroups of one sandbox. False while something in them still lives, which is killed: try again soon.
    pub(crate) fn remove(&self, id: &str) -> bool {
        self.folders().iter().map(|folder| remove_one(&folder.join(id))).fold(true, |all, gone| all & gone)
    }

    /// Kills and removes what an earlier spawner of this data folder left, then the group itself. False while something stays.
    pub(crate) fn sweep(&self) -> bool {
        let mut clean = true;
        for folder in self.folders() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                clean &= remove_one(&entry.path());
            }
            clean &= remove_one(&folder);
        }
        clean
    }

    /// The group's folder in each hierarchy that has one. On v1 every controller is looked at, since libcontainer joins them all.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.root.join(&self.group)];
        if self.version == Version::V1 {
            let hierarchies = fs::read_dir(&self.root).into_iter().flatten().flatten();
            folders.extend(hierarchies.map(|entry| entry.path().join(&self.group)));
        }
        folders.retain(|folder| folder.is_dir());
        folders
    }
}

/// Whether a v1 hierarchy is one that sandboxes must be in. Names of co-mounted controllers are joined by commas, with links from each
/// name.
fn is_needed(name: &str) -> bool {
    name.split(',').any(|part| ["memory", "cpu", "pids", "devices"].contains(&part))
}

fn remove_one(folder: &Path) -> bool {
    match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(_) => {
            kill_all(folder);
            fs::remove_dir(folder).is_ok()
        }
    }
}

fn kill_all(folder: &Path) {
    if write(&folder.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in pids.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw) {
        // It may have ended by itself since; that is as good.
        let _gone = kill_process(pid, Signal::KILL);
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

/// The number behind a key in a file of `key number` lines; 0 if it is not there.
fn count(text: &str, key: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    value.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("it has a parent")).expect("it is made");
            fs::write(path, text).expect("it is written");
        }
        root
    }

    #[test]
    fn v1_is_read_below_each_controller() {
        let root = tree(&[
            ("memory/cgroup.procs", ""),
            ("memory/memory.memsw.limit_in_bytes", "1"),
            ("memory/fungraph-x/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            ("memory/fungraph-x/b/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n"),
            ("memory/fungraph-x/a/memory.max_usage_in_bytes", "5"),
        ]);
        let groups = Cgroups::new(root.path(), "x");
        assert!(groups.has(Controller::Memory) && !groups.has(Controller::Pids) && groups.counts_swap());
        assert!(groups.ran_out_of_memory("a") && !groups.ran_out_of_memory("b") && !groups.ran_out_of_memory("c"));
        assert_eq!(groups.open_gauge("a").map(|(kind, _)| kind), Some(GaugeKind::Peak));
        assert!(groups.open_gauge("b").is_none());
        assert_eq!(groups.path_of("a"), "/fungraph-x/a");
    }

    #[test]
    fn hierarchies_without_limits_are_unneeded() {
        let root = tree(&[]);
        for name in ["memory", "cpu,cpuacct", "pids", "devices", "freezer", "net_cls,net_prio", "systemd", "unified"] {
            fs::create_dir(root.path().join(name)).expect("it is made");
        }
        std::os::unix::fs::symlink("net_cls,net_prio", root.path().join("net_cls")).expect("it is made");
        let cgroups = Cgroups::new(root.path(), "x");
        let sorted = |mut paths: Vec<PathBuf>| {
            paths.sort();
            paths
        };
        let paths = |names: &[&str]| names.iter().map(|name| root.path().join(name)).collect::<Vec<_>>();
        assert_eq!(sorted(cgroups.unneeded()), paths(&["freezer", "net_cls,net_prio", "systemd"]));
        let needed = cgroups.needed().expect("it is v1");
        assert_eq!(sorted(needed), paths(&["cpu,cpuacct", "devices", "memory", "pids"]));
    }

    #[test]
    fn v2_is_one_tree() {
        let root = tree(&[
            ("cgroup.controllers", "cpuset cpu io memory\n"),
            ("fungraph-x/memory.swap.max", "max"),
            ("fungraph-x/a/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n"),
            ("fungraph-x/b/memory.events", "oom 1\noom_kill 0\noom_group_kill 4\n"),
            ("fungraph-x/a/memory.current", "5"),
        ]);
        let groups = Cgroups::new(root.path(), "x");
        assert!(
            groups.has(Controller::Memory)
                && groups.has(Controller::Cpu)
                && !groups.has(Controller::Pids)
                && groups.counts_swap()
        );
        assert!(groups.ran_out_of_memory("a") && !groups.ran_out_of_memory("b"));
        assert_eq!(groups.open_gauge("a").map(|(kind, _)| kind), Some(GaugeKind::Current));
        fs::write(root.path().join("fungraph-x/a/memory.peak"), "9").expect("it is written");
        assert_eq!(groups.open_gauge("a").map(|(kind, _)| kind), Some(GaugeKind::Peak));
    }

    #[test]
    fn a_sweep_takes_what_bears_the_name_and_nothing_else() {
        let root = tree(&[("memory/cgroup.procs", ""), ("pids/other/keep", "")]);
        for folder in ["memory/fungraph-x/a", "memory/fungraph-x/b", "pids/fungraph-x/a", "memory/fungraph-y/a"] {
            fs::create_dir_all(root.path().join(folder)).expect("it is made");
        }
        let groups = Cgroups::new(root.path(), "x");
        assert!(groups.remove("b") && groups.sweep() && groups.sweep());
        let left = |path: &str| root.path().join(path).exists();
        assert!(!left("memory/fungraph-x") && !left("pids/fungraph-x"));
        assert!(left("memory/fungraph-y/a") && left("pids/other/keep"));
    }
}
