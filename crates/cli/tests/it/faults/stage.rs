//! One server, and functions on it that misbehave when they are told to.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Answer, Server, fungraph};
use crate::raw::base64;
use crate::signed::Client;

/// A language and the same misdeeds in it.
#[derive(Clone, Copy)]
pub(super) struct Language {
    pub(super) runtime: &'static str,
    code: &'static str,
}

pub(super) const PYTHON: Language = Language { runtime: "Python3.9", code: include_str!("index.py") };
pub(super) const NODE: Language = Language { runtime: "Node.js20.15", code: include_str!("index.js") };

/// A server with one language.
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) client: Client,
    language: Language,
}

/// A function of its own for one test, with one instance at most: the next call gets the same one, or a fresh one.
pub(super) struct Function<'a> {
    stage: &'a Stage,
    pub(super) name: String,
}

impl Stage {
    pub(super) fn set(language: Language) -> Self {
        let server = Server::start(&[]);
        let client = Client::of(&server);
        Self { server, client, language }
    }

    pub(super) fn function(&self, name: &str, change: impl FnOnce(&mut Value)) -> Function<'_> {
        let mut body = json!({
            "func_name": name, "package": "default", "runtime": self.language.runtime, "handler": "index.handler",
            "timeout": 30, "memory_size": 128, "code_type": "inline",
            "func_code": { "file": base64(self.language.code.as_bytes()) }, "strategy_config": { "concurrency": 1 },
        });
        change(&mut body);
        self.client.done("POST", "", &body);
        Function { stage: self, name: name.to_owned() }
    }

    /// A word for command lines that no other test uses, made for `sleep`.
    pub(super) fn mark(&self) -> String {
        format!("{}.{}", 1_000_000 + self.server.pid(), self.server.spawner())
    }

    /// The most memory that the server has held so far, in bytes.
    pub(super) fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel writes it");
        line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).expect("a number") * 1024
    }
}

impl Function<'_> {
    pub(super) fn call(&self, event: &Value) -> Answer {
        let path = self.stage.client.functions(&format!("/{}/invocations", self.name));
        self.stage.client.call("POST", &path, &event.to_string())
    }

    /// A call that must return; its value.
    #[track_caller]
    pub(super) fn returns(&self, event: &Value) -> Value {
        let answer = self.call(event);
        assert_eq!(answer.status, 200, "{event}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap_or_else(|_| Value::from(answer.text()))
    }

    /// A call that must fail with this number, and say this, or what is behind the next bar.
    #[track_caller]
    pub(super) fn fails(&self, event: &Value, number: &str, word: &str) -> Answer {
        let answer = self.call(event);
        let seen = (answer.status, answer.header("x-func-err-code"));
        assert_eq!(seen, (500, Some(number)), "{event}: {}", answer.text());
        assert!(
            word.split('|').any(|word| answer.text().contains(word)),
            "{event}: {word:?} is not in {}",
            answer.text()
        );
        answer
    }

    /// The next call is fine, and in an instance that has served none before.
    #[track_caller]
    pub(super) fn is_fresh(&self) {
        assert_eq!(self.returns(&json!({ "do": "count" })), 1, "a fresh instance");
    }

    /// The next call is fine, and in the same instance, which has served so many before.
    #[track_caller]
    pub(super) fn is_the_same(&self, served: u64) {
        assert_eq!(self.returns(&json!({ "do": "count" })), served + 1, "the same instance");
    }

    /// All that its calls logged, as `fungraph logs` shows it.
    pub(super) fn logs(&self) -> String {
        fungraph(&["logs", "--data-dir", &self.stage.server.data().display().to_string(), &self.name]).out
    }
}

/// Processes of this host whose command line has this word in it.
pub(super) fn running(word: &str) -> BTreeSet<u32> {
    let processes = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let has = |process: &u32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).split('\0').any(|part| part == word)
    };
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(has).collect()
}
