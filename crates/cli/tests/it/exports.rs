//! Functions as archives: from one server to another, and everything that an archive must not do.

use std::io::{Cursor, Read as _, Write as _};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::dependencies::{upload, zip};
use crate::harness::{Answer, Server, fungraph, wait_for};
use crate::raw::{base64, python};

const SECRET: &str = "hidden-value";

struct Host(Server);

impl Host {
    fn start() -> Self {
        Self(Server::start(&["--auth", "off"]))
    }

    fn send(&self, method: &str, rest: &str, body: &Value) -> Answer {
        self.0.ask(method, rest, body)
    }

    #[track_caller]
    fn done(&self, method: &str, rest: &str, body: &Value) -> Value {
        let answer = self.send(method, rest, body);
        assert!((200..300).contains(&answer.status), "{method} {rest}: {} {}", answer.status, answer.text());
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    #[track_caller]
    fn refused(&self, name: &str, archive: &[u8], (status, code, word): (u16, &str, &str)) {
        let answer = self.import("f", archive);
        let said = answer.text();
        assert!(
            answer.status == status && said.contains(code) && said.contains(word),
            "{name}: {} {said}, not {status} {code} {word}",
            answer.status
        );
        assert_eq!(self.done("GET", "/functions", &Value::Null)["count"], json!(0), "{name}: something stays");
    }

    #[track_caller]
    fn export(&self, function: &str, query: &str) -> Vec<u8> {
        let answer = self.send("GET", &format!("/functions/{function}/export{query}"), &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/zip"));
        answer.body
    }

    fn import(&self, name: &str, archive: &[u8]) -> Answer {
        let body = json!({
            "func_name": name, "file_name": "f.zip", "file_type": "zip", "file_code": base64(archive), "package": "default",
        });
        self.send("POST", "/functions/import", &body)
    }

    #[track_caller]
    fn says(&self, name: &str, expected: &str) {
        let answer = self.send("POST", &format!("/functions/{name}/invocations"), &json!({}));
        assert_eq!((answer.status, answer.text().as_str()), (200, expected));
    }
}

/// The description in an archive.
fn description(archive: &[u8]) -> Value {
    let mut archive = ZipArchive::new(Cursor::new(archive)).expect("an archive");
    let mut text = String::new();
    archive.by_name("function.json").expect("it is there").read_to_string(&mut text).expect("it is a text");
    serde_json::from_str(&text).expect("JSON")
}

/// The same archive with another description.
fn with(archive: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut new = description(archive);
    change(&mut new);
    let mut old = ZipArchive::new(Cursor::new(archive)).expect("an archive");
    let mut code = Vec::new();
    old.by_name("code").expect("it is there").read_to_end(&mut code).expect("it can be read");
    pack(&[("function.json", new.to_string().as_bytes()), ("code", &code)])
}

fn pack(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).expect("in memory");
        writer.write_all(content).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

/// A function with everything that an archive may carry, and with secrets.
fn make(host: &Host, name: &str) -> Value {
    let units = host.done("POST", "/dependencies/version", &upload("units", &[("units.py", "KM = 1000\n")]));
    let code = "import os, units\ndef handler(event, context):\n    return [units.KM, context.getUserData('city'), context.getUserData('key')]\n";
    let mut body = python(name, "");
    (body["code_type"], body["func_code"]) = (json!("zip"), json!({ "file": base64(&zip(&[("index.py", code)])) }));
    body["depend_version_list"] = json!([units["id"]]);
    body["user_data"] = json!("{\"city\":\"Brno\"}");
    body["encrypted_user_data"] = json!(format!("{{\"key\":\"{SECRET}\"}}"));
    body["description"] = json!("what it is for");
    body["initializer_handler"] = json!("index.handler");
    body["tags"] = json!("{\"team\":\"a\"}");
    body["xrole"] = json!("agency");
    body["strategy_config"] = json!({ "concurrency": 7, "concurrent_num": 3 });
    body.as_object_mut().expect("an object").remove("initializer_handler");
    let created = host.done("POST", "/functions", &body);
    let timer = json!({ "name": "hourly", "schedule_type": "Cron", "schedule": "0 0 * * * *", "user_event": "tick" });
    let trigger = json!({ "trigger_type_code": "TIMER", "trigger_status": "DISABLED", "event_data": timer });
    host.done("POST", &format!("/triggers/{name}"), &trigger);
    let database = json!({
        "instance_id": "i", "db_name": "d", "collection_name": "c", "db_password": SECRET, "batch_size": 1, "name": "dds1",
    });
    host.done("POST", &format!("/triggers/{name}"), &json!({ "trigger_type_code": "DDS", "event_data": database }));
    let event = json!({ "name": "one", "content": base64(b"{\"a\": 1}") });
    host.done("POST", &format!("/functions/{name}/events"), &event);
    created
}

#[test]
fn a_function_goes_from_one_server_to_another() {
    let (from, to) = (Host::start(), Host::start());
    let created = make(&from, "f");
    from.says("f", &format!("[1000, \"Brno\", \"{SECRET}\"]"));
    let archive = from.export("f", "?config=true&code=true");
    assert_eq!(archive, from.export("f", ""), "the same function is the same archive");
    assert!(!archive.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
    let text = description(&archive).to_string();
    assert!(!text.contains(SECRET), "{text}");
    let left_out = description(&archive)["left_out"].to_string();
    assert!(left_out.contains("encrypted variable key") && left_out.contains("DDS trigger dds1"), "{left_out}");

    // Its dependency has to be there first, with that content.
    let (absent, other) = (to.import("f", &archive), upload("units", &[("units.py", "KM = 1\n")]));
    assert!(absent.status == 404 && absent.text().contains("FSS.1056"), "{}", absent.text());
    to.done("POST", "/dependencies/version", &upload("units", &[("units.py", "KM = 1000\n")]));
    to.done("POST", "/dependencies/version", &other);
    let answer = to.import("f", &archive);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let imported: Value = serde_json::from_slice(&answer.body).expect("JSON");
    for field in ["handler", "memory_size", "timeout", "user_data", "description", "strategy_config", "xrole", "digest"]
    {
        assert_eq!(imported[field], created[field], "{field}");
    }
    assert_ne!(imported["func_urn"], created["func_urn"]);
    to.says("f", "[1000, \"Brno\", null]");
    let triggers = to.done("GET", "/triggers/f", &Value::Null);
    assert_eq!(triggers.as_array().map(Vec::len), Some(1), "{triggers}");
    assert_eq!(
        (&triggers[0]["trigger_status"], &triggers[0]["event_data"]["user_event"]),
        (&json!("DISABLED"), &json!("tick"))
    );
    let events = to.done("GET", "/functions/f/events", &Value::Null);
    assert_eq!((&events["count"], &events["events"][0]["name"]), (&json!(1), &json!("one")));
    let id = events["events"][0]["id"].as_str().expect("a text");
    let event = to.done("GET", &format!("/functions/f/events/{id}"), &Value::Null);
    assert_eq!(event["content"], json!(base64(b"{\"a\": 1}")));
    let data = to.0.data().display().to_string();
    let log = wait_for("the log of the import", || {
        Some(fungraph(&["logs", "f", "--data-dir", &data]).out).filter(|log| log.contains("not in the archive"))
    });
    assert!(log.contains("the encrypted variable key") && !log.contains(SECRET), "{log}");
    // What was imported exports as what it came from, but for the secrets that it has not.
    let again = description(&to.export("f", ""));
    for part in ["function", "code", "triggers", "events"] {
        assert_eq!(again[part], description(&archive)[part], "{part}");
    }
    assert_eq!(again["left_out"], json!([]));

    // A name that is taken stays whose it is; another one is free.
    let taken = to.import("f", &archive);
    assert!(taken.status == 409 && taken.text().contains("FSS.1061"), "{}", taken.text());
    assert_eq!(to.import("g", &archive).status, 200);
    to.says("g", "[1000, \"Brno\", null]");
    assert_eq!((from.0.stop(), to.0.stop()), (Some(0), Some(0)));
}

#[test]
fn code_and_configuration_are_exported_by_themselves() {
    let host = Host::start();
    let package = zip(&[("index.py", "def handler(event, context):\n    return 1\n")]);
    let mut body = python("zipped", "");
    (body["code_type"], body["func_code"]) = (json!("zip"), json!({ "file": base64(&package) }));
    host.done("POST", "/functions", &body);
    assert_eq!(host.export("zipped", "?type=code"), package);
    host.0.create("inline", "Python3.9", "def handler(event, context):\n    return 2\n");
    let code = host.export("inline", "?code=true");
    let mut archive = ZipArchive::new(Cursor::new(code)).expect("an archive");
    let mut text = String::new();
    archive.by_name("index.py").expect("it is there").read_to_string(&mut text).expect("a text");
    assert_eq!(text, "def handler(event, context):\n    return 2\n");
    // A configuration has no code to run.
    let config = host.export("inline", "?type=config");
    assert_eq!(description(&config)["code"], Value::Null);
    let answer = host.import("again", &config);
    assert!(answer.status == 400 && answer.text().contains("FSS.1012"), "{}", answer.text());
    assert_eq!(host.import("again", &host.export("inline", "")).status, 200);
    host.says("again", "2");
    for (query, code) in
        [("?type=all", "FSS.0400"), ("?type=code&code=true", "FSS.0400"), ("?config=maybe", "FSS.0400")]
    {
        let answer = host.send("GET", &format!("/functions/inline/export{query}"), &Value::Null);
        assert!(answer.status == 400 && answer.text().contains(code), "{query}: {}", answer.text());
    }
    let missing = host.send("GET", "/functions/nobody/export", &Value::Null);
    assert!(missing.status == 404 && missing.text().contains("FSS.1051"), "{}", missing.text());
    assert_eq!(host.0.stop(), Some(0));
}

#[test]
fn a_trigger_that_cannot_be_here_keeps_the_function_from_being_here() {
    let (from, to) = (Host::start(), Host::start());
    from.0.create("f", "Python3.9", "def handler(event, context):\n    return 1\n");
    let timer = |name: &str| {
        let data = json!({ "name": name, "schedule_type": "Rate", "schedule": "3m" });
        json!({ "trigger_type_code": "TIMER", "event_data": data })
    };
    let gateway = json!({
        "name": "api", "group_id": "group1", "env_id": "e", "env_name": "RELEASE", "auth": "NONE", "protocol": "HTTP", "path": "/a",
        "req_method": "GET", "match_mode": "NORMAL", "type": 1, "func_info": { "timeout": 1000 },
    });
    from.done("POST", "/triggers/f", &timer("t"));
    from.done("POST", "/triggers/f", &json!({ "trigger_type_code": "APIG", "event_data": gateway }));
    let archive = from.export("f", "");
    let two = |trigger: Value| with(&archive, |new| new["triggers"] = json!([trigger.clone(), trigger]));
    to.refused("two of one name", &two(timer("t")), (409, "FSS.1148", "triggers[1]"));
    let mut same_place = description(&archive)["triggers"][1].clone();
    same_place["event_data"]["name"] = json!("other");
    let both = with(&archive, |new| new["triggers"][0] = same_place);
    to.refused("two in one place", &both, (409, "FSS.1147", "triggers[1]"));
    to.refused(
        "no such time",
        &two(json!({ "trigger_type_code": "TIMER", "event_data": {} })),
        (400, "FSS.1109", "triggers[0]"),
    );
    to.refused("no such type", &two(json!({ "trigger_type_code": "BELL" })), (400, "FSS.1101", "BELL"));
    let many = with(&archive, |new| new["triggers"] = (0..11).map(|n| timer(&format!("t{n}"))).collect());
    to.refused("too many", &many, (400, "FSS.1025", "11 triggers"));
    let events = with(&archive, |new| {
        new["events"] = json!([{ "name": "a", "content": "e30=" }, { "name": "a", "content": "e30=" }]);
    });
    to.refused("two events of one name", &events, (403, "FSS.1073", "events[1]"));

    assert_eq!(to.import("f", &archive).status, 200);
    // The place at the gateway is taken by the first one.
    let answer = to.import("g", &archive);
    assert!(answer.status == 409 && answer.text().contains("FSS.1147"), "{}", answer.text());
    assert_eq!(to.send("GET", "/functions/g/config", &Value::Null).status, 404);
    let url =
        to.done("GET", "/triggers/f", &Value::Null)[1]["event_data"]["invoke_url"].as_str().expect("a text").to_owned();
    assert!(url.ends_with("/gateway/group1/a"), "{url}");
    assert_eq!((from.0.stop(), to.0.stop()), (Some(0), Some(0)));
}

#[test]
fn archives_of_strangers_are_refused_and_nothing_stays() {
    let (from, to) = (Host::start(), Host::start());
    let mut body = python("f", "");
    let package = zip(&[("index.py", "def handler(event, context):\n    return 1\n")]);
    (body["code_type"], body["func_code"]) = (json!("zip"), json!({ "file": base64(&package) }));
    from.done("POST", "/functions", &body);
    let good = from.export("f", "");
    let digest = description(&good)["code"]["digest"].clone();
    assert_eq!(digest, from.done("GET", "/functions/f/config", &Value::Null)["digest"]);
    let text = description(&good).to_string();
    let set = |field: &str, value: Value| with(&good, |new| new["function"][field] = value);
    // A description may bring code of another digest only if it says so.
    let with_code = |code: &[u8]| {
        let mut new = description(&good);
        new["code"]["digest"] = json!(sha512(code));
        pack(&[("function.json", new.to_string().as_bytes()), ("code", code)])
    };
    let link = {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("function.json", "/etc/passwd", SimpleFileOptions::default()).expect("in memory");
        writer.finish().expect("in memory").into_inner()
    };
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let bomb = {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("function.json", stored).expect("in memory");
        (0..64).for_each(|_| writer.write_all(&[b' '; 1 << 20]).expect("in memory"));
        writer.finish().expect("in memory").into_inner()
    };
    let names: Vec<String> = (0..100).map(|n| format!("a{n}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    for (name, archive, expected) in [
        ("text", b"text".to_vec(), (400, "FSS.1011", "zip")),
        ("a piece of one", good[..good.len() / 2].to_vec(), (400, "FSS.1011", "archive")),
        ("an empty one", pack(&[]), (400, "FSS.1025", "function.json")),
        ("code alone", package.clone(), (400, "FSS.1011", "index.py")),
        ("another service's", pack(&[("f.yaml", b"name: f")]), (400, "FSS.1011", "f.yaml")),
        ("a name that leads out", pack(&[("../function.json", b"{}")]), (400, "FSS.1011", "../function.json")),
        ("a link", link, (400, "FSS.1011", "no file")),
        ("a bomb", bomb, (400, "FSS.1011", "1048576")),
        ("many entries", pack(&many), (400, "FSS.1011", "64")),
        ("no JSON", pack(&[("function.json", b"name: f")]), (400, "FSS.1025", "JSON")),
        ("no code", pack(&[("function.json", text.as_bytes())]), (400, "FSS.1012", "code=true")),
        ("other code", pack(&[("function.json", text.as_bytes()), ("code", b"other")]), (400, "FSS.1011", "digest")),
        ("code that is no zip", with_code(b"text"), (400, "FSS.1011", "zip")),
        ("code that leads out", with_code(&zip(&[("../index.py", "")])), (400, "FSS.1011", "..")),
        (
            "another format",
            with(&good, |new| new["format"] = json!("fungraph-function/9")),
            (400, "FSS.1025", "format"),
        ),
        ("an unknown runtime", set("runtime", json!("Cobol")), (400, "FSS.1005", "Cobol")),
        ("much memory", set("memory_size", json!(1_i64 << 40)), (400, "FSS.1007", "memory_size")),
        (
            "many variables",
            set("user_data", json!(format!("{{\"a\":\"{}\"}}", "x".repeat(5000)))),
            (400, "FSS.1018", "4096"),
        ),
        ("a long text", set("description", json!("x".repeat(600))), (400, "FSS.1019", "512")),
        ("a number as a text", set("handler", json!(7)), (400, "FSS.0400", "function.handler")),
        ("what is not built", set("gpu_type", json!("nvidia-t4")), (501, "FSS.0426", "gpu_type")),
        (
            "a folder of nobody",
            set(
                "mount_config",
                json!({ "func_mounts": [{ "mount_type": "sfs", "mount_resource": "r",
            "mount_share_path": "/", "local_mount_path": "/mnt/a" }] }),
            ),
            (404, "FSS.1050", "r"),
        ),
    ] {
        to.refused(name, &archive, expected);
    }
    for (name, body, expected) in [
        ("no archive", json!({ "func_name": "f", "file_type": "zip" }), (400, "FSS.1012")),
        ("no base64", json!({ "func_name": "f", "file_type": "zip", "file_code": "{}" }), (400, "FSS.1011")),
        ("another type", json!({ "func_name": "f", "file_type": "yaml", "file_code": "e30=" }), (400, "FSS.1013")),
        ("a bad name", json!({ "func_name": "9", "file_type": "zip", "file_code": base64(&good) }), (400, "FSS.1002")),
        ("too large", json!({ "func_name": "f", "file_code": "A".repeat(70_000_000) }), (400, "FSS.1023")),
    ] {
        let answer = to.send("POST", "/functions/import", &body);
        assert!(answer.status == expected.0 && answer.text().contains(expected.1), "{name}: {}", answer.text());
    }
    assert_eq!(to.done("GET", "/functions", &Value::Null)["count"], json!(0));
    // Code that was stored before the refusal is left for the next cleaning, as after any other refusal; nothing is half-made.
    let is_half = |name: std::ffi::OsString| name.to_string_lossy().starts_with('.');
    let code = std::fs::read_dir(to.0.data().join("code")).expect("a folder");
    assert!(!code.map(|entry| entry.expect("an entry").file_name()).any(is_half));
    assert!(!to.0.log().contains("ERROR") && !to.0.log().contains("panicked"), "{}", to.0.log());
    assert_eq!(to.import("f", &good).status, 200);
    to.says("f", "1");
    assert_eq!((from.0.stop(), to.0.stop()), (Some(0), Some(0)));
}

pub(crate) fn sha512(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha512::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
