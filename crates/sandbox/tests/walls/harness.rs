//! Running tests one by one, and the shortest way to a sandbox.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fungraph_sandbox::{
    Bind, Config, Egress, Engine, Error, Exit, ExitStatus, Launch, Limits, Network, Sandbox, Share, Spawner, User,
    start,
};
use tokio::task::JoinHandle;

/// Name and body; a body panics to fail.
pub(crate) type Test = (&'static str, fn());

pub(crate) const MIB: u64 = 1 << 20;

static ENGINE: OnceLock<Engine> = OnceLock::new();

/// What makes the sandboxes of this process.
pub(crate) fn engine() -> Engine {
    ENGINE.get().copied().unwrap_or_default()
}

/// Said once, before the first spawner.
pub(crate) fn set_engine(engine: Engine) {
    ENGINE.set(engine).expect("it is said once");
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn say(text: &str) {
    // Not println: this is a program of its own, with its own way to report.
    writeln!(std::io::stderr(), "{text}").expect("standard error is open");
}

/// The spawner logs through `tracing`; the program under test would install its own subscriber.
pub(crate) fn log_to_stderr() {
    struct Plain;
    struct Text(String);
    impl tracing::field::Visit for Text {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            self.0.push_str(&format!(" {field}={value:?}"));
        }
    }
    impl tracing::Subscriber for Plain {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut text = Text(format!("{} {}", event.metadata().level(), event.metadata().target()));
            event.record(&mut text);
            say(&text.0);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    tracing::subscriber::set_global_default(Plain).expect("it is the first");
}

pub(crate) fn run_all(tests: &[Test]) -> ExitCode {
    let mut failed = Vec::new();
    let engine = engine();
    let all = Instant::now();
    for (name, test) in tests {
        let begin = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        say(&format!(
            "test {engine}::{name} ... {} ({} ms)",
            if passed { "ok" } else { "FAILED" },
            begin.elapsed().as_millis()
        ));
        if !passed {
            failed.push(*name);
        }
    }
    let (passed, seconds) = (tests.len() - failed.len(), all.elapsed().as_secs());
    say(&format!("{engine}: {passed} passed, {} failed {failed:?}, in {seconds} s", failed.len()));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A data folder with a spawner, as `serve` would have them.
pub(crate) struct Host {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: Config,
    pub(crate) spawner: Spawner,
    pub(crate) spawner_pid: u32,
}

impl Host {
    /// Inside a tokio runtime.
    pub(crate) fn new(name: &str) -> Host {
        Host::with(name, None)
    }

    /// The same, whose sandboxes can have a way out.
    pub(crate) fn with(name: &str, egress: Option<Egress>) -> Host {
        Host::made(name, |config| config.egress = egress)
    }

    /// The same, whose operator gives away what `shares` makes in the data folder.
    pub(crate) fn sharing(name: &str, shares: impl FnOnce(&Path) -> Vec<Share>) -> Host {
        Host::made(name, |config| {
            config.shares = shares(config.folder.parent().expect("it is below the data folder"));
        })
    }

    fn made(name: &str, change: impl FnOnce(&mut Config)) -> Host {
        let folder = tempfile::Builder::new().prefix("fungraph-walls").tempdir().expect("a folder");
        let mut config = config(folder.path(), &unique(name));
        change(&mut config);
        let process = start(&config).expect("the spawner starts");
        let spawner_pid = process.pid();
        let spawner = Spawner::connect(process).expect("it is connected");
        Host { folder, config, spawner, spawner_pid }
    }

    /// A folder to show inside, readable by all.
    pub(crate) fn code(&self, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.folder.path().join("code");
        std::fs::create_dir_all(&folder).expect("it is made");
        for (name, text) in files {
            std::fs::write(folder.join(name), text).expect("it is written");
        }
        folder
    }

    pub(crate) async fn launch(&self, launch: Launch) -> Running {
        self.try_launch(launch).await.expect("it starts")
    }

    pub(crate) async fn try_launch(&self, launch: Launch) -> Result<Running, Error> {
        try_launch(&self.spawner, launch).await
    }

    /// Runs a program to its end: what it printed, and how it ended.
    pub(crate) async fn run(&self, launch: Launch) -> (String, Exit) {
        self.launch(launch).await.finish().await
    }

    /// Runs a script of the shell that must succeed.
    pub(crate) async fn sh(&self, id: &str, script: &str) -> String {
        let (output, exit) = self.run(sh(id, script)).await;
        assert_eq!(exit.status, ExitStatus::Code(0), "the script failed: {output}");
        output
    }

    /// Runs a Python script that must succeed.
    pub(crate) async fn python(&self, id: &str, script: &str) -> String {
        let (output, exit) = self.run(python(id, script)).await;
        assert_eq!(exit.status, ExitStatus::Code(0), "the script failed: {output}");
        output
    }

    /// The cgroups that bear this host's name.
    pub(crate) fn cgroups(&self) -> Vec<PathBuf> {
        cgroups(&self.config.name)
    }
}

/// Names cgroups; two runs of these tests on one host must not sweep each other's.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}{}", std::process::id())
}

pub(crate) fn config(folder: &Path, name: &str) -> Config {
    Config {
        folder: folder.join("sandbox"),
        name: name.to_owned(),
        engine: engine(),
        accept_missing: Vec::new(),
        egress: None,
        shares: Vec::new(),
    }
}

pub(crate) fn cgroups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let below = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let groups = std::iter::once(root.to_owned()).chain(below).map(|path| path.join(format!("fungraph-{name}")));
    groups.filter(|path| path.exists()).collect()
}

/// A sandbox with our ends of its socket and its output.
pub(crate) struct Running {
    pub(crate) sandbox: Sandbox,
    pub(crate) socket: UnixStream,
    output: JoinHandle<String>,
}

impl Running {
    pub(crate) async fn finish(self) -> (String, Exit) {
        let exit = self.sandbox.exited().await;
        (self.output.await.expect("it is read"), exit)
    }

    /// Waits for one byte on its descriptor 3.
    pub(crate) async fn hello(&self) {
        let mut socket = self.socket.try_clone().expect("it is open");
        tokio::task::spawn_blocking(move || socket.read_exact(&mut [0]).expect("it says hello"))
            .await
            .expect("it is read");
    }
}

pub(crate) async fn try_launch(spawner: &Spawner, launch: Launch) -> Result<Running, Error> {
    let (socket, theirs) = UnixStream::pair().expect("a socket pair");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let sandbox = spawner.launch(launch, OwnedFd::from(theirs), OwnedFd::from(writer)).await?;
    let output = tokio::task::spawn_blocking(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).expect("it is read");
        String::from_utf8_lossy(&text).into_owned()
    });
    Ok(Running { sandbox, socket, output })
}

