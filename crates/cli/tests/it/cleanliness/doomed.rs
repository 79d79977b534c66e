//! A server that will be killed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::harness::{children, server_pid};
use crate::signed::Client;

pub(super) struct Doomed {
    child: Child,
    log: NamedTempFile,
    calls: Vec<JoinHandle<()>>,
}

impl Doomed {
    /// Starts it in a process group of its own, and waits for nothing.
    pub(super) fn start(data: &Path) -> Self {
        let log = NamedTempFile::new().expect("a file for the log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fungraph"));
        for name in ["FUNGRAPH_LISTEN", "FUNGRAPH_DATA_DIR", "FUNGRAPH_CONFIG", "FUNGRAPH_AUTH", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).process_group(0);
        let errors = File::create(log.path()).expect("it is there");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        Self { child: command.spawn().expect("the binary starts"), log, calls: Vec::new() }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it serves; its address.
    pub(super) fn ready(&mut self, when: &str) -> String {
        let mut line = String::new();
        let output = self.child.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it can be read");
        let address = line.trim_end().strip_prefix("listening on ");
        address.unwrap_or_else(|| panic!("{when}: no ready line but {line:?}:\n{}", self.log())).to_owned()
    }

    /// A call in the background whose end is nobody's concern.
    pub(super) fn besiege(&mut self, client: &Client, name: &str) {
        let path = client.functions(&format!("/{name}/invocations"));
        let request = client.sign(client.request("POST", &path, &Value::Null.to_string()));
        self.calls.push(thread::spawn(move || request.send_and_forget()));
    }

    pub(super) fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _gone = kill_process(server_pid(self.child.id()), signal);
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// Kills the spawner, the server, or both in either order, and waits for the server's end.
    pub(super) fn kill(mut self, how: usize, when: &str) {
        let spawner = children(self.child.id()).into_iter().next();
        let kill_spawner = || {
            if let Some(spawner) = spawner {
                let _gone = kill_process(server_pid(spawner), Signal::KILL);
            }
        };
        match (how, spawner) {
            (0, Some(_)) => kill_spawner(),
            (1, _) => {
                kill_spawner();
                self.signal(Signal::KILL);
            }
            (2, _) => {
                self.signal(Signal::KILL);
                kill_spawner();
            }
            _ => self.signal(Signal::KILL),
        }
        let ended = self.child.wait().expect("it can be waited for");
        // Killed, or lost its spawner, or stopped before that, or found no spawner at its start.
        assert!(!self.log().contains("panicked"), "{when}: {ended}\n{}", self.log());
        for call in self.calls {
            call.join().expect("a call that is cut off is no panic");
        }
    }
}
