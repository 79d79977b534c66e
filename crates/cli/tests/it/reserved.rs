//! Reserved instances of the real binary: there before the first call, and whatever happens to them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Answer, Server, fungraph, open_folder, server_pid, wait_for};
use crate::raw::{base64, python};
use crate::samples::instances::interpreters;

/// Every process is an instance, and those that are not reserved leave soon.
const SETTINGS: &str = "[pool]\nidle_seconds = 1\nblanks_least = 0\nblanks_most = 0\n[server]\nauth = false\n";

pub(crate) fn code(word: &str) -> String {
    format!(
        "import time\nready = []\ndef init(context):\n    print('getting ready')\n    time.sleep(0.2)\n    ready.append(1)\n\
         def handler(event, context):\n    return '{word} %d' % len(ready)\n"
    )
}

/// A server without signatures and its functions.
pub(crate) struct Host {
    pub(crate) server: Server,
    pub(crate) functions: String,
}

impl Host {
    pub(crate) fn start(home: &Path) -> Self {
        let settings = home.join("settings.toml");
        fs::write(&settings, SETTINGS).expect("write");
        let server = Server::start_on(&home.join("data"), &["--config", &settings.display().to_string()]);
        let functions = format!("/v2/{}/fgs/functions", server.project());
        Self { server, functions }
    }

