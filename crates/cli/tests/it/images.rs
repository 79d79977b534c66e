//! Container images as functions: a real registry, real images, real sandboxes.

pub(crate) mod registry;

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use self::registry::Registry;
use crate::harness::{Answer, Server};

struct Host {
    registry: Registry,
    server: Server,
    functions: String,
    _home: Option<TempDir>,
}

impl Host {
    fn start() -> Self {
        Self::start_with("unused_hours = 0")
    }

    fn start_with(settings: &str) -> Self {
        let registry = Registry::start();
        let home = crate::harness::open_folder();
        Self::start_on(home.path().join("data").as_path(), registry, settings, Some(home))
    }

    fn start_on(data: &Path, registry: Registry, settings: &str, home: Option<TempDir>) -> Self {
        let arguments = registry.settings(settings);
        let server = Server::start_on(data, &arguments.each_ref().map(String::as_str));
        let functions = format!("/v2/{}/fgs/functions", server.project());
        Self { registry, server, functions, _home: home }
    }

    fn create(&self, name: &str, handler: &str, image: &Value) -> Answer {
        let mut body = json!({
            "func_name": name, "package": "default", "runtime": "Custom Image", "handler": handler, "timeout": 5,
            "memory_size": 128, "code_type": "Custom-Image-Swr", "user_data": "{\"MOOD\":\"calm\"}", "custom_image": image,
        });
        body["custom_image"]["enabled"] = json!(true);
        self.server.request("POST", &self.functions, &[], &body.to_string())
    }

