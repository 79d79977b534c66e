//! What is Java's own: a JDK compiles its bootstrap before the first instance, and heaps are fixed when a process starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, fungraph, instances, open_folder, repository, wait_for};
use crate::raw::base64;
use crate::samples::java::jar;

const GREETER: &str = "garden.Greeter.greet";

fn create(server: &Server, name: &str, runtime: &str, memory_mb: u32) {
    let body = json!({
        "func_name": name, "package": "default", "runtime": runtime, "handler": GREETER, "timeout": 30,
        "memory_size": memory_mb, "code_type": "jar",
        "func_code": { "file": base64(&jar(&repository("tests/contract/samples/java-hello/src"))) },
    });
    let answer = server.request("POST", &format!("/v2/{}/fgs/functions", server.project()), &[], &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A folder that a sandbox can show where it is: not below `/tmp`, which is each sandbox's own.
fn outside_tmp() -> TempDir {
    let folder = TempDir::new_in("/var/tmp").expect("every system has it");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    folder
}

/// A folder that looks like a JDK: its java is a program of this machine, its compiler a script, or not there.
fn jdk(home: &Path, version: &str, compiler: Option<&str>) -> PathBuf {
    let folder = home.join("jdk");
    for inner in ["bin", "lib"] {
        fs::create_dir_all(folder.join(inner)).expect("mkdir");
    }
    fs::copy("/bin/true", folder.join("bin/java")).expect("every system has it");
    fs::write(folder.join("lib/modules"), "").expect("write");
    fs::write(folder.join("release"), format!("JAVA_VERSION=\"{version}\"\n")).expect("write");
    if let Some(script) = compiler {
        let javac = folder.join("bin/javac");
        fs::write(&javac, script).expect("write");
        fs::set_permissions(&javac, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    folder
}

/// Settings that name more JDKs.
fn settings(home: &Path, jdk: &Path) -> String {
    let file = home.join("fungraph.toml");
    fs::write(&file, format!("[runtimes]\nsearch = [{:?}]\n", jdk.display().to_string())).expect("write");
    file.display().to_string()
}

const HEART: &str = "
    package garden;
    public class Heart {
        private static final String ID = java.util.UUID.randomUUID().toString();
        private boolean well = true;
        public String pump(String event, com.huawei.services.runtime.Context context) {
            well = well && !event.contains(\"stop\");
            return ID;
        }
        public boolean beat() {
            return well;
        }
        public String parse(com.google.gson.JsonObject event, com.huawei.services.runtime.Context context) {
            return event.toString();
        }
    }";

/// Creates a function of [`HEART`] with more settings.
fn heart(server: &Server, name: &str, method: &str, more: &Value) {
    let folder = open_folder();
    fs::create_dir_all(folder.path().join("garden")).expect("mkdir");
    fs::write(folder.path().join("garden/Heart.java"), HEART).expect("write");
    let mut body = json!({
        "func_name": name, "package": "default", "runtime": "Java17", "handler": format!("garden.Heart.{method}"),
        "timeout": 30, "memory_size": 256, "code_type": "jar", "func_code": { "file": base64(&jar(folder.path())) },
    });
    let more = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(more);
    let answer = server.request("POST", &format!("/v2/{}/fgs/functions", server.project()), &[], &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn an_instance_whose_heartbeat_fails_is_replaced() {
    let home = open_folder();
    let file = home.path().join("fungraph.toml");
    // So that it does not leave for want of calls.
    fs::write(&file, "[pool]\nidle_seconds = 3600\n").expect("write");
    let server = Server::start(&["--auth", "off", "--config", &file.display().to_string()]);
    heart(&server, "f", "pump", &json!({ "heartbeat_handler": "garden.Heart.beat" }));
    let call = |event: &str| {
        let answer = server.request("POST", &server.invocations("f"), &[], event);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    };
    let first = call("{}");
    assert_eq!(call(r#"{"do":"stop"}"#), first);
    // Six beats, five seconds apart.
    let next = wait_for("another instance", || Some(call("{}")).filter(|next| *next != first));
    assert_eq!(call("{}"), next);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_heartbeat_handler_that_is_none_has_its_number_until_it_is_taken_away() {
    let server = Server::start(&["--auth", "off"]);
    heart(&server, "f", "pump", &json!({ "heartbeat_handler": "garden.Heart.rate" }));
    let answer = server.request("POST", &server.invocations("f"), &[], "{}");
    assert!(answer.status == 500 && answer.text().contains("FSS.4006"), "{}", answer.text());
    let config = format!("/v2/{}/fgs/functions/f/config", server.project());
    let shown: Value = serde_json::from_slice(&server.request("GET", &config, &[], "").body).expect("JSON");
    assert_eq!(shown["heartbeat_handler"], "garden.Heart.rate");
    let update = json!({
        "func_name": "f", "runtime": "Java17", "handler": "garden.Heart.pump", "timeout": 30, "memory_size": 256,
        "heartbeat_handler": "",
    });
    let answer = server.request("PUT", &config, &[], &update.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.request("POST", &server.invocations("f"), &[], "{}").status, 200);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn an_isolated_function_does_not_see_the_platforms_gson() {
    let server = Server::start(&["--auth", "off"]);
    heart(&server, "open", "parse", &json!({}));
    heart(&server, "isolated", "parse", &json!({ "enable_class_isolation": true }));
    let call = |name: &str| server.request("POST", &server.invocations(name), &[], r#"{"a":1}"#).text();
    assert_eq!(call("open"), r#"{"a":1}"#);
    let told = call("isolated");
    assert!(told.contains("FSS.4001") && told.contains("com/google/gson/JsonObject"), "{told}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_compiler_that_fails_is_told_with_what_it_said() {
    let home = outside_tmp();
    let compiler = "#!/bin/sh\necho 'Bootstrap.java:1: error: out of ink'\nexit 1\n";
    // A series that no host has, so that nobody else's is taken; between two that runtimes ask for.
    let folder = jdk(home.path(), "21.99.0", Some(compiler));
    let server = Server::start(&["--auth", "off", "--config", &settings(home.path(), &folder)]);
    create(&server, "f", "Java21", 256);
    for _ in 0..2 {
        let answer = server.request("POST", &server.invocations("f"), &[], "{}");
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert!(answer.text().contains("FSS.6001"), "{}", answer.text());
    }
    let log = server.log();
    assert!(log.contains("Java 21.99.0 could not compile its bootstrap"), "{log}");
    assert!(log.contains("error: out of ink"), "{log}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_jre_is_no_jdk_and_doctor_says_what_to_install() {
    let home = open_folder();
    let folder = jdk(home.path(), "11.0.1", None);
    let run = fungraph(&["doctor", "--config", &settings(home.path(), &folder), "--listen", "127.0.0.1:0"]);
    let told: Vec<&str> = run.out.lines().filter(|line| line.contains("jdk/bin/java is not used")).collect();
    assert_eq!(told.len(), 1, "{}", run.out);
    assert!(told[0].contains("openjdk-17-jdk-headless"), "{}", told[0]);
}

#[test]
fn blanks_are_kept_for_each_size_of_memory_and_start_from_the_archive() {
    let server = Server::start(&["--auth", "off"]);
    for (name, memory_mb) in [("small", 128), ("large", 512)] {
        create(&server, name, "Java17", memory_mb);
    }
    let line = |process: u32| fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let running = |words: &[&str]| {
        let fits = |process: &u32| words.iter().all(|word| line(*process).contains(word));
        instances(server.spawner()).into_iter().find(fits)
    };
    // The first of each size started from the jar alone, as soon as there was one; a call makes room for the next.
    wait_for("the archive", || {
        let mut files = fs::read_dir(server.data().join("bootstraps")).expect("it is there").flatten();
        files.any(|file| file.path().extension().is_some_and(|kind| kind == "jsa")).then_some(())
    });
    for (name, heap) in [("small", "-Xmx64m"), ("large", "-Xmx384m")] {
        let blank = wait_for("a blank of this size", || running(&[heap]));
        let answer = server.request("POST", &server.invocations(name), &[], "{}");
        assert_eq!((answer.status, answer.text()), (200, format!("Dobry den from {name}")));
        assert!(line(blank).contains(heap), "it was taken, or waits: it is alive");
        wait_for("the one that takes its place", || running(&[heap, "-XX:SharedArchiveFile="]));
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn without_gson_the_refusal_names_its_package() {
    let home = open_folder();
    let file = home.path().join("fungraph.toml");
    fs::write(&file, "[runtimes]\ngson = '/nowhere/gson.jar'\n").expect("write");
    let server = Server::start(&["--auth", "off", "--config", &file.display().to_string()]);
    let body = json!({
        "func_name": "f", "package": "default", "runtime": "Java17", "handler": GREETER, "timeout": 30,
        "memory_size": 256, "code_type": "jar", "func_code": { "file": base64(b"no jar is looked at") },
    });
    let answer = server.request("POST", &format!("/v2/{}/fgs/functions", server.project()), &[], &body.to_string());
    let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((answer.status, &told["error_code"]), (400, &json!("FSS.1005")), "{told}");
    assert!(told["error_msg"].as_str().is_some_and(|text| text.contains("libgoogle-gson-java")), "{told}");
    assert_eq!(server.stop(), Some(0));
}