    #[track_caller]
    pub(crate) fn done(&self, method: &str, rest: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.server.request(method, &format!("{}{rest}", self.functions), &[], &body);
        assert_eq!(answer.status, 200, "{method} {rest}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    pub(crate) fn create(&self, name: &str, code: &str) {
        let mut body = python(name, code);
        body["initializer_handler"] = json!("index.init");
        body["initializer_timeout"] = json!(5);
        self.done("POST", "", &body);
    }

    pub(crate) fn reserve(&self, name: &str, count: u32) {
        let answer = self.done("PUT", &format!("/{name}/reservedinstances"), &json!({ "count": count }));
        assert_eq!(answer["count"], json!(count));
    }

    pub(crate) fn ready(&self) -> u64 {
        let list = self.done("GET", "/reservedinstances", &Value::Null);
        list["reservedinstances"].as_array().expect("a list").iter().filter_map(|entry| entry["count"].as_u64()).sum()
    }

    /// Waits until so many are ready and no others run but those; gives their processes.
    pub(crate) fn settled(&self, count: usize, without: &BTreeSet<u32>) -> BTreeSet<u32> {
        wait_for("the reserved instances being ready", || {
            let found = interpreters(&self.server);
            let settled = self.ready() == count as u64 && found.len() == count && found.is_disjoint(without);
            settled.then_some(found)
        })
    }

    pub(crate) fn call(&self, name: &str) -> Answer {
        let path = format!("{}/{name}/invocations", self.functions);
        self.server.request("POST", &path, &[("X-Cff-Log-Type", "tail")], "{}")
    }

    /// A call that nothing had to be started for.
    #[track_caller]
    pub(crate) fn warm_call(&self, name: &str, expected: &str) {
        let answer = self.call(name);
        assert_eq!((answer.status, answer.text().as_str()), (200, expected));
        let log = crate::raw::from_base64(answer.header("x-cff-function-log").expect("it was asked for"));
        let log = String::from_utf8_lossy(&log).into_owned();
        assert!(log.contains("Finish invoke") && !log.contains("initialize"), "{log}");
    }
}

#[test]
fn they_are_there_before_the_first_call_whatever_happens() {
    let home = open_folder();
    let host = Host::start(home.path());
    host.create("kept", &code("one"));
    host.reserve("kept", 2);
    let first = host.settled(2, &BTreeSet::new());
    host.warm_call("kept", "one 1");
    assert_eq!(host.settled(2, &BTreeSet::new()), first, "the call started none, and ended none");
    assert_eq!(host.server.stop(), Some(0));

    let host = Host::start(home.path());
    let second = host.settled(2, &BTreeSet::new());
    host.warm_call("kept", "one 1");

    let metrics = host.server.request("GET", "/metrics", &[], "").text();
    assert!(metrics.lines().any(|line| line == "fungraph_reserved_instances 2"), "{metrics}");

    let victim = *second.first().expect("there are two");
    kill_process(server_pid(victim), Signal::KILL).expect("it runs");
    let third = host.settled(2, &BTreeSet::from([victim]));
    assert_eq!(third.intersection(&second).count(), 1, "the other one stays");
    host.warm_call("kept", "one 1");

    let new = json!({ "code_type": "inline", "func_code": { "file": base64(code("two").as_bytes()) } });
    host.done("PUT", "/kept/code", &new);
    let fourth = host.settled(2, &third);
    host.warm_call("kept", "two 1");

    let config = json!({ "func_name": "kept", "runtime": "Python3.9", "handler": "index.handler", "timeout": 9, "memory_size": 256 });
    assert_eq!(host.done("PUT", "/kept/config", &config)["reserved_instance_count"], json!(2));
    host.settled(2, &fourth);
    host.warm_call("kept", "two 1");

    host.reserve("kept", 0);
    assert!(host.settled(0, &BTreeSet::new()).is_empty());
    assert_eq!(host.server.stop(), Some(0));
    let data = home.path().join("data").display().to_string();
    let log = fungraph(&["logs", "kept", "--data-dir", &data]).out;
    assert_eq!(log.matches("getting ready").count(), 2 + 2 + 1 + 2 + 2, "once for each instance:\n{log}");
}

#[test]
fn a_schedule_starts_them_and_a_deleted_function_has_none() {
    let home = open_folder();
    let host = Host::start(home.path());
    host.create("kept", &code("one"));
    let every_second = json!({ "count": 0, "tactics_config": { "cron_configs": [
        { "name": "now", "cron": "* * * * * ?", "count": 1, "start_time": 1, "expired_time": 4_102_444_800_u64 },
        { "name": "then", "cron": "* * * * * ?", "count": 9, "start_time": 1, "expired_time": 2 },
    ] } });
    host.done("PUT", "/kept/reservedinstances", &every_second);
    host.settled(1, &BTreeSet::new());
    host.warm_call("kept", "one 1");
    let by_load = json!({ "count": 0, "tactics_config": { "metric_configs": [
        { "name": "load", "type": "Concurrency", "threshold": 80, "min": 2 },
    ] } });
    host.done("PUT", "/kept/reservedinstances", &by_load);
    host.settled(2, &BTreeSet::new());
    let deleted = host.server.request("DELETE", &format!("{}/kept", host.functions), &[], "");
    assert_eq!(deleted.status, 204);
    host.settled(0, &BTreeSet::new());
    assert_eq!(host.done("GET", "/reservedinstanceconfigs", &Value::Null)["count"], json!(0));
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn an_initializer_that_keeps_failing_is_told_once_and_tried_again() {
    let home = open_folder();
    let host = Host::start(home.path());
    host.create(
        "broken",
        "def init(context):\n    raise ValueError('no database')\ndef handler(event, context):\n    pass\n",
    );
    host.reserve("broken", 1);
    wait_for("the first failure", || host.server.log().contains("failed to get ready").then_some(()));
    let answer = host.call("broken");
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(answer.text().contains("no database"), "{}", answer.text());
    assert_eq!(host.ready(), 0);
    let data = home.path().join("data").display().to_string();
    wait_for("three tries in the function's log", || {
        let log = fungraph(&["logs", "broken", "--data-dir", &data]).out;
        (log.matches("(initialize Failed)").count() >= 4).then_some(())
    });
    let log = host.server.log();
    assert_eq!(log.matches("failed to get ready").count(), 1, "{log}");
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_server_that_stops_does_not_wait_for_an_initializer_that_nobody_waits_for() {
    let home = open_folder();
    let host = Host::start(home.path());
    let slow = "import time\ndef init(context):\n    time.sleep(1000)\ndef handler(event, context):\n    pass\n";
    let mut body = python("slow", slow);
    body["initializer_handler"] = json!("index.init");
    body["initializer_timeout"] = json!(300);
    host.done("POST", "", &body);
    host.reserve("slow", 1);
    wait_for("the start of the instance", || Some(interpreters(&host.server)).filter(|found| !found.is_empty()));
    let (server, begun) = (host.server, std::time::Instant::now());
    assert_eq!(server.stop(), Some(0));
    assert!(begun.elapsed().as_secs() < 300, "it waited for the initializer");
    let data = home.path().join("data").display().to_string();
    let log = fungraph(&["logs", "slow", "--data-dir", &data]).out;
    assert!(!log.contains("Finish initialize"), "{log}");
}

#[test]
fn most_instances_have_an_operation_of_their_own() {
    let home = open_folder();
    let host = Host::start(home.path());
    host.create("limited", &code("one"));
    let answer = host.done("PUT", "/limited/config-max-instance", &json!({ "max_instance_num": 0 }));
    assert_eq!((&answer["func_name"], &answer["strategy_config"]["concurrency"]), (&json!("limited"), &json!(0)));
    assert_eq!(host.call("limited").status, 429);
    let answer = host.done("PUT", "/limited/config-max-instance", &json!({ "max_instance_num": "-1" }));
    assert_eq!(answer["strategy_config"], json!({ "concurrency": -1, "concurrent_num": 1 }));
    assert_eq!(host.call("limited").status, 200);
    assert_eq!(host.server.stop(), Some(0));
}
