//! Bugs that other emulators of this service shipped, each kept out by a test from the first day.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use rustix::process::{Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Answer, Server, instances, open_folder, server_pid, wait_for};
use crate::raw::{base64, create, python};
use crate::signed::Client;

const COUNT: &str = "calls = 0\ndef handler(event, context):\n    global calls\n    calls += 1\n    return calls\n";

fn invoke(client: &Client, name: &str) -> Answer {
    client.call("POST", &client.functions(&format!("/{name}/invocations")), "{}")
}

/// A server with settings of its own; the folder holds them.
fn with_settings(settings: &str) -> (Server, TempDir) {
    let home = open_folder();
    let file = home.path().join("settings.toml");
    fs::write(&file, settings).expect("write");
    (Server::start(&["--config", &file.display().to_string()]), home)
}

/// Instances that wait for a frame: warm ones, and blank ones that are ready.
fn idle(server: &Server) -> BTreeSet<u32> {
    let waits = |pid: &u32| {
        // The number of the call, then its first argument.
        let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        call.split(' ').nth(1) == Some("0x3")
    };
    instances(server.spawner()).into_iter().filter(waits).collect()
}

fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ") || stat.contains(") X ")
}

/// The one of the last call, and the blank one that is ready for the next: both are found dead before they are leased.
#[test]
fn a_dead_instance_is_never_leased() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    // One instance at most: none is being loaded when the last answer is there, whose end would be a failed start.
    let mut body = python("count", COUNT);
    body["strategy_config"] = json!({ "concurrency": 1 });
    client.done("POST", "", &body);
    for round in 0..10 {
        let wanted = if round == 0 { 1 } else { 2 };
        let victims = wait_for("idle instances", || Some(idle(&server)).filter(|idle| idle.len() >= wanted));
        for victim in &victims {
            kill_process(server_pid(*victim), Signal::KILL).expect("it waits");
        }
        wait_for("their end", || victims.iter().copied().all(is_dead).then_some(()));
        // At once: whether anybody has noticed must make no difference.
        let answer = invoke(&client, "count");
        assert_eq!((answer.status, answer.text().as_str()), (200, "1"), "round {round}");
    }
    assert_eq!(server.stop(), Some(0));
}

/// What a function's code and configuration were, as one of its answers tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Revision {
    code: usize,
    config: usize,
}

/// How far updates have come: those asked for, and those confirmed.
#[derive(Default)]
struct Progress {
    asked: [AtomicUsize; 2],
    confirmed: [AtomicUsize; 2],
}

impl Progress {
    fn read(numbers: &[AtomicUsize; 2]) -> Revision {
        Revision { code: numbers[0].load(Ordering::SeqCst), config: numbers[1].load(Ordering::SeqCst) }
    }
}

#[test]
fn a_warm_instance_never_answers_for_another_version() {
    for (runtime, code) in [
        ("Python3.9", "def handler(event, context):\n    return [CODE, int(context.getUserData('config'))]\n"),
        (
            "Node.js20.15",
            "exports.handler = async (event, context) => [CODE, Number(context.getUserData('config'))];\n",
        ),
    ] {
        updates_while_calls_run(runtime, code);
    }
}

fn updates_while_calls_run(runtime: &str, code: &str) {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    let code = |number: usize| json!({ "file": base64(code.replace("CODE", &number.to_string()).as_bytes()) });
    let config = |number: usize| json!({ "config": number.to_string() }).to_string();
    let mut body = python("changing", "");
    body["runtime"] = json!(runtime);
    body["func_code"] = code(0);
    body["user_data"] = json!(config(0));
    client.done("POST", "", &body);
    let (progress, done) = (Progress::default(), AtomicBool::new(false));
    let published = Mutex::new(Vec::new());
    // A published version is one revision, whatever runs beside it; and so is the alias that moves on with each of them.
    let call_published = |turn: usize| {
        let picked = { published.lock().expect("no panic").iter().copied().cycle().nth(turn) };
        let Some((name, expected)): Option<(usize, Revision)> = picked else { return };
        let answer = invoke(&client, &format!("{}:default:changing:v{name}", client.project));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen: [usize; 2] = serde_json::from_slice(&answer.body).expect("two numbers");
        assert_eq!(Revision { code: seen[0], config: seen[1] }, expected, "v{name}");
    };
    let call = || {
        let least = Progress::read(&progress.confirmed);
        let answer = invoke(&client, "changing");
        let most = Progress::read(&progress.asked);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen: [usize; 2] = serde_json::from_slice(&answer.body).expect("two numbers");
        let seen = Revision { code: seen[0], config: seen[1] };
        assert!((least.code..=most.code).contains(&seen.code), "{least:?} {seen:?} {most:?}");
        assert!((least.config..=most.config).contains(&seen.config), "{least:?} {seen:?} {most:?}");
        seen
    };
    thread::scope(|scope| {
        let callers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut turn = 0;
                    while !done.load(Ordering::SeqCst) {
                        call();
                        call_published(turn);
                        turn += 1;
                    }
                })
            })
            .collect();
        let ends = Ends(&done);
        for update in 0..12 {
            let (which, number) = (update % 2, update / 2 + 1);
            progress.asked[which].store(number, Ordering::SeqCst);
            if which == 0 {
                client.done("PUT", "/changing/code", &json!({ "code_type": "inline", "func_code": code(number) }));
            } else {
                let body = json!({
                    "func_name": "changing", "runtime": runtime, "handler": "index.handler", "timeout": 10,
                    "memory_size": 128, "user_data": config(number),
                });
                client.done("PUT", "/changing/config", &body);
            }
            progress.confirmed[which].store(number, Ordering::SeqCst);
            call();
            client.done("POST", "/changing/versions", &json!({ "version": format!("v{update}") }));
            let now = Progress::read(&progress.confirmed);
            published.lock().expect("no panic").push((update, now));
            // The instances of latest are warm, and of the same code; they are not its instances.
            call_published(update);
            move_alias(&client, update);
            let answer = invoke(&client, &format!("{}:default:changing:%21prod", client.project));
            let seen: [usize; 2] = serde_json::from_slice(&answer.body).expect("two numbers");
            assert_eq!(Revision { code: seen[0], config: seen[1] }, now, "the alias of v{update}");
        }
        drop(ends);
        callers.into_iter().for_each(|caller| caller.join().expect("every answer was of its time"));
    });
    assert_eq!(call(), Revision { code: 6, config: 6 });
    assert_eq!(server.stop(), Some(0));
}

