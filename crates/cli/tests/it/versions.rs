//! Published versions and aliases of the real binary.

mod aliases;
mod context;
mod refusals;
mod reserved;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Answer, Server, fungraph};
use crate::raw::{base64, create, python};
use crate::signed::Client;

/// A server with a function, and what its tests ask of it.
struct Stage {
    server: Server,
    client: Client,
}

/// Code whose answer is this word.
fn says(word: &str) -> String {
    format!("def handler(event, context):\n    return '{word}'\n")
}

impl Stage {
    /// A server and the function `f`, whose versions are named after what they answer.
    fn new(versions: &[&str]) -> Self {
        let server = Server::start(&[]);
        let client = Client::of(&server);
        create(&client, "f", &says("nothing yet"));
        let stage = Self { server, client };
        for version in versions {
            stage.change(&says(version));
            stage.publish(version);
        }
        stage
    }

    /// Success, as JSON.
    #[track_caller]
    fn done(&self, method: &str, rest: &str, body: &Value) -> Value {
        serde_json::from_slice(&self.client.done(method, rest, body).body).expect("JSON")
    }

    /// Replaces the code of latest.
    fn change(&self, code: &str) {
        let body = json!({ "code_type": "inline", "func_code": { "file": base64(code.as_bytes()) } });
        self.done("PUT", "/f/code", &body);
    }

    fn publish(&self, version: &str) -> Value {
        let body = json!({ "version": version, "description": format!("what {version} is") });
        self.done("POST", "/f/versions", &body)
    }

    fn alias(&self, body: &Value) -> Value {
        self.done("POST", "/f/aliases", body)
    }

    /// The function's URN with a qualifier, whose `!` is escaped as the Python SDK does it.
    fn of(&self, qualifier: &str) -> String {
        format!("{}:default:f:{}", self.client.project, qualifier.replace('!', "%21"))
    }

    fn ask(&self, method: &str, rest: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.call(method, &self.client.functions(rest), &body)
    }

    fn call(&self, qualifier: &str) -> Answer {
        self.call_with(qualifier, &[])
    }

    fn call_with(&self, qualifier: &str, headers: &[(&str, &str)]) -> Answer {
        let path = self.client.functions(&format!("/{}/invocations", self.of(qualifier)));
        let mut request = self.client.request("POST", &path, "{}");
        headers.iter().for_each(|(name, value)| request.add(name, value));
        self.client.sign(request).send()
    }

    /// What a call answers.
    #[track_caller]
    fn answers(&self, qualifier: &str, expected: &str) {
        let answer = self.call(qualifier);
        assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{qualifier}");
    }

    fn list(&self, query: &str) -> (Vec<String>, Value) {
        let list = self.done("GET", &format!("/f/versions{query}"), &Value::Null);
        let versions = list["versions"].as_array().expect("a list").iter();
        (versions.map(|one| one["version"].as_str().expect("a text").to_owned()).collect(), list)
    }
}

