//! The first process of a sandbox, which is ours: what it does, and that nobody inside gets at it.

use std::fs;

use fungraph_sandbox::ExitStatus;

use crate::harness::{Host, MIB, Test, block_on, eventually, is_alive, python, say, sh};

pub(crate) const TESTS: &[Test] = &[
    ("orphans_are_collected", orphans),
    ("an_orphan_does_not_outlive_its_function", orphan_ends),
    ("the_init_cannot_be_looked_into_or_ended", out_of_reach),
    ("a_sandbox_full_of_spinning_processes_ends_soon", spinning),
    ("the_init_holds_nothing_but_its_report", holds_little),
    ("the_init_costs_next_to_nothing", costs_little),
];

fn orphans() {
    block_on(async {
        let host = Host::new("winit1");
        let mut launch = sh(
            "a",
            "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sh -c 'for j in 1 2 3 4 5 6 7 8; do true & done' || exit 1; \
             while set -- /proc/[0-9]*; [ $# -gt 2 ]; do :; done; done; echo done",
        );
        // Far fewer than there are orphans.
        launch.limits.pids = 40;
        let (output, exit) = host.run(launch).await;
        assert_eq!((output.as_str(), exit.status), ("done\n", ExitStatus::Code(0)));
        host.spawner.shutdown().await;
    });
}

fn orphan_ends() {
    block_on(async {
        let host = Host::new("winit2");
        let begun = std::time::Instant::now();
        // One with all descriptors of its parent, one without, in a session of its own.
        let exit = host.run(sh("a", "sleep 1000 & setsid sleep 1000 3>&- >/dev/null 2>&1 & exit 4")).await.1;
        assert_eq!(exit.status, ExitStatus::Code(4));
        assert!(begun.elapsed().as_secs() < 100, "nobody waits for orphans");
        host.spawner.shutdown().await;
    });
}

fn out_of_reach() {
    block_on(async {
        let host = Host::new("winit3");
        let script = r#"
import ctypes, os, signal
own = os.getpid()
print(os.getppid(), os.getsid(0) == own, os.getpgid(0) == own)
print(open("/proc/1/comm").read().strip(), open("/proc/1/cmdline").read().strip("\0"))
for path in ["mem", "maps", "environ", "fd/0", "exe", "root/tmp", "cwd/tmp", "syscall", "stack", "auxv"]:
    try: print(path, open("/proc/1/" + path, "rb").read(8))
    except OSError: pass
for path in ["exe", "fd/0", "root", "cwd"]:
    try: print(path, os.readlink("/proc/1/" + path))
    except OSError: pass
for path in ["mem", "fd/0", "oom_score_adj"]:
    try: print(path, os.open("/proc/1/" + path, os.O_WRONLY))
    except OSError: pass
for number in range(1, 65):
    try: os.kill(1, number)
    except OSError as error: print(number, error)
os.kill(1, signal.SIGSTOP)
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(16, 1, 0, 0), ctypes.get_errno())
number = dict(setscheduler=144, setparam=142, setattr=314, setaffinity=203, prlimit=302, setpriority=141, ioprio=251)
if os.uname().machine == "aarch64":
    number = dict(setscheduler=119, setparam=118, setattr=274, setaffinity=122, prlimit=261, setpriority=140, ioprio=30)
zeros, mask, limit = (ctypes.create_string_buffer(size) for size in (64, 128, 16))
mask[0] = 1
attributes = ctypes.create_string_buffer(bytes([48, 0, 0, 0, 5]), 48)
def call(name, *arguments):
    if libc.syscall(number[name], *arguments) == 0: print(name, arguments[:2], "succeeded")
    elif ctypes.get_errno() != 1: print(name, arguments[:2], ctypes.get_errno())
call("setscheduler", 1, 5, zeros)
call("setparam", 1, zeros)
call("setattr", 1, attributes, 0)
call("setaffinity", 1, 128, mask)
call("prlimit", 1, 0, None, limit)
for which, who in [(0, 1), (1, 1), (1, own), (2, 0), (2, os.getuid())]:
    call("setpriority", which, who, 19)
    call("ioprio", which + 1, who, 3 << 13)
# What concerns the caller goes on working.
os.sched_setaffinity(0, os.sched_getaffinity(0))
os.sched_setaffinity(own, os.sched_getaffinity(0))
import resource
resource.prlimit(0, resource.RLIMIT_CORE, (0, 0))
os.setpriority(os.PRIO_PROCESS, 0, 1)
os.setpriority(os.PRIO_PGRP, 0, 2)
print(os.nice(1), libc.syscall(number["ioprio"], 1, 0, 3 << 13), libc.syscall(number["ioprio"], 2, 0, 3 << 13))
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
child = os.fork()
if child == 0: os._exit(7)
print(os.waitpid(child, 0)[1] >> 8)
# One that it has to collect, to show that it goes on.
if os.fork() == 0:
    if os.fork() == 0: os._exit(0)
    os._exit(0)
os.wait()
while sum(name.isdigit() for name in os.listdir("/proc")) > 2: pass
"#;
        assert_eq!(host.python("a", script).await, "1 True True\nfungraph-init fungraph-init\n-1 1\n3 0 0\n7\n");
        host.spawner.shutdown().await;
    });
}

