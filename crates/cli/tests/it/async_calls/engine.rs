//! What the queue promises beyond a single call: nothing is lost, nobody stands in another's way, and nothing runs that must not.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use super::{CODE, Host};
use crate::harness::{Server, open_folder, server_pid, wait_for};
use crate::raw::base64;

/// Settings of a server beside a data folder.
fn start_with(home: &Path, settings: &str) -> Host {
    let file = home.join("settings.toml");
    fs::write(&file, settings).expect("a settings file");
    let arguments = ["--auth", "off", "--config", &file.display().to_string()];
    Host { server: Server::start_on(&home.join("data"), &arguments) }
}

impl Host {
    /// Creates a function with other fields than the usual ones.
    fn create(&self, name: &str, fields: &Value) {
        let mut body = json!({
            "func_name": name, "package": "default", "runtime": "Python3.9", "handler": "index.handler", "timeout": 30,
            "memory_size": 128, "code_type": "inline", "func_code": { "file": base64(CODE.as_bytes()) },
        });
        let (body, fields) = (body.as_object_mut().expect("an object"), fields.as_object().expect("an object"));
        body.extend(fields.clone());
        let answer = self.functions("POST", "", &Value::Object(body.clone()));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    fn functions(&self, method: &str, rest: &str, body: &Value) -> crate::harness::Answer {
        let path = format!("/v2/{}/fgs/functions{rest}", self.server.project());
        self.server.request(method, &path, &[], &body.to_string())
    }

    /// Puts so many calls into a function's queue.
    fn flood(&self, function: &str, count: usize, event: &Value) {
        for _ in 0..count {
            let answer = self.functions("POST", &format!("/{function}/invocations-async"), event);
            assert_eq!(answer.status, 202, "{}", answer.text());
        }
    }

    /// Puts a call into the queue without a command of its own, and gives its id.
    fn queue_quickly(&self) -> String {
        let answer = self.functions("POST", "/job/invocations-async", &json!({}));
        let accepted: Value = serde_json::from_slice(&answer.body).expect("JSON");
        accepted["request_id"].as_str().expect("an id").to_owned()
    }

    fn counts(&self, function: &str) -> Value {
        let path = format!("/fungraph/{}/functions/{function}/async", self.server.project());
        let answer = self.server.request("GET", &path, &[], "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// Waits until nothing of a function waits or runs, and gives its numbers.
    fn drained(&self, function: &str) -> Value {
        wait_for(&format!("the end of all calls of {function}"), || {
            let counts = self.counts(function);
            (counts["waiting"] == 0 && counts["running"] == 0).then_some(counts)
        })
    }
}

#[test]
fn a_server_that_is_killed_runs_what_it_had_accepted() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start_on(&data);
    host.server.create("job", "Python3.9", CODE);
    // It would outlast any test, were it not stopped below.
    let runs = host.queue("job", &json!({ "name": "running", "sleep": 28 }));
    host.wait_for_status(&runs, "RUNNING");
    let waits: Vec<String> = (0..20).map(|number| host.queue("job", &json!({ "name": number }))).collect();
    drop(host);

    let host = Host::start_on(&data);
    assert!(host.server.log().contains("asynchronous calls ran when an earlier server ended"), "{}", host.server.log());
    for call in &waits {
        host.wait_for_status(call, "SUCCESS");
    }
    let again = host.wait_for_status(&runs, "RUNNING");
    assert_eq!(again["request_id"], runs);
    host.done(&["async", "cancel", "job", &runs]);
    let ended = host.wait_for_status(&runs, "FAIL");
    assert_eq!((&ended["begun"], &ended["error_code"]), (&2.into(), &4208.into()), "{ended}");
    let counts = host.drained("job");
    assert_eq!((&counts["succeeded"], &counts["failed"]), (&20.into(), &1.into()), "{counts}");
    host.stop();
}

#[test]
fn a_call_that_was_cancelled_while_it_ran_does_not_run_again_though_its_server_is_killed_before_its_end() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start_on(&data);
    host.server.create("job", "Python3.9", CODE);
    host.set(&json!({ "max_async_retry_attempts": 3 }));
    let call = host.queue("job", &json!({ "sleep": 28 }));
    host.wait_for_status(&call, "RUNNING");
    // Nobody is there to end its instance: the client has its answer before the call has its end.
    let spawner = server_pid(host.server.spawner());
    kill_process(spawner, Signal::STOP).expect("it runs");
    let cancelled = host.run(&["async", "cancel", "job", &call]);
    let shown = host.run(&["async", "show", "job", &call]);
    host.server.signal(Signal::KILL);
    kill_process(spawner, Signal::CONT).expect("it is there");
    assert_eq!(cancelled.code, 0, "{}", cancelled.err);
    assert!(shown.out.contains("RUNNING"), "{}", shown.out);
    drop(host);

    let host = Host::start_on(&data);
    let shown = host.wait_for_status(&call, "FAIL");
    assert_eq!((&shown["begun"], &shown["error_code"]), (&1.into(), &4208.into()), "{shown}");
    assert_eq!(shown["error_message"], "function invocation canceled");
    assert!(!host.server.log().contains("they run again"), "{}", host.server.log());
    let counts = host.drained("job");
    assert_eq!((&counts["succeeded"], &counts["failed"]), (&0.into(), &1.into()), "{counts}");
    host.stop();
}

/// Asks for something and does not wait for the answer.
fn ask_and_leave(host: &Host, path: &str, body: &Value) {
    let address = host.server.endpoint().strip_prefix("http://").expect("an endpoint");
    let (path, body) = (path.replace("PROJECT", &host.server.project()), body.to_string());
    let mut stream = TcpStream::connect(address).expect("connects");
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).expect("sent");
}

