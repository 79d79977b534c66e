//! Privilege, system calls, other processes.

use std::os::unix::fs::MetadataExt;

use fungraph_sandbox::{Engine, Error, ExitStatus};

use crate::harness::{Host, Test, block_on, engine, launch, node, sh};

pub(crate) const TESTS: &[Test] = &[
    ("a_process_has_no_privilege", no_privilege),
    ("dangerous_system_calls_are_refused", calls_are_refused),
    ("other_processes_cannot_be_seen_or_signalled", other_processes),
    ("two_sandboxes_have_different_users", different_users),
    ("cgroups_cannot_be_seen", cgroups),
    ("python_runs_with_threads_and_children", python_runs),
    ("node_runs_with_workers_and_children", node_runs),
    ("the_environment_and_descriptors_are_what_was_asked", environment),
    ("a_missing_program_is_a_clear_error", missing_program),
];

fn no_privilege() {
    block_on(async {
        let host = Host::new("wkernel1");
        let script = "
            grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status | tr '\\t' ' ' | sed 's/ *$//'
            ulimit -n; ulimit -c; umask; hostname; cat /proc/self/oom_score_adj; ls -l /usr/bin/su >/dev/null && echo id | su root -c id 2>&1 | head -c 0";
        let zero = "0000000000000000";
        // libseccomp makes one filter of all that takes us three.
        let filters = if engine() == Engine::Embedded { 3 } else { 1 };
        let expected = format!(
            "Uid: 1003 1003 1003 1003\nGid: 1003 1003 1003 1003\nGroups:\nCapInh: {zero}\nCapPrm: {zero}\nCapEff: {zero}\nCapBnd: {zero}\n\
             CapAmb: {zero}\nNoNewPrivs: 1\nSeccomp: 2\nSeccomp_filters: {filters}\n2048\n0\n0022\nfunction\n500\n"
        );
        assert_eq!(host.sh("a", script).await, expected);
        host.spawner.shutdown().await;
    });
}

fn calls_are_refused() {
    block_on(async {
        let host = Host::new("wkernel2");
        // Numbers of x86-64 and, from the second column on, aarch64; ctypes asks the kernel directly.
        let script = "
import ctypes, errno, platform, socket
libc = ctypes.CDLL(None, use_errno=True)
column = 0 if platform.machine() == 'x86_64' else 1
calls = {
    'mount': (165, 40), 'umount2': (166, 39), 'pivot_root': (155, 41), 'chroot': (161, 51), 'setns': (308, 268), 'ptrace': (101, 117),
    'bpf': (321, 280), 'keyctl': (250, 219), 'add_key': (248, 217), 'request_key': (249, 218), 'perf_event_open': (298, 241),
    'userfaultfd': (323, 282), 'io_uring_setup': (425, 425), 'process_vm_readv': (310, 270), 'kexec_load': (246, 104),
    'init_module': (175, 105), 'open_by_handle_at': (304, 265), 'swapon': (167, 224), 'reboot': (169, 142), 'quotactl': (179, 60),
    'acct': (163, 89), 'settimeofday': (164, 170), 'clock_settime': (227, 112), 'fsopen': (430, 430), 'open_tree': (428, 428),
    'move_mount': (429, 429), 'mount_setattr': (442, 442), 'pidfd_getfd': (438, 438), 'syslog': (103, 116),
}
for name, numbers in calls.items():
    result = libc.syscall(numbers[column], 0, 0, 0, 0, 0)
    if result != -1 or ctypes.get_errno() != errno.EPERM: print(name, result, errno.errorcode.get(ctypes.get_errno()))
NEW = dict(NS=0x20000, CGROUP=0x2000000, UTS=0x4000000, IPC=0x8000000, USER=0x10000000, PID=0x20000000, NET=0x40000000, TIME=0x80)
for name, flag in NEW.items():
    result = libc.unshare(flag)
    if result != -1 or ctypes.get_errno() != errno.EPERM: print('unshare', name, result, ctypes.get_errno())
for name, flag in NEW.items():
    if name == 'TIME': continue
    result = libc.syscall((56, 220)[column], flag | 17, 0, 0, 0, 0)
    if result == 0: import os; os._exit(9)
    if result != -1 or ctypes.get_errno() != errno.EPERM: print('clone', name, result, ctypes.get_errno())
result = libc.syscall(435, 0, 0)
print('clone3', errno.errorcode[ctypes.get_errno()])
if column == 0:
    libc.syscall(0x40000000 + 165, 0, 0, 0, 0, 0); print('x32 mount', errno.errorcode[ctypes.get_errno()])
for family, kind, protocol in ((17, 3, 0), (16, 3, 9), (16, 3, 12), (38, 5, 0), (31, 3, 0), (40, 1, 0), (2, 3, 1)):
    try: socket.socket(family, kind, protocol); print('socket', family, protocol)
    except PermissionError: pass
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX): socket.socket(family).close()
socket.socket(16, 3, 0).close()
print(socket.if_nameindex())
print([libc.prctl(1, signal, 0, 0, 0) for signal in (0, 15, 9)])
";
        // Our filters know no x32 call; libseccomp refuses those of the table by their x32 numbers.
        let x32 = match (cfg!(target_arch = "x86_64"), engine()) {
            (true, Engine::Embedded) => "x32 mount ENOSYS\n",
            (true, _) => "x32 mount EPERM\n",
            (false, _) => "",
        };
        let expected = format!("clone3 ENOSYS\n{x32}[(1, 'lo')]\n[-1, -1, 0]\n");
        assert_eq!(host.python("a", script).await, expected);
        host.spawner.shutdown().await;
    });
}