/// The end of the init alone would wait for its turn behind all of them.
fn spinning() {
    block_on(async {
        let host = Host::new("winit6");
        let script = r#"
import os, socket
begin, hold = os.pipe()
for number in range(200):
    if os.fork() == 0:
        os.close(hold)
        os.read(begin, 1)
        # Some are always new.
        while True:
            if number < 4 and os.fork() != 0: os._exit(0)
socket.socket(fileno=3).send(b"x")
os.close(hold)
while True: pass
"#;
        let mut launch = python("a", script);
        launch.limits.memory_bytes = 1024 * MIB;
        let running = host.launch(launch).await;
        let neighbour = host.launch(sh("b", "printf x >&3; sleep 1000")).await;
        running.hello().await;
        neighbour.hello().await;
        let groups = host.cgroups();
        let pids = || groups.iter().find_map(|group| fs::read_to_string(group.join("a/cgroup.procs")).ok());
        assert!(pids().is_some_and(|pids| pids.lines().count() > 200));
        let begun = std::time::Instant::now();
        running.sandbox.kill();
        assert_eq!(running.sandbox.exited().await.status, ExitStatus::Signal(9));
        say(&format!("    over 200 processes ended within {} ms", begun.elapsed().as_millis()));
        eventually("its cgroups are gone", || pids().is_none()).await;
        assert!(is_alive(neighbour.sandbox.pid()), "only the one is killed");
        host.spawner.shutdown().await;
    });
}

fn holds_little() {
    block_on(async {
        let host = Host::new("winit4");
        let running = host.launch(sh("a", "printf x >&3; sleep 1000")).await;
        running.hello().await;
        let pid = running.sandbox.pid();
        let open = || fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let is_init = || fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "fungraph-init\n");
        eventually("it has become the init", || is_init() && open().count() == 1).await;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        for line in
            ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "Threads:\t1"]
        {
            assert!(status.contains(line), "{line} is not in {status}");
        }
        host.spawner.shutdown().await;
    });
}

fn costs_little() {
    block_on(async {
        let host = Host::new("winit5");
        let running = host.launch(sh("a", "printf x >&3; sleep 1000")).await;
        running.hello().await;
        let pid = running.sandbox.pid();
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
            line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(u64::MAX)
        };
        eventually("it has become the init", || field("smaps_rollup", "Rss:") < 100).await;
        let (own, tables) = (field("smaps_rollup", "Private_Dirty:"), field("status", "VmPTE:"));
        say(&format!("    its own memory: {own} KB, and {tables} KB of page tables"));
        assert!(own + tables < 64, "{own} {tables}");
        host.spawner.shutdown().await;
    });
}
