//! Nothing of ours stays, whatever is killed and whenever: a hundred times a server, its spawner, or both are killed while they
//! start, work or stop, and the next server starts on the same data folder at once.

mod chance;
mod doomed;
mod traces;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Server, open_folder};
use crate::raw::base64;
use crate::signed::Client;
use chance::Chance;
use doomed::Doomed;
use traces::Traces;

const ROUNDS: usize = 100;
/// The longest that a start or a call takes here, give or take: later kills would all find the same quiet server.
const BUSY: Duration = Duration::from_millis(120);

const FAMILY: &str = "import subprocess
def handler(event, context):
    for _ in range(3):
        subprocess.Popen(['sh', '-c', 'setsid sleep 1000 & sleep 1000'], start_new_session=True)
    open('/tmp/trace', 'wb').write(b'x' * 100000)
    return 'fine'
";
const PLAIN: &str = "def handler(event, context):\n    return 'fine'\n";
const NODE: &str = "exports.handler = async (event, context) => 'fine';\n";
const FUNCTIONS: [(&str, &str, &str); 3] =
    [("family", "Python3.9", FAMILY), ("plain", "Python3.9", PLAIN), ("node", "Node.js20.15", NODE)];

#[test]
fn a_hundred_kills_leave_nothing() {
    let mut chance = Chance::new();
    let home = open_folder();
    let data = home.path().join("data");
    let client = settle(&data);
    let traces = Traces::of(&data);
    let begun = Instant::now();
    let mut groups = Vec::new();
    for round in 0..ROUNDS {
        chance.note(round);
        groups.push(one_life(&mut chance, &data, &client));
    }
    let took = begun.elapsed();
    let last = Server::start_on(&data, &[]);
    let client = Client::of(&last);
    for (name, ..) in FUNCTIONS {
        assert_eq!(call(&client, name), Ok("fine".to_owned()), "after {chance}:\n{}", last.log());
    }
    traces.assert_some(!last.log().contains("NO NETWORK"));
    assert_eq!(last.stop(), Some(0), "after {chance}");
    traces.assert_none(&groups, &chance.to_string());
    assert!(took < Duration::from_secs(600), "{ROUNDS} rounds took {took:?}");
    chance.done(took);
}

/// Creates the functions, and gives a client for all servers to come: the key stays, the address does not.
fn settle(data: &std::path::Path) -> Client {
    let server = Server::start_on(data, &[]);
    let client = Client::of(&server);
    for (name, runtime, code) in FUNCTIONS {
        client.done(
            "POST",
            "",
            &json!({
                "func_name": name, "package": "default", "runtime": runtime, "handler": "index.handler", "timeout": 30,
                "memory_size": 128, "code_type": "inline", "func_code": { "file": base64(code.as_bytes()) },
            }),
        );
    }
    assert_eq!(server.stop(), Some(0));
    client
}

/// One server from its start to its violent end; gives its process group.
fn one_life(chance: &mut Chance, data: &std::path::Path, client: &Client) -> u32 {
    let mut server = Doomed::start(data);
    let group = server.pid();
    let phase = chance.below(10);
    if phase >= 3 {
        let client = Client { endpoint: server.ready(&chance.to_string()), ..client.clone() };
        if chance.below(2) == 0 {
            let (name, ..) = FUNCTIONS[chance.below(FUNCTIONS.len())];
            assert_eq!(call(&client, name), Ok("fine".to_owned()), "{chance}:\n{}", server.log());
        }
        for _ in 0..chance.below(5) {
            let (name, ..) = FUNCTIONS[chance.below(FUNCTIONS.len())];
            server.besiege(&client, name);
        }
        if phase >= 7 {
            chance.pause(BUSY / 2);
            server.signal(Signal::TERM);
        }
    }
    chance.pause(BUSY);
    server.kill(chance.below(4), &chance.to_string());
    group
}

fn call(client: &Client, name: &str) -> Result<String, String> {
    let answer = client.call("POST", &client.functions(&format!("/{name}/invocations")), &Value::Null.to_string());
    if answer.status == 200 { Ok(answer.text()) } else { Err(format!("{} {}", answer.status, answer.text())) }
}