/// Lets the callers end, also where the test fails meanwhile.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn move_alias(client: &Client, update: usize) {
    let version = format!("v{update}");
    if update == 0 {
        client.done("POST", "/changing/aliases", &json!({ "name": "prod", "version": version }));
    } else {
        client.done("PUT", "/changing/aliases/prod", &json!({ "version": version }));
    }
}

/// Many more calls at once than may run: of a function with a limit, and of one that only the host limits.
#[test]
fn a_burst_never_grows_without_bound() {
    const CALLERS: usize = 60;
    let (server, _settings) = with_settings("[pool]\nmost_instances = 6\nblanks_least = 0\nblanks_most = 0\n");
    let client = Client::of(&server);
    let code = "import time\ndef handler(event, context):\n    time.sleep(0.02)\n    return 'x' * 100000\n";
    let mut limited = python("limited", code);
    limited["strategy_config"] = json!({ "concurrency": 2 });
    client.done("POST", "", &limited);
    create(&client, "unlimited", code);
    let before = resident_mb(&server);
    for (name, most) in [("limited", 2), ("unlimited", 6)] {
        let left = AtomicUsize::new(CALLERS);
        let mut seen = 0;
        thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    let answers: Vec<u16> = (0..3).map(|_| invoke(&client, name).status).collect();
                    left.fetch_sub(1, Ordering::SeqCst);
                    assert!(answers.iter().all(|status| [200, 429].contains(status)), "{answers:?}");
                });
            }
            while left.load(Ordering::SeqCst) > 0 {
                seen = seen.max(instances(server.spawner()).len());
                thread::yield_now();
            }
        });
        // The instances of the function before may still be idle; the limit of the host is for all.
        assert!(seen <= most, "{name}: {seen} instances");
    }
    let grown = resident_mb(&server).saturating_sub(before);
    assert!(grown < 64, "the server holds {grown} MB more than before");
    assert_eq!(server.stop(), Some(0));
}

fn resident_mb(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("the kernel writes it");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).expect("a number") / 1024
}

#[test]
fn calls_at_the_same_time_crash_nothing() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    for (number, together) in [2, 2, 5].into_iter().enumerate() {
        let name = format!("count-{number}");
        create(&client, &name, COUNT);
        let start = Barrier::new(together);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let calls: Vec<_> = (0..together)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        invoke(&client, &name).status
                    })
                })
                .collect();
            calls.into_iter().map(|call| call.join().expect("no panic")).collect()
        });
        assert_eq!(statuses, vec![200; together]);
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert_eq!(server.stop(), Some(0));
}

/// Every socket that the server or its spawner listens on, by the kernel's tables.
#[test]
fn it_listens_on_the_address_it_was_told_only() {
    let server = Server::start(&["--listen", "127.0.0.1:0"]);
    let port: u16 = server.endpoint().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let sockets: BTreeSet<String> = [server.pid(), server.spawner()].into_iter().flat_map(sockets).collect();
    let mut listening = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{}/net/{table}", server.pid())).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [address, state, inode] = [1, 3, 9].map(|field| fields[field]);
            if state == "0A" && sockets.contains(inode) {
                listening.push(format!("{table} {address}"));
            }
        }
    }
    assert_eq!(listening, [format!("tcp 0100007F:{port:04X}")]);
    assert_eq!(server.stop(), Some(0));
}

/// Inodes of a process's sockets.
fn sockets(process: u32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").flatten();
    let target = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    target.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect()
}
