//! Functions behind APIs: the gateway's side of a trigger, over real connections to real functions.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{Answer, Server, dechunk, fungraph, request, wait_for};
use crate::raw::base64;
use crate::signed::Client;

/// A web server with answers that take their time. `/sent` tells how much of the big answer it has got rid of.
const WEB: &str = r#"
import os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

go = threading.Event()
sent = 0

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()

    def text(self, text):
        data = text.encode()
        self.send_response(203)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        global sent
        path = self.path.split("/")[-1]
        if path == "two":
            self.chunked()
            self.chunk(b"one")
            go.wait()
            self.chunk(b"two")
            self.chunk(b"")
        elif path == "go":
            go.set()
            self.text("went")
        elif path == "big":
            self.chunked()
            for _ in range(64):
                self.chunk(b"x" * (1 << 20))
                sent += 1
            self.chunk(b"")
        elif path == "sent":
            self.text(str(sent))
        elif path == "breaks":
            self.chunked()
            self.chunk(b"half")
            self.close_connection = True
        elif path == "headers":
            self.text("\n".join("%s=%s" % pair for pair in self.headers.items()))
        else:
            self.text("%s %s" % (self.path, os.getpid()))

    def do_POST(self):
        self.text(self.path + " " + self.rfile.read(int(self.headers["content-length"])).decode())

    do_HEAD = do_GET

ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"#;

/// What an event function sees and answers.
const EVENTS: &str = r#"
import json, time

def handler(event, context):
    path = event["path"]
    if path.endswith("/raises"):
        raise ValueError("a secret of the function")
    if path.endswith("/slow"):
        time.sleep(3)
    if path.endswith("/cookies"):
        return {"statusCode": 200, "headers": {"Set-Cookie": ["a=1", "b=2"]}, "body": "two"}
    if path.endswith("/own"):
        return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://own.example"}, "body": ""}
    if path.endswith("/page"):
        return {"statusCode": 200, "headers": {"Content-Type": "text/html", "Content-Security-Policy": "img-src *"}, "body": "<p>"}
    if path.endswith("/text"):
        return "no answer"
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}
"#;

struct Scene {
    server: Server,
    client: Client,
}

impl Scene {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(args: &[&str]) -> Self {
        let server = Server::start(args);
        let client = Client::of(&server);
        Self { server, client }
    }

    /// An http function of one instance that takes several calls at once.
    fn web(&self) {
        self.web_of(60);
    }

    /// The same, with another time limit.
    fn web_of(&self, timeout: u32) {
        let bootstrap = "exec /opt/function/runtime/python3.9/rtsp/python/bin/python3 server.py\n";
        let package = zip(&[("bootstrap", bootstrap), ("server.py", WEB)]);
        let body = json!({
            "func_name": "web", "package": "default", "runtime": "http", "handler": "bootstrap", "timeout": timeout,
            "memory_size": 256, "code_type": "zip", "func_code": {"file": base64(&package)},
            "strategy_config": {"concurrency": 1, "concurrent_num": 20},
        });
        self.client.done("POST", "", &body);
    }

    fn events(&self) {
        let body = json!({
            "func_name": "events", "package": "default", "runtime": "Python3.9", "handler": "index.handler", "timeout": 10,
            "memory_size": 128, "code_type": "inline", "func_code": {"file": base64(EVENTS.as_bytes())},
        });
        self.client.done("POST", "", &body);
    }

    /// Puts a function behind an API; gives the path of its URL.
    fn api(&self, function: &str, change: &Value) -> String {
        let mut data = json!({
            "name": "api", "group_id": "0123456789abcdef", "env_id": "DEFAULT_ENVIRONMENT_RELEASE_ID", "env_name": "RELEASE",
            "auth": "NONE", "protocol": "HTTP", "path": "/", "req_method": "ANY", "match_mode": "SWA",
            "backend_type": "FUNCTION", "type": 1, "func_info": {"timeout": 60_000},
        });
        for (key, value) in change.as_object().expect("changes are an object") {
            data[key] = value.clone();
        }
        let body = json!({"trigger_type_code": "APIG", "event_data": data});
        let path = format!("/v2/{}/fgs/triggers/{function}", self.client.project);
        let answer = self.client.call("POST", &path, &body.to_string());
        assert_eq!(answer.status, 201, "{}", answer.text());
        let trigger: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let url = trigger["event_data"]["invoke_url"].as_str().expect("an API has its URL").to_owned();
        url.strip_prefix(&self.client.endpoint).expect("on our own listener").trim_end_matches('/').to_owned()
    }

