//! Programs of the user's own as the platform has them: how they end, what they find, and what is refused before they start.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Server, children, fungraph, open_folder, wait_for};
use crate::raw::base64;
use crate::reserved::Host;

/// Answers events with what `answer` prints; `setup` comes before.
fn looping(setup: &str, answer: &str) -> String {
    format!(
        "#!/bin/bash\napi=\"http://$RUNTIME_API_ADDR/v1/runtime/invocation\"\n{setup}\nwhile true; do\n  \
         curl -sS -D /tmp/head -o /tmp/event \"$api/request\" & wait $!\n  \
         id=$(sed -n 's/^X-Cff-Request-Id: *//p' /tmp/head | tr -d '\\r')\n  [ -n \"$id\" ] || continue\n  \
         curl -sS -o /dev/null -d \"$({answer})\" \"$api/response/$id\"\ndone\n"
    )
}

fn custom(name: &str, bootstrap: &str) -> Value {
    json!({
        "func_name": name, "package": "default", "runtime": "Custom", "handler": "bootstrap", "timeout": 10,
        "memory_size": 128, "code_type": "inline", "func_code": { "file": base64(bootstrap.as_bytes()) },
    })
}

fn log(home: &std::path::Path, name: &str) -> String {
    fungraph(&["logs", name, "--data-dir", &home.join("data").display().to_string()]).out
}

/// Programs that were started with these words.
fn running(words: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).replace('\0', " ").trim_end() == words).count()
}

