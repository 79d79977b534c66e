//! Runtimes in images of the operator's: the host's own interpreters stay out of it.

mod host;

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use self::host::{Files, MARK, NODE, PYTHON};
use crate::harness::{Server, fungraph, instances, open_folder, server_pid, wait_for};
use crate::images::registry::Registry;
use crate::samples;

const OF_PYTHON: &str = "import os, sys\ndef handler(event, context):\n    \
    return {'mark': open('/marker').read(), 'program': sys.executable, 'prefix': sys.prefix, 'uid': os.getuid(), \
    'code': __file__, 'usr': os.path.exists('/usr/bin'), 'own': os.environ.get('OF_IMAGE')}\n";
const OF_NODE: &str = "exports.handler = async (event, context) => ({ mark: require('fs').readFileSync('/marker', 'utf8'), \
    program: process.execPath, uid: process.getuid(), code: __filename });\n";

fn images(image: &str) -> String {
    // Nobody's function names the image; it stays all the same.
    format!("unused_hours = 0\n[runtimes]\n\"Python3.9\".image = \"{image}\"\n\"Node.js18.15\".image = \"{image}\"")
}

fn result(server: &Server, name: &str) -> Value {
    let answer = server.request("POST", &server.invocations(name), &[], "{}");
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Programs of processes below a spawner that wait for a function or run one, as they see themselves.
fn programs(server: &Server) -> Vec<String> {
    let program = |process: u32| fs::read_link(format!("/proc/{process}/exe")).ok();
    let all = instances(server.spawner()).into_iter().filter_map(program);
    all.map(|path| path.display().to_string()).collect()
}

#[track_caller]
fn runs_in_the_image(server: &Server) {
    let seen = result(server, "python");
    for (name, expected) in [
        ("mark", json!(MARK)),
        ("program", json!(PYTHON)),
        ("prefix", json!("/opt/python")),
        ("uid", json!(1003)),
        ("code", json!("/opt/function/code/index.py")),
        ("usr", json!(false)),
    ] {
        assert_eq!(seen[name], expected, "{name}");
    }
    let seen = result(server, "node");
    assert_eq!(seen, json!({ "mark": MARK, "program": NODE, "uid": 1003, "code": "/opt/function/code/index.js" }));
}

#[test]
fn functions_run_on_the_interpreter_of_an_image_and_others_on_the_hosts() {
    let (home, mut registry) = (open_folder(), Registry::start());
    let data = home.path().join("data");
    let image = Files::interpreters().push(&registry, "interpreters:v1");
    let arguments = registry.settings(&images(&image));
    let arguments = arguments.each_ref().map(String::as_str);
    let server = Server::start_on(&data, &arguments);
    assert!(server.log().contains(&format!("({PYTHON} of the image {image}) runs Python3.9")), "{}", server.log());
    server.create("python", "Python3.9", OF_PYTHON);
    server.create("node", "Node.js18.15", OF_NODE);
    // Blank instances of it wait, as those of the host's interpreters do.
    for program in [PYTHON, NODE] {
        wait_for("a blank instance in the image", || programs(&server).iter().any(|one| one == program).then_some(()));
    }
    runs_in_the_image(&server);
    server.create("host", "Python3.10", "def handler(event, context):\n    return open('/marker').read()\n");
    let answer = server.request("POST", &server.invocations("host"), &[], "{}");
    assert!(answer.status == 500 && answer.text().contains("/marker"), "{}", answer.text());
    samples::run_on(&server, "py-", "Python3.9");
    samples::run_on(&server, "js-", "Node.js18.15");
    assert_eq!(server.stop(), Some(0));
    registry.end();
    tells_where_it_runs(&arguments, &data, &image);
    // Without the registry the next server starts with what is here.
    let server = Server::start_on(&data, &arguments);
    assert!(server.log().contains("what it meant at the last start is used"), "{}", server.log());
    runs_in_the_image(&server);
    // What nobody's functions name stays all the same: the cleaner looks at every change.
    server.create("another", "Python3.9", OF_PYTHON);
    assert_eq!(result(&server, "another")["mark"], json!(MARK));
}

fn tells_where_it_runs(arguments: &[&str], data: &Path, image: &str) {
    let data = data.display().to_string();
    let places = [&arguments[..2], &["--data-dir", &data]].concat();
    let table = fungraph(&[&["runtimes"], places.as_slice()].concat());
    assert_eq!(table.code, 0, "{}", table.err);
    let line = table.out.lines().find(|line| line.starts_with("Python3.9 ")).expect("a line");
    assert!(line.contains("Python 3.11."), "{line}");
    assert!(table.out.replace("\n", " ").contains("from image"), "{}", table.out);
    let listed = fungraph(&[&["runtimes", "--json"], places.as_slice()].concat());
    let listed: Value = serde_json::from_str(&listed.out).expect("JSON");
    let all = listed["runtimes"].as_array().expect("a list");
    let python = all.iter().find(|one| one["name"] == "Python3.9").expect("it is listed");
    assert_eq!(
        (&python["interpreter"]["image"], &python["interpreter"]["program"]),
        (&json!(image), &json!(PYTHON)),
        "{python}"
    );
    let doctor = fungraph(&[&["doctor", "--listen", "127.0.0.1:0"], places.as_slice()].concat());
    assert!(doctor.out.contains(&format!("{PYTHON} from image {image}")), "{}", doctor.out);
}

#[test]
fn an_image_that_will_not_do_is_told_before_the_server_is_ready() {
    let (home, registry) = (open_folder(), Registry::start());
    let data = home.path().join("data").display().to_string();
    let mut files = Files::default();
    files.add("usr/bin/python3", b"#!/bin/sh\n".to_vec());
    let empty = files.push(&registry, "empty:v1");
    for (image, code, word) in [
        (empty.clone(), 2, "the image has no Python (looked for python3, "),
        (format!("{}/no/such:v1", registry.address), 1, "has no image"),
        ("127.0.0.1:1/a:v1".to_owned(), 1, "cannot be reached"),
    ] {
        let arguments = registry.settings(&format!("[runtimes]\n\"Python3.9\".image = \"{image}\""));
        let arguments = arguments.each_ref().map(String::as_str);
        let more = ["--data-dir", &data, "--listen", "127.0.0.1:0"];
        let run = fungraph(&[&["serve"], arguments.as_slice(), &more].concat());
        assert_eq!((run.code, run.out.as_str()), (code, ""), "{}", run.err);
        let told = run.err.lines().last().expect("it says why");
        let begin = format!("fungraph: runtimes.\"Python3.9\".image = \"{image}\" ");
        assert!(told.starts_with(&begin) && told.contains(word), "{}", run.err);
        let doctor = fungraph(&[&["doctor"], &arguments[..2], &more].concat());
        let unseen = format!("from image {image}, which is looked into when the server starts");
        assert!(doctor.out.contains(&unseen), "{}", doctor.out);
    }
}

#[test]
fn a_jdk_and_php_may_be_of_an_image() {
    let registry = Registry::start();
    let image = Files::jdk_and_php().push(&registry, "more:v1");
    let settings = format!("[runtimes]\nJava17.image = \"{image}\"\n\"PHP8.3\".image = \"{image}\"");
    let server = Server::start(&registry.settings(&settings).each_ref().map(String::as_str));
    let log = server.log();
    assert!(log.contains(&format!("(/opt/java/openjdk/bin/java of the image {image}) runs Java17")), "{log}");
    assert!(log.contains(&format!("(/usr/local/bin/php of the image {image}) runs PHP8.3")), "{log}");
    samples::run_on(&server, "java-results", "Java17");
    samples::run_on(&server, "php-context-dump", "PHP8.3");
    // The one that ran the function is gone with it, and the next one may just be starting.
    let php = || programs(&server).iter().any(|program| program == "/usr/local/bin/php").then_some(());
    wait_for("a blank instance of PHP", php);
}

#[test]
fn a_folder_runs_in_the_image_too() {
    let registry = Registry::start();
    let image = Files::interpreters().push(&registry, "interpreters:v1");
    let settings = registry.settings(&images(&image));
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("index.py"), OF_PYTHON).expect("it is written");
    let target = format!("{}/", folder.path().display());
    let run = fungraph(&["invoke", &target, "--runtime", "Python3.9", "--config", &settings[1]]);
    assert_eq!(run.code, 0, "{run:?}");
    let seen: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!((&seen["mark"], &seen["program"]), (&json!(MARK), &json!(PYTHON)));
}

#[test]
fn a_server_that_waits_for_a_registry_ends_when_it_is_asked_to() {
    let home = open_folder();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let image = format!("{}/a:v1", silent.local_addr().expect("an address"));
    let settings = home.path().join("settings.toml");
    fs::write(&settings, format!("[runtimes]\n\"Python3.9\".image = \"{image}\"\n")).expect("it is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fungraph"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&settings);
    command.arg("--data-dir").arg(home.path().join("data")).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = command.spawn().expect("the binary starts");
    let _asked = silent.accept().expect("it is asked");
    kill_process(server_pid(server.id()), Signal::TERM).expect("it runs");
    assert_eq!(server.wait().expect("it ends").code(), Some(0));
    let mut said = String::new();
    server.stdout.take().expect("it is piped").read_to_string(&mut said).expect("a text");
    assert_eq!(said, "", "it was never ready");
}