#[test]
fn who_cancels_or_purges_and_leaves_before_the_answer_leaves_no_call_in_limbo() {
    let host = Host::start();
    host.server.create("job", "Python3.9", CODE);
    host.done(&["async", "pause", "job"]);
    for _ in 0..100 {
        let call = host.queue_quickly();
        ask_and_leave(&host, "/v2/PROJECT/fgs/functions/job/cancel", &json!({ "request_id": call, "type": "force" }));
    }
    for _ in 0..50 {
        host.queue_quickly();
        ask_and_leave(&host, "/fungraph/PROJECT/functions/job/async/purge", &json!({}));
    }
    host.done(&["async", "resume", "job"]);
    let counts = host.drained("job");
    // A cancel may come to its turn only when its call runs.
    let ended: u64 = ["succeeded", "failed", "discarded"].iter().filter_map(|end| counts[end].as_u64()).sum();
    assert_eq!(ended, 150, "{counts}");
    host.stop();
}

#[test]
fn a_call_never_runs_what_got_the_name_of_its_version_later() {
    let host = Host::start();
    host.server.create("job", "Python3.9", CODE);
    let ask = |method: &str, rest: &str, body: &Value, expected: u16| {
        let answer = host.server.ask(method, &format!("/functions/job{rest}"), body);
        assert_eq!(answer.status, expected, "{method} {rest}: {}", answer.text());
    };
    ask("POST", "/versions", &json!({ "version": "v1" }), 200);
    host.done(&["async", "pause", "job"]);
    let call = host.queue("job:v1", &json!({ "name": "old" }));
    let of_latest = host.queue("job", &json!({ "name": "latest" }));
    let version = format!("/functions/{}:default:job:v1", host.server.project());
    assert_eq!(host.server.ask("DELETE", &version, &Value::Null).status, 204);
    let code = base64(b"def handler(event, context):\n    print('new code')\n");
    ask("PUT", "/code", &json!({ "code_type": "inline", "func_code": { "file": code } }), 200);
    ask("POST", "/versions", &json!({ "version": "v1" }), 200);
    let shown = host.wait_for_status(&call, "DISCARD");
    assert_eq!((&shown["error_code"], &shown["begun"]), (&150_424.into(), &0.into()), "{shown}");
    assert!(shown["error_message"].as_str().is_some_and(|text| text.contains("version of the function was deleted")));
    let next = host.queue("job:v1", &json!({ "name": "next" }));
    host.done(&["async", "resume", "job"]);
    for call in [&next, &of_latest] {
        host.wait_for_status(call, "SUCCESS");
    }
    host.stop();
}

