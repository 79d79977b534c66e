//! Input that is wrong: each gets the contract's status and code and a text that says what to do, nothing of it remains, and the
//! server goes on as before.

use std::fs;
use std::io::{Cursor, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{base64, create, python};
use crate::harness::{Answer, Server, open_folder};
use crate::signed::Client;

/// One bad body and what it must get: status, code, and a word of the text.
type Case = (&'static str, Value, u16, &'static str, &'static str);

#[track_caller]
fn refused(name: &str, answer: &Answer, status: u16, code: &str, word: &str) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body["error_msg"].as_str().unwrap_or_default();
    let seen = (answer.status, body["error_code"].as_str().unwrap_or_default());
    assert_eq!(seen, (status, code), "{name}: {}", answer.text());
    assert!(
        message.len() >= 20 && message.to_lowercase().contains(&word.to_lowercase()),
        "{name}: {message:?} lacks {word:?}"
    );
    assert!(answer.header("x-request-id").is_some(), "{name}: no X-Request-Id");
}

/// Nothing was left behind, and the server is well.
#[track_caller]
fn unharmed(server: &Server, client: &Client, functions: u64) {
    let list: Value = serde_json::from_slice(&client.done("GET", "", &Value::Null).body).expect("a list");
    assert_eq!(list["count"], json!(functions), "{list}");
    let packages: Vec<_> = fs::read_dir(server.data().join("code")).expect("a folder for packages").flatten().collect();
    let packages = u64::try_from(packages.len()).expect("few");
    assert!(packages <= functions, "{packages} packages of {functions} functions");
    assert_eq!(server.request("GET", "/healthz", &[], "").status, 200);
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = python("bad", "def handler(event, context):\n    return 1\n");
    change(&mut body);
    body
}

fn set(field: &str, value: Value) -> Value {
    changed(|body| body[field] = value)
}

fn without(field: &str) -> Value {
    changed(|body| {
        body.as_object_mut().expect("an object").shift_remove(field);
    })
}

fn zipped(archive: &[u8]) -> Value {
    changed(|body| {
        body["code_type"] = json!("zip");
        body["func_code"]["file"] = json!(base64(archive));
    })
}

fn archive(fill: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    fill(&mut writer);
    writer.finish().expect("in memory").into_inner()
}

/// An archive with one file of that name.
fn named(name: &str) -> Vec<u8> {
    archive(|zip| {
        zip.start_file(name, SimpleFileOptions::default()).expect("in memory");
        zip.write_all(b"def handler(event, context):\n    return 1\n").expect("in memory");
    })
}

fn link(target: &str) -> Vec<u8> {
    archive(|zip| zip.add_symlink("link", target, SimpleFileOptions::default()).expect("in memory"))
}

/// 160 KB that would become 160 MB.
fn bomb() -> Vec<u8> {
    archive(|zip| {
        let packed = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file("index.py", packed).expect("in memory");
        let zeros = vec![0; 1 << 20];
        (0..160).for_each(|_| zip.write_all(&zeros).expect("in memory"));
    })
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

#[test]
fn functions_that_cannot_be_are_not_created() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    let cases: Vec<Case> = vec![
        ("no name", without("func_name"), 400, "FSS.1002", "func_name"),
        ("an empty name", set("func_name", json!("")), 400, "FSS.1002", "func_name"),
        ("a name of 61 letters", set("func_name", json!("x".repeat(61))), 400, "FSS.1002", "60"),
        ("a name with a slash", set("func_name", json!("a/b")), 400, "FSS.1002", "letter"),
        ("a fixed word as name", set("func_name", json!("import")), 400, "FSS.1002", "another name"),
        ("a name that is a number", set("func_name", json!(7)), 400, "FSS.0400", "text"),
        ("a bad package", set("package", json!("a b")), 400, "FSS.1004", "package"),
        ("no runtime", without("runtime"), 400, "FSS.1005", "runtime"),
        ("an unknown runtime", set("runtime", json!("Python4.0")), 400, "FSS.1005", "Python3.9"),
        ("a runtime that is not built", set("runtime", json!("Cangjie1.0")), 501, "FSS.0426", "Cangjie"),
        ("a Go plugin", set("runtime", json!("Go1.8")), 501, "FSS.0426", "runtime Go1.x"),
        ("Go without a package", set("runtime", json!("Go1.x")), 400, "FSS.1006", "Use zip"),
        (
            "a Go program elsewhere",
            changed(|body| {
                body["runtime"] = json!("Go1.x");
                body["handler"] = json!("../handler");
            }),
            400,
            "FSS.1003",
            "leaves the code folder",
        ),
        ("no handler", without("handler"), 400, "FSS.1003", "handler"),
        ("a handler without a dot", set("handler", json!("handler")), 400, "FSS.1003", "file.function"),
        ("a long handler", set("handler", json!(format!("{}.handler", "x".repeat(128)))), 400, "FSS.1003", "128"),
        ("no memory", without("memory_size"), 400, "FSS.1007", "memory_size"),
        ("memory of another size", set("memory_size", json!(127)), 400, "FSS.1007", "128"),
        ("memory as a word", set("memory_size", json!("much")), 400, "FSS.0400", "whole number"),
        ("memory with a fraction", set("memory_size", json!(128.5)), 400, "FSS.0400", "whole number"),
        ("a timeout too short", set("timeout", json!(2)), 400, "FSS.1008", "3"),
        ("a timeout too long", set("timeout", json!(259_201)), 400, "FSS.1008", "259200"),
        ("a timeout below zero", set("timeout", json!(-1)), 400, "FSS.1008", "259200"),
        ("a timeout that is a list", set("timeout", json!([3])), 400, "FSS.0400", "whole number"),
        ("a timeout beyond integers", set("timeout", json!(1e300)), 400, "FSS.0400", "whole number"),
        ("variables that are no JSON", set("user_data", json!("x")), 400, "FSS.1009", "JSON object"),
        ("variables that are an object", set("user_data", json!({ "a": "b" })), 400, "FSS.0400", "text"),
        ("a variable of the platform", set("user_data", json!(r#"{"RUNTIME_CPU": "1"}"#)), 400, "FSS.1009", "RUNTIME_"),
        (
            "variables too big",
            set("user_data", json!(json!({ "a": "x".repeat(4097) }).to_string())),
            400,
            "FSS.1018",
            "4096",
        ),
        ("a long description", set("description", json!("x".repeat(513))), 400, "FSS.1019", "512"),
        (
            "a strategy beyond the range",
            set("strategy_config", json!({ "concurrency": 1001 })),
            400,
            "FSS.1026",
            "1000",
        ),
        ("a strategy of the wrong type", set("strategy_config", json!("many")), 400, "FSS.0400", "object"),
        (
            "an initializer without a dot",
            set("initializer_handler", json!("init")),
            400,
            "FSS.1404",
            "initializer_handler",
        ),
        (
            "an initializer's time beyond the range",
            changed(|body| {
                body["initializer_handler"] = json!("index.init");
                body["initializer_timeout"] = json!(301);
            }),
            400,
            "FSS.1405",
            "300",
        ),
        ("no code type", without("code_type"), 400, "FSS.1006", "code_type"),
        ("an unknown code type", set("code_type", json!("tar")), 400, "FSS.1006", "code_type"),
        // Without code an inline function gets a sample, as the service does it; an archive has none.
        (
            "no archive",
            changed(|body| (body["code_type"], body["func_code"]) = (json!("zip"), json!({}))),
            400,
            "FSS.1012",
            "code",
        ),
        ("code that is no base64", set("func_code", json!({ "file": "def handler():" })), 400, "FSS.1011", "base64"),
        ("code with broken padding", set("func_code", json!({ "file": "eA=" })), 400, "FSS.1011", "base64"),
        ("inline code over 10 KB", set("func_code", json!({ "file": base64(&[b'#'; 10_241]) })), 413, "FSS.1072", "10"),
    ];
    all_refused(&client, cases);
    unharmed(&server, &client, 0);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn archives_that_cannot_be_trusted_are_refused() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    let bad = |name, bytes: &[u8], word| (name, zipped(bytes), 400, "FSS.1011", word);
    let cases: Vec<Case> = vec![
        bad("not an archive", b"this is no archive, whatever it says", "zip"),
        bad("an empty archive", b"", "code"),
        bad("half an archive", &cut(named("index.py")), "zip"),
        bad("a name that climbs", &named("../index.py"), ".."),
        bad("a name that climbs in the middle", &named("a/../../index.py"), ".."),
        bad("an absolute name", &named("/etc/index.py"), "/etc/index.py"),
        bad("a link to the outside", &link("/etc/passwd"), "link"),
        bad("a link that climbs", &link("../../etc/passwd"), "link"),
        bad("a bomb", &bomb(), ""),
        bad("a name too long", &named(&format!("{}.py", "x".repeat(300))), "name"),
    ];
    // An empty text is no code at all.
    let cases = cases
        .into_iter()
        .map(|case| if case.0 == "an empty archive" { (case.0, case.1, 400, "FSS.1012", "code") } else { case });
    all_refused(&client, cases.collect());
    unharmed(&server, &client, 0);
    assert_eq!(server.stop(), Some(0));
}

#[track_caller]
fn all_refused(client: &Client, cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for (name, body, status, code, word) in cases {
        let answer = client.call("POST", &client.functions(""), &body.to_string());
        let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let message = envelope["error_msg"].as_str().unwrap_or_default();
        let fits = (answer.status, envelope["error_code"].as_str()) == (status, Some(code));
        let says = message.len() >= 20 && message.to_lowercase().contains(&word.to_lowercase());
        if !fits || !says {
            wrong.push(format!(
                "{name}: expected {status} {code} with {word:?}, got {} {}",
                answer.status,
                answer.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bodies_that_are_no_json_are_refused_with_the_place() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    for (name, body, word) in [
        ("no JSON", "func_name=hello", "line 1"),
        ("half a JSON", r#"{"func_name": "#, "line 1"),
        ("a list", "[]", "object"),
        ("a number", "7", "object"),
        ("two values", "{} {}", "line 1"),
        ("brackets without end", &"[".repeat(100_000), "JSON"),
        ("a broken escape", r#"{"func_name": "\ud800"}"#, "line 1"),
    ] {
        refused(name, &client.call("POST", &client.functions(""), body), 400, "FSS.0400", word);
    }
    let answer = client.call("POST", &client.functions(""), "");
    refused("no body", &answer, 400, "FSS.1002", "func_name");
    unharmed(&server, &client, 0);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_refused_update_changes_nothing() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    create(&client, "kept", "def handler(event, context):\n    return 'as before'\n");
    let before = client.done("GET", "/kept/config", &Value::Null).text();
    let update = |field: &str, value: Value| {
        let mut body = json!({ "func_name": "kept", "runtime": "Python3.9", "handler": "index.handler", "timeout": 3, "memory_size": 128 });
        body[field] = value;
        client.call("PUT", &client.functions("/kept/config"), &body.to_string())
    };
    refused("timeout", &update("timeout", json!(1)), 400, "FSS.1008", "3");
    refused("memory", &update("memory_size", json!(100)), 400, "FSS.1007", "128");
    refused("handler", &update("handler", json!("nothing")), 400, "FSS.1003", "file.function");
    refused("strategy", &update("strategy_config", json!({ "concurrency": -2 })), 400, "FSS.1026", "-1");
    let code = |file: &str| {
        let body = json!({ "code_type": "zip", "func_code": { "file": file } });
        client.call("PUT", &client.functions("/kept/code"), &body.to_string())
    };
    refused("code", &code("%%%"), 400, "FSS.1011", "base64");
    refused("archive", &code(&base64(b"no archive at all, just text")), 400, "FSS.1011", "zip");
    let put = |path: &str| client.call("PUT", &client.functions(path), "{}");
    refused("a version", &put(&format!("/{}%3Adefault%3Akept%3Av1/config", client.project)), 400, "FSS.1015", "latest");
    refused("nobody", &put("/nobody/config"), 404, "FSS.1051", "nobody");
    assert_eq!(client.done("GET", "/kept/config", &Value::Null).text(), before);
    assert_eq!(client.done("POST", "/kept/invocations", &json!({})).text(), "as before");
    unharmed(&server, &client, 1);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn handlers_that_do_not_exist_fail_their_calls() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    let mut body = python("absent", "def other(event, context):\n    return 1\n");
    client.done("POST", "", &body);
    body["func_name"] = json!("lost");
    body["handler"] = json!("elsewhere.handler");
    client.done("POST", "", &body);
    for (function, word) in [("absent", "handler"), ("lost", "elsewhere")] {
        let answer = client.call("POST", &client.functions(&format!("/{function}/invocations")), "{}");
        let object: Value = serde_json::from_slice(&answer.body).expect("an error object");
        assert_eq!((answer.status, &object["error_code"]), (500, &json!("FSS.4001")), "{}", answer.text());
        assert!(object["errorMessage"].as_str().is_some_and(|text| text.contains(word)), "{}", answer.text());
        assert_eq!(answer.header("x-is-func-err"), Some("true"));
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn calls_that_cannot_be_are_refused() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    create(&client, "echo", "def handler(event, context):\n    return event\n");
    let call =
        |function: &str, body: &str| client.call("POST", &client.functions(&format!("/{function}/invocations")), body);
    refused("no JSON", &call("echo", "{a: 1}"), 406, "FSS.0406", "JSON");
    refused("half a JSON", &call("echo", "{\"a\""), 406, "FSS.0406", "JSON");
    refused("five fields", &call("a%3Ab%3Ac%3Ad%3Ae", "{}"), 400, "FSS.1309", "URN");
    refused("an empty name", &call("default%3A", "{}"), 400, "FSS.1309", "URN");
    refused("a long URN", &call(&"x".repeat(300), "{}"), 400, "FSS.1309", "URN");
    refused("no UTF-8", &call("%FF", "{}"), 400, "FSS.1309", "UTF-8");
    let qualified = |qualifier: &str| format!("{}%3Adefault%3Aecho%3A{qualifier}", client.project);
    refused("an unknown version", &call(&qualified("v9"), "{}"), 404, "FSS.0404", "Not found");
    refused("an unknown alias", &call(&qualified("%21prod"), "{}"), 404, "FSS.0404", "Not found");
    let largest = format!("\"{}\"", "x".repeat(6 * 1024 * 1024 - 2));
    let answer = call("echo", &largest);
    assert_eq!((answer.status, answer.body.len()), (200, 6 * 1024 * 1024 - 2), "six megabytes are allowed");
    refused("one byte more", &call("echo", &format!("{largest} ")), 413, "FSS.1201", "6");
    let path = client.functions("?maxitems=-1");
    refused("a negative page", &client.call("GET", &path, ""), 400, "FSS.0400", "maxitems");
    unharmed(&server, &client, 1);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_missing_interpreter_is_told_with_what_to_do() {
    let home = open_folder();
    let config = home.path().join("fungraph.toml");
    fs::write(&config, "[runtimes]\nstrict = true\n").expect("a file for the settings");
    let server = Server::start(&["--config", &config.display().to_string()]);
    let client = Client::of(&server);
    let mut body = python("old", "exports.handler = async () => 1;\n");
    // Nobody has this one any more; a host that has would be welcome to fail here.
    body["runtime"] = json!("Node.js6.10");
    let answer = client.call("POST", &client.functions(""), &body.to_string());
    refused("strict", &answer, 400, "FSS.1005", "set runtimes.strict = false");
    unharmed(&server, &client, 0);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn reservations_that_cannot_be_are_refused_and_leave_nothing() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    create(&client, "f", "def handler(event, context):\n    return 1\n");
    let path = client.functions("/f/reservedinstances");
    let schedule = |schedule: Value| json!({ "count": 1, "tactics_config": { "cron_configs": [schedule] } });
    let rule = |rule: Value| json!({ "count": 1, "tactics_config": { "metric_configs": [rule] } });
    let cases: Vec<Case> = vec![
        ("no count", json!({ "idle_mode": true }), 400, "FSS.0400", "count"),
        ("a count below zero", json!({ "count": -1 }), 400, "FSS.0400", "0 to 1000"),
        ("a count too high", json!({ "count": 1001 }), 400, "FSS.0400", "0 to 1000"),
        ("a count over the limit", json!({ "count": 91 }), 400, "FSS.1076", "limits.reserved_instances"),
        ("a count that is a word", json!({ "count": "many" }), 400, "FSS.0400", "whole number"),
        ("tactics that are a list", json!({ "count": 1, "tactics_config": [] }), 400, "FSS.0400", "object"),
        ("a schedule without cron", schedule(json!({ "count": 2 })), 400, "FSS.0400", "cron"),
        ("a schedule of no form", schedule(json!({ "cron": "@daily", "count": 2 })), 400, "FSS.0400", "5 or 6"),
        ("a schedule of no day", schedule(json!({ "cron": "0 0 30 2 *", "count": 2 })), 400, "FSS.0400", "no time"),
        ("a letter of no cron", schedule(json!({ "cron": "0 0 L * *", "count": 2 })), 400, "FSS.0400", "day of month"),
        ("a schedule of nothing", schedule(json!({})), 400, "FSS.0400", "cron_configs[0].cron"),
        (
            "milliseconds",
            schedule(json!({ "cron": "0 8 * * *", "count": 2, "start_time": 1_700_000_000_000_u64 })),
            400,
            "FSS.0400",
            "not milliseconds",
        ),
        ("a schedule below the count", schedule(json!({ "cron": "0 8 * * *", "count": 0 })), 400, "FSS.0400", "below"),
        (
            "a schedule over the limit",
            schedule(json!({ "cron": "0 8 * * *", "count": 91 })),
            400,
            "FSS.1076",
            "schedules",
        ),
        (
            "a window that ends before it begins",
            schedule(json!({ "cron": "0 8 * * *", "count": 2, "start_time": 9, "expired_time": 8 })),
            400,
            "FSS.0400",
            "expired_time",
        ),
        ("a rule of another type", rule(json!({ "type": "Memory", "threshold": 5 })), 400, "FSS.0400", "Concurrency"),
        ("a rule without threshold", rule(json!({ "type": "Concurrency" })), 400, "FSS.0400", "threshold"),
    ];
    for (name, body, status, code, word) in cases {
        refused(name, &client.call("PUT", &path, &body.to_string()), status, code, word);
    }
    refused("no JSON", &client.call("PUT", &path, "count=1"), 400, "FSS.0400", "JSON");
    let most = client.functions("/f/config-max-instance");
    refused("no number", &client.call("PUT", &most, "{}"), 400, "FSS.0400", "max_instance_num");
    refused("out of range", &client.call("PUT", &most, r#"{"max_instance_num": -2}"#), 400, "FSS.1026", "1000");
    let list = client.functions("/reservedinstances");
    refused("a bad page", &client.call("GET", &format!("{list}?limit=x"), ""), 400, "FSS.1001", "limit");
    refused("a bad filter", &client.call("GET", &format!("{list}?urn=a%3Ab%3Ac%3Ad%3Ae"), ""), 400, "FSS.1309", "urn");
    refused("unsigned", &client.request("PUT", &path, r#"{"count": 1}"#).send(), 401, "APIGW.0301", "sign");
    let listed: Value =
        serde_json::from_slice(&client.done("GET", "/reservedinstanceconfigs", &Value::Null).body).expect("a list");
    assert_eq!(listed["count"], json!(0), "{listed}");
    unharmed(&server, &client, 1);
}
