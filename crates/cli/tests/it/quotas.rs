//! What a project, and all who send at once, may take of the disk and of memory.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::dependencies::zip;
use crate::harness::{Answer, Server, open_folder, wait_for};
use crate::raw::{base64, python};

const CODE: &str = "def handler(event, context):\n    return 'here'\n";

/// A server whose projects may have 1 MB of code, and five times as much unpacked.
fn small() -> (tempfile::TempDir, Server) {
    let home = open_folder();
    let settings = home.path().join("settings.toml");
    fs::write(&settings, "[limits]\ncode_mb_per_project = 1\n[server]\nauth = false\n").expect("it is written");
    let server = Server::start(&["--config", &settings.display().to_string()]);
    (home, server)
}

/// A function's package with so much that compression makes next to nothing of, told apart by a letter.
fn hollow(letter: char, megabytes: usize) -> Vec<u8> {
    zip(&[("index.py", CODE), ("hollow", &String::from(letter).repeat(megabytes << 20))])
}

fn with_package(name: &str, package: &[u8]) -> Value {
    let mut body = python(name, "");
    (body["code_type"], body["func_code"]) = (json!("zip"), json!({ "file": base64(package) }));
    body
}

fn change(package: &[u8]) -> Value {
    json!({ "code_type": "zip", "func_code": { "file": base64(package) } })
}

/// Bytes that nothing makes smaller, as text.
fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed;
    let mut next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let bytes: Vec<u8> = (0..bytes / 4 * 3).map(&mut next).collect();
    base64(&bytes)
}

#[track_caller]
fn done(answer: &Answer) {
    assert!(answer.status < 300, "{}: {}", answer.status, answer.text());
}

#[track_caller]
fn over_quota(answer: &Answer, words: &str) {
    let said = answer.text();
    assert!(answer.status == 403 && said.contains("FSS.1042") && said.contains(words), "{}: {said}", answer.status);
}

fn packages(server: &Server) -> usize {
    fs::read_dir(server.data().join("code")).expect("a folder").count()
}

fn wait_for_packages(server: &Server, number: usize) {
    wait_for("the removal of what nobody has", || (packages(server) == number).then_some(()));
}