#[test]
fn a_call_that_got_too_old_while_it_ran_and_no_server_was_there_says_so() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start_on(&data);
    host.server.create("job", "Python3.9", CODE);
    let call = host.queue("job", &json!({ "sleep": 28 }));
    // That it runs is known before it is on disk.
    wait_for("its begin on disk", || (host.show(&call)["begun"] == 1).then_some(()));
    drop(host);
    // Two hours go by.
    let later = format!(
        "import sqlite3\nwith sqlite3.connect({:?}) as db:\n    \
         assert db.execute('UPDATE waiting SET accepted = accepted - 7200000000').rowcount == 1\n",
        data.join("queue.db")
    );
    let done = std::process::Command::new("python3").args(["-c", &later]).output().expect("python runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let host = Host::start_on(&data);
    let shown = host.wait_for_status(&call, "DISCARD");
    assert_eq!((&shown["begun"], &shown["error_code"]), (&1.into(), &150_430.into()), "{shown}");
    let message = shown["error_message"].as_str().expect("a text");
    assert!(message.ends_with("before it could run again. The server ended while it ran"), "{message}");
    host.stop();
}

#[test]
fn a_running_call_that_outlasts_the_end_of_its_server_runs_again_and_is_no_failure() {
    let home = open_folder();
    let host = start_with(home.path(), "[server]\ndrain_seconds = 1\n");
    host.server.create("job", "Python3.9", CODE);
    host.set(&json!({ "max_async_retry_attempts": 0 }));
    let call = host.queue("job", &json!({ "sleep": 28 }));
    host.wait_for_status(&call, "RUNNING");
    host.stop();

    let host = start_with(home.path(), "");
    let shown = host.wait_for_status(&call, "RUNNING");
    assert_eq!(shown["error_code"], 0, "{shown}");
    host.done(&["async", "cancel", "job", &call]);
    host.wait_for_status(&call, "FAIL");
    host.stop();
}

#[test]
fn a_call_that_ends_while_the_server_leaves_has_ended() {
    let home = open_folder();
    let host = Host::start_on(&home.path().join("data"));
    host.server.create("job", "Python3.9", CODE);
    let call = host.queue("job", &json!({ "sleep": 1 }));
    host.wait_for_status(&call, "RUNNING");
    host.stop();
    let host = Host::start_on(&home.path().join("data"));
    let shown = host.show(&call);
    assert_eq!((&shown["status"], &shown["begun"]), (&"SUCCESS".into(), &1.into()), "{shown}");
    host.stop();
}

#[test]
fn a_flood_of_one_function_does_not_delay_the_call_of_another_nor_its_own_callers() {
    let home = open_folder();
    // No more than one call of the flood may stand in line: the other place is for callers.
    let host = start_with(home.path(), "[pool]\nqueue_per_function = 2\n");
    let alone = json!({ "strategy_config": { "concurrency": 1, "concurrent_num": 1 } });
    host.create("job", &alone);
    host.create("flood", &alone);
    host.flood("flood", 200, &json!({ "sleep": 0.2 }));
    let call = host.queue("job", &json!({}));
    host.wait_for_status(&call, "SUCCESS");
    let waiting = host.counts("flood")["waiting"].as_u64().expect("a number");
    assert!(waiting > 0, "the other function's call was over before the flood was");

    let answer = host.functions("POST", "/flood/invocations", &json!({}));
    assert_eq!((answer.status, answer.text().as_str()), (200, "done"), "a caller who waits is not turned away");
    let flood = host.counts("flood");
    assert_eq!((&flood["failed"], &flood["discarded"]), (&0.into(), &0.into()), "{flood}");
    assert!(flood["waiting"].as_u64() > Some(0), "{flood}");
    let thrown_away = host.done(&["async", "purge", "flood"]);
    let ended = host.drained("flood");
    assert_eq!(ended["discarded"].as_u64(), thrown_away.parse().ok(), "{ended}");
    assert_eq!(ended["failed"], 0, "{ended}");
    host.stop();
}