    fn log(&self, function: &str) -> String {
        fungraph(&["logs", function, "--data-dir", &self.server.data().display().to_string()]).out
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[])
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        request(&self.client.endpoint, method, path, headers, "")
    }

    /// A connection on which a request was sent.
    fn open(&self, path: &str) -> TcpStream {
        let host = self.client.endpoint.strip_prefix("http://").expect("plain HTTP");
        let mut stream = TcpStream::connect(host).expect("the server listens");
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the server reads");
        stream
    }

    fn stop(self) {
        assert!(!self.server.log().contains("panicked"), "{}", self.server.log());
        assert_eq!(self.server.stop(), Some(0));
    }
}

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("in memory");
        zip.write_all(text.as_bytes()).expect("in memory");
    }
    zip.finish().expect("in memory").into_inner()
}

/// Reads until these bytes have come.
fn read_until(stream: &mut TcpStream, wanted: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    while !read.windows(wanted.len()).any(|window| window == wanted) {
        let length = stream.read(&mut buffer).expect("the server sends");
        assert!(length > 0, "the answer ended: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..length]);
    }
    read
}

fn read_to_end(stream: &mut TcpStream, mut read: Vec<u8>) -> Vec<u8> {
    stream.read_to_end(&mut read).expect("the server sends");
    read
}

fn body(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    &answer[end + 4..]
}

#[test]
fn a_web_servers_answer_is_sent_on_while_it_comes() {
    let scene = Scene::start();
    scene.web();
    let api = scene.api("web", &json!({}));
    let mut stream = scene.open(&format!("{api}/two"));
    let begun = read_until(&mut stream, b"one");
    assert!(String::from_utf8_lossy(&begun).to_lowercase().matches("set-cookie: ").count() == 2, "{begun:?}");
    // The function waits for this before it says the rest.
    let went = scene.get(&format!("{api}/go"));
    assert_eq!((went.status, went.text().as_str(), went.header("content-length")), (203, "went", Some("4")));
    let answer = read_to_end(&mut stream, begun);
    assert_eq!(dechunk(body(&answer)).as_deref(), Some(&b"onetwo"[..]));
    scene.stop();
}

#[test]
fn a_slow_client_slows_the_function_down_and_one_that_leaves_does_not_stop_it() {
    let scene = Scene::start();
    scene.web();
    let api = scene.api("web", &json!({}));
    let sent = || {
        let text = scene.get(&format!("{api}/sent")).text();
        text.parse::<usize>().unwrap_or_else(|_| panic!("no number: {text}; {}", scene.log("web")))
    };
    let mut stream = scene.open(&format!("{api}/big"));
    let begun = read_until(&mut stream, b"xxx");
    // Nobody reads: what is on its way fills up, and then the function waits.
    let mut same = 0;
    let mut last = 0;
    while same < 100 {
        let now = sent();
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
    }
    assert!(last < 48, "{last} of 64 MB went to a client that does not read");
    let answer = read_to_end(&mut stream, begun);
    assert_eq!(dechunk(body(&answer)).map(|body| body.len()), Some(64 << 20));
    // One leaves before the answer begins, if it ever reached the function, and one in the middle of it.
    drop(scene.open(&format!("{api}/big")));
    let mut left = scene.open(&format!("{api}/big"));
    read_until(&mut left, b"xxx");
    drop(left);
    wait_for("the end of the answer that nobody takes", || (sent() >= 128 && sent() % 64 == 0).then_some(()));
    scene.stop();
}

#[test]
fn a_client_that_does_not_read_keeps_no_call_beyond_its_time() {
    let scene = Scene::start();
    scene.web_of(3);
    let api = scene.api("web", &json!({}));
    let mut stream = scene.open(&format!("{api}/big"));
    read_until(&mut stream, b"xxx");
    // The connection stays open all the while.
    wait_for("the end of the call", || scene.log("web").contains("its limit of 3 seconds").then_some(()));
    assert_eq!(scene.get(&format!("{api}/x")).status, 203);
    let mut rest = Vec::new();
    let _end = stream.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"), "an answer that was cut off does not look whole");
    scene.stop();
}

#[test]
fn an_answer_that_breaks_off_is_seen_to_be_broken() {
    let scene = Scene::start();
    scene.web();
    let api = scene.api("web", &json!({}));
    let mut stream = scene.open(&format!("{api}/breaks"));
    let mut answer = Vec::new();
    // Reset or closed: either way without its last chunk.
    let _end = stream.read_to_end(&mut answer);
    assert_eq!(dechunk(body(&answer)), None, "{}", String::from_utf8_lossy(&answer));
    assert_eq!(scene.get(&format!("{api}/x")).status, 203, "the instance goes on");
    scene.stop();
}

#[test]
fn requests_reach_a_web_server_as_they_are() {
    let scene = Scene::start();
    scene.web();
    let api = scene.api("web", &json!({"path": "/shop"}));
    let sent = request(&scene.client.endpoint, "POST", &format!("{api}/a%20b/%2Fc?x=1&x=2"), &[], "čau");
    assert_eq!((sent.status, sent.text().as_str()), (203, "/shop/a%20b/%2Fc?x=1&x=2 čau"));
    let head = scene.send("HEAD", &format!("{api}/headers"), &[("X-Own", "mine"), ("X-CFF-Memory", "theirs")]);
    assert_eq!((head.status, head.body.len()), (203, 0));
    let headers = scene.send("GET", &format!("{api}/headers"), &[("X-Own", "mine"), ("X-CFF-Memory", "theirs")]).text();
    let headers = headers.to_lowercase();
    for line in ["x-own=mine", "x-cff-memory=256", "x-forwarded-for=127.0.0.1", "x-apig-source-stage=release"] {
        assert!(headers.contains(line), "{line}: {headers}");
    }
    scene.stop();
}

#[test]
fn an_event_function_gets_the_event_of_the_contract() {
    let scene = Scene::start();
    scene.events();
    let api = scene.api("events", &json!({"path": "/shop/{item}/parts", "req_method": "POST"}));
    let path = api.replace("{item}", "7");
    let answer =
        request(&scene.client.endpoint, "POST", &format!("{path}/x/y?q=1"), &[("Content-Type", "text/plain")], "hi");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{}", answer.text());
    let event: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(event["pathParameters"], json!({"item": "7", "": "x/y"}));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("aGk="), &json!(true)));
    assert_eq!((&event["path"], &event["httpMethod"]), (&json!("/shop/7/parts/x/y"), &json!("POST")));
    assert_eq!(event["queryStringParameters"], json!({"q": "1"}));
    assert_eq!(event["requestContext"]["requestId"], answer.header("x-request-id").unwrap_or_default());
    assert_eq!(scene.get(&path).status, 404, "another method is another API");
    assert_eq!(scene.send("POST", &path.replace("parts", "party"), &[]).status, 404);
    scene.stop();
}

