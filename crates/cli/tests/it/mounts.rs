//! Folders of the operator in functions of the real server: read and written under the right owner, refused, vanished, taken back.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, Server, fungraph, open_folder, wait_for};
use crate::raw::python;

/// Writes what it is told to below its mount, and answers with what it sees there.
const PYTHON: &str = "import os\ndef handler(event, context):\n    for name, text in event.items():\n        \
    open('/mnt/data/' + name, 'w').write(text)\n    return sorted(os.listdir('/mnt/data')) if os.path.exists('/mnt/data') else None\n";
const NODE: &str = "const fs = require('fs');\nexports.handler = async (event, context) => {\n  for (const name in event) \
    fs.writeFileSync('/mnt/data/' + name, event[name]);\n  return fs.readdirSync('/mnt/data').sort();\n};\n";
const PHP: &str = "<?php\nfunction handler($event, $context) {\n  foreach ($event as $name => $text) file_put_contents(\"/mnt/data/$name\", $text);\n  \
    return array_values(array_diff(scandir('/mnt/data'), ['.', '..']));\n}\n";
/// Any event makes one file.
const CUSTOM: &str = "#!/bin/bash\napi=\"http://$RUNTIME_API_ADDR/v1/runtime/invocation\"\nwhile true; do\n  \
    curl -sS -D /tmp/head -o /tmp/event \"$api/request\"\n  id=$(sed -n 's/^X-Cff-Request-Id: *//p' /tmp/head | tr -d '\\r')\n  \
    [ -n \"$id\" ] || continue\n  echo x > /mnt/data/new\n  curl -sS -o /dev/null -d \"[\\\"$(ls /mnt/data)\\\"]\" \"$api/response/$id\"\ndone\n";

struct Host {
    server: Server,
    home: TempDir,
}

/// The operator's folder `name` of a user.
fn folder(home: &Path, name: &str, owner: u32) -> PathBuf {
    let path = home.join(name);
    fs::create_dir_all(&path).expect("it is made");
    chown(&path, Some(owner), Some(owner)).expect("we are root");
    path
}

fn settings(home: &Path, more: &str) -> String {
    let file = home.join("settings.toml");
    let data = home.join("data-of-functions").display().to_string();
    let text = format!("[mounts.\"data\"]\npath = \"{data}\"\nmode = \"rw\"\n{more}\n[server]\nauth = false\n");
    fs::write(&file, text).expect("write");
    file.display().to_string()
}

impl Host {
    /// A server that gives one folder away, whose owner is the usual user; more settings follow it.
    fn start(more: &str) -> Self {
        let home = open_folder();
        folder(home.path(), "data-of-functions", 1003);
        let server = Server::start_on(&home.path().join("data"), &["--config", &settings(home.path(), more)]);
        Self { server, home }
    }

    fn shared(&self) -> PathBuf {
        self.home.path().join("data-of-functions")
    }

    fn send(&self, method: &str, rest: &str, body: &Value) -> Answer {
        self.server.ask(method, &format!("/functions{rest}"), body)
    }