#[test]
fn more_calls_than_may_wait_are_refused_until_there_is_room() {
    let home = open_folder();
    let host = start_with(home.path(), "[async]\nwaiting_per_function = 3\n");
    host.server.create("job", "Python3.9", CODE);
    host.done(&["async", "pause", "job"]);
    host.flood("job", 3, &json!({}));
    let refused = host.functions("POST", "/job/invocations-async", &json!({}));
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("FSS.0429") && refused.text().contains("async.waiting_per_function"));
    assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    host.done(&["async", "resume", "job"]);
    assert_eq!(host.drained("job")["succeeded"], 3);
    host.flood("job", 1, &json!({}));
    assert_eq!(host.drained("job")["succeeded"], 4);
    host.stop();
}

#[test]
fn what_is_too_old_is_thrown_away_at_once_whether_its_function_is_busy_or_paused() {
    let host = Host::start();
    let alone = json!({ "strategy_config": { "concurrency": 1, "concurrent_num": 1 } });
    host.create("job", &alone);
    host.server.create("other", "Python3.9", CODE);
    let runs = host.queue("job", &json!({ "sleep": 28 }));
    host.wait_for_status(&runs, "RUNNING");
    // More than are in memory at once.
    host.flood("job", 400, &json!({}));
    host.set(&json!({ "max_async_event_age_in_seconds": 1 }));
    let discarded = |count: u64| {
        wait_for("the end of what is too old", || {
            Some(host.counts("job")).filter(|counts| counts["discarded"] == count)
        })
    };
    let counts = discarded(400);
    assert_eq!((&counts["waiting"], &counts["running"]), (&0.into(), &1.into()), "{counts}");
    host.done(&["async", "pause", "job"]);
    host.flood("job", 400, &json!({}));
    discarded(800);
    host.flood("other", 1, &json!({}));
    assert_eq!(host.drained("other")["succeeded"], 1);
    host.done(&["async", "cancel", "job", &runs]);
    host.wait_for_status(&runs, "FAIL");
    host.done(&["async", "resume", "job"]);
    host.set(&json!({ "max_async_event_age_in_seconds": 600 }));
    let call = host.queue("job", &json!({}));
    host.wait_for_status(&call, "SUCCESS");
    host.stop();
}

#[test]
fn a_deleted_function_takes_its_calls_along_and_leaves_none_to_the_next_of_its_name() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start_on(&data);
    host.server.create("job", "Python3.9", CODE);
    host.done(&["async", "pause", "job"]);
    host.flood("job", 3, &json!({}));
    assert_eq!(host.functions("DELETE", "/job", &json!({})).status, 204);
    host.server.create("job", "Python3.9", CODE);
    let counts = host.counts("job");
    assert_eq!((&counts["waiting"], &counts["discarded"], &counts["paused"]), (&0.into(), &0.into(), &false.into()));
    let call = host.queue("job", &json!({}));
    assert_eq!(host.wait_for_status(&call, "SUCCESS")["begun"], 1);
    host.stop();
    let host = Host::start_on(&data);
    assert_eq!(host.counts("job")["succeeded"], 1);
    host.stop();
}

