//! Raw answers, word for word, kept in `tests/golden/`. What differs from run to run is masked.
//!
//! `UPDATE_GOLDEN=1 cargo test -p fungraph golden` writes them anew; read the difference before you commit it.

use std::fs;

use serde_json::{Value, json};

use super::mask::mask;
use super::{base64, create, from_base64, python};
use crate::dependencies::{upload, zip};
use crate::harness::{Answer, Server, repository};
use crate::signed::{Client, Signable};

/// What the tests of one server saw, compared at the end, so that one run shows every difference.
struct Album {
    server: Server,
    client: Client,
    differences: Vec<String>,
}

impl Album {
    fn new(args: &[&str]) -> Self {
        let server = Server::start(args);
        Self { client: Client::of(&server), server, differences: Vec::new() }
    }

    /// Signs, sends, and compares with the file of that name.
    fn signed(&mut self, name: &str, request: Signable) -> Answer {
        self.shown(name, &self.client.sign(request))
    }

    fn shown(&mut self, name: &str, request: &Signable) -> Answer {
        let answer = request.send();
        self.compare(name, &self.masked(request, &answer));
        answer
    }

    fn call(&mut self, name: &str, function: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let path = self.client.functions(&format!("/{function}/invocations"));
        let mut request = self.client.request("POST", &path, body);
        headers.iter().for_each(|(header, value)| request.add(header, value));
        self.signed(name, request)
    }

    fn manage(&mut self, name: &str, method: &str, rest: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.signed(name, self.client.request(method, &self.client.functions(rest), &body))
    }

    /// Request and answer as text. What every request has is left out.
    fn masked(&self, request: &Signable, answer: &Answer) -> String {
        let sent = request.headers.iter().filter(|(name, _)| name.to_lowercase().starts_with("x-cff-"));
        let sent: String = sent.map(|(name, value)| format!("{name}: {value}\n")).collect();
        let body =
            if request.body.len() > 2000 { format!("({} bytes)", request.body.len()) } else { request.body.clone() };
        // Each of our requests has a connection of its own, and the answer says so.
        let headers = answer.headers.iter().filter(|(name, _)| name != "connection");
        let mut headers: Vec<String> =
            headers.map(|(name, value)| format!("{name}: {}\n", shown(name, value))).collect();
        headers.sort();
        let text = format!(
            "{} {}\n{sent}\n{body}\n\n--- {}\n{}\n{}\n",
            request.method,
            request.path,
            answer.status,
            headers.concat(),
            answer.text()
        );
        let domain = self.server.credentials()["domain_id"].as_str().expect("a text").to_owned();
        let same = [(&self.client.project, "<project>"), (&domain, "<domain>"), (&self.client.endpoint, "<endpoint>")];
        let text = same.iter().fold(text, |text, (value, name)| text.replace(*value, name));
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        format!("{}\n", mask(lines.join("\n").trim_end()))
    }

    fn compare(&mut self, name: &str, seen: &str) {
        let file = repository("tests/golden").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(repository("tests/golden")).expect("a folder for the files");
            fs::write(&file, seen).expect("the file can be written");
            return;
        }
        let kept = fs::read_to_string(&file).unwrap_or_else(|_| "(no such file; UPDATE_GOLDEN=1 writes it)".to_owned());
        if kept != seen {
            self.differences.push(format!("===== {name}: expected\n{kept}\n===== {name}: seen\n{seen}"));
        }
    }

    fn finish(self) {
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
        assert_eq!(self.server.stop(), Some(0));
    }
}

/// The log travels in base64; a reader wants it as text.
fn shown(name: &str, value: &str) -> String {
    if name != "x-cff-function-log" {
        return value.to_owned();
    }
    let log = String::from_utf8(from_base64(value)).expect("the tail is cut at a character");
    log.lines().map(|line| format!("\n  | {line}")).collect()
}

const GREETING: &str = "\
def handler(event, context):
    print('greeting')
    if event.get('fail'):
        raise ValueError('no greeting today')
    context.getLogger().info('to %s', event.get('name'))
    return {'text': 'Hello, ' + event['name'], 'object': event, 'nothing': None}.get(event.get('as', 'text'))
";

const TAIL: (&str, &str) = ("X-Cff-Log-Type", "tail");
const V1: (&str, &str) = ("X-CFF-Request-Version", "v1");

