//! What a broken function does to itself, and to nobody else: the right outcome, no instance kept that cannot be trusted, and a
//! next call that is fine. Every case runs in Python and in Node.js, on one server for each, all at once.

mod stage;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use serde_json::json;

use crate::harness::wait_for;
use stage::{Function, Language, NODE, PYTHON, Stage, running};

type Case = (&'static str, fn(&Stage, &str));

const CASES: &[Case] = &[
    ("timeout", a_timeout_ends_everything_that_was_started),
    ("hog", too_much_memory_is_told_apart_from_a_crash),
    ("hog-child", a_child_out_of_memory_is_the_functions_to_deal_with),
    ("exit", an_exit_is_a_crash_with_its_code),
    ("signals", signals_that_kill_are_crashes),
    ("close", a_closed_socket_is_a_crash),
    ("garbage", garbage_on_the_socket_is_a_crash),
    ("forge", an_answer_to_no_call_is_a_crash),
    ("twice", a_second_answer_ends_the_instance),
    ("endless", endless_output_is_cut),
    ("endless-child", endless_output_of_a_child_is_cut),
    ("endless-line", a_line_without_end_is_cut),
    ("storm", a_storm_of_processes_is_held),
    ("fill", a_full_disk_is_told_and_goes_with_its_instance),
    ("linger", what_goes_on_after_the_answer_harms_nobody),
    ("left", a_call_whose_client_leaves_runs_to_its_end),
    ("orphans", orphans_do_not_pile_up),
    ("limits", memory_is_not_limited_by_address_space),
];

const NODE_CASES: &[Case] = &[
    ("callback", a_callback_counts_once),
    ("late", a_callback_after_the_deadline_is_too_late),
    ("heap", a_heap_without_end_runs_out_of_memory),
];

#[test]
fn python() {
    run(PYTHON, CASES);
}

#[test]
fn node() {
    run(NODE, &[CASES, NODE_CASES].concat());
}

/// Runs all cases beside one another: a function that misbehaves must not disturb the rest.
fn run(language: Language, cases: &[Case]) {
    let stage = Stage::set(language);
    let begun = stage.peak();
    let only = std::env::var("FAULT").unwrap_or_default();
    let failed: Vec<&str> = thread::scope(|scope| {
        let runs: Vec<_> = cases
            .iter()
            .filter(|(name, _)| name.contains(&only))
            .map(|(name, case)| {
                let stage = &stage;
                (name, scope.spawn(move || catch_unwind(AssertUnwindSafe(|| case(stage, name))).is_ok()))
            })
            .collect();
        runs.into_iter().filter_map(|(name, run)| (!run.join().unwrap_or(false)).then_some(*name)).collect()
    });
    assert!(failed.is_empty(), "{}: {failed:?}", language.runtime);
    // Of gigabytes that were printed.
    let grown = stage.peak().saturating_sub(begun) >> 20;
    assert!(grown < 32, "the server held {grown} MB more than at its start");
    assert!(!stage.server.log().contains("panicked"), "{}", stage.server.log());
    assert_eq!(stage.server.stop(), Some(0));
}

fn short(function: &mut serde_json::Value) {
    function["timeout"] = json!(3);
}

fn a_timeout_ends_everything_that_was_started(stage: &Stage, name: &str) {
    let function = stage.function(name, short);
    let mark = stage.mark();
    thread::scope(|scope| {
        let call = scope.spawn(|| function.fails(&json!({ "do": "tree", "mark": mark }), "4010", "timed out"));
        wait_for("a child, and one in a session of its own", || (running(&mark).len() == 2).then_some(()));
        call.join().expect("it fails as it should");
    });
    assert_eq!(running(&mark).len(), 0, "all are dead once the answer is there");
    function.is_fresh();
}

fn too_much_memory_is_told_apart_from_a_crash(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    function.fails(&json!({ "do": "hog" }), "4205", "memory limit exceeded");
    function.is_fresh();
}

/// The kernel kills the largest process: where that is a child, the function sees it and goes on. A crash later on is a crash.
fn a_child_out_of_memory_is_the_functions_to_deal_with(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    assert_eq!(function.returns(&json!({ "do": "hog_child" })), -9);
    function.is_the_same(1);
    function.fails(&json!({ "do": "leave" }), "4002", "exited with code 3");
    function.is_fresh();
}

fn an_exit_is_a_crash_with_its_code(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    function.fails(&json!({ "do": "leave" }), "4002", "exited with code 3");
    function.is_fresh();
}

fn signals_that_kill_are_crashes(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    for number in [9, 15, 11, 6] {
        let event = json!({ "do": "hurt", "signal": number });
        function.fails(&event, "4002", &format!("was ended by signal {number}"));
        function.is_fresh();
    }
    function.fails(&json!({ "do": "abort" }), "4002", "was ended by signal 6");
    function.is_fresh();
}

fn a_closed_socket_is_a_crash(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    function.fails(&json!({ "do": "close" }), "4002", "FunctionCrashed");
    function.is_fresh();
}

fn garbage_on_the_socket_is_a_crash(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    function.fails(&json!({ "do": "garbage" }), "4002", "broke the connection");
    function.is_fresh();
}

fn an_answer_to_no_call_is_a_crash(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    function.fails(&json!({ "do": "forge" }), "4002", "an answer to call 999, which is not running");
    function.is_fresh();
}

fn a_second_answer_ends_the_instance(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    assert_eq!(function.returns(&json!({ "do": "twice" })), "first");
    // The second one may be noticed only after the next call has reached the instance; that call is then a crash.
    let next = function.call(&json!({ "do": "count" }));
    if next.status == 200 {
        assert_eq!(next.text(), "1");
    } else {
        assert_eq!(next.header("x-func-err-code"), Some("4002"), "{}", next.text());
        function.is_fresh();
    }
}

fn endless_output_is_cut(stage: &Stage, name: &str) {
    let function = stage.function(name, short);
    function.fails(&json!({ "do": "endless" }), "4010", "timed out");
    told_what_was_left_out(&function);
}

fn endless_output_of_a_child_is_cut(stage: &Stage, name: &str) {
    let function = stage.function(name, short);
    function.fails(&json!({ "do": "endless_child" }), "4010", "timed out");
    told_what_was_left_out(&function);
}

fn a_line_without_end_is_cut(stage: &Stage, name: &str) {
    let function = stage.function(name, short);
    function.fails(&json!({ "do": "endless_line" }), "4010", "timed out");
    told_what_was_left_out(&function);
}

fn told_what_was_left_out(function: &Function<'_>) {
    function.is_fresh();
    // Written behind the answer.
    let logs = wait_for("the log", || Some(function.logs()).filter(|logs| logs.contains("Finish invoke request")));
    assert!(logs.contains("bytes of output are left out here"), "{} bytes of log without the note", logs.len());
    assert!(logs.len() < 3 << 20, "{} bytes of log", logs.len());
}

fn a_storm_of_processes_is_held(stage: &Stage, name: &str) {
    let function = stage.function(name, |body| body["memory_size"] = json!(1024));
    let other = stage.function(&format!("{name}-other"), |_| {});
    let storm = function.returns(&json!({ "do": "storm" }));
    let started = storm[0].as_u64().expect("a number of processes");
    assert!((100..1024).contains(&started), "{storm}");
    other.is_fresh();
    // Its own doing: the processes it started are still there, and the instance is as good as it left it.
    function.is_the_same(1);
}

fn a_full_disk_is_told_and_goes_with_its_instance(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    function.fails(&json!({ "do": "fill" }), "4207", "ENOSPC|No space left");
    function.is_fresh();
}

fn what_goes_on_after_the_answer_harms_nobody(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    assert_eq!(function.returns(&json!({ "do": "linger" })), 1);
    function.is_the_same(1);
    // What it printed between two calls is in front of the log of the next.
    wait_for("its lines in the log of a later call", || {
        function.returns(&json!({ "do": "count" }));
        let logs = function.logs();
        let last = logs.rsplit("--- ").next().unwrap_or_default();
        last.contains("beside beside").then_some(())
    });
}

fn a_call_whose_client_leaves_runs_to_its_end(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    function.is_fresh();
    let path = stage.client.functions(&format!("/{name}/invocations"));
    let request = stage.client.sign(stage.client.request("POST", &path, r#"{"do": "slowly"}"#));
    let mut stream = TcpStream::connect(request.host()).expect("the server listens");
    stream.write_all(&request.bytes()).expect("the server reads");
    stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).expect("a timeout");
    assert!(stream.read(&mut [0]).is_err(), "it is not answered yet");
    drop(stream);
    wait_for("the end of the call in the log", || {
        let logs = function.logs();
        (logs.contains("to the end") && logs.matches("Finish invoke request").count() == 2).then_some(())
    });
    function.is_the_same(2);
}

fn orphans_do_not_pile_up(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    // 1,120 of them, where the limit is 1,024 processes.
    assert_eq!(function.returns(&json!({ "do": "orphans", "times": 70 })), 1);
    function.is_the_same(1);
}

fn memory_is_not_limited_by_address_space(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    assert_eq!(function.returns(&json!({ "do": "limits" })), json!(["unlimited", "unlimited", "bytes"]));
}

fn a_callback_counts_once(stage: &Stage, name: &str) {
    let function = stage.function(name, |body| body["handler"] = json!("index.called"));
    assert_eq!(function.returns(&json!({ "do": "twice" })), "first");
    function.is_the_same(1);
}

fn a_callback_after_the_deadline_is_too_late(stage: &Stage, name: &str) {
    let function = stage.function(name, |body| {
        short(body);
        body["handler"] = json!("index.called");
    });
    function.fails(&json!({ "do": "late" }), "4010", "timed out");
    function.is_fresh();
}

fn a_heap_without_end_runs_out_of_memory(stage: &Stage, name: &str) {
    let function = stage.function(name, |_| {});
    function.fails(&json!({ "do": "heap" }), "4205", "memory limit exceeded");
    function.is_fresh();
}