#[test]
fn a_deleted_version_takes_its_calls_along_and_says_so() {
    let host = Host::start();
    host.server.create("job", "Python3.9", CODE);
    let published = host.functions("POST", "/job/versions", &json!({ "version": "v1" }));
    assert_eq!(published.status, 200, "{}", published.text());
    host.done(&["async", "pause", "job"]);
    let v1 = format!("{}:default:job:v1", host.server.project());
    let call = host.queue(&v1, &json!({}));
    assert_eq!(host.functions("DELETE", &format!("/{v1}"), &json!({})).status, 204);
    host.done(&["async", "resume", "job"]);
    let shown = host.wait_for_status(&call, "DISCARD");
    assert_eq!((&shown["error_code"], &shown["version"]), (&150_424.into(), &"v1".into()), "{shown}");
    host.stop();
}

#[test]
fn a_call_runs_as_long_as_its_function_may_and_the_version_that_was_asked_for() {
    let home = open_folder();
    let host = start_with(home.path(), "[limits]\nsync_seconds = 1\n");
    host.server.create("job", "Python3.9", CODE);
    assert_eq!(host.functions("POST", "/job/versions", &json!({ "version": "v1" })).status, 200);
    let other = json!({ "code_type": "inline", "func_code": { "file": base64(b"def handler(e, c):\n    raise KeyError('new')\n") } });
    assert_eq!(host.functions("PUT", "/job/code", &other).status, 200);
    let v1 = format!("{}:default:job:v1", host.server.project());
    let long = host.queue(&v1, &json!({ "sleep": 2 }));
    let shown = host.wait_for_status(&long, "SUCCESS");
    assert_eq!((&shown["version"], &shown["qualifier"]), (&"v1".into(), &"v1".into()), "{shown}");
    let new = host.queue("job", &json!({}));
    assert_eq!(host.wait_for_status(&new, "FAIL")["error_code"], 4002);
    host.stop();
}

#[test]
fn a_function_that_bears_several_calls_gets_several() {
    let host = Host::start();
    // Each waits until another one of them runs at the same time.
    let code = "import os, time\nMARKS = '/tmp/marks'\nos.makedirs(MARKS, exist_ok=True)\n\
                def handler(event, context):\n    open(f\"{MARKS}/{event['n']}\", 'w').close()\n    \
                while len(os.listdir(MARKS)) < 2:\n        time.sleep(0.01)\n    return 'met'\n";
    let fields = json!({
        "func_code": { "file": base64(code.as_bytes()) }, "strategy_config": { "concurrency": 1, "concurrent_num": 2 },
    });
    host.create("job", &fields);
    for number in 0..2 {
        host.flood("job", 1, &json!({ "n": number }));
    }
    assert_eq!(host.drained("job")["succeeded"], 2);
    host.stop();
}

#[test]
fn a_program_of_its_own_is_told_that_nobody_waits() {
    let host = Host::start();
    let bootstrap = "#!/bin/bash\napi=\"http://$RUNTIME_API_ADDR/v1/runtime/invocation\"\nwhile true; do\n  \
                     curl -sS -D /tmp/head -o /tmp/event \"$api/request\"\n  \
                     id=$(sed -n 's/^X-Cff-Request-Id: *//Ip' /tmp/head | tr -d '\\r')\n  [ -n \"$id\" ] || continue\n  \
                     kind=$(sed -n 's/^X-Cff-Invoke-Type: *//Ip' /tmp/head | tr -d '\\r')\n  echo \"called $kind\"\n  \
                     curl -sS -o /dev/null -d \"$kind\" \"$api/response/$id\"\ndone\n";
    let fields =
        json!({ "runtime": "Custom", "handler": "bootstrap", "func_code": { "file": base64(bootstrap.as_bytes()) } });
    host.create("job", &fields);
    let call = host.queue("job", &json!({}));
    host.wait_for_status(&call, "SUCCESS");
    assert!(host.log(&call).contains("called async"));
    assert_eq!(host.functions("POST", "/job/invocations", &json!({})).text(), "sync");
    host.stop();
}
