//! Asynchronous calls of the real binary, from the terminal: put into the queue, run, tried again, held, stopped, kept over a restart.

mod engine;

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Run, Server, fungraph, open_folder, wait_for};

/// A function that does as its event says.
const CODE: &str = "import time\ndef handler(event, context):\n    print('seen', event.get('name'))\n    \
    if event.get('raise'):\n        raise ValueError('no luck\\x1b[2J\\nat all')\n    \
    time.sleep(event.get('sleep', 0))\n    return 'done'\n";

/// A server without signatures, and its commands.
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

    fn run(&self, args: &[&str]) -> Run {
        fungraph(&[args, &["--data-dir", &self.server.data().display().to_string()]].concat())
    }

    /// What a command prints that does what it is asked.
    #[track_caller]
    fn done(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.err);
        run.out.trim_end().to_owned()
    }

    /// Puts a call into the queue and gives its id.
    #[track_caller]
    fn queue(&self, function: &str, event: &Value) -> String {
        self.done(&["invoke", function, "--async", "--data", &event.to_string()])
    }

    fn show(&self, call: &str) -> Value {
        let shown = self.done(&["async", "show", "job", call, "--json"]);
        serde_json::from_str(&shown).expect("JSON")
    }

    /// Waits for a state of a call, and gives all that is known of it then.
    fn wait_for_status(&self, call: &str, status: &str) -> Value {
        wait_for(&format!("{status} of {call}"), || Some(self.show(call)).filter(|shown| shown["status"] == status))
    }

    fn list(&self, more: &[&str]) -> Value {
        let listed = self.done(&[&["async", "list", "job", "--json"], more].concat());
        serde_json::from_str(&listed).expect("JSON")
    }

    fn log(&self, call: &str) -> String {
        wait_for(&format!("the log of {call}"), || {
            let run = self.run(&["logs", "job", "--request", call]);
            (run.code == 0 && run.out.contains("Finish invoke request")).then_some(run.out)
        })
    }

    fn set(&self, settings: &Value) {
        let path = format!("/v2/{}/fgs/functions/job/async-invoke-config", self.server.project());
        let answer = self.server.request("PUT", &path, &[], &settings.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    fn stop(self) {
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
        assert_eq!(self.server.stop(), Some(0));
    }
}

#[test]
fn a_call_runs_after_its_answer_and_leaves_its_log_and_its_record() {
    let host = Host::start();
    host.server.create("job", "Python3.9", CODE);
    let call = host.queue("job", &json!({ "name": "Ada" }));
    let shown = host.wait_for_status(&call, "SUCCESS");
    assert_eq!(
        (&shown["request_id"], &shown["begun"], &shown["error_code"]),
        (&call.clone().into(), &1.into(), &0.into())
    );
    assert!(host.log(&call).contains("seen Ada"), "{}", host.log(&call));

    let run = host.run(&["async", "list", "job"]);
    assert_eq!(run.err, "job: 0 wait, 0 run; ended so far: 1 SUCCESS, 0 FAIL, 0 DISCARD\n");
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[0].starts_with("REQUEST ID ") && lines[1].starts_with(&format!("{call}  SUCCESS  ")), "{}", run.out);
    let run = host.run(&["async", "list", "job", "--status", "FAIL"]);
    assert!(run.out.is_empty() && run.err.contains("no calls in the state FAIL since 1h ago"), "{}", run.err);
    let text = host.done(&["async", "show", "job", &call]);
    assert!(text.starts_with(&format!("request     {call}\nstatus      SUCCESS\nversion     latest\n")), "{text}");
    host.stop();
}

#[test]
fn a_failed_call_is_tried_again_as_often_as_was_set_and_says_why() {
    let host = Host::start();
    host.server.create("job", "Python3.9", CODE);
    let once = host.queue("job", &json!({ "raise": true }));
    let shown = host.wait_for_status(&once, "FAIL");
    assert_eq!((&shown["begun"], &shown["error_code"]), (&1.into(), &4002.into()), "without settings: {shown}");

    host.set(&json!({ "max_async_retry_attempts": 1 }));
    let twice = host.queue("job", &json!({ "raise": true }));
    let shown = host.wait_for_status(&twice, "FAIL");
    assert_eq!((&shown["begun"], &shown["error_code"]), (&2.into(), &4002.into()), "{shown}");
    assert!(shown["error_message"].as_str().is_some_and(|text| text.contains("no luck")), "{shown}");
    for shown in [host.done(&["async", "list", "job"]), host.done(&["async", "show", "job", &twice])] {
        assert!(shown.contains("no luck") && !shown.contains('\u{1b}'), "{shown:?}");
    }
    let refused = host.run(&["async", "retry", "job", &twice]);
    assert!(refused.code == 1 && refused.err.contains("record_events"), "its event was not recorded: {}", refused.err);
    host.stop();
}

