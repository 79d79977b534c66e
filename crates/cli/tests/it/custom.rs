//! A Custom function that means harm: what it can do to the server which it asks for its events.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, open_folder, wait_for};
use crate::raw::base64;
use crate::reserved::Host;

/// Does what the event names before it answers it.
const BOOTSTRAP: &str = r#"#!/opt/function/runtime/python3.9/rtsp/python/bin/python3
import json, os, socket, urllib.error, urllib.request
host, port = os.environ['RUNTIME_API_ADDR'].split(':')
BASE = f'http://{host}:{port}/v1/runtime/invocation/'
kept, said = [], []

def connect(data=b''):
    client = socket.create_connection((host, int(port)), 60)
    try: client.sendall(data)
    except OSError: pass
    return client

def post(kind, id, data):
    try: return urllib.request.urlopen(urllib.request.Request(f'{BASE}{kind}/{id}', data), timeout=60).status
    except urllib.error.HTTPError as error: return error.code

def head(id, more):
    return f'POST /v1/runtime/invocation/response/{id} HTTP/1.1\r\n{more}\r\n\r\n'.encode()

def connections(id):
    for _ in range(300):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((host, int(port)))
        kept.append(client)
    return 'held'

def garbage(id):
    for data in [os.urandom(5000), b'\x16\x03\x01' * 1000, b'GET / HTTP/1.1\r\nA: ' + b'a' * 1000000, b'GET /' + b'a' * 1000000,
                 b'GET / HTTP/1.1\r\n' + b'A: b\r\n' * 100000, b'GET /v1/runtime/invocation/request HTTP/1.1\r\nHost',
                 head(id, 'Content-Length: 99999999999999999999'), head(id, 'Content-Length: -1'), head(id, 'Content-Length: 5, 6'),
                 head('x' * 60000, 'Content-Length: 1')]:
        kept.append(connect(data))
    # An answer of its own call that stays unfinished would keep out the real one.
    connect(head(id, 'Transfer-Encoding: chunked') + b'ffffffffffffffff\r\n').close()
    for _ in range(100):
        connect(b'GET /v1/runtime/invocation/request HTTP/1.1\r\n\r\n').close()
    return 'sent'

def cut(id):
    connect(head(id, 'Content-Length: 6000000') + b'a' * 1000).close()
    return 'whole'

def foreign(id):
    other = id[:-4] + ('0000' if id[-4:] != '0000' else '1111')
    return str([post('response', other, b'a' * 5000000), post('error', other, b'{}'), post('response', '..%2f', b'')])

def second(id):
    said.append([post('response', id, b'first'), post('response', id, b'second'), post('error', id, b'third')])

def endless(id):
    client = connect(head(id, 'Transfer-Encoding: chunked'))
    try:
        while True: client.sendall(b'10000\r\n' + b'a' * 65536 + b'\r\n')
    except OSError: said.append('refused')

def deep(id):
    said.append(post('error', id, b'{"errorType": "Deep", "errorMessage": "x", "more": ' + b'[' * 200000))

def tell(id):
    return json.dumps(said)

while True:
    with urllib.request.urlopen(BASE + 'request') as answer:
        id, event = answer.headers['X-Cff-Request-Id'], json.load(answer)
    result = globals()[event['do']](id)
    if result is not None: post('response', id, result.encode())
"#;

fn start(home: &std::path::Path) -> Host {
    let host = Host::start(home);
    let mut body = json!({
        "func_name": "harm", "package": "default", "runtime": "Custom", "handler": "bootstrap", "timeout": 60,
        "memory_size": 128, "code_type": "inline", "func_code": { "file": base64(BOOTSTRAP.as_bytes()) },
    });
    body["strategy_config"] = json!({ "concurrency": 1, "concurrent_num": 1 });
    host.done("POST", "", &body);
    host
}

fn call(host: &Host, what: &str) -> Answer {
    host.server.request("POST", &host.server.invocations("harm"), &[], &json!({ "do": what }).to_string())
}

#[track_caller]
fn check(host: &Host, what: &str, expected: &str) {
    let answer = call(host, what);
    assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{what}");
}

fn descriptors(host: &Host) -> usize {
    fs::read_dir(format!("/proc/{}/fd", host.server.pid())).expect("it lives").count()
}

fn resident_kb(host: &Host) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.server.pid())).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The most that a number came to while something was done.
fn most<N: Ord + Send>(look: impl Fn() -> N + Sync, work: impl FnOnce()) -> N {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut most = look();
            while !is_done.load(Ordering::Acquire) {
                most = most.max(look());
                std::thread::sleep(Duration::from_millis(1));
            }
            most
        });
        work();
        is_done.store(true, Ordering::Release);
        looks.join().expect("no panic")
    })
}

#[test]
fn connections_of_a_custom_function_are_few_and_end_with_it() {
    let home = open_folder();
    let host = start(home.path());
    check(&host, "tell", "[]");
    let before = descriptors(&host);
    let held = most(|| descriptors(&host), || check(&host, "connections", "held"));
    assert!(held < before + 60, "the server held {held} descriptors, and {before} before");
    // It is still served, and so is everybody else.
    check(&host, "tell", "[]");
    assert_eq!(host.server.request("GET", "/healthz", &[], "").status, 200);
    wait_for("the end of the idle instance", || (descriptors(&host) < before).then_some(()));
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn what_a_custom_function_sends_instead_of_an_answer_harms_nobody() {
    let home = open_folder();
    let host = start(home.path());
    check(&host, "garbage", "sent");
    check(&host, "cut", "whole");
    check(&host, "foreign", "[404, 404, 404]");
    check(&host, "second", "first");
    check(&host, "tell", "[[200, 409, 409]]");
    let answer = call(&host, "deep");
    assert_eq!((answer.status, answer.header("x-func-err-code")), (500, Some("4002")), "{}", answer.text());
    let before = resident_kb(&host);
    let used = most(
        || resident_kb(&host),
        || {
            let answer = call(&host, "endless");
            assert_eq!(answer.header("x-func-err-code"), Some("4004"), "{}", answer.text());
        },
    );
    assert!(used < before + (64 << 10), "the server came from {before} KB to {used} KB");
    check(&host, "tell", "[[200, 409, 409], 200, \"refused\"]");
    assert_eq!(host.server.stop(), Some(0));
}
