//! Dependencies through the real server: uploaded, attached, merged, detached, and never gone while a function has them.

use std::fs;
use std::io::{Cursor, Write as _};

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::{Answer, Server, fungraph, open_folder, wait_for};
use crate::raw::{base64, python};

const READER: &str = "import settings\ndef handler(event, context):\n    return [settings.WORD, __file__]\n";

/// An archive of these files, the same bytes each time.
pub(crate) fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
        writer.start_file(*name, options).expect("in memory");
        writer.write_all(content.as_bytes()).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

/// Body of an upload.
pub(crate) fn upload(name: &str, files: &[(&str, &str)]) -> Value {
    json!({ "name": name, "depend_type": "zip", "runtime": "Python3.9", "depend_file": base64(&zip(files)) })
}

struct Host(Server);

impl Host {
    fn send(&self, method: &str, rest: &str, body: &Value) -> Answer {
        self.0.ask(method, rest, body)
    }

    #[track_caller]
    fn done(&self, method: &str, rest: &str, body: &Value) -> Value {
        let answer = self.send(method, rest, body);
        assert_eq!(answer.status, 200, "{method} {rest}: {}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// Id of a new dependency with a word in its module `settings`.
    fn settings(&self, name: &str, word: &str) -> Value {
        let file = format!("WORD = '{word}'\n");
        self.done("POST", "/dependencies/version", &upload(name, &[("settings.py", &file)]))
    }

    /// A function of two files that names these dependencies.
    fn create(&self, name: &str, ids: &[&Value]) -> Value {
        let own = zip(&[("index.py", READER), ("settings.py", "WORD = 'own'\n")]);
        let mut body = python(name, "");
        (body["code_type"], body["func_code"]) = (json!("zip"), json!({ "file": base64(&own) }));
        body["depend_version_list"] = json!(ids);
        self.done("POST", "/functions", &body)
    }

    #[track_caller]
    fn says(&self, name: &str, expected: &str) {
        let answer = self.done("POST", &format!("/functions/{name}/invocations"), &json!({}));
        assert_eq!(answer, json!([expected, "/opt/function/code/index.py"]));
    }

    fn log(&self, name: &str) -> String {
        fungraph(&["logs", name, "--data-dir", &self.0.data().display().to_string()]).out
    }
}

/// What an update of the configuration has to repeat.
fn update(name: &str, ids: &[&Value]) -> Value {
    json!({
        "func_name": name, "runtime": "Python3.9", "handler": "index.handler", "timeout": 10, "memory_size": 128,
        "depend_version_list": ids,
    })
}

#[test]
fn last_one_of_the_list_wins_and_each_change_holds_for_the_next_call() {
    let host = Host(Server::start(&["--auth", "off"]));
    let (one, two) = (host.settings("one", "one"), host.settings("two", "two"));
    let (one, two) = (&one["id"], &two["id"]);
    let created = host.create("f", &[one, two]);
    assert_eq!(created["depend_version_list"], json!([one, two]));
    assert_eq!(created["dependencies"][1]["name"], json!("two"));
    host.says("f", "two");
    let updated = host.done("PUT", "/functions/f/config", &update("f", &[two, one]));
    assert_eq!(updated["depend_version_list"], json!([two, one]));
    host.says("f", "one");
    // An update without the list leaves it; one of the code alone too.
    let mut plain = update("f", &[]);
    plain.as_object_mut().expect("an object").remove("depend_version_list");
    host.done("PUT", "/functions/f/config", &plain);
    host.says("f", "one");
    let code = zip(&[("index.py", &format!("{READER}#\n")), ("settings.py", "WORD = 'newer'\n")]);
    host.done("PUT", "/functions/f/code", &json!({ "code_type": "zip", "func_code": { "file": base64(&code) } }));
    host.says("f", "one");
    // A shorter list takes off, without code too.
    let shown = host.done("PUT", "/functions/f/code", &json!({ "depend_version_list": [two] }));
    assert_eq!(shown["depend_version_list"], json!([two]));
    host.says("f", "two");
    host.done("PUT", "/functions/f/config", &update("f", &[]));
    host.says("f", "newer");
    let shown = host.done("GET", "/functions/f/config", &Value::Null);
    assert_eq!((&shown["dependencies"], &shown["depend_list"]), (&json!([]), &json!([])));
    assert_eq!(host.0.stop(), Some(0));
}

#[test]
fn files_that_give_way_are_told_to_the_operator_and_in_the_log_of_the_function() {
    let host = Host(Server::start(&["--auth", "off"]));
    let one = host.settings("units", "one");
    host.create("f", &[&one["id"]]);
    let line = "settings.py: that of the dependency units (version 1) is used, not that of the function";
    let said = wait_for("the line in the function's log", || Some(host.log("f")).filter(|log| log.contains(line)));
    assert_eq!(said.matches(line).count(), 1, "{said}");
    let warned = host.0.log();
    assert!(warned.contains("WARN") && warned.contains(line), "{warned}");
    // A change that merges nothing anew says nothing anew.
    let mut more = update("f", &[&one["id"]]);
    more["memory_size"] = json!(256);
    host.done("PUT", "/functions/f/config", &more);
    host.says("f", "one");
    let said = wait_for("the log of the call", || Some(host.log("f")).filter(|log| log.contains("Finish invoke")));
    assert_eq!(said.matches(line).count(), 1, "{said}");
    assert_eq!(host.0.stop(), Some(0));
}

#[test]
fn dependency_in_use_stays_until_no_function_has_it() {
    let home = open_folder();
    let data = home.path().join("data");
    let host = Host(Server::start_on(&data, &["--auth", "off"]));
    let first = host.settings("units", "first");
    let second = host.settings("units", "second");
    assert_eq!((&first["dep_id"], &second["version"]), (&second["dep_id"], &json!(2)));
    let version = |number: u32| format!("/dependencies/{}/version/{number}", first["dep_id"].as_str().expect("a text"));
    host.create("f", &[&first["id"]]);
    // The id of the dependency itself means its last version.
    host.create("g", &[&first["dep_id"]]);
    host.says("g", "second");
    assert_eq!(host.0.stop(), Some(0));

    let host = Host(Server::start_on(&data, &["--auth", "off"]));
    host.says("f", "first");
    host.says("g", "second");
    for number in [1, 2] {
        let kept = host.send("DELETE", &version(number), &Value::Null);
        assert_eq!(kept.status, 412, "{}", kept.text());
        assert!(kept.text().contains("FSS.1033") && kept.text().contains("depend_version_list"), "{}", kept.text());
    }
    assert_eq!(host.send("DELETE", "/functions/g", &Value::Null).status, 204);
    assert_eq!(host.send("DELETE", &version(2), &Value::Null).status, 204);
    let listed = host.done("GET", "/dependencies", &Value::Null);
    assert_eq!((&listed["count"], &listed["dependencies"][0]["id"]), (&json!(1), &first["id"]));
    host.done("PUT", "/functions/f/config", &update("f", &[]));
    assert_eq!(host.send("DELETE", &version(1), &Value::Null).status, 204);
    let gone = host.send("GET", &version(1), &Value::Null);
    assert_eq!(gone.status, 404, "{}", gone.text());
    host.says("f", "own");
    assert_eq!(host.0.stop(), Some(0));
}

#[test]
fn archive_of_a_dependency_is_fetched_by_its_link() {
    let host = Host(Server::start(&["--auth", "off"]));
    let uploaded = host.settings("units", "one");
    let link = uploaded["link"].as_str().expect("a text").to_owned();
    let path = link.strip_prefix(host.0.endpoint()).expect("it leads to us");
    let fetched = host.0.request("GET", path, &[], "");
    assert_eq!((fetched.status, fetched.body), (200, zip(&[("settings.py", "WORD = 'one'\n")])));
    assert_eq!(host.0.stop(), Some(0));
}

#[test]
fn what_cannot_be_a_dependency_is_refused_and_nothing_of_it_stays() {
    let host = Host(Server::start(&["--auth", "off"]));
    let good = || upload("units", &[("a.py", "")]);
    let set = |field: &str, value: Value| {
        let mut body = good();
        body[field] = value;
        body
    };
    let names = |files: &[(&str, &str)]| upload("units", files);
    for (name, body, status, code, word) in [
        ("no name", set("name", Value::Null), 400, "FSS.1002", "name"),
        ("a name that ends in a dot", set("name", json!("a.")), 400, "FSS.1002", "letter or digit"),
        ("a name that is too long", set("name", json!("a".repeat(97))), 400, "FSS.1002", "96"),
        ("no type", set("depend_type", Value::Null), 400, "FSS.1032", "zip"),
        ("an unknown type", set("depend_type", json!("tar")), 400, "FSS.1032", "tar"),
        ("no link", set("depend_type", json!("obs")), 400, "FSS.1024", "depend_link"),
        ("no runtime", set("runtime", Value::Null), 400, "FSS.1005", "runtime"),
        ("a long text", set("description", json!("x".repeat(513))), 400, "FSS.1019", "512"),
        ("no file", set("depend_file", Value::Null), 400, "FSS.1024", "depend_file"),
        ("no base64", set("depend_file", json!("{}")), 400, "FSS.1024", "base64"),
        ("no archive", set("depend_file", json!(base64(b"text"))), 400, "FSS.1024", "zip"),
        ("no entry", names(&[]), 400, "FSS.1024", "dependency"),
        ("a name with a tilde", names(&[("a.py", ""), ("a.py~", "")]), 400, "FSS.1024", "a.py~"),
        ("a name that leads out", names(&[("../a.py", "")]), 400, "FSS.1024", ".."),
        ("a number as name", set("name", json!(7)), 400, "FSS.0400", "name"),
    ] {
        let answer = host.send("POST", "/dependencies/version", &body);
        let said = answer.text();
        assert!(
            answer.status == status && said.contains(code) && said.contains(word),
            "{name}: {} {said}",
            answer.status
        );
    }
    assert_eq!(host.done("GET", "/dependencies", &Value::Null)["count"], json!(0));
    assert_eq!(fs::read_dir(host.0.data().join("code")).expect("a folder").count(), 0);

    let one = host.settings("one", "one");
    let many: Vec<String> = (0..21).map(|n| format!("id-{n}")).collect();
    for (name, list, status, code, word) in [
        ("an unknown id", json!(["nothing"]), 404, "FSS.1056", "nothing"),
        ("too many", json!(many), 400, "FSS.1024", "20"),
        ("one twice", json!([one["id"], one["dep_id"]]), 400, "FSS.1024", "twice"),
        ("a text", json!("one"), 400, "FSS.0400", "depend_version_list"),
        ("a number in it", json!([one["id"], 7]), 400, "FSS.0400", "depend_version_list[1]"),
    ] {
        let mut body = python("f", "def handler(event, context):\n    return 1\n");
        body["depend_version_list"] = list;
        let answer = host.send("POST", "/functions", &body);
        let said = answer.text();
        assert!(
            answer.status == status && said.contains(code) && said.contains(word),
            "{name}: {} {said}",
            answer.status
        );
    }
    assert_eq!(host.done("GET", "/functions", &Value::Null)["count"], json!(0));
    for path in ["/dependencies/x/version", "/dependencies/x/version/1", "/dependencies/x/version/y"] {
        let answer = host.send("GET", path, &Value::Null);
        assert_eq!((answer.status, answer.text().contains("FSS.1056")), (404, true), "{path}");
    }
    assert!(!host.0.log().contains("ERROR"), "{}", host.0.log());
    assert_eq!(host.0.stop(), Some(0));
}

#[test]
fn a_project_holds_so_many_versions_and_no_more() {
    let home = open_folder();
    let settings = home.path().join("settings.toml");
    fs::write(&settings, "[limits]\ndependencies_per_project = 2\n[server]\nauth = false\n").expect("write");
    let host = Host(Server::start(&["--config", &settings.display().to_string()]));
    let (one, two) = (host.settings("one", "first"), host.settings("one", "second"));
    let refused = host.send("POST", "/dependencies/version", &upload("two", &[("a.py", "")]));
    let body: Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!((refused.status, &body["error_code"]), (403, &json!("FSS.1045")), "{body}");
    assert!(body["error_msg"].as_str().is_some_and(|text| text.contains("limits.dependencies_per_project")), "{body}");
    let list = host.done("GET", "/dependencies", &Value::Null);
    assert_eq!((&list["count"], &list["dependencies"][0]["version"]), (&json!(1), &two["version"]));
    let version = format!("/dependencies/{}/version/{}", one["dep_id"].as_str().expect("a text"), one["version"]);
    let deleted = host.send("DELETE", &version, &Value::Null);
    assert!((200..300).contains(&deleted.status), "{}", deleted.text());
    host.settings("two", "there is room again");
    assert_eq!(host.0.stop(), Some(0));
}