    #[track_caller]
    fn created(&self, name: &str, handler: &str, image: &Value) -> Value {
        let answer = self.create(name, handler, image);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    fn put(&self, path: &str, body: &Value) -> Answer {
        self.server.request("PUT", &format!("{}/{path}", self.functions), &[], &body.to_string())
    }

    fn call(&self, name: &str, event: &str) -> Answer {
        self.server.request("POST", &self.server.invocations(name), &[("Content-Type", "application/json")], event)
    }

    #[track_caller]
    fn result(&self, name: &str, event: &str) -> Value {
        let answer = self.call(name, event);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// The error object of a call that fails.
    #[track_caller]
    fn failure(&self, name: &str) -> String {
        let answer = self.call(name, "{}");
        assert_eq!(answer.status, 500, "{}", answer.text());
        let object: Value = serde_json::from_slice(&answer.body).expect("JSON");
        object["errorMessage"].as_str().expect("a text").to_owned()
    }
}

#[test]
fn an_event_image_that_holds_one_static_program_is_called_with_post_invoke() {
    let host = Host::start();
    let image = host.registry.push_server("server:v1", &host.registry.program());
    let made = host.created("events", "-", &json!({ "image": image }));
    assert_eq!(made["custom_image"]["image"], json!(image));
    assert_eq!((&made["image_name"], &made["code_type"]), (&json!(image), &json!("Custom-Image-Swr")));
    assert_eq!((&made["custom_image"]["uid"], &made["custom_image"]["gid"]), (&json!("1003"), &json!("1003")));
    let answer = host.call("events", r#"{"a": [1]}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let id = answer.header("x-cff-request-id").expect("an id").to_owned();
    let expected = json!({
        "event": {"a": [1]}, "id": id, "name": "events", "uid": 1003, "gid": 1003, "cwd": "/srv/app", "initialized": 0,
        "argument": "", "own": "of the image", "mood": "calm", "handler": "-", "tmp": 1, "root": 0, "usr": 0,
    });
    assert_eq!(seen, expected);
    // Failures are those of the function; the server goes on.
    let failed = host.call("events", r#"{"please": "fail"}"#);
    assert!(failed.status == 500 && failed.text().contains("it failed as asked"), "{}", failed.text());
    let gone = host.call("events", r#"{"please": "exit"}"#);
    assert!(gone.status == 500 && gone.text().contains("FunctionCrashed"), "{}", gone.text());
    assert_eq!(host.result("events", "{}")["tmp"], json!(1));
}

#[test]
fn an_image_is_run_as_the_function_says() {
    let host = Host::start();
    let image = host.registry.push_server("server:v1", &host.registry.program());
    let custom = json!({ "image": image, "args": "an argument", "working_dir": "/tmp", "uid": "2000", "gid": "3000" });
    host.created("own", "-", &custom);
    let config = json!({ "initializer_handler": "-", "initializer_timeout": 3 });
    let updated = host.put("own/config", &config);
    assert_eq!(updated.status, 200, "{}", updated.text());
    let seen = host.result("own", "{}");
    for (name, expected) in [
        ("uid", json!(2000)),
        ("gid", json!(3000)),
        ("cwd", json!("/tmp")),
        ("argument", json!("an argument")),
        ("initialized", json!(1)),
        ("tmp", json!(1)),
    ] {
        assert_eq!(seen[name], expected, "{name}");
    }
}

#[test]
fn an_http_image_gets_requests_as_they_are() {
    let host = Host::start();
    let image = host.registry.push_server("server:v1", &host.registry.program());
    host.created("web", "http", &json!({ "image": image }));
    let event = json!({
        "httpMethod": "GET", "path": "/some/page", "queryStringParameters": { "q": "1" }, "headers": {}, "body": "",
        "isBase64Encoded": false, "requestContext": {},
    });
    let seen = host.result("web", &event.to_string());
    assert_eq!((&seen["statusCode"], &seen["isBase64Encoded"]), (&json!(200), &json!(true)));
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.decode(seen["body"].as_str().expect("a text"));
    assert_eq!(body.expect("base64"), b"GET /some/page?q=1 HTTP/1.1");
}

#[test]
fn another_image_takes_the_place_of_the_first_and_the_first_is_removed() {
    let host = Host::start();
    let program = host.registry.program();
    let first = host.registry.push_server("server:v1", &program);
    host.created("f", "-", &json!({ "image": first }));
    assert_eq!(host.result("f", "{}")["own"], json!("of the image"));
    let program = std::fs::read(program).expect("it is built");
    let config = json!({ "Entrypoint": ["/other"], "Env": ["OWN=of the second"] });
    let second = host.registry.push("server:v2", &[("other", &program)], &config);
    let body = json!({ "code_type": "Custom-Image-Swr", "custom_image": { "enabled": true, "image": second } });
    let answer = host.put("f/code", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let shown: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(shown["custom_image"]["image"], json!(second));
    assert_eq!(host.result("f", "{}")["own"], json!("of the second"));
    // The instance of the first image is gone with its revision, and nobody else has it.
    let kept = || {
        let all = std::fs::read_dir(host.server.data().join("images")).expect("a folder");
        all.filter(|entry| entry.as_ref().expect("an entry").file_name().len() == 64).count()
    };
    crate::harness::wait_for("the removal of the first image", || {
        // Every change asks for a look.
        host.put("f/config", &json!({ "description": "again" }));
        (kept() == 1).then_some(())
    });
    assert_eq!(host.result("f", "{}")["own"], json!("of the second"));
}

#[test]
fn what_cannot_be_an_image_function_is_told_when_it_is_created() {
    let host = Host::start();
    let nothing = host.registry.push("nothing:v1", &[("file", b"x")], &json!({}));
    let address = &host.registry.address;
    for (image, code, word) in [
        (json!({ "image": "Not A Name" }), "FSS.1034", "no name of an image"),
        (json!({}), "FSS.1034", "custom_image.image is missing"),
        (json!({ "image": format!("{address}/no/such:v1") }), "FSS.1035", "has no image"),
        (json!({ "image": format!("{address}/nothing@sha256:{}", "0".repeat(64)) }), "FSS.1035", "has no image"),
        (json!({ "image": "127.0.0.1:1/a:v1" }), "FSS.1401", "cannot be reached"),
        (json!({ "image": nothing }), "FSS.1011", "neither an entry point nor a command"),
        (json!({ "image": nothing, "uid": "0" }), "FSS.0400", "custom_image.uid"),
        (json!({ "image": nothing, "working_dir": "app" }), "FSS.0400", "absolute path"),
    ] {
        let answer = host.create("bad", "-", &image);
        assert!(answer.status >= 400, "{image}: {}", answer.text());
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(told["error_code"], json!(code), "{image}: {told}");
        assert!(told["error_msg"].as_str().expect("a text").contains(word), "{image}: {told}");
    }
    assert!(host.server.log().contains("an image was not pulled"), "{}", host.server.log());
    let answer = host.create("bad", "index.handler", &json!({ "image": nothing }));
    assert!(answer.status == 400 && answer.text().contains("must be -"), "{}", answer.text());
    let list = host.server.request("GET", &host.functions, &[], "");
    assert!(list.text().contains("\"count\":0"), "{}", list.text());
}

#[test]
fn a_program_that_does_not_serve_is_told_to_its_caller() {
    let host = Host::start();
    let program = std::fs::read(host.registry.program()).expect("it is built");
    let config = json!({ "Entrypoint": ["/server"] });
    let image = host.registry.push("server:v1", &[("server", &program), ("text", b"no program")], &config);
    for (name, custom, word) in [
        (
            "leaves",
            json!({ "args": "leave" }),
            "the container's program exited with code 7 before anything listened on port 8000",
        ),
        ("missing", json!({ "command": "/no/such" }), "the image has no program /no/such"),
        ("unknown", json!({ "command": "nosuch" }), "the image has no program nosuch"),
        ("text", json!({ "command": "/text" }), "text is neither a program nor a script"),
        ("lost", json!({ "working_dir": "/nowhere" }), "the image has no folder /nowhere"),
    ] {
        let mut custom = custom;
        custom["image"] = json!(image);
        host.created(name, "-", &custom);
        let told = host.failure(name);
        assert!(told.contains(word), "{name}: {told}");
    }
    host.created("sleeps", "-", &json!({ "image": image, "args": "sleep" }));
    let config = json!({ "initializer_handler": "-", "initializer_timeout": 1 });
    assert_eq!(host.put("sleeps/config", &config).status, 200);
    let told = host.failure("sleeps");
    assert!(told.contains("nothing listens on port 8000 after 1 seconds"), "{told}");
    crate::harness::wait_for("the end of all that failed", || {
        crate::harness::instances(host.server.spawner())
            .iter()
            .all(|process| !crate::harness::has_code(*process))
            .then_some(())
    });
}

#[test]
fn a_second_start_needs_no_registry() {
    let home = crate::harness::open_folder();
    let data = home.path().join("data");
    let registry = Registry::start();
    let image = registry.push_server("server:v1", &registry.program());
    let host = Host::start_on(&data, registry, "", None);
    host.created("f", "-", &json!({ "image": image }));
    assert_eq!(host.result("f", "{}")["uid"], json!(1003));
    let Host { registry, server, .. } = host;
    assert_eq!(server.stop(), Some(0));
    drop(registry);
    let host = Host::start_on(&data, Registry::start(), "", None);
    assert_eq!(host.result("f", "{}")["own"], json!("of the image"));
}

#[test]
fn what_needs_no_registry_is_said_before_one_is_asked() {
    let host = Host::start_with("[limits]\nfunctions_per_project = 1");
    let image = host.registry.push_server("server:v1", &host.registry.program());
    host.created("f", "-", &json!({ "image": image }));
    let nowhere = json!({ "image": "127.0.0.1:1/a:v1" });
    for (name, code) in [("f", "FSS.1061"), ("g", "FSS.1041")] {
        let answer = host.create(name, "-", &nowhere);
        assert!(answer.text().contains(code), "{}", answer.text());
    }
    for (body, code) in [
        (json!({ "timeout": 1, "custom_image": nowhere }), "FSS.1008"),
        (json!({ "runtime": "Custom", "custom_image": nowhere }), "FSS.1005"),
        (json!({ "timeout": 4, "custom_image": nowhere }), "FSS.1401"),
    ] {
        let answer = host.put("f/config", &body);
        assert!(answer.text().contains(code), "{body}: {}", answer.text());
    }
}

#[test]
fn an_image_that_is_here_is_nobodys_whom_its_registry_does_not_give_it() {
    let host = Host::start();
    let image = host.registry.push_server("server:v1", &host.registry.program());
    host.created("f", "-", &json!({ "image": image }));
    let images = std::fs::read_dir(host.server.data().join("images")).expect("a folder");
    let names = images.map(|entry| entry.expect("an entry").file_name().into_string().expect("a text"));
    let digest = names.into_iter().find(|name| name.len() == 64).expect("it is here");
    let other = json!({ "image": format!("{}/other@sha256:{digest}", host.registry.address) });
    let answer = host.create("thief", "-", &other);
    assert!(answer.status == 400 && answer.text().contains("FSS.1035"), "{}", answer.text());
    host.created("again", "-", &json!({ "image": format!("{}/server@sha256:{digest}", host.registry.address) }));
}

#[test]
fn images_of_functions_that_fill_their_room_refuse_the_next_and_others_make_room() {
    // A pull takes what it downloads, and room to unpack to in steps of 16 MB: two at most fit.
    let host = Host::start_with("total_mb = 80");
    let large = |name: &str, byte: u8| {
        let program = std::fs::read(host.registry.program()).expect("it is built");
        let filler = vec![byte; 16 << 20];
        let config = json!({ "Entrypoint": ["/server"] });
        host.registry.push(name, &[("server", &program), ("filler", &filler)], &config)
    };
    let [first, second, third] = [large("a:v1", 1), large("b:v1", 2), large("c:v1", 3)];
    host.created("first", "-", &json!({ "image": first }));
    host.created("second", "-", &json!({ "image": second }));
    let refused = host.create("third", "-", &json!({ "image": third }));
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("FSS.0503") && refused.text().contains("images.total_mb"), "{}", refused.text());
    let gone = host.server.request("DELETE", &format!("{}/first", host.functions), &[], "");
    assert_eq!(gone.status, 204, "{}", gone.text());
    host.created("third", "-", &json!({ "image": third }));
    assert_eq!(host.result("second", "{}")["uid"], json!(1003));
    assert_eq!(host.result("third", "{}")["uid"], json!(1003));
}

fn serves_images(engine: &str) {
    let host = Host::start_with(&format!("[sandbox]\nengine = \"{engine}\""));
    let image = host.registry.push_server("server:v1", &host.registry.program());
    host.created("f", "-", &json!({ "image": image, "uid": "2000" }));
    for _ in 0..2 {
        assert_eq!(host.result("f", "{}")["uid"], json!(2000), "{}", host.server.log());
    }
}

#[test]
fn crun_runs_images() {
    serves_images("crun");
}

#[test]
fn runc_runs_images() {
    serves_images("runc");
}
