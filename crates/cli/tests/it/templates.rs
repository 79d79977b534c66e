//! Templates: every one makes a function that answers what it says, also where a compiler of this host makes its code first.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Server, open_folder};
use crate::raw::base64;
use crate::samples::csharp;

/// Go compiles its standard library first, and the machine may have much else to do.
const PATIENCE: Duration = Duration::from_secs(600);
/// Those that every host has which runs the tests.
const THERE: [&str; 14] = [
    "hello-python3.9",
    "gateway-python3.9",
    "timer-python3.9",
    "hello-node.js18.15",
    "hello-custom",
    "server-http",
    "hello-java17",
    "gateway-java17",
    "hello-csharp2.1",
    "gateway-csharp3.1",
    "timer-csharp6.0",
    "hello-go1.x",
    "gateway-go1.x",
    "timer-go1.x",
];

/// What a query shows.
#[track_caller]
fn page(server: &Server, query: &str) -> Value {
    let answer = server.ask("GET", &format!("/templates?{query}"), &Value::Null);
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn templates(page: &Value) -> &[Value] {
    page["func_templates"].as_array().expect("a list")
}

fn ids(page: &Value) -> String {
    templates(page).iter().map(|one| one["id"].as_str().expect("a text")).collect::<Vec<_>>().join(" ")
}

/// What a query shows once the code of what it shows is compiled: the server does not wait long for a compiler, which works on.
#[track_caller]
fn compiled(server: &Server, query: &str) -> Value {
    let begun = Instant::now();
    loop {
        let shown = page(server, query);
        let id = templates(&shown).first().and_then(|one| one["id"].as_str());
        let code = id.map(|id| server.ask("GET", &format!("/templates/{id}"), &Value::Null));
        match code.as_ref().map(|code| code.status) {
            Some(200) => return page(server, query),
            Some(503) => {}
            _ => panic!("{query}: {code:?}\n{}", server.log()),
        }
        assert!(begun.elapsed() < PATIENCE, "{query} is not compiled:\n{}", server.log());
    }
}

/// Whether an answer is the text, or an object with these fields, that a template says.
fn fits(answer: &str, said: &str) -> bool {
    match (serde_json::from_str::<Value>(answer), serde_json::from_str::<Value>(said)) {
        (Ok(answer), Ok(Value::Object(fields))) => fields.iter().all(|(name, value)| answer[name] == *value),
        _ => answer == said,
    }
}

/// Makes a function of a template, calls it with the template's event, and deletes it: the next one needs the room.
#[track_caller]
fn call(server: &Server, template: &Value) {
    let done = |method: &str, rest: &str, body: &Value| {
        let answer = server.ask(method, rest, body);
        assert!(answer.status / 100 == 2, "{}: {method}: {} {}", template["id"], answer.status, answer.text());
        answer.text()
    };
    let body = json!({
        "func_name": "f", "package": "default", "runtime": template["runtime"], "handler": template["handler"],
        "timeout": template["timeout"], "memory_size": template["memory_size"], "code_type": template["code_type"],
        "func_code": { "file": template["code"] },
    });
    done("POST", "/functions", &body);
    let text = |name: &str| template["temp_detail"][name].as_str().expect("a text");
    let event = serde_json::from_str(text("input")).expect("JSON");
    let answer = done("POST", "/functions/f/invocations", &event);
    assert!(fits(&answer, text("output")), "{}: {answer} is not {:?}", template["id"], text("output"));
    done("DELETE", "/functions/f", &Value::Null);
}

#[test]
fn every_template_makes_a_function_that_answers_as_it_says() {
    let (_settings, config) = csharp::settings();
    let server = Server::start(&["--auth", "off", "--config", &config]);
    assert_eq!(ids(&page(&server, "runtime=Go1.x")), "hello-go1.x gateway-go1.x timer-go1.x", "nobody waits for Go");
    let runtimes = server.ask("GET", "/runtimetypes", &Value::Null).text();
    let runtimes: Value = serde_json::from_str(&runtimes).expect("JSON");
    let here: Vec<&str> = runtimes.as_array().expect("a list").iter().filter_map(|one| one["type"].as_str()).collect();
    for runtime in here.iter().filter(|name| ["Java", "C#", "Go"].iter().any(|start| name.starts_with(start))) {
        compiled(&server, &format!("runtime={}", runtime.replace('#', "%23").replace(' ', "%20")));
    }
    let list = page(&server, "");
    assert_eq!(list["next_marker"], 0);
    for id in THERE {
        assert!(templates(&list).iter().any(|one| one["id"] == id), "{id} is not in {}", ids(&list));
    }
    for template in templates(&list) {
        let id = template["id"].as_str().expect("a text");
        let shown = server.ask("GET", &format!("/templates/{id}"), &Value::Null).text();
        let mut shown: Value = serde_json::from_str(&shown).expect("JSON");
        if here.iter().any(|runtime| template["runtime"] == *runtime) {
            call(&server, &shown);
        } else {
            assert_eq!(template["code_type"], "inline", "{id}: this host compiles nothing that it cannot run");
        }
        if template["code"] == "" {
            let code = shown["code"].take();
            assert!(code.as_str().is_some_and(|code| code.len() > 64 << 10), "{id}: only what is large is left out");
            shown["code"] = json!("");
        }
        assert_eq!(shown, *template, "{id}");
    }
    assert!(!server.log().contains("ERROR") && !server.log().contains("panicked"), "{}", server.log());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn templates_are_found_by_runtime_scene_and_service() {
    let server = Server::start(&["--auth", "off"]);
    let three = "hello-python3.12 gateway-python3.12 timer-python3.12";
    for (query, expected) in [
        ("runtime=Python3.12", three),
        ("runtime=Python3.12&scene=schedule", "timer-python3.12"),
        ("service=APIG&runtime=http", "server-http"),
        ("ispublic=false", ""),
        ("runtime=Custom%20Image", ""),
        ("runtime=Go1.8", ""),
    ] {
        assert_eq!(ids(&page(&server, query)), expected, "{query}");
    }
    let second = page(&server, "runtime=Python3.12&marker=1&maxitems=1");
    assert_eq!((ids(&second).as_str(), &second["next_marker"]), ("gateway-python3.12", &json!(2)));
    for (rest, status, code) in [("/nothing", 404, "FSS.1059"), ("?maxitems=-1", 400, "FSS.0400")] {
        let answer = server.ask("GET", &format!("/templates{rest}"), &Value::Null);
        assert!(answer.status == status && answer.text().contains(code), "{rest}: {}", answer.text());
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_one_server_compiled_the_next_one_shows_without_a_compiler_and_a_broken_file_is_made_again() {
    let home = open_folder();
    let data = home.path().join("data");
    let code = || {
        let server = Server::start_on(&data, &["--auth", "off"]);
        let code = templates(&compiled(&server, "runtime=Java17&scene=basic"))[0]["code"].clone();
        assert_eq!(server.stop(), Some(0));
        code
    };
    let kept = || -> Vec<PathBuf> {
        let files = fs::read_dir(data.join("compiled")).expect("it is there");
        files.map(|file| file.expect("an entry").path()).collect()
    };
    let first = code();
    let [file] = <[PathBuf; 1]>::try_from(kept()).expect("one file");
    // What no compiler made can only come from the file.
    fs::write(&file, "fungraph prepared 3\nabc").expect("write");
    assert_eq!(code(), base64(b"abc"));
    fs::write(&file, "fungraph prepared 4\nabc").expect("write");
    let again = code();
    assert_eq!(kept(), [file.as_path()]);
    assert!(
        again != base64(b"abc") && again.as_str().map(str::len) == first.as_str().map(str::len),
        "it is a jar again"
    );
}
