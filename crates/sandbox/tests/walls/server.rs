//! The server's half as `serve` has it: the spawner is started by root, and then root is given up.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;

use fungraph_sandbox::{Engine, ExitStatus, Spawner, Wall, WallState, drop_privileges, inspect, start};

use crate::harness::{MIB, Test, block_on, config, engine, say, set_engine, sh, try_launch, unique};

pub(crate) const TESTS: &[Test] = &[
    ("an_unprivileged_server_launches_and_measures", unprivileged_server),
    ("this_host_gives_every_wall", every_wall),
    ("a_wrong_configuration_is_refused", wrong_configuration),
];

pub(crate) const ROLE: &str = "__server";
pub(crate) const DOOMED_ROLE: &str = "__doomed";

fn unprivileged_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::current_exe().expect("it has a path");
    let output = Command::new(program).arg(ROLE).arg(folder.path()).arg(engine().name()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn take_engine(argument: usize) {
    let name = std::env::args().nth(argument).expect("it is given");
    set_engine(Engine::from_name(&name).expect("an engine"));
}

/// The role itself; panics tell what is wrong.
pub(crate) fn main() -> ExitCode {
    let folder = std::env::args().nth(2).expect("a folder");
    take_engine(3);
    let process = start(&config(Path::new(&folder), &unique("wserver1"))).expect("the spawner starts");
    drop_privileges(65_534, 65_534).expect("root is given up");
    let status = std::fs::read_to_string("/proc/self/status").expect("it is there");
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).expect("it is there").trim().to_owned();
    for name in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(name), "0000000000000000", "{name}");
    }
    assert_eq!((field("NoNewPrivs:"), field("Uid:")), ("1".into(), ["65534"; 4].join("\t")));
    assert_eq!(field("Groups:"), "");
    assert!(std::fs::read_dir("/proc/self/fd").is_ok(), "its own descriptors can be looked at");
    assert!(std::fs::read("/etc/shadow").is_err());
    block_on(async {
        let spawner = Spawner::connect(process).expect("it is connected");
        let running = try_launch(&spawner, sh("a", "printf x >&3; read line <&3; exit 3")).await.expect("it starts");
        running.hello().await;
        let gauge = running.sandbox.memory();
        assert!(gauge.peak_bytes() > MIB / 4, "{}", gauge.peak_bytes());
        assert!(gauge.take_peak() > 0);
        assert!(gauge.peak_bytes() > 0);
        running.sandbox.kill();
        assert_eq!(running.finish().await.1.status, ExitStatus::Signal(9));
        spawner.shutdown().await;
    });
    // Threads exist by now, and root is gone.
    assert!(drop_privileges(1, 1).is_err());
    ExitCode::SUCCESS
}

fn every_wall() {
    let reports = inspect();
    assert_eq!(reports.len(), Wall::ALL.len());
    for report in reports {
        assert_eq!(report.state, WallState::Available, "{}", report.wall);
    }
}

fn wrong_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = start(&config(folder.path(), "No/Name")).expect_err("the name is refused");
    assert!(error.to_string().contains("[a-z0-9]{1,16}"), "{error}");
    std::fs::write(folder.path().join("sandbox"), "").expect("it is written");
    let error = start(&config(folder.path(), &unique("wserver3"))).expect_err("the folder is a file");
    assert!(error.to_string().contains("cannot make the spawner's folder"), "{error}");
}

static DOOMED: Mutex<Option<Child>> = Mutex::new(None);

/// Starts a server that will be killed; gives the pids of its spawner and of its sandbox.
pub(crate) fn start_doomed(folder: &Path, name: &str) -> (u32, u32) {
    let program = std::env::current_exe().expect("it has a path");
    let mut command = Command::new(program);
    let mut child = command
        .arg(DOOMED_ROLE)
        .arg(folder)
        .arg(name)
        .arg(engine().name())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it tells");
    *DOOMED.lock().expect("nobody panicked") = Some(child);
    let (spawner, sandbox) = line.trim().split_once(' ').expect("two numbers");
    (spawner.parse().expect("a number"), sandbox.parse().expect("a number"))
}

pub(crate) fn kill_doomed() {
    let mut child = DOOMED.lock().expect("nobody panicked").take().expect("it was started");
    child.kill().expect("it lives");
    child.wait().expect("it is ours");
}

/// The role: one sandbox, then nothing until the end.
pub(crate) fn doomed_main() -> ExitCode {
    let argument = |number| std::env::args().nth(number).expect("it is given");
    take_engine(4);
    let process = start(&config(Path::new(&argument(2)), &argument(3))).expect("the spawner starts");
    let pid = process.pid();
    block_on(async {
        let spawner = Spawner::connect(process).expect("it is connected");
        let running = try_launch(&spawner, sh("a", "printf x >&3; sleep 1000")).await.expect("it starts");
        running.hello().await;
        use std::io::Write;
        writeln!(std::io::stdout(), "{pid} {}", running.sandbox.pid()).expect("somebody listens");
        spawner.lost().await;
        say("the spawner was lost before its server");
    });
    ExitCode::SUCCESS
}