#[test]
fn failures_tell_the_public_little_and_the_owner_all() {
    let scene = Scene::start();
    scene.events();
    let api = scene.api("events", &json!({"func_info": {"timeout": 1500}}));
    for (path, status, code) in [
        ("/raises", 500, "FSS.4002"),
        ("/text", 500, "FSS.1206"),
        ("/slow", 504, "APIG.0203"),
        ("/../nothing", 200, ""),
    ] {
        let answer = scene.get(&format!("{api}{path}"));
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        if status != 200 {
            let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!((&told["error_code"], told["error_msg"].is_string()), (&json!(code), true), "{told}");
        }
        assert!(!answer.text().contains("a secret of the function"));
    }
    let nothing = scene.get("/gateway/0123456789abcdef0/x");
    let told: Value = serde_json::from_slice(&nothing.body).expect("JSON");
    assert_eq!((nothing.status, &told["error_code"]), (404, &json!("APIG.0101")));
    assert_eq!(told["request_id"], nothing.header("x-request-id").unwrap_or_default());
    let cookies = scene.get(&format!("{api}/cookies"));
    assert_eq!(cookies.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
    scene.stop();
}

#[test]
fn an_api_with_iam_wants_a_proven_caller() {
    let scene = Scene::start();
    scene.events();
    let api = scene.api("events", &json!({"auth": "IAM"}));
    let stranger = scene.get(&format!("{api}/x"));
    assert_eq!(stranger.status, 401, "{}", stranger.text());
    let proven = scene.client.call("GET", &format!("{api}/x"), "");
    assert_eq!(proven.status, 200, "{}", proven.text());
    let event: Value = serde_json::from_slice(&proven.body).expect("JSON");
    assert_eq!(event["headers"]["authorization"], Value::Null, "proofs stay with us");
    let mut thief = scene.client.clone();
    thief.secret_key = "guessed".to_owned();
    assert_eq!(thief.call("GET", &format!("{api}/x"), "").status, 401);
    scene.stop();
}

#[test]
fn pages_of_other_sites_may_call_where_the_trigger_says_so() {
    let scene = Scene::start();
    scene.events();
    let closed = scene.api("events", &json!({"path": "/closed"}));
    let open = scene.api("events", &json!({"path": "/open", "name": "open", "cors": true, "auth": "NONE"}));
    let question = [
        ("Origin", "https://page.example"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "x-own"),
    ];
    let answer = scene.send("OPTIONS", &format!("{open}/x"), &question);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("*")), "{}", answer.text());
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-own"));
    let read = scene.send("GET", &format!("{open}/x"), &[("Origin", "https://page.example")]);
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, Some("*")));
    let failed = scene.get(&format!("{open}/raises"));
    assert_eq!((failed.status, failed.header("access-control-allow-origin")), (500, Some("*")), "a page sees it fail");
    let own = scene.get(&format!("{open}/own"));
    assert_eq!(own.header("access-control-allow-origin"), Some("https://own.example"));
    let answer = scene.send("OPTIONS", &format!("{closed}/x"), &question);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "the function is asked");
    scene.stop();
}