pub(crate) fn launch(id: &str, args: &[&str]) -> Launch {
    Launch {
        id: id.to_owned(),
        root: None,
        user: User::FUNCTION,
        binds: Vec::new(),
        late: None,
        mount_points: Vec::new(),
        links: Vec::new(),
        args: args.iter().map(|argument| (*argument).to_owned()).collect(),
        env: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())],
        cwd: "/opt/function".to_owned(),
        hostname: "function".to_owned(),
        limits: Limits {
            memory_bytes: 128 * MIB,
            cpu_millicores: 300,
            cpu_quota: false,
            pids: 1024,
            open_files: 2048,
            tmp_bytes: 512 * MIB,
        },
        network: Network::None,
    }
}

pub(crate) fn sh(id: &str, script: &str) -> Launch {
    launch(id, &["/bin/sh", "-c", script])
}

/// The Python of whoever runs the tests, wherever it lives.
pub(crate) fn python(id: &str, script: &str) -> Launch {
    let found = ask("python3", &["-c", "import os, sys; print(os.path.realpath(sys.executable), sys.base_prefix)"]);
    let (program, prefix) = found.split_once(' ').expect("two paths");
    let mut launch = launch(id, &[program, "-c", script]);
    launch.binds.push(Bind { source: prefix.into(), target: prefix.to_owned() });
    launch
}

pub(crate) fn node(id: &str, script: &str) -> Launch {
    let program = ask("node", &["-p", "process.execPath"]);
    let mut launch = launch(id, &[&program, "-e", script]);
    let prefix = Path::new(&program).parent().and_then(Path::parent).expect("bin has a parent");
    let prefix = if prefix.starts_with("/usr") { Path::new("/usr") } else { prefix };
    launch.binds.push(Bind { source: prefix.to_owned(), target: prefix.to_string_lossy().into_owned() });
    launch
}

pub(crate) fn ask(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("it is installed");
    assert!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
}

pub(crate) fn block_on<F: Future<Output = ()>>(test: F) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(120), test).await.expect("it ends within two minutes");
    });
}

/// Looks again until it is so; what is waited for has no way to tell.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

pub(crate) fn is_alive(pid: u32) -> bool {
    // A zombie is dead; whoever collects it is not our matter.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