#[test]
fn code_counts_with_what_it_takes_unpacked() {
    let (_home, server) = small();
    let unpacked = "5 MB of disk once unpacked";
    over_quota(&server.ask("POST", "/functions", &with_package("large", &hollow('a', 6))), unpacked);
    wait_for_packages(&server, 0);
    done(&server.ask("POST", "/functions", &with_package("one", &hollow('a', 2))));
    // The same code once more is there once.
    done(&server.ask("POST", "/functions", &with_package("twin", &hollow('a', 2))));
    done(&server.ask("POST", "/functions", &with_package("two", &hollow('b', 2))));
    over_quota(&server.ask("POST", "/functions", &with_package("three", &hollow('c', 2))), unpacked);
    wait_for_packages(&server, 2);
    let dependency =
        json!({ "name": "more", "depend_type": "zip", "runtime": "Python3.9", "depend_file": base64(&hollow('d', 2)) });
    over_quota(&server.ask("POST", "/dependencies/version", &dependency), unpacked);
    // What takes the place of something else counts without that; too much of it changes nothing.
    done(&server.ask("PUT", "/functions/two/code", &change(&hollow('e', 2))));
    over_quota(&server.ask("PUT", "/functions/two/code", &change(&hollow('f', 4))), unpacked);
    wait_for_packages(&server, 2);
    assert_eq!(server.request("POST", &server.invocations("two"), &[], "{}").text(), "here");
    // Packages are what the quota is told of.
    let quotas: Value = serde_json::from_slice(&server.ask("GET", "/quotas", &Value::Null).body).expect("JSON");
    let of_code = quotas["quotas"]["resources"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["type"] == "fgs_func_code_size");
    assert_eq!(of_code.map(|one| (&one["quota"], &one["used"])), Some((&json!(1), &json!(1))));
    for name in ["one", "twin"] {
        done(&server.ask("DELETE", &format!("/functions/{name}"), &Value::Null));
    }
    done(&server.ask("POST", "/functions", &with_package("three", &hollow('c', 2))));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn of_two_updates_at_once_one_is_over_the_quota() {
    let (_home, server) = small();
    for name in ["one", "two"] {
        done(&server.ask("POST", "/functions", &python(name, CODE)));
    }
    for round in 0..4 {
        let begin = Barrier::new(2);
        let mut statuses = thread::scope(|scope| {
            let updates = ["one", "two"].map(|name| {
                let (server, begin) = (&server, &begin);
                let package = zip(&[
                    ("index.py", CODE),
                    ("noise", &noise(round * 2 + name.len() as u64 + u64::from(name == "two"), 800_000)),
                ]);
                scope.spawn(move || {
                    begin.wait();
                    server.ask("PUT", &format!("/functions/{name}/code"), &change(&package)).status
                })
            });
            updates.map(|update| update.join().expect("no panic"))
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 403], "round {round}");
        let plain = json!({ "code_type": "inline", "func_code": { "file": base64(CODE.as_bytes()) } });
        for name in ["one", "two"] {
            done(&server.ask("PUT", &format!("/functions/{name}/code"), &plain));
        }
    }
    // All that is left is what both have.
    wait_for_packages(&server, 1);
    assert_eq!(server.stop(), Some(0));
}

/// Bytes of each large body, and how many are sent at once: in memory together they would be more than the server may take.
const BODY: usize = 30 << 20;
const SENDERS: usize = 12;
const MOST_MB: u64 = 280;

/// Sends all but the end of a body, says so, and goes on slowly until it may end; gives the status, or 0 where the connection was gone.
fn send(server: &Server, sent: &mpsc::Sender<()>, may_end: &AtomicBool) -> u16 {
    let address = server.endpoint().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let path = format!("/v2/{}/fgs/functions", server.project());
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {BODY}\r\nConnection: close\r\n\r\n");
    let piece = vec![b' '; 1 << 16];
    let mut write = |bytes: &[u8]| stream.write_all(bytes).is_ok();
    // What is refused meanwhile is not heard to its end.
    let mut is_heard = write(head.as_bytes()) && (1..BODY / piece.len()).all(|_| write(&piece));
    sent.send(()).expect("somebody counts");
    let mut left = piece.as_slice();
    while !may_end.load(Relaxed) {
        // A sender that pauses is given up.
        is_heard = is_heard && write(&left[..1]);
        left = &left[1..];
        thread::sleep(Duration::from_millis(100));
    }
    let _refused = is_heard && write(left);
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).map_or(0, |()| String::from_utf8_lossy(&answer[9..]).parse().unwrap_or(0))
}

#[test]
fn many_large_bodies_at_once_take_no_more_memory_than_they_may() {
    let home = open_folder();
    let settings = home.path().join("settings.toml");
    fs::write(&settings, "[server]\nauth = false\nmanagement_body_mb = 36\n").expect("it is written");
    let server = Server::start(&["--config", &settings.display().to_string()]);
    let (sent, counted) = mpsc::channel();
    let may_end = AtomicBool::new(false);
    let (statuses, most_mb) = thread::scope(|scope| {
        let start = |sent: mpsc::Sender<()>| {
            let (server, may_end) = (&server, &may_end);
            scope.spawn(move || send(server, &sent, may_end))
        };
        let senders: Vec<_> = (0..SENDERS).map(|_| start(sent.clone())).collect();
        // Each is in memory but for its end, or has been refused.
        (0..SENDERS).for_each(|_| counted.recv().expect("all say so"));
        let most_mb = most_memory_mb(server.pid());
        may_end.store(true, Relaxed);
        let statuses: Vec<u16> = senders.into_iter().map(|sender| sender.join().expect("no panic")).collect();
        (statuses, most_mb)
    });
    assert!(most_mb < MOST_MB, "{most_mb} MB: {statuses:?}");
    // Blanks are no JSON. Those that waited in vain are told so, where they heard it before the connection was gone.
    let read = statuses.iter().filter(|status| **status == 400).count();
    assert!((1..SENDERS).contains(&read), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 400 | 429 | 0)), "{statuses:?}");
    // Nothing of it is left: the next one is read at once.
    let next = zip(&[("index.py", CODE), ("noise", &noise(1, 1 << 20))]);
    done(&server.ask("POST", "/functions", &with_package("next", &next)));
    assert_eq!(server.stop(), Some(0));
}

/// The most memory that a process has had, in MB.
fn most_memory_mb(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel writes it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") >> 10
}
