//! Web servers that mean harm, or end badly: the server of the platform talks with them itself.

use std::{collections::HashSet, fs};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, Server, open_folder, wait_for};
use crate::raw::base64;

/// Does to each request what its path says, byte by byte where that is worse.
const SERVER: &str = r#"
import os, socket, threading, time

def serve(connection):
    while True:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return
            head += byte
        path = head.split()[1].decode()[1:]
        body = str(os.getpid()).encode()
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        if path == "garbage":
            connection.sendall(os.urandom(1 << 16))
        elif path == "slow":
            for byte in b"HTTP/1.1 200 OK\r\nx: " + b"x" * 1000:
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        elif path == "head":
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                connection.sendall(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 1000)
        elif path == "body":
            connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                connection.sendall((b"80\r\n" + b"x" * 128 + b"\r\n") * 1000)
        elif path == "interim":
            while True:
                connection.sendall(b"HTTP/1.1 100 \r\n\r\n" * 10000)
        elif path == "early":
            connection.sendall(answer[:-1])
        elif path == "twice":
            connection.sendall(answer + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong")
            continue
        elif path == "silent":
            time.sleep(60)
        elif path == "exit":
            os._exit(3)
        else:
            connection.sendall(answer)
            continue
        connection.close()
        return

def quietly(connection):
    try:
        serve(connection)
    except OSError:
        pass

listener = socket.create_server(("127.0.0.1", 8000))
while True:
    threading.Thread(target=quietly, args=(listener.accept()[0],), daemon=True).start()
"#;

/// Serves one connection until that is closed, and then the next.
const ONE_BY_ONE: &str = r#"
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

HTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"#;

struct Scene {
    server: Server,
    _home: TempDir,
}

impl Scene {
    /// Every process is an instance, and those that are idle stay.
    fn start() -> Self {
        let home = open_folder();
        let settings = home.path().join("settings.toml");
        fs::write(&settings, "[pool]\nblanks_least = 0\nblanks_most = 0\n[server]\nauth = false\n").expect("write");
        let server = Server::start_on(&home.path().join("data"), &["--config", &settings.display().to_string()]);
        Self { server, _home: home }
    }

    fn create(&self, name: &str, timeout: u32, concurrent_num: u32) {
        self.create_with(SERVER, name, timeout, concurrent_num);
    }

    fn create_with(&self, program: &str, name: &str, timeout: u32, concurrent_num: u32) {
        let bootstrap = "exec /opt/function/runtime/python3.9/rtsp/python/bin/python3 /opt/function/code/server.py\n";
        let package = crate::dependencies::zip(&[("bootstrap", bootstrap), ("server.py", program)]);
        let body = json!({
            "func_name": name, "package": "default", "runtime": "http", "handler": "bootstrap", "timeout": timeout,
            "memory_size": 128, "code_type": "zip", "func_code": { "file": base64(&package) },
            "strategy_config": { "concurrency": 1, "concurrent_num": concurrent_num },
        });
        let created = self.server.ask("POST", "/functions", &body);
        assert_eq!(created.status, 200, "{}", created.text());
    }

    fn call(&self, name: &str, path: &str) -> Answer {
        let event = json!({ "httpMethod": "GET", "path": format!("/{path}") }).to_string();
        self.server.request("POST", &self.server.invocations(name), &[], &event)
    }

    #[track_caller]
    fn fails(&self, name: &str, path: &str, number: &str, text: &str) {
        let answer = self.call(name, path);
        assert_eq!(answer.header("x-func-err-code"), Some(number), "{path}: {}", answer.text());
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
    }

    /// The process that answers.
    #[track_caller]
    fn process(&self, name: &str) -> String {
        let answer = self.call(name, "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let object: Value = serde_json::from_slice(&answer.body).expect("JSON");
        object["body"].as_str().expect("a body").to_owned()
    }

    fn foreign_sockets(&self) -> usize {
        foreign_sockets(self.server.pid())
    }
}

/// Sockets of the server in networks of others.
fn foreign_sockets(server: u32) -> usize {
    let nets = ["tcp", "tcp6", "udp", "udp6", "unix", "netlink", "packet", "raw", "icmp"];
    let tables = nets.iter().filter_map(|net| fs::read_to_string(format!("/proc/{server}/net/{net}")).ok());
    let own: HashSet<String> =
        tables.flat_map(|table| table.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let files = fs::read_dir(format!("/proc/{server}/fd")).expect("it runs").flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    let inode = |link: std::path::PathBuf| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    links.filter_map(inode).filter(|inode| !own.contains(inode)).count()
}

fn most_memory_mb(server: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{server}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") >> 10
}

#[test]
fn whatever_a_web_server_says_only_its_call_fails() {
    let scene = Scene::start();
    for (name, concurrent_num) in [("alone", 1), ("several", 2)] {
        scene.create(name, 60, concurrent_num);
        let first = scene.process(name);
        for (path, number, text) in [
            ("garbage", "4002", "broke off the request"),
            ("head", "4002", "headers of the function's answer are too large"),
            ("body", "4004", "exceeds the maximum allowed limit"),
            ("early", "4002", "broke off the request"),
        ] {
            scene.fails(name, path, number, text);
            assert_eq!(scene.process(name), first, "{path}: the instance goes on");
        }
        let twice = scene.call(name, "twice");
        assert_eq!(twice.status, 200, "{}", twice.text());
        assert_eq!(scene.process(name), first, "the second answer is nobody's");
        scene.fails(name, "exit", "4002", "exited with code 3 during the call");
        assert_ne!(scene.process(name), "", "another instance takes its place");
    }
    let most = most_memory_mb(scene.server.pid());
    assert!(most < 400, "the server took {most} MB");
    assert_eq!(scene.server.stop(), Some(0));
}

#[test]
fn calls_at_once_of_a_server_that_serves_one_connection_at_a_time_all_have_their_answers() {
    let scene = Scene::start();
    scene.create_with(ONE_BY_ONE, "one-by-one", 60, 3);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let answer = scene.call("one-by-one", "");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
    assert_eq!(scene.server.stop(), Some(0));
}

#[test]
fn a_web_server_that_never_comes_to_an_end_has_the_time_of_its_call() {
    let scene = Scene::start();
    scene.create("late", 3, 1);
    for path in ["slow", "interim", "silent"] {
        scene.fails("late", path, "4010", "limit of 3 seconds");
    }
    let most = most_memory_mb(scene.server.pid());
    assert!(most < 400, "the server took {most} MB");
    assert_eq!(scene.server.stop(), Some(0));
}

#[test]
fn nothing_is_left_open_into_the_network_of_an_instance_that_has_ended() {
    let scene = Scene::start();
    scene.create("late", 3, 1);
    for (path, number) in [("exit", "4002"), ("silent", "4010")] {
        scene.process("late");
        assert!(scene.foreign_sockets() > 0, "a connection is kept for the next call");
        scene.fails("late", path, number, "");
        wait_for("the end of its connections", || (scene.foreign_sockets() == 0).then_some(()));
    }
    assert_eq!(scene.server.stop(), Some(0));
}