#[test]
fn a_page_of_a_function_has_no_part_in_the_origin_of_the_api() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("fungraph.toml");
    std::fs::write(&config, "[server]\napi_host = \"apis.test\"\n").expect("writes");
    let scene = Scene::start_with(&["--config", config.to_str().expect("UTF-8")]);
    scene.events();
    scene.web();
    let api = scene.api("events", &json!({"path": "/page"}));
    let web = scene.api("web", &json!({"path": "/web", "name": "web"}));
    let policies = |path: &str, host: &[(&str, &str)]| {
        let answer = scene.send("GET", path, host);
        let policies = answer.headers.into_iter().filter(|(name, _)| name == "content-security-policy");
        policies.map(|(_, policy)| policy).collect::<Vec<_>>()
    };
    let page = policies(&format!("{api}/page"), &[]);
    assert_eq!(page.len(), 2, "{page:?}");
    assert!(page[0] == "img-src *" && page[1].starts_with("sandbox ") && !page[1].contains("same-origin"), "{page:?}");
    assert!(
        matches!(&policies(&format!("{web}/sent"), &[])[..], [one] if one.starts_with("sandbox ")),
        "a stream, too"
    );
    // By the name that is for APIs alone they are as they come, and nothing else is there.
    let apis = [("Host", "apis.test:80")];
    assert_eq!(policies(&format!("{api}/page"), &apis), ["img-src *"]);
    for path in ["/healthz", "/metrics", "/openapi.json", "/v2/p/fgs/functions", "/v3/auth/tokens"] {
        assert_eq!(scene.send("GET", path, &apis).status, 404, "{path}");
    }
    scene.stop();
}

#[test]
fn an_api_that_does_not_wait_answers_with_the_id_of_its_call() {
    let scene = Scene::start();
    scene.events();
    let api = scene.api("events", &json!({"func_info": {"timeout": 60_000, "invocation_type": "async"}}));
    let answer = scene.get(&format!("{api}/raises"));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let accepted: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let call = accepted["request_id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.header("x-cff-request-id"), Some(call.as_str()));
    let list = scene.client.functions(&format!("/events/async-invocations?request_id={call}"));
    let ended = wait_for("the end of the call", || {
        let listed = scene.client.call("GET", &list, "");
        let listed: Value = serde_json::from_slice(&listed.body).expect("JSON");
        Some(listed["invocations"][0].clone()).filter(|call| call["status"] == "FAIL")
    });
    assert_eq!(ended["error_code"], 4002, "{ended}");
    wait_for("its log", || scene.log("events").contains(&call).then_some(()));

    let large = request(&scene.client.endpoint, "POST", &api, &[], "x".repeat(200_000));
    assert_eq!(large.status, 413, "{}", large.text());

    scene.web();
    let refused = scene.client.call("POST", &scene.client.functions("/web/invocations-async"), "{}");
    assert!(refused.status == 426 && refused.text().contains("FSS.0426"), "{} {}", refused.status, refused.text());
    scene.stop();
}