#[test]
fn a_paused_function_keeps_what_comes_over_a_restart() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host::start_on(&data);
    host.server.create("job", "Python3.9", CODE);
    host.done(&["async", "pause", "job"]);
    let calls: Vec<String> = (0..3).map(|number| host.queue("job", &json!({ "name": number }))).collect();
    host.stop();

    let host = Host::start_on(&data);
    let listed = host.list(&["--active"]);
    assert_eq!((&listed["counts"]["waiting"], &listed["counts"]["paused"]), (&3.into(), &true.into()), "{listed}");
    let found: Vec<&str> = listed["invocations"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|call| call["request_id"].as_str())
        .collect();
    assert_eq!(found, calls);
    assert!(host.run(&["async", "list", "job"]).err.contains("paused (fungraph async resume job)"));

    host.done(&["async", "resume", "job"]);
    for (number, call) in calls.iter().enumerate() {
        assert_eq!(host.wait_for_status(call, "SUCCESS")["begun"], 1);
        assert!(host.log(call).contains(&format!("seen {number}")));
    }
    let listed = host.list(&[]);
    assert_eq!((&listed["counts"]["succeeded"], &listed["counts"]["paused"]), (&3.into(), &false.into()), "{listed}");
    host.stop();
}

#[test]
fn calls_are_thrown_away_while_they_wait_and_stopped_while_they_run() {
    let host = Host::start();
    host.server.create("job", "Python3.9", CODE);
    let runs = host.queue("job", &json!({ "sleep": 25 }));
    host.wait_for_status(&runs, "RUNNING");
    host.done(&["async", "pause", "job"]);
    let waits: Vec<String> = (0..3).map(|_| host.queue("job", &json!({}))).collect();

    host.done(&["async", "cancel", "job", &waits[0]]);
    assert_eq!(host.show(&waits[0])["status"], "DISCARD");
    assert_eq!(host.done(&["async", "purge", "job"]), "2");
    for call in &waits {
        let shown = host.show(call);
        assert_eq!((&shown["status"], &shown["begun"]), (&"DISCARD".into(), &0.into()), "{shown}");
    }
    assert_eq!(host.show(&runs)["status"], "RUNNING", "what runs is left alone");
    host.done(&["async", "cancel", "job", &runs]);
    let shown = host.wait_for_status(&runs, "FAIL");
    assert_eq!(shown["error_code"], 4208, "{shown}");
    let counts = host.list(&[])["counts"].take();
    assert_eq!((&counts["failed"], &counts["discarded"], &counts["waiting"]), (&1.into(), &3.into(), &0.into()));
    host.stop();
}

#[test]
fn a_call_that_waits_longer_than_it_may_is_thrown_away() {
    let host = Host::start();
    host.server.create("job", "Python3.9", CODE);
    host.set(&json!({ "max_async_event_age_in_seconds": 1 }));
    host.done(&["async", "pause", "job"]);
    let call = host.queue("job", &json!({}));
    let shown = host.wait_for_status(&call, "DISCARD");
    assert_eq!(shown["begun"], 0, "{shown}");
    host.stop();
}

#[test]
fn commands_say_what_is_wrong() {
    let host = Host::start();
    host.server.create("job", "Python3.9", CODE);
    let nobody = host.run(&["invoke", "nobody", "--async"]);
    assert!(nobody.code == 1 && nobody.err.ends_with("(404 FSS.0404)\n") && nobody.out.is_empty(), "{}", nobody.err);
    let unknown = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    for (args, code, part) in [
        (&["async", "list", "nobody"][..], 1, "(404 FSS.1051)"),
        (&["async", "list", "job", "--status", "DONE"], 1, "must be one of WAIT, RUNNING"),
        (&["async", "list", "job", "--since", "1w"], 2, "it looks like 90s, 30m, 12h or 7d"),
        (&["async", "show", "job", "7"], 1, "36 characters of a UUID"),
        (&["async", "show", "job", unknown], 1, "(400 FSS.0400)"),
        (&["async", "cancel", "job", unknown], 1, "(400 FSS.0400)"),
        (&["async", "retry", "job", unknown], 1, "(400 FSS.0400)"),
        (&["async", "pause", "nobody"], 1, "(404 FSS.1051)"),
        (&["async", "purge", "nobody"], 1, "(404 FSS.1051)"),
        (&["invoke", "./job", "--async"], 2, "--async is for functions of a server"),
        (&["invoke", "job", "--async", "--tail"], 2, "cannot be used with"),
    ] {
        let run = host.run(args);
        assert!(run.code == code && run.err.contains(part), "{args:?}: {} {}", run.code, run.err);
    }
    host.stop();
}