fn other_processes() {
    block_on(async {
        let host = Host::new("wkernel3");
        let other = host.launch(sh("other", "echo > /dev/fd/3 2>/dev/null; printf x >&3; sleep 1000")).await;
        other.hello().await;
        let script = format!(
            "
import os
print(sorted(int(name) for name in os.listdir('/proc') if name.isdigit()) == [1, os.getpid()], os.getpid(), os.getppid())
for pid in (os.getpid() + 1, {}, {}):
    try: os.kill(pid, 9); print('signalled', pid)
    except ProcessLookupError: pass
",
            other.sandbox.pid(),
            std::process::id()
        );
        let output = host.python("a", &script).await;
        let function = output.strip_prefix("True ").and_then(|rest| rest.strip_suffix(" 1\n")).expect(&output);
        // runc has threads in the namespace before, and their numbers are used up.
        assert!(if engine() == Engine::Runc { function.parse::<u32>().is_ok() } else { function == "2" }, "{output}");
        assert!(crate::harness::is_alive(other.sandbox.pid()));
        host.spawner.shutdown().await;
    });
}

fn different_users() {
    block_on(async {
        let host = Host::new("wkernel4");
        let one = host.launch(sh("one", "printf x >&3; sleep 1000")).await;
        let two = host.launch(sh("two", "printf x >&3; sleep 1000")).await;
        one.hello().await;
        two.hello().await;
        let user = |pid| std::fs::metadata(format!("/proc/{pid}")).expect("it lives").uid();
        let (first, second) = (user(one.sandbox.pid()), user(two.sandbox.pid()));
        assert!(first >= 0x6000_0000 && second >= 0x6000_0000 && first.abs_diff(second) >= 65_536, "{first} {second}");
        let namespace = |pid, kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("it lives");
        for kind in ["pid", "mnt", "net", "ipc", "uts", "cgroup", "user"] {
            let (one, two) = (namespace(one.sandbox.pid(), kind), namespace(two.sandbox.pid(), kind));
            assert!(one != two && one != namespace(std::process::id(), kind), "{kind}");
        }
        host.spawner.shutdown().await;
    });
}

fn cgroups() {
    block_on(async {
        let host = Host::new("wkernel5");
        let output = host.sh("a", "ls -d /sys/fs/cgroup 2>/dev/null; cut -d: -f3 /proc/self/cgroup | sort -u; grep cgroup /proc/mounts; exit 0").await;
        // Its own cgroup is the root of what it sees; hierarchies that libcontainer does not join show where the spawner is.
        assert!(
            output.lines().all(|line| line.starts_with('/')) && output.contains("/\n") && !output.contains("fungraph"),
            "{output}"
        );
        host.spawner.shutdown().await;
    });
}

