//! Latency that explains itself: a cold and a warm call, told apart by `why`, `/metrics` and `top`.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::harness::{Server, fungraph, open_folder, wait_for};
use crate::statistics::numbers;

const HELLO: &str = "def handler(event, context):\n    return 'hello'\n";
/// Phases that every call has which reaches its function. The shortest of them may be below a microsecond.
const ALWAYS: [&str; 6] = ["accept", "authenticate", "resolve", "wait", "run", "answer"];

fn call(server: &Server, name: &str) -> (u16, String) {
    call_with(server, name, "{}")
}

fn call_with(server: &Server, name: &str, event: &str) -> (u16, String) {
    let answer = server.request("POST", &server.invocations(name), &[], event);
    (answer.status, answer.header("x-cff-request-id").expect("every answer has one").to_owned())
}

/// Creates a function with more fields than [`Server::create`] has.
fn create(server: &Server, name: &str, code: &str, more: &Value) {
    let code = base64::engine::general_purpose::STANDARD.encode(code);
    let mut body = json!({
        "func_name": name, "package": "default", "runtime": "Python3.9", "handler": "index.handler", "timeout": 30,
        "memory_size": 128, "code_type": "inline", "func_code": { "file": code },
    });
    let fields = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(fields);
    let made = server.request("POST", &format!("/v2/{}/fgs/functions", server.project()), &[], &body.to_string());
    assert_eq!(made.status, 200, "{}", made.text());
}

/// Arguments of a server that starts every instance for a call.
fn no_blanks(folder: &Path) -> [String; 4] {
    let file = folder.join("fungraph.toml");
    std::fs::write(&file, "[pool]\nblanks_least = 0\nblanks_most = 0\n").expect("it is written");
    ["--auth", "off", "--config", &file.display().to_string()].map(str::to_owned)
}

/// What `why` says of a call, once its record is written.
fn why(data: &str, request: &str, more: &[&str]) -> Value {
    let args = [&["why", request, "--json", "--data-dir", data], more].concat();
    let out = wait_for("the record", || Some(fungraph(&args)).filter(|run| run.code == 0)).out;
    serde_json::from_str(&out).expect("JSON")
}

fn us(call: &Value, phase: &str) -> u64 {
    call["phases_us"][phase].as_u64().unwrap_or_else(|| panic!("no {phase} in {call}"))
}

/// The value of a line of `/metrics`.
fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

#[test]
fn a_cold_and_a_warm_call_are_explained() {
    let home = open_folder();
    let args = no_blanks(home.path());
    let server = Server::start_on(&home.path().join("data"), &args.each_ref().map(String::as_str));
    let data = server.data().display().to_string();
    server.create("hello", "Python3.9", HELLO);
    let before = std::time::Instant::now();
    let (status, cold) = call(&server, "hello");
    let took = before.elapsed();
    assert_eq!(status, 200);
    let (_, warm) = call(&server, "hello");

    let first = why(&data, &cold, &[]);
    assert_eq!((&first["start"], &first["outcome"], &first["number"]), (&"new".into(), &"returned".into(), &0.into()));
    assert!(us(&first, "start") > 0 && us(&first, "load") > 0, "{first}");
    let sum: u64 = first["phases_us"].as_object().expect("an object").values().filter_map(Value::as_u64).sum();
    assert_eq!(first["total_us"], sum);
    assert!(u128::from(sum) <= took.as_micros(), "{first} within {took:?}");

    let second = why(&data, &warm, &["--function", "hello"]);
    assert_eq!((&second["start"], us(&second, "start"), us(&second, "load")), (&"warm".into(), 0, 0));
    assert!(us(&second, "run") > 0 && us(&second, "answer") > 0, "{second}");

    let text = server.request("GET", "/metrics", &[], "").text();
    for (name, expected) in [
        ("fungraph_starts_total{kind=\"new\"}", 1.0),
        ("fungraph_starts_total{kind=\"warm\"}", 1.0),
        ("fungraph_invocations_total{end=\"returned\"}", 2.0),
        ("fungraph_instances{state=\"idle\"}", 1.0),
        ("fungraph_instances{state=\"busy\"}", 0.0),
        ("fungraph_instance_memory_bytes", f64::from(128 << 20)),
        ("fungraph_waiting_calls", 0.0),
        ("fungraph_waiting_functions", 0.0),
        ("fungraph_invocation_seconds_count{phase=\"start\"}", 1.0),
        ("fungraph_invocation_seconds_count{phase=\"load\"}", 1.0),
        ("fungraph_invocation_seconds_count{phase=\"initialize\"}", 0.0),
        ("fungraph_invocation_seconds_count{phase=\"total\"}", 2.0),
    ] {
        assert!((metric(&text, name) - expected).abs() < f64::EPSILON, "{name} is not {expected} in\n{text}");
    }
    for phase in ALWAYS {
        let count = metric(&text, &format!("fungraph_invocation_seconds_count{{phase=\"{phase}\"}}"));
        assert!((count - 2.0).abs() < f64::EPSILON, "{phase} in\n{text}");
    }
    let sum = metric(&text, "fungraph_invocation_seconds_sum{phase=\"total\"}");
    let both = first["total_us"].as_u64().zip(second["total_us"].as_u64()).map(|(one, two)| one + two);
    assert!((sum * 1e6 - both.expect("numbers") as f64).abs() < 1.0, "{sum} s of {both:?} us");

    let top = fungraph(&["top", "--once", "--data-dir", &data]);
    assert_eq!((top.code, top.err.as_str()), (0, ""));
    for line in [
        "instances   1 idle, 0 busy, 0 starting, 0 blank",
        "calls       2   returned 100.0 %",
        "starts      warm 50.0 %   blank 0.0 %   new 50.0 %",
        "default:hello ",
    ] {
        assert!(top.out.contains(line), "no {line:?} in\n{}", top.out);
    }
    assert_eq!(server.stop(), Some(0));
    assert!(fungraph(&["top", "--data-dir", &data]).err.contains("start it with `fungraph serve`"));
}

