//! Memory, processes, CPU.

use fungraph_sandbox::ExitStatus;

use crate::harness::{Host, MIB, Test, block_on, python, sh};

pub(crate) const TESTS: &[Test] = &[
    ("a_memory_hog_is_killed_and_told", memory_hog),
    ("a_hog_in_a_child_is_told_too", child_hog),
    ("a_fork_bomb_is_held", fork_bomb),
    ("cpu_follows_the_formula", cpu),
    ("the_gauge_reads_and_resets_the_peak", gauge),
    ("address_space_is_not_limited", address_space),
];

fn memory_hog() {
    block_on(async {
        let host = Host::new("wlimits1");
        let (output, exit) = host.run(python("a", "x = bytearray(400 << 20); print('survived')")).await;
        assert_eq!(output, "");
        assert_eq!((exit.status, exit.out_of_memory), (ExitStatus::Signal(9), true));
        host.spawner.shutdown().await;
    });
}

fn child_hog() {
    block_on(async {
        let host = Host::new("wlimits2");
        let (output, exit) = host.run(sh("a", "tail -c 400000000 /dev/zero | tail; echo after")).await;
        assert!(output.ends_with("after\n"), "{output}");
        assert!(exit.out_of_memory);
        host.spawner.shutdown().await;
    });
}

fn fork_bomb() {
    block_on(async {
        let host = Host::new("wlimits3");
        let script = "
import os, errno
children = 0
try:
    while True:
        pid = os.fork()
        if pid == 0: os.read(3, 1); os._exit(0)
        children += 1
except OSError as error: print(children, errno.errorcode[error.errno])
";
        let mut launch = python("a", script);
        launch.limits.pids = 50;
        let (output, exit) = host.run(launch).await;
        assert_eq!((output.as_str(), exit.status), ("49 EAGAIN\n", ExitStatus::Code(0)));
        host.spawner.shutdown().await;
    });
}

fn cpu() {
    block_on(async {
        let host = Host::new("wlimits4");
        let mut launch = sh("quota", "printf x >&3; sleep 1000");
        launch.limits.cpu_quota = true;
        let weight = host.launch(sh("weight", "printf x >&3; sleep 1000")).await;
        let quota = host.launch(launch).await;
        weight.hello().await;
        quota.hello().await;
        let read = |id: &str, file: &str| {
            let found =
                host.cgroups().into_iter().find_map(|group| std::fs::read_to_string(group.join(id).join(file)).ok());
            found.map(|text| text.trim().to_owned())
        };
        if read("weight", "cpu.weight").is_some() {
            assert_eq!(read("quota", "cpu.max").as_deref(), Some("30000 100000"));
            assert_eq!(read("weight", "cpu.max").as_deref(), Some("max 100000"));
        } else {
            assert_eq!(read("weight", "cpu.shares").as_deref(), Some("307"));
            assert_eq!(read("quota", "cpu.cfs_quota_us").as_deref(), Some("30000"));
            assert_eq!(read("weight", "cpu.cfs_quota_us").as_deref(), Some("-1"));
        }
        host.spawner.shutdown().await;
    });
}

fn gauge() {
    block_on(async {
        let host = Host::new("wlimits5");
        let script = "
import socket
peer = socket.socket(fileno=3)
peer.send(b'1'); peer.recv(1)
hog = bytearray(50 << 20); del hog
peer.send(b'2'); peer.recv(1)
";
        let running = host.launch(python("a", script)).await;
        let go_on = || {
            use std::io::Write;
            (&running.socket).write_all(b"g").expect("it listens");
        };
        let gauge = running.sandbox.memory();
        running.hello().await;
        let before = gauge.peak_bytes();
        assert!((MIB..60 * MIB).contains(&before), "{before}");
        go_on();
        running.hello().await;
        let peak = gauge.take_peak();
        assert!(peak >= 50 * MIB, "{peak}");
        assert!(gauge.peak_bytes() < peak - 30 * MIB, "{}", gauge.peak_bytes());
        go_on();
        running.sandbox.exited().await;
        host.spawner.shutdown().await;
    });
}

fn address_space() {
    block_on(async {
        let host = Host::new("wlimits6");
        let script = "import mmap; mmap.mmap(-1, 8 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000); print('reserved')";
        assert_eq!(host.python("a", script).await, "reserved\n");
        host.spawner.shutdown().await;
    });
}