fn python_runs() {
    block_on(async {
        let host = Host::new("wkernel6");
        let script = "
import threading, subprocess, multiprocessing, socket, ssl, sqlite3, tempfile, json, os
thread = threading.Thread(target=lambda: print('thread')); thread.start(); thread.join()
print(subprocess.check_output(['/bin/echo', 'child']).decode().strip())
with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(len, ['a', 'bb']))
with tempfile.NamedTemporaryFile() as file: print(file.name.startswith('/tmp/'))
print(socket.getaddrinfo('localhost', 80, proto=6)[0][4][1], socket.gethostname(), os.getuid(), os.path.expanduser('~'))
left, right = socket.socketpair(); left.send(b'x'); print(right.recv(1))
";
        let output = host.python("a", script).await;
        assert_eq!(output, "thread\nchild\n[1, 2]\nTrue\n80 function 1003 /home/snuser\nb'x'\n");
        host.spawner.shutdown().await;
    });
}

fn node_runs() {
    block_on(async {
        let host = Host::new("wkernel7");
        let script = "
const { Worker } = require('worker_threads'), os = require('os'), fs = require('fs'), crypto = require('crypto');
console.log(require('child_process').execSync('echo child').toString().trim());
console.log(Object.keys(os.networkInterfaces()), os.userInfo().uid, os.cpus().length > 0, crypto.randomBytes(4).length);
fs.writeFileSync('/tmp/x', 'file'); console.log(fs.readFileSync('/tmp/x', 'utf8'));
new Worker(\"require('worker_threads').parentPort.postMessage('worker')\", { eval: true }).on('message', text => {
  console.log(text);
  const server = require('net').createServer(s => s.end('pong')).listen(8000, '127.0.0.1', () =>
    require('net').connect(8000, '127.0.0.1').on('data', data => { console.log(data.toString()); server.close(); }));
});
";
        let (output, exit) = host.run(node("a", script)).await;
        assert_eq!(output, "child\n[ 'lo' ] 1003 true 4\nfile\nworker\npong\n");
        assert_eq!(exit.status, ExitStatus::Code(0));
        host.spawner.shutdown().await;
    });
}

fn environment() {
    block_on(async {
        let host = Host::new("wkernel8");
        let mut launch = launch("a", &["/usr/bin/env"]);
        launch.env =
            vec![("PATH".into(), "/usr/bin".into()), ("B".into(), "a=b c\nd".into()), ("A".into(), String::new())];
        assert_eq!(host.run(launch).await.0, "PATH=/usr/bin\nB=a=b c\nd\nA=\n");
        // Without a pipe: the shell would have two descriptors more, for a moment.
        let descriptors =
            host.sh("b", "ls /proc/$$/fd; readlink /proc/$$/fd/0; readlink /proc/$$/fd/3 | cut -c -7").await;
        assert_eq!(descriptors, "0\n1\n2\n3\n/dev/null\nsocket:\n");
        // What Rust programs and the spawner ignore must not stay ignored.
        let output = host.sh("c", "yes | head -n 1; grep SigIgn /proc/self/status | cut -f 2").await;
        let ignored =
            output.strip_prefix("y\n").and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).expect("a mask");
        // 32 and 33 belong to the C library, which sets them as it likes.
        assert_eq!(ignored & 0x7fff_ffff, 0, "{ignored:x}");
        host.spawner.shutdown().await;
    });
}

fn missing_program() {
    block_on(async {
        let host = Host::new("wkernel9");
        for (program, reason) in [("/usr/bin/python9", "No such file"), ("/etc/passwd", "Permission denied")] {
            let Err(Error::Launch { reason: text, .. }) = host.try_launch(launch("a", &[program])).await else {
                panic!("it started")
            };
            assert!(text.contains(program) && text.contains(reason), "{text}");
        }
        let mut nowhere = sh("a", "true");
        nowhere.cwd = "/nowhere".into();
        assert!(matches!(host.try_launch(nowhere).await, Err(Error::Launch { .. })));
        // The id is free again and nothing is in the way.
        assert_eq!(host.sh("a", "echo fine").await, "fine\n");
        host.spawner.shutdown().await;
    });
}
