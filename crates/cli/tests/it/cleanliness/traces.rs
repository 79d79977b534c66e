//! What servers of one data folder could leave on a host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::wait_for;

pub(super) struct Traces {
    data: PathBuf,
    /// What the folder's cgroups and filters are called.
    name: String,
    /// And its network interface.
    interface: String,
    mounts: usize,
}

impl Traces {
    /// Of a server that has stopped in order: what is there now is not ours.
    pub(super) fn of(data: &Path) -> Self {
        let data = data.canonicalize().expect("it is there");
        // As the program names what it shares with the host.
        let short = format!("{:016x}", hash(data.as_os_str().as_encoded_bytes()));
        let interface = format!("fg-{:012x}", hash(short.as_bytes()) & 0xffff_ffff_ffff);
        let traces = Self { name: format!("fungraph-{short}"), interface, mounts: 0, data };
        assert_eq!(traces.all(&[]), Vec::<String>::new(), "before anything was killed");
        let mounts = traces.mounts().len();
        Self { mounts, ..traces }
    }

    /// While a server runs all of it is there: the names looked for are those that the program uses.
    pub(super) fn assert_some(&self, egress: bool) {
        assert!(!self.cgroups().is_empty() && !self.loops().is_empty() && !self.processes(&[]).is_empty());
        assert!(!egress || !self.network().is_empty(), "{} is not there", self.interface);
    }

    #[track_caller]
    pub(super) fn assert_none(&self, groups: &[u32], when: &str) {
        let mut left = Vec::new();
        // Processes that were killed a moment ago may still be on their way.
        let clean = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for("the end of the last processes", || {
                left = self.all(groups);
                left.is_empty().then_some(())
            });
        }));
        assert!(clean.is_ok(), "after {when}: {left:?}");
    }

    fn all(&self, groups: &[u32]) -> Vec<String> {
        let mut left = self.processes(groups);
        left.extend(self.cgroups().into_iter().map(|path| format!("cgroup {}", path.display())));
        left.extend(self.mounts().into_iter().skip(self.mounts).map(|line| format!("mount {line}")));
        left.extend(self.loops());
        left.extend(self.files());
        left.extend(self.network());
        left
    }

    /// By cgroup, by a command line with the folder, and our program in one of the process groups.
    fn processes(&self, groups: &[u32]) -> Vec<String> {
        let data = self.data.to_string_lossy().into_owned();
        let ours = Path::new(env!("CARGO_BIN_EXE_fungraph"));
        let pids = entries(Path::new("/proc")).into_iter().filter_map(|name| name.parse::<u32>().ok());
        let is_ours = |pid: &u32| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let text = |file: &str| String::from_utf8_lossy(&read(file)).into_owned();
            let in_group = || {
                let stat = text("stat");
                let group = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2)?.parse().ok());
                group.is_some_and(|group| groups.contains(&group))
                    && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == ours)
            };
            text("cgroup").contains(&self.name) || text("cmdline").contains(&data) || in_group()
        };
        pids.filter(is_ours).map(|pid| format!("process {pid}")).collect()
    }

    fn cgroups(&self) -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let below = entries(root).into_iter().map(|name| root.join(name));
        below.chain([root.to_owned()]).map(|path| path.join(&self.name)).filter(|path| path.exists()).collect()
    }

    /// Of this namespace, where a spawner mounts nothing.
    fn mounts(&self) -> Vec<String> {
        let data = self.data.to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("the kernel writes it");
        let ours = mounts.lines().filter(|line| line.contains(&data) || line.contains(" /sys/dev"));
        ours.map(str::to_owned).collect()
    }

    fn loops(&self) -> Vec<String> {
        let file = |name: &String| fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok();
        let loops = entries(Path::new("/sys/block")).into_iter().filter_map(|name| Some((file(&name)?, name)));
        loops
            .filter(|(file, _)| Path::new(file).starts_with(&self.data))
            .map(|(file, name)| format!("loop device {name} of {file}"))
            .collect()
    }

    /// Interfaces of this namespace, and filters where there is a program that shows them.
    fn network(&self) -> Vec<String> {
        let interfaces = entries(Path::new("/sys/class/net")).into_iter().filter(|name| *name == self.interface);
        let tables =
            Command::new("nft").args(["list", "tables"]).output().map(|output| output.stdout).unwrap_or_default();
        let tables = String::from_utf8_lossy(&tables).into_owned();
        let ours = tables.lines().filter(|line| line.contains(&self.name)).map(str::to_owned);
        interfaces.chain(ours).collect()
    }

    /// All that a spawner keeps are empty disks to copy.
    fn files(&self) -> Vec<String> {
        let kept = entries(&self.data.join("sandbox"));
        let disks = entries(&self.data.join("sandbox/tmp"));
        let staged = entries(Path::new("/sys/dev"));
        let others = kept.into_iter().filter(|name| name != "tmp" && name != "lock");
        let halves = disks.into_iter().filter(|name| !name.ends_with(".ext4"));
        let staged = staged.into_iter().filter(|name| name != "block" && name != "char");
        others.chain(halves).chain(staged).map(|name| format!("file {name}")).collect()
    }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