    #[track_caller]
    fn done(&self, method: &str, rest: &str, body: &Value) -> Value {
        let answer = self.send(method, rest, body);
        assert_eq!(answer.status, 200, "{method} {rest}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    fn create(&self, name: &str, mounts: &Value) {
        self.done("POST", "", &with(python(name, PYTHON), mounts));
    }

    #[track_caller]
    fn says(&self, name: &str, event: &Value, expected: &Value) {
        let answer = self.send("POST", &format!("/{name}/invocations"), event);
        let result: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        assert_eq!((answer.status, &result), (200, expected), "{}\n{}", answer.text(), self.server.log());
    }

    /// The text of a call that could not get an instance.
    #[track_caller]
    fn not_started(&self, name: &str) -> String {
        let answer = self.send("POST", &format!("/{name}/invocations"), &json!({}));
        assert_eq!((answer.status, answer.header("x-func-err-code")), (500, Some("6001")), "{}", answer.text());
        let object: Value = serde_json::from_slice(&answer.body).expect("JSON");
        object["errorMessage"].as_str().expect("a text").to_owned()
    }

    fn log_of(&self, name: &str) -> String {
        fungraph(&["logs", name, "--data-dir", &self.server.data().display().to_string()]).out
    }
}

fn with(mut body: Value, mounts: &Value) -> Value {
    body["mount_config"] = mounts.clone();
    body
}

/// The operator's folder at `/mnt/data`, for a user.
fn mount(user: &str) -> Value {
    let list = json!([{ "mount_type": "sfs", "mount_resource": "data", "mount_share_path": "/", "local_mount_path": "/mnt/data" }]);
    json!({ "mount_user": { "user_id": user, "user_group_id": user }, "func_mounts": list })
}

fn owner(path: &Path) -> (u32, u32) {
    let found = fs::metadata(path).expect("it is there");
    (found.uid(), found.gid())
}

#[test]
fn a_function_shares_a_folder_with_the_host_and_with_its_own_next_instance() {
    let host = Host::start("");
    host.create("f", &mount("-1"));
    let shown = host.done("GET", "/f/config", &Value::Null);
    let config = &shown["mount_config"];
    assert_eq!(config["mount_user"], json!({ "user_id": -1, "user_group_id": -1 }));
    assert_eq!(config["func_mounts"][0]["mount_resource"], "data");
    host.says("f", &json!({ "one": "text" }), &json!(["one"]));
    assert_eq!(fs::read_to_string(host.shared().join("one")).expect("it is there"), "text");
    assert_eq!(owner(&host.shared().join("one")), (1003, 1003));
    fs::write(host.shared().join("two"), "from outside").expect("it is written");
    host.says("f", &json!({}), &json!(["one", "two"]));
    // Another function has nothing of it.
    host.done("POST", "", &python("other", PYTHON));
    host.says("other", &json!({}), &Value::Null);
    // An update that does not name them keeps them; the next instance has them too.
    let body = json!({ "func_name": "f", "runtime": "Python3.9", "handler": "index.handler", "timeout": 20, "memory_size": 256 });
    host.done("PUT", "/f/config", &body);
    host.says("f", &json!({ "three": "" }), &json!(["one", "three", "two"]));
    let shown = host.done("PUT", "/f/config", &with(body, &json!({ "func_mounts": [] })));
    assert!(shown.get("mount_config").is_none(), "{shown}");
    host.says("f", &json!({}), &Value::Null);
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn every_kind_of_runtime_has_mounts_under_the_user_it_wants() {
    let host = Host::start("");
    chown(host.shared(), Some(5077), Some(5077)).expect("we are root");
    fs::set_permissions(host.shared(), fs::Permissions::from_mode(0o700)).expect("it is ours");
    for (runtime, file, code) in [
        ("Node.js18.15", "index.js", NODE),
        ("PHP8.3", "index.php", PHP),
        ("Custom", "bootstrap", CUSTOM),
        ("Python3.9", "index.py", PYTHON),
    ] {
        let name = runtime.split('.').next().expect("a word");
        let mut body = with(python(name, code), &mount("5077"));
        (body["runtime"], body["code_filename"]) = (json!(runtime), json!(file));
        host.done("POST", "", &body);
        host.says(name, &json!({ "new": name }), &json!(["new"]));
        assert_eq!(owner(&host.shared().join("new")), (5077, 5077), "{runtime}");
        fs::remove_file(host.shared().join("new")).expect("it is there");
    }
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn crun_and_runc_show_mounts_too() {
    for engine in ["crun", "runc"] {
        let host = Host::start(&format!("[sandbox]\nengine = \"{engine}\""));
        host.create("f", &mount("-1"));
        host.says("f", &json!({ engine: "text" }), &json!([engine]));
        assert_eq!(owner(&host.shared().join(engine)), (1003, 1003));
        assert_eq!(host.server.stop(), Some(0));
    }
}

#[test]
fn a_folder_that_is_given_for_reading_is_not_written() {
    let home = open_folder();
    let fixed = folder(home.path(), "fixed", 1003);
    fs::write(fixed.join("one"), "text").expect("it is written");
    let host = Host::start(&format!("[mounts.fixed]\npath = \"{}\"", fixed.display()));
    let mut mounts = mount("-1");
    mounts["func_mounts"][0]["mount_resource"] = json!("fixed");
    host.create("f", &mounts);
    host.says("f", &json!({}), &json!(["one"]));
    let answer = host.send("POST", "/f/invocations", &json!({ "two": "" }));
    assert_eq!(answer.header("x-func-err-code"), Some("4002"), "{}", answer.text());
    assert!(answer.text().contains("Read-only file system"), "{}", answer.text());
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn mounts_that_cannot_be_had_are_refused_by_name() {
    let other = "f".repeat(32);
    let home = open_folder();
    let theirs = folder(home.path(), "theirs", 1003).display().to_string();
    let host = Host::start(&format!("[mounts.theirs]\npath = \"{theirs}\"\nprojects = [\"{other}\"]"));
    let one = |field: &str, value: Value| {
        let mut mounts = mount("-1");
        mounts["func_mounts"][0][field] = value;
        mounts
    };
    let many = |count: usize| {
        let mut mounts = mount("-1");
        let list = (0..count).map(|n| json!({ "mount_type": "sfs", "mount_resource": "data", "mount_share_path": n.to_string(), "local_mount_path": format!("/mnt/{n}") }));
        mounts["func_mounts"] = list.collect();
        mounts
    };
    let twice = {
        let mut mounts = one("local_mount_path", json!("/mnt/other"));
        let first = mount("-1")["func_mounts"][0].clone();
        mounts["func_mounts"].as_array_mut().expect("a list").push(first);
        mounts
    };
    for (mounts, status, code, word) in [
        (one("mount_resource", json!("missing")), 404, "FSS.1050", "no mount 'missing' for this project. It has data"),
        (one("mount_resource", json!("theirs")), 404, "FSS.1050", "no mount 'theirs' for this project. It has data"),
        (one("mount_resource", json!("")), 400, "FSS.0400", "mount_resource is missing"),
        (one("mount_resource", json!(7)), 400, "FSS.0400", "mount_config.func_mounts[0].mount_resource"),
        (one("mount_type", json!("nfs")), 400, "FSS.0400", "sfs, sfsTurbo or ecs"),
        (one("mount_type", Value::Null), 400, "FSS.0400", "sfs, sfsTurbo or ecs"),
        (one("mount_share_path", json!("../x")), 400, "FSS.0400", "mount_share_path '../x'"),
        (one("local_mount_path", json!("/etc")), 400, "FSS.1039", "where the platform keeps"),
        (one("local_mount_path", json!("/opt/function/code/x")), 400, "FSS.1039", "where the platform keeps"),
        (one("local_mount_path", json!("data")), 400, "FSS.1039", "absolute path"),
        (one("local_mount_path", Value::Null), 400, "FSS.1039", "absolute path"),
        (many(6), 403, "FSS.1049", "has 6 entries; 5 are allowed"),
        (twice, 400, "FSS.1038", "there twice"),
        (mount("0"), 400, "FSS.1075", "mount_user.user_id 0"),
        (mount("1000"), 400, "FSS.1075", "neither 1000 nor 1002"),
        (mount("65535"), 400, "FSS.1075", "1 to 65534"),
        (mount("me"), 400, "FSS.0400", "mount_config.mount_user.user_id"),
        (json!({ "func_mounts": "x" }), 400, "FSS.0400", "mount_config.func_mounts"),
        (json!([]), 400, "FSS.0400", "mount_config"),
    ] {
        let answer = host.send("POST", "", &with(python("bad", PYTHON), &mounts));
        let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!((answer.status, body["error_code"].as_str()), (status, Some(code)), "{mounts}: {body}");
        assert!(body["error_msg"].as_str().is_some_and(|text| text.contains(word)), "{word}: {body}");
    }
    // The same on an update, which changes nothing then.
    host.create("f", &mount("-1"));
    let body = json!({ "func_name": "f", "runtime": "Python3.9", "handler": "index.handler", "timeout": 20, "memory_size": 256 });
    let refused = host.send("PUT", "/f/config", &with(body, &one("mount_resource", json!("theirs"))));
    assert_eq!(refused.status, 404, "{}", refused.text());
    let shown = host.done("GET", "/f/config", &Value::Null);
    assert_eq!(
        (&shown["memory_size"], &shown["mount_config"]["func_mounts"][0]["mount_resource"]),
        (&json!(128), &json!("data"))
    );
    host.says("f", &json!({}), &json!([]));
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_folder_that_vanished_is_told_in_answer_and_logs() {
    let host = Host::start("");
    let mut part = mount("-1");
    part["func_mounts"][0]["mount_share_path"] = json!("team");
    host.create("part", &part);
    let said = host.not_started("part");
    assert!(
        said.ends_with("mount_share_path 'team' of the mount 'data' cannot be used: there is no such folder"),
        "{said}"
    );
    std::os::unix::fs::symlink("/etc", host.shared().join("team")).expect("it is linked");
    let said = host.not_started("part");
    assert!(said.contains("links, and what is mounted below, are not followed"), "{said}");
    fs::remove_file(host.shared().join("team")).expect("it is there");
    fs::create_dir(host.shared().join("team")).expect("it is made");
    host.says("part", &json!({}), &json!([]));

    host.create("whole", &mount("-1"));
    let away = host.home.path().join("away");
    fs::rename(host.shared(), &away).expect("it is moved");
    let said = host.not_started("whole");
    assert!(said.contains("the folder of the mount 'data' is not there"), "{said}");
    assert!(!said.contains(&host.home.path().display().to_string()), "the path is the operator's: {said}");
    wait_for("its line in the function's log", || host.log_of("whole").contains("is not there").then_some(()));
    let path = host.shared().display().to_string();
    assert!(
        host.server.log().lines().any(|line| line.contains("ERROR") && line.contains(&path)),
        "{}",
        host.server.log()
    );
    fs::rename(&away, host.shared()).expect("it is moved back");
    host.says("whole", &json!({}), &json!(["team"]));
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn a_mount_that_is_taken_back_ends_with_the_server_that_gave_it() {
    let host = Host::start("");
    host.create("f", &mount("-1"));
    host.says("f", &json!({}), &json!([]));
    let Host { server, home } = host;
    assert_eq!(server.stop(), Some(0));
    let server = Server::start_on(&home.path().join("data"), &["--auth", "off"]);
    let host = Host { server, home };
    let said = host.not_started("f");
    assert!(said.contains("This server has no mount 'data' for this project"), "{said}");
    // It is still what the function is configured with, and can be changed.
    let shown = host.done("GET", "/f/config", &Value::Null);
    assert_eq!(shown["mount_config"]["func_mounts"][0]["mount_resource"], "data");
    let body = json!({ "func_name": "f", "runtime": "Python3.9", "handler": "index.handler", "timeout": 20, "memory_size": 128 });
    host.done("PUT", "/f/config", &with(body, &json!({ "func_mounts": [] })));
    host.says("f", &json!({}), &Value::Null);
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn folders_that_cannot_be_given_away_keep_a_server_from_starting() {
    let home = open_folder();
    let data = home.path().join("data");
    let try_with = |path: &Path, command: &str| {
        let file = home.path().join("settings.toml");
        fs::write(&file, format!("[mounts.data]\npath = \"{}\"\n", path.display())).expect("write");
        let (data, file) = (data.display().to_string(), file.display().to_string());
        fungraph(&[command, "--listen", "127.0.0.1:0", "--data-dir", &data, "--config", &file])
    };
    for (path, expected) in [
        (home.path().join("missing"), "make the folder, or take the mount out of the settings"),
        (PathBuf::from("/proc/sys"), "a folder on a file system with idmapped mounts, such as ext4, xfs or btrfs"),
        (home.path().to_path_buf(), "are one in the other; choose another folder"),
        (data.join("code"), "are one in the other; choose another folder"),
    ] {
        let run = try_with(&path, "serve");
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(run.err.contains(expected), "{}: {}", path.display(), run.err);
        let run = try_with(&path, "doctor");
        assert_eq!(run.code, 1, "{}", run.out);
        assert!(run.out.contains(expected), "{}: {}", path.display(), run.out);
    }
    let good = folder(home.path(), "good", 1003);
    let run = try_with(&good, "doctor");
    let line = format!("ok       data               {}, read-only, for all projects", good.display());
    assert!(
        run.code == 0 && run.out.contains("Folders that functions may mount\n") && run.out.contains(&line),
        "{}",
        run.out
    );
}

#[test]
fn code_is_still_read_only_beside_a_mount() {
    let host = Host::start("");
    let code = "import os\ndef handler(event, context):\n    seen = {}\n    for path in ['/mnt/x', '/mnt/data/x', '/opt/function/code/x', '/x']:\n        \
                try:\n            open(path, 'w').close()\n            seen[path] = True\n        except OSError:\n            seen[path] = False\n    return seen\n";
    host.done("POST", "", &with(python("f", code), &mount("-1")));
    let expected = json!({ "/mnt/x": false, "/mnt/data/x": true, "/opt/function/code/x": false, "/x": false });
    host.says("f", &json!({}), &expected);
    assert_eq!(host.server.stop(), Some(0));
}
