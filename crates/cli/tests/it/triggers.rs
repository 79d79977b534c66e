//! Triggers of the real binary: what is set, what fires, and what happens to it meanwhile.

mod kinds;
mod timers;

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Answer, Server, fungraph, wait_for};

/// A function that prints its event.
const PRINTS: &str = "import json\ndef handler(event, context):\n    print('event ' + json.dumps(event))\n";

/// A server without signatures, and its triggers.
struct Host {
    server: Server,
}

impl Host {
    fn start() -> Self {
        Self { server: Server::start(&["--auth", "off"]) }
    }

    /// On a data folder of the test's.
    fn start_on(data: &Path) -> Self {
        Self { server: Server::start_on(data, &["--auth", "off"]) }
    }

    fn send(&self, method: &str, rest: &str, body: &Value) -> Answer {
        self.server.ask(method, &format!("/triggers{rest}"), body)
    }

    #[track_caller]
    fn done(&self, status: u16, method: &str, rest: &str, body: &Value) -> Value {
        let answer = self.send(method, rest, body);
        assert_eq!(answer.status, status, "{method} {rest}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// The status and code of a refusal; its text holds the word.
    #[track_caller]
    fn refused(&self, status: u16, code: &str, word: &str, method: &str, rest: &str, body: &Value) {
        let answer = self.send(method, rest, body);
        let text = answer.text();
        assert_eq!(answer.status, status, "{text}");
        assert!(text.contains(&format!("\"{code}\"")) && text.contains(word), "{text} lacks {code} or {word:?}");
    }

    /// Creates a timer, and gives the end of its path.
    #[track_caller]
    fn timer(&self, function: &str, name: &str, kind: &str, schedule: &str) -> String {
        let data = json!({ "name": name, "schedule_type": kind, "schedule": schedule, "user_event": "{\"a\": \"ž\"}" });
        let created = self.done(
            201,
            "POST",
            &format!("/{function}"),
            &json!({ "trigger_type_code": "TIMER", "event_data": data }),
        );
        format!("/{function}/TIMER/{}", created["trigger_id"].as_str().expect("an id"))
    }

    /// The full log of a function.
    fn log(&self, function: &str) -> String {
        fungraph(&["logs", function, "--data-dir", &self.server.data().display().to_string()]).out
    }

    /// The events that a function printed, of one timer.
    fn events(&self, function: &str, timer: &str) -> Vec<Value> {
        let log = self.log(function);
        let events = log.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("event ")?).ok());
        events.filter(|event: &Value| event["trigger_name"] == timer).collect()
    }

    /// Waits for more events of a timer than there are.
    fn wait_for_more(&self, function: &str, timer: &str, more: usize) -> Vec<Value> {
        let before = self.events(function, timer).len();
        wait_for("more events", || Some(self.events(function, timer)).filter(|events| events.len() >= before + more))
    }
}
