//! A server of its own: fresh folder, free port, ended with the test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, open_folder, request, wait_for};

/// A running server. Dropping it kills it; [`Server::stop`] ends it in order.
pub(crate) struct Server {
    child: Child,
    spawner: u32,
    endpoint: String,
    data: PathBuf,
    log: PathBuf,
    /// Holds log and, unless the test brought its own, data; goes last.
    _home: TempDir,
}

impl Server {
    /// Starts a server on a free port and a fresh data folder, with more arguments, and waits for its ready line.
    pub(crate) fn start(args: &[&str]) -> Self {
        let home = open_folder();
        let data = home.path().join("data");
        Self::start_at(home, &data, args)
    }

    /// Starts a server on a data folder of the test's.
    pub(crate) fn start_on(data: &Path, args: &[&str]) -> Self {
        Self::start_at(open_folder(), data, args)
    }

    fn start_at(home: TempDir, data: &Path, args: &[&str]) -> Self {
        let log = home.path().join("stderr");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fungraph"));
        for name in ["FUNGRAPH_LISTEN", "FUNGRAPH_DATA_DIR", "FUNGRAPH_CONFIG", "FUNGRAPH_AUTH", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.arg("serve").arg("--data-dir").arg(data).args(args);
        if !args.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log).expect("a file for the log"));
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the standard output can be read");
        let Some(endpoint) = line.trim_end().strip_prefix("listening on ") else {
            let code = child.wait().expect("it ended").code();
            panic!("no ready line but {line:?}, code {code:?}:\n{}", fs::read_to_string(&log).unwrap_or_default());
        };
        let spawner = children(child.id()).into_iter().next().expect("a running server has a spawner");
        Self { endpoint: endpoint.to_owned(), data: data.to_path_buf(), log, child, spawner, _home: home }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Content of `credentials.json`.
    pub(crate) fn credentials(&self) -> Value {
        let text = fs::read(self.data.join("credentials.json")).expect("a server writes its credentials");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// The project of the credentials.
    pub(crate) fn project(&self) -> String {
        self.credentials()["project_id"].as_str().expect("a text").to_owned()
    }

    /// One plain request, unsigned.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        request(&self.endpoint, method, path, headers, body)
    }

    /// One request of its project, unsigned: `rest` comes behind `/fgs`, and a body of `null` is none.
    pub(crate) fn ask(&self, method: &str, rest: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.request(method, &format!("/v2/{}/fgs{rest}", self.project()), &[], &body)
    }

    /// Creates an inline function; the server runs with `--auth off`.
    pub(crate) fn create(&self, name: &str, runtime: &str, code: &str) {
        let path = format!("/v2/{}/fgs/functions", self.project());
        let code = base64(code.as_bytes());
        let body = serde_json::json!({
            "func_name": name, "package": "default", "runtime": runtime, "handler": "index.handler", "timeout": 30,
            "memory_size": 128, "code_type": "inline", "func_code": { "file": code },
        });
        let answer = self.request("POST", &path, &[], &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Path of a function's synchronous calls.
    pub(crate) fn invocations(&self, name: &str) -> String {
        format!("/v2/{}/fgs/functions/{name}/invocations", self.project())
    }

    /// What it wrote to its standard error so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The spawner's process id.
    pub(crate) fn spawner(&self) -> u32 {
        self.spawner
    }

    /// Waits until the spawner has started an instance.
    pub(crate) fn wait_for_instance(&self) {
        let spawner = self.spawner();
        wait_for("the start of an instance", || instance(spawner));
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid(self.pid()), signal).expect("it runs");
    }

    /// Waits for its end, and its spawner's, and gives its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        let code = self.child.wait().expect("it can be waited for").code();
        wait_for_end(self.spawner);
        code
    }

    /// Ends it in order and gives its exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            wait_for_end(self.spawner);
        }
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- log of the server\n{}", self.log());
        }
    }
}

/// A process id for rustix.
pub(crate) fn pid(number: u32) -> Pid {
    Pid::from_raw(number.cast_signed()).expect("no process has the id 0")
}

/// Waits until a process that is not ours to wait for is gone: a spawner cleans up after its server's end.
pub(crate) fn wait_for_end(process: u32) {
    // Dead is enough: whoever has to collect it may take its time.
    let is_dead = || fs::read_to_string(format!("/proc/{process}/stat")).map_or(true, |stat| stat.contains(") Z "));
    wait_for("the end of the spawner", || is_dead().then_some(()));
}

/// A process below a spawner that has a function's code already: its call is under way.
pub(crate) fn instance(spawner: u32) -> Option<u32> {
    instances(spawner).into_iter().find(|process| has_code(*process))
}

/// Processes that run a bootstrap, each below an init of its own.
pub(crate) fn instances(spawner: u32) -> Vec<u32> {
    let runs = |child: &u32| {
        fs::read(format!("/proc/{child}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains("bootstrap"))
    };
    children(spawner).into_iter().flat_map(children).filter(runs).collect()
}

/// Whether a process has ended and its sockets are closed. It is no longer among [`instances`] a moment before that: memory, and
/// with it the command line, goes first.
pub(crate) fn is_over(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The state follows the name, which may hold anything.
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Whether a sandboxed process is an instance of a function: a blank one has an empty folder where the code is.
pub(crate) fn has_code(process: u32) -> bool {
    let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
    mounts.lines().filter(|line| line.contains(" /opt/function/code ")).count() > 1
}

/// Processes that a process started and that still run.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// Base64 as RFC 4648 has it, for code in requests.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