#[test]
fn calls() {
    let mut album = Album::new(&[]);
    create(&album.client, "greeting", GREETING);
    // The first call of an instance is like no other: what it pays for is in its log. It is not for comparing.
    album.client.call("POST", &album.client.functions("/greeting/invocations"), r#"{"name": "Ada"}"#);
    album.call("call-v0-text", "greeting", &[], r#"{"name": "Ada"}"#);
    album.call("call-v0-object", "greeting", &[], r#"{"name": "Žofie", "as": "object"}"#);
    album.call("call-v0-nothing", "greeting", &[], r#"{"name": "Ada", "as": "nothing"}"#);
    album.call("call-v0-tail", "greeting", &[TAIL], r#"{"name": "Ada"}"#);
    album.call("call-v1", "greeting", &[V1], r#"{"name": "Ada"}"#);
    album.call("call-v1-object", "greeting", &[V1], r#"{"name": "Ada", "as": "object"}"#);
    album.call("call-v1-tail", "greeting", &[V1, TAIL], r#"{"name": "Ada"}"#);
    album.call("call-v0-failed", "greeting", &[], r#"{"fail": true}"#);
    album.call("call-v0-failed-tail", "greeting", &[TAIL], r#"{"fail": true}"#);
    album.call("call-v1-failed", "greeting", &[V1], r#"{"fail": true}"#);
    let missing = album.call("call-missing", "nobody", &[], "{}");
    let body = r#"{"error_code":"FSS.0404","error_msg":"Not found the specified resource"}"#;
    assert_eq!((missing.status, missing.text().as_str()), (404, body), "the reference document has it word for word");
    album.call("call-not-json", "greeting", &[], "{name: Ada}");
    album.call("call-too-large", "greeting", &[], &format!("\"{}\"", "x".repeat(6 * 1024 * 1024)));
    album.call("call-bad-urn", "a:b:c:d:e", &[], "{}");
    let path = album.client.functions("/greeting/invocations");
    album.shown("call-unsigned", &album.client.request("POST", &path, "{}"));
    let foreign = path.replace(&album.client.project, &"0a".repeat(16));
    album.signed("call-foreign-project", album.client.request("POST", &foreign, "{}"));
    let mut disabled = python("disabled", GREETING);
    disabled["strategy_config"] = json!({ "concurrency": 0 });
    album.client.done("POST", "", &disabled);
    album.call("call-disabled", "disabled", &[], "{}");
    album.finish();
}

#[test]
fn reservations() {
    let mut album = Album::new(&[]);
    // Disabled functions have no instances, so that the numbers do not depend on time.
    for name in ["first", "second"] {
        let mut body = python(name, GREETING);
        body["strategy_config"] = json!({ "concurrency": 0 });
        album.client.done("POST", "", &body);
    }
    let tactics = json!({
        "cron_configs": [{ "name": "day", "cron": "0 0 8 * * ?", "count": 5, "start_time": 1_700_000_000, "expired_time": 4_102_444_800_u64 }],
        "metric_configs": [{ "name": "load", "type": "Concurrency", "threshold": 60, "min": 3 }],
    });
    album.manage(
        "reserve",
        "PUT",
        "/first/reservedinstances",
        &json!({ "count": 2, "idle_mode": true, "tactics_config": tactics }),
    );
    album.manage("reserve-plain", "PUT", "/default%3Asecond/reservedinstances", &json!({ "count": 1 }));
    album.manage("reserve-configs", "GET", "/reservedinstanceconfigs", &Value::Null);
    album.manage("reserve-configs-of-one", "GET", "/reservedinstanceconfigs?function_urn=second&limit=1", &Value::Null);
    album.manage("reserve-list", "GET", "/reservedinstances", &Value::Null);
    album.manage("reserve-list-page", "GET", "/reservedinstances?marker=1&limit=1", &Value::Null);
    album.manage("reserve-limit", "PUT", "/second/reservedinstances", &json!({ "count": 86 }));
    album.manage("reserve-incomplete", "PUT", "/second/reservedinstances", &json!({}));
    album.manage("reserve-missing", "PUT", "/nobody/reservedinstances", &json!({ "count": 1 }));
    let versioned = format!("/{}%3Adefault%3Afirst%3Av1/reservedinstances", album.client.project);
    album.manage("reserve-version-missing", "PUT", &versioned, &json!({ "count": 1 }));
    album.manage("reserve-removed", "PUT", "/second/reservedinstances", &json!({ "count": 0 }));
    album.manage("max-instance", "PUT", "/first/config-max-instance", &json!({ "max_instance_num": 7 }));
    album.manage("max-instance-bad", "PUT", "/first/config-max-instance", &json!({ "max_instance_num": 1001 }));
    album.manage("snapshot", "GET", "/first/snapshots/state", &Value::Null);
    album.finish();
}

#[test]
fn functions() {
    let mut album = Album::new(&[]);
    let mut body = python("greeting", GREETING);
    body["description"] = json!("says hello");
    body["user_data"] = json!(r#"{"city": "Brno"}"#);
    album.manage("create", "POST", "", &body);
    album.manage("create-taken", "POST", "", &body);
    album.manage("create-incomplete", "POST", "", &json!({ "func_name": "x" }));
    album.manage("show-config", "GET", "/greeting/config", &Value::Null);
    album.manage("show-code", "GET", "/greeting/code", &Value::Null);
    album.manage("show-missing", "GET", "/nobody/config", &Value::Null);
    create(&album.client, "second", GREETING);
    album.manage("list", "GET", "", &Value::Null);
    album.manage("list-page", "GET", "?marker=1&maxitems=1", &Value::Null);
    let update = json!({
        "func_name": "greeting", "runtime": "Python3.9", "handler": "index.handler", "timeout": 20, "memory_size": 256,
        "description": "says it louder", "strategy_config": { "concurrency": 5, "concurrent_num": 1 },
    });
    album.manage("update-config", "PUT", "/greeting/config", &update);
    let code =
        json!({ "code_type": "inline", "func_code": { "file": base64(b"def handler(event, context):\n    pass\n") } });
    album.manage("update-code", "PUT", "/greeting/code", &code);
    album.manage(
        "delete-latest",
        "DELETE",
        &format!("/{}%3Adefault%3Agreeting%3Alatest", album.client.project),
        &Value::Null,
    );
    album.manage("delete", "DELETE", "/greeting", &Value::Null);
    album.manage("delete-again", "DELETE", "/greeting", &Value::Null);
    album.manage("not-built", "GET", "/second/snapshots/state", &Value::Null);
    album.manage("unknown-path", "GET", "/second/colour", &Value::Null);
    album.manage("other-method", "PATCH", "", &Value::Null);
    album.finish();
}

#[test]
fn dependencies() {
    let mut album = Album::new(&[]);
    let path = |rest: &str, album: &Album| format!("/v2/{}/fgs/dependencies{rest}", album.client.project);
    let ask = |album: &mut Album, name: &str, method: &str, rest: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = album.signed(name, album.client.request(method, &path(rest, album), &body));
        serde_json::from_slice::<Value>(&answer.body).unwrap_or_default()
    };
    let mut new = upload("units", &[("units.py", "KM = 1000\n")]);
    new["description"] = json!("lengths");
    let first = ask(&mut album, "dependency-create", "POST", "/version", &new);
    new["depend_file"] = json!(base64(&zip(&[("units.py", "KM = 1000.0\n")])));
    ask(&mut album, "dependency-create-again", "POST", "/version", &new);
    let id = first["dep_id"].as_str().expect("a text");
    ask(&mut album, "dependency-show", "GET", &format!("/{id}/version/1"), &Value::Null);
    ask(&mut album, "dependency-versions", "GET", &format!("/{id}/version"), &Value::Null);
    ask(&mut album, "dependency-list", "GET", "?maxitems=1&runtime=Python3.9&name=units", &Value::Null);
    let link = json!({ "name": "x", "depend_type": "obs", "runtime": "Python3.9", "depend_link": "obs://code/x.zip" });
    ask(&mut album, "dependency-link", "POST", "/version", &link);
    ask(&mut album, "dependency-incomplete", "POST", "/version", &json!({}));
    let mut function = python("greeting", GREETING);
    function["depend_version_list"] = json!([first["id"]]);
    album.manage("create-with-dependency", "POST", "", &function);
    album.manage("show-code-with-dependency", "GET", "/greeting/code", &Value::Null);
    function["func_name"] = json!("another");
    function["depend_version_list"] = json!(["no-such-id"]);
    album.manage("create-with-unknown-dependency", "POST", "", &function);
    ask(&mut album, "dependency-delete-in-use", "DELETE", &format!("/{id}/version/1"), &Value::Null);
    ask(&mut album, "dependency-delete", "DELETE", &format!("/{id}/version/2"), &Value::Null);
    ask(&mut album, "dependency-missing", "GET", &format!("/{id}/version/2"), &Value::Null);
    album.finish();
}