#[test]
fn a_published_version_stays_as_it_was() {
    let stage = Stage::new(&["one"]);
    stage.change(&says("two"));
    let config = json!({
        "func_name": "f", "runtime": "Python3.9", "handler": "index.handler", "timeout": 9, "memory_size": 256,
        "description": "second", "user_data": "{\"k\":\"v\"}",
    });
    stage.done("PUT", "/f/config", &config);
    for (qualifier, expected) in [("one", "one"), ("latest", "two"), ("", "two"), ("one", "one")] {
        stage.answers(qualifier, expected);
    }
    let shown =
        |qualifier: &str, what: &str| stage.done("GET", &format!("/{}/{what}", stage.of(qualifier)), &Value::Null);
    let (latest, old) = (shown("latest", "config"), shown("one", "config"));
    assert_eq!(
        (&latest["timeout"], &latest["memory_size"], &latest["version"]),
        (&json!(9), &json!(256), &json!("latest"))
    );
    assert_eq!((&old["timeout"], &old["memory_size"], &old["version"]), (&json!(10), &json!(128), &json!("one")));
    assert_eq!((&old["user_data"], &old["version_description"]), (&json!(""), &json!("what one is")));
    assert_eq!(old["func_id"], latest["func_id"]);
    assert!(old["func_urn"].as_str().expect("a text").ends_with(":default:f:one"), "{old}");
    let code = shown("one", "code");
    assert_eq!(code["func_code"]["file"], json!(base64(says("one").as_bytes())));
    // Its package is there as long as it is, although latest has another.
    let link = code["func_code"]["link"].as_str().expect("a link").strip_prefix(stage.server.endpoint()).expect("ours");
    assert_eq!(stage.server.request("GET", link, &[], "").text(), says("one"));

    assert_eq!(stage.ask("DELETE", &format!("/{}", stage.of("one")), &Value::Null).status, 204);
    assert_eq!(stage.call("one").status, 404);
    stage.answers("latest", "two");
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn versions_and_aliases_survive_a_restart() {
    let home = crate::harness::open_folder();
    let data = home.path().join("data");
    let server = Server::start_on(&data, &[]);
    let client = Client::of(&server);
    create(&client, "f", &says("one"));
    let stage = Stage { server, client };
    stage.publish("one");
    stage.alias(&json!({ "name": "prod", "version": "one" }));
    stage.change(&says("two"));
    assert_eq!(stage.server.stop(), Some(0));

    let server = Server::start_on(&data, &[]);
    let stage = Stage { client: Client::of(&server), server };
    for (qualifier, expected) in [("!prod", "one"), ("one", "one"), ("latest", "two")] {
        stage.answers(qualifier, expected);
    }
    assert_eq!(stage.ask("DELETE", "/f", &Value::Null).status, 204);
    for qualifier in ["!prod", "one", "latest"] {
        assert_eq!(stage.call(qualifier).status, 404, "{qualifier} went with its function");
    }
    create(&stage.client, "f", &says("another"));
    assert_eq!(stage.list("").0, ["latest"]);
    assert_eq!(stage.call("one").status, 404);
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn lists_of_versions_have_pages() {
    let stage = Stage::new(&["b", "a", "c"]);
    let (names, list) = stage.list("");
    assert_eq!(
        (names, &list["count"], &list["next_marker"]),
        (vec!["latest", "b", "a", "c"].into_iter().map(str::to_owned).collect(), &json!(4), &json!(0))
    );
    let entry = &list["versions"][1];
    assert_eq!((&entry["version_description"], &entry["concurrency"]), (&json!("what b is"), &json!(400)));
    let (names, list) = stage.list("?maxitems=2&marker=0");
    assert_eq!((names, &list["next_marker"]), (vec!["latest".to_owned(), "b".to_owned()], &json!(2)));
    assert_eq!(stage.ask("DELETE", &format!("/{}", stage.of("b")), &Value::Null).status, 204);
    assert_eq!(stage.list("?maxitems=2&marker=2").0, ["a", "c"], "nothing was passed over");
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn a_name_is_made_where_none_is_given() {
    let stage = Stage::new(&[]);
    let mut names = Vec::new();
    for number in 0..3 {
        stage.change(&says(&number.to_string()));
        let made = stage.done("POST", "/f/versions", &Value::Null);
        let name = made["version"].as_str().expect("a name").to_owned();
        let is_time = name.strip_prefix('v').and_then(|rest| rest.split_once('-'));
        assert!(is_time.is_some_and(|(day, _)| day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit())), "{name}");
        stage.answers(&name, &number.to_string());
        names.push(name);
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3, "two of the same second have other names");
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn a_version_that_is_deleted_during_calls_answers_or_is_missing() {
    let stage = Stage::new(&["doomed"]);
    stage.answers("doomed", "doomed");
    let gone = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let was_gone = gone.load(Ordering::SeqCst);
                    let answer = stage.call("doomed");
                    match answer.status {
                        200 if !was_gone => assert_eq!(answer.text(), "doomed"),
                        404 => return,
                        status => panic!("{status} {}, after the deletion: {was_gone}", answer.text()),
                    }
                }
            });
        }
        assert_eq!(stage.ask("DELETE", &format!("/{}", stage.of("doomed")), &Value::Null).status, 204);
        gone.store(true, Ordering::SeqCst);
    });
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn the_command_line_names_versions_and_aliases() {
    let home = crate::harness::open_folder();
    let server = Server::start_on(&home.path().join("data"), &[]);
    let client = Client::of(&server);
    create(&client, "f", &says("v1"));
    let stage = Stage { server, client };
    stage.publish("v1");
    stage.change(&says("two"));
    stage.alias(&json!({ "name": "prod", "version": "v1" }));
    create(&stage.client, "other", &says("other"));
    let mut package = python("v1", &says("function of a package"));
    package["package"] = json!("other");
    stage.done("POST", "", &package);
    let data = stage.server.data().display().to_string();
    for (target, expected) in [
        ("f", "two"),
        ("f:v1", "v1"),
        ("f:latest", "two"),
        ("f:!prod", "v1"),
        ("default:f", "two"),
        ("default:f:v1", "v1"),
        ("default:f:!prod", "v1"),
        ("other:v1", "function of a package"),
    ] {
        let run = fungraph(&["invoke", target, "--data-dir", &data]);
        assert_eq!((run.code, run.out.trim_end()), (0, expected), "{target}: {}", run.err);
    }
    let run = fungraph(&["invoke", "f:v9", "--data-dir", &data]);
    assert_eq!(run.code, 1, "{}", run.err);
    assert_eq!(stage.server.stop(), Some(0));

    let log = |target: &str| {
        let run = fungraph(&["logs", target, "--data-dir", &data]);
        assert_eq!(run.code, 0, "{target}: {}", run.err);
        run.out
    };
    assert_eq!(log("f").matches("Start invoke").count(), 7);
    assert_eq!(log("f:v1").matches("version: v1").count(), 4);
    assert_eq!(log("default:f:v1").matches("Start invoke").count(), 4);
    assert_eq!(log("f:latest").matches("version: latest").count(), 3);
    assert_eq!(log("other:v1").matches("Start invoke").count(), 1);
    let id = log("f:v1").lines().next().and_then(|line| line.split(' ').nth(2).map(str::to_owned)).expect("a call");
    let why = fungraph(&["why", &id, "--data-dir", &data, "--function", "f:v1"]);
    assert!(why.out.contains("of default:f (v1)"), "{}{}", why.out, why.err);
}