#[test]
fn a_call_that_found_a_blank_instance_says_so() {
    let server = Server::start(&["--auth", "off"]);
    let data = server.data().display().to_string();
    server.create("hello", "Python3.9", HELLO);
    let metrics = || server.request("GET", "/metrics", &[], "").text();
    wait_for("a blank instance", || (metric(&metrics(), "fungraph_instances{state=\"blank\"}") > 0.0).then_some(()));
    let (_, request) = call(&server, "hello");
    let found = why(&data, &request, &[]);
    assert_eq!(found["start"], "blank", "{found}");
    assert!((metric(&metrics(), "fungraph_starts_total{kind=\"blank\"}") - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_call_is_explained_in_words() {
    let home = open_folder();
    let data = home.path().join("data");
    let server = Server::start_on(&data, &["--auth", "off"]);
    server.create(
        "slow",
        "Python3.9",
        "import time\ndef handler(event, context):\n    time.sleep(event['s'])\n    1 / 0\n",
    );
    call_with(&server, "slow", r#"{"s": 0}"#);
    let (status, request) = call_with(&server, "slow", r#"{"s": 1}"#);
    assert_eq!(status, 500);
    assert_eq!(server.stop(), Some(0));

    let data = data.display().to_string();
    let run = fungraph(&["why", &request, "--data-dir", &data]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    for line in
        ["Call ", " of default:slow (latest), ", "\n  run ", "\n  start                  -\n", "####", "\n  total "]
    {
        assert!(run.out.contains(line), "no {line:?} in\n{}", run.out);
    }
    assert!(
        run.out.contains("Warm: its instance was loaded already. It failed (4002, its handler failed)"),
        "{}",
        run.out
    );
    assert!(run.out.contains(" % in the function itself: ") && !run.out.contains('\u{1b}'), "{}", run.out);

    let nobody = "6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10";
    let run = fungraph(&["why", nobody, "--data-dir", &data]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(
        run.err.contains("holds no record of the call 6f2c0c1e-") && run.err.contains("401, 403, 404"),
        "{}",
        run.err
    );
    let run = fungraph(&["why", &request, "--function", "other", "--data-dir", &data]);
    assert!(run.err.contains(" of default:other: it was of another function"), "{}", run.err);
    assert_eq!(fungraph(&["why", "nonsense", "--data-dir", &data]).code, 2);
    let run = fungraph(&["why", &request, "--data-dir", &home.path().join("none").display().to_string()]);
    assert!(run.code == 2 && run.err.contains("name it with --data-dir"), "{}", run.err);
}

#[test]
fn what_a_start_took_is_told_of_its_parts() {
    let home = open_folder();
    let args = no_blanks(home.path());
    let server = Server::start_on(&home.path().join("data"), &args.each_ref().map(String::as_str));
    let data = server.data().display().to_string();
    let code = "import time\ndef init(context):\n    time.sleep(0.05)\ndef handler(event, context):\n    return 1\n";
    create(&server, "initialized", code, &json!({ "initializer_handler": "index.init", "initializer_timeout": 9 }));
    let (status, request) = call(&server, "initialized");
    let found = why(&data, &request, &[]);
    assert_eq!((status, &found["start"]), (200, &"new".into()), "{found}");
    assert!(us(&found, "initialize") >= 50_000 && us(&found, "start") > 0 && us(&found, "run") > 0, "{found}");
    let (_, request) = call(&server, "initialized");
    assert_eq!(us(&why(&data, &request, &[]), "initialize"), 0);

    create(&server, "broken", "import time\ntime.sleep(0.05)\nimport what_is_not_there\n", &json!({}));
    let (status, request) = call(&server, "broken");
    let found = why(&data, &request, &[]);
    assert_eq!((status, &found["number"], &found["start"]), (500, &4001.into(), &"new".into()), "{found}");
    assert!(us(&found, "load") >= 50_000 && us(&found, "run") == 0, "{found}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_line_is_explained_by_the_function_s_limit() {
    let server = Server::start(&["--auth", "off"]);
    let data = server.data().display().to_string();
    let code = "import time\ndef handler(event, context):\n    time.sleep(0.2)\n";
    create(&server, "one", code, &json!({ "strategy_config": { "concurrency": 1, "concurrent_num": 1 } }));
    let requests: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..6).map(|_| scope.spawn(|| call(&server, "one").1)).collect();
        calls.into_iter().map(|one| one.join().expect("it is answered")).collect()
    });
    let found: Vec<Value> = requests.iter().map(|request| why(&data, request, &[])).collect();
    let waited =
        found.iter().find(|call| call["longest"] == "wait").expect("six at once have to wait for one instance");
    assert_eq!(
        (&waited["start"], &waited["line"]["instances"], &waited["line"]["most"]),
        (&"warm".into(), &1.into(), &1.into())
    );
    assert!(
        waited["advice"].as_str().unwrap_or_default().contains("the function's concurrency of 1 was used up"),
        "{waited}"
    );
    assert_eq!(found.iter().filter(|call| call["start"] != "warm").count(), 1, "one instance was started");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_refused_call_is_explained() {
    let server = Server::start(&["--auth", "off"]);
    let data = server.data().display().to_string();
    create(&server, "off", "x", &json!({ "strategy_config": { "concurrency": 0, "concurrent_num": 1 } }));
    let (status, request) = call(&server, "off");
    assert_eq!(status, 429);
    let found = why(&data, &request, &[]);
    assert_eq!(
        (&found["outcome"], &found["refused"], &found["start"]),
        (&"refused".into(), &"disabled".into(), &Value::Null)
    );
    assert!(found["advice"].as_str().unwrap_or_default().contains("strategy_config.concurrency"), "{found}");
    let logs = fungraph(&["logs", "off", "--data-dir", &data]).out;
    assert!(logs.contains(&format!("Refuse invoke request '{request}', version: latest: Function Disabled")), "{logs}");

    // A flood leaves few records, and no fewer counts.
    let flood = 40;
    for _ in 0..flood {
        assert_eq!(call(&server, "off").0, 429);
    }
    let text = server.request("GET", "/metrics", &[], "").text();
    assert!((metric(&text, "fungraph_invocations_total{end=\"refused\"}") - f64::from(flood + 1)).abs() < f64::EPSILON);
    let kept = || fungraph(&["logs", "off", "--data-dir", &data]).out.matches("Refuse invoke request").count();
    wait_for("a record of the flood", || (kept() > 1).then_some(()));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn top_gives_the_terminal_back() {
    let server = Server::start(&["--auth", "off"]);
    let top = format!("{} top --data-dir {}", env!("CARGO_BIN_EXE_fungraph"), server.data().display());
    // `script` is a terminal for the program that it runs.
    let mut terminal = Command::new("timeout")
        .args(["--signal=KILL", "120", "script", "--quiet", "--return", "--command", &top, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` of bsdutils runs");
    let (mut keys, mut screen) = (terminal.stdin.take().expect("piped"), terminal.stdout.take().expect("piped"));
    let (mut seen, mut piece) = (String::new(), [0; 4096]);
    let mut asked = false;
    while let Ok(count @ 1..) = screen.read(&mut piece) {
        seen += &String::from_utf8_lossy(&piece[..count]);
        // The second picture is the first of a second.
        if !asked && seen.contains("the last second, q ends") {
            keys.write_all(b"q").expect("it reads");
            asked = true;
        }
    }
    assert_eq!(terminal.wait().expect("it ends").code(), Some(0), "{seen}");
    let (enter, leave) = (seen.find("\x1b[?1049h"), seen.rfind("\x1b[?1049l"));
    assert!(enter.is_some() && leave > seen.rfind("fungraph top"), "{seen:?}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_report_is_signed_and_names_own_functions_only() {
    let server = Server::start(&[]);
    let path = format!("/fungraph/{}/report", server.project());
    assert_eq!(server.request("GET", &path, &[], "").status, 401);
    assert_eq!(server.request("GET", "/fungraph/report", &[], "").status, 404);
    let data = server.data().display().to_string();
    let top = fungraph(&["top", "--data-dir", &data]);
    assert_eq!((top.code, top.err.as_str()), (0, ""));
    assert!(top.out.starts_with(&format!("fungraph top   {}   up 0:00:", server.endpoint())), "{}", top.out);
    assert_eq!(server.stop(), Some(0));

    let server = Server::start(&["--auth", "off"]);
    assert_eq!(server.request("GET", "/fungraph/other/report", &[], "").status, 403);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_call_without_an_interpreter_is_counted_and_explained() {
    let home = open_folder();
    let (data, settings) = (home.path().join("data"), home.path().join("settings.toml"));
    let server = Server::start_on(&data, &["--auth", "off"]);
    // Nobody has this one any more: where names are not taken strictly, another one runs the function.
    server.create("old", "Node.js6.10", "exports.handler = async () => 1;\n");
    let alias = json!({ "name": "prod", "version": "latest" });
    assert_eq!(server.ask("POST", "/functions/old/aliases", &alias).status, 200);
    assert_eq!(server.stop(), Some(0));

    std::fs::write(&settings, "[runtimes]\nstrict = true\n").expect("it is written");
    let server = Server::start_on(&data, &["--auth", "off", "--config", &settings.display().to_string()]);
    let answer = server.request("POST", &server.invocations("old"), &[("X-Cff-Log-Type", "tail")], "{}");
    assert_eq!((answer.status, answer.header("x-cff-function-log").is_some()), (500, true), "{}", answer.text());
    let request = answer.header("x-cff-request-id").expect("every answer has one");
    let data = data.display().to_string();
    let found = why(&data, request, &[]);
    assert_eq!(
        (&found["outcome"], &found["number"], us(&found, "run")),
        (&"failed".into(), &6001.into(), 0),
        "{found}"
    );
    let log = fungraph(&["logs", "old", "--request", request, "--data-dir", &data]).out;
    assert!(log.contains("set runtimes.strict = false") && log.contains("(invoke Failed)"), "{log}");
    let metrics = server.request("GET", "/metrics", &[], "").text();
    assert!((metric(&metrics, "fungraph_invocations_total{end=\"failed\"}") - 1.0).abs() < f64::EPSILON, "{metrics}");

    let by_alias = format!("urn:fss:local:{}:function:default:old:%21prod", server.project());
    assert_eq!(server.request("POST", &server.invocations(&by_alias), &[], "{}").status, 500);
    let of = |name: &str| server.ask("GET", &format!("/functions/{name}/statistics/60"), &Value::Null);
    for (name, expected) in [("old", 2.0), (by_alias.as_str(), 1.0)] {
        let shown = of(name);
        let shown = numbers(&serde_json::from_slice(&shown.body).expect("JSON"));
        assert_eq!(shown, [expected, expected, 0.0, expected, 0.0], "{name}: the host has nothing to run it with");
    }
    assert_eq!(server.stop(), Some(0));
}