#[test]
fn a_program_is_asked_to_end_and_what_it_says_then_is_kept() {
    let home = open_folder();
    let host = Host::start(home.path());
    host.done("POST", "", &custom("polite", &looping("trap 'echo goodbye; exit' TERM", "echo hello")));
    assert_eq!(host.call("polite").text(), "hello");
    wait_for("the end of the idle instance", || log(home.path(), "polite").contains("goodbye").then_some(()));
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_program_that_does_not_end_is_ended_with_all_it_started() {
    let home = open_folder();
    let host = Host::start(home.path());
    let bootstrap = looping("trap 'echo not yet' TERM; (trap '' TERM; exec sleep 86390) &", "echo hello");
    host.done("POST", "", &custom("stubborn", &bootstrap));
    assert_eq!((host.call("stubborn").text().as_str(), running("sleep 86390")), ("hello", 1));
    wait_for("the end of what it started", || (running("sleep 86390") == 0).then_some(()));
    wait_for("what it said", || log(home.path(), "stubborn").contains("not yet").then_some(()));
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn reserved_programs_are_there_before_the_first_call() {
    let home = open_folder();
    let host = Host::start(home.path());
    host.done("POST", "", &custom("kept", &looping("echo up", "echo $RUNTIME_FUNC_NAME")));
    host.done("PUT", "/kept/reservedinstances", &json!({ "count": 1 }));
    wait_for("the reserved instance", || {
        let list = host.done("GET", "/reservedinstances", &Value::Null);
        (list["reservedinstances"][0]["count"] == 1).then_some(())
    });
    assert_eq!(host.call("kept").text(), "kept");
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn interpreters_stand_where_the_service_has_them() {
    let home = open_folder();
    let host = Host::start(home.path());
    let names = "cd /opt/function/runtime && for place in */rtsp/*/bin/*; do echo \"$place $($place --version | tr '\\n' ' ')\"; done";
    host.done("POST", "", &custom("look", &looping("", names)));
    let answer = host.call("look");
    let text = answer.text();
    for (place, version) in [
        ("nodejs6.10/rtsp/nodejs/bin/node", "v"),
        ("nodejs18.15/rtsp/nodejs/bin/node", "v"),
        ("python3.6/rtsp/python/bin/python3", "Python 3."),
        ("python3.12/rtsp/python/bin/python3", "Python 3."),
    ] {
        assert!(text.contains(&format!("{place} {version}")), "{place}: {text}");
    }
    assert!(!text.contains("python2.7/"), "nothing stands in for Python 2: {text}");
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn an_http_function_in_the_hosts_network_is_refused_while_its_port_is_taken() {
    let home = open_folder();
    let settings = home.path().join("settings.toml");
    fs::write(&settings, "[sandbox]\nnetwork = \"host\"\n[server]\nauth = false\n").expect("write");
    // Another test may have it already, which does as well.
    let _taken = std::net::TcpListener::bind("127.0.0.1:8000");
    let server = Server::start(&["--config", &settings.display().to_string()]);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("bootstrap", zip::write::SimpleFileOptions::default()).expect("in memory");
    let package = zip.finish().expect("in memory").into_inner();
    let mut body = custom("web", "");
    (body["runtime"], body["code_type"]) = (json!("http"), json!("zip"));
    body["func_code"]["file"] = json!(base64(&package));
    let created = server.request("POST", &format!("/v2/{}/fgs/functions", server.project()), &[], &body.to_string());
    assert_eq!(created.status, 200, "{}", created.text());
    let event = r#"{"httpMethod": "GET", "path": "/"}"#;
    let answer = server.request("POST", &server.invocations("web"), &[], event);
    assert_eq!((answer.status, answer.header("x-func-err-code")), (500, Some("4201")), "{}", answer.text());
    assert!(answer.text().contains("port 8000 is taken before the function is started"), "{}", answer.text());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_cannot_be_created_says_why() {
    let home = open_folder();
    let host = Host::start(home.path());
    for (runtime, code_type, status, expected) in [
        ("http", "inline", 400, "inline does not fit the runtime http"),
        ("Go1.x", "inline", 400, "inline does not fit the runtime Go1.x"),
        ("Go1.8", "zip", 501, "create it with the runtime Go1.x"),
    ] {
        let mut body = custom("refused", "#!/bin/sh\n");
        (body["runtime"], body["code_type"]) = (json!(runtime), json!(code_type));
        let answer = host.server.request("POST", &host.functions, &[], &body.to_string());
        assert_eq!(answer.status, status, "{runtime} {code_type}: {}", answer.text());
        assert!(answer.text().contains(expected), "{runtime} {code_type}: {}", answer.text());
    }
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let home = open_folder();
    let host = Host::start(home.path());
    host.done("POST", "", &custom("leaves", "#!/bin/sh\nsleep 86389 &\nexit 7\n"));
    let answer = host.call("leaves");
    assert!(answer.text().contains("bootstrap exited with code 7 before it asked for an event"), "{}", answer.text());
    wait_for("the end of what it started", || (running("sleep 86389") == 0).then_some(()));
    wait_for("an empty house", || children(host.server.spawner()).is_empty().then_some(()));
    wait_for("its log", || log(home.path(), "leaves").contains("exited with code 7").then_some(()));
    assert_eq!(host.server.stop(), Some(0));
}

/// Each instance takes one event, answers it and ends: whoever stands in line is handed one that is ending.
#[test]
fn a_call_that_finds_a_program_on_its_way_out_goes_to_another_instance() {
    let home = open_folder();
    let host = Host::start(home.path());
    let once = looping("", "echo once").replace("done\n", "exit 0\ndone\n");
    let mut body = custom("once", &once);
    body["strategy_config"] = json!({ "concurrency": 1 });
    host.done("POST", "", &body);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| host.call("once"))).collect();
        for call in calls {
            let answer = call.join().expect("no panic");
            assert_eq!((answer.status, answer.text().as_str()), (200, "once"), "{}", answer.text());
        }
    });
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn answers_of_an_http_server_with_500_count_as_failed() {
    let home = open_folder();
    let host = Host::start(home.path());
    let server = "import http.server\nclass H(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        \
        self.send_response(int(self.path[1:])); self.end_headers()\nhttp.server.HTTPServer(('127.0.0.1', 8000), H).serve_forever()\n";
    let bootstrap = "exec /opt/function/runtime/python3.9/rtsp/python/bin/python3 /opt/function/code/server.py\n";
    let package = crate::dependencies::zip(&[("bootstrap", bootstrap), ("server.py", server)]);
    let mut body = custom("web", "");
    (body["runtime"], body["code_type"]) = (json!("http"), json!("zip"));
    body["func_code"]["file"] = json!(base64(&package));
    host.done("POST", "", &body);
    let count = |end: &str| {
        let text = host.server.request("GET", "/metrics", &[], "").text();
        let line = format!("fungraph_invocations_total{{end=\"{end}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok()).unwrap_or_default()
    };
    for (status, returned, failed) in [(200, 1, 0), (404, 2, 0), (500, 2, 1), (503, 2, 2)] {
        let event = format!(r#"{{"httpMethod": "GET", "path": "/{status}"}}"#);
        let answer = host.server.request("POST", &host.server.invocations("web"), &[], &event);
        assert!(
            answer.status == 200 && answer.text().contains(&format!("\"statusCode\":{status}")),
            "{}",
            answer.text()
        );
        wait_for("the counters", || ((count("returned"), count("failed")) == (returned, failed)).then_some(()));
    }
    assert_eq!(host.server.stop(), Some(0));
}
