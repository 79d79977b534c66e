//! Who is told of the end of an asynchronous call, through the real binary: a function, an object store, a subscriber of topics; and what
//! happens when nobody is there.

mod outside;

use std::path::Path;

use serde_json::{Value, json};

use self::outside::Outside;
use crate::harness::{Server, open_folder, wait_for};

/// Does as its event says.
const CODE: &str = "def handler(event, context):\n    if event.get('raise'):\n        raise ValueError('no luck')\n    \
    return {'got': event.get('name')}\n";
/// Prints what it is told.
const TOLD: &str =
    "import json\ndef handler(event, context):\n    print('told', json.dumps(event))\n    return 'thanks'\n";

/// A server whose object store and subscriber are a place of the test's.
fn server(data: &Path, outside: &Outside) -> Server {
    server_with(data, outside, "")
}

/// The same, with more in its section of destinations.
fn server_with(data: &Path, outside: &Outside, more: &str) -> Server {
    let settings = data.with_extension("toml");
    let secret = data.with_extension("secret");
    std::fs::write(&secret, "between us\n").expect("it is written");
    let text = format!(
        "[server]\nauth = false\n[obs]\nendpoint = \"http://{address}\"\naccess_key = \"KEY\"\nsecret_key = \"hidden\"\n\
         [destinations]\nsmn_endpoint = \"http://{address}/topics\"\nsmn_secret_file = {secret:?}\n{more}\n",
        address = outside.address(),
    );
    std::fs::write(&settings, text).expect("it is written");
    Server::start_on(data, &["--config", &settings.display().to_string()])
}

trait Calls {
    fn set(&self, function: &str, on: &Value);
    fn accept(&self, function: &str, event: &Value) -> String;
    fn records(&self, function: &str) -> Vec<Value>;
}

impl Calls for Server {
    #[track_caller]
    fn set(&self, function: &str, on: &Value) {
        let path = format!("/v2/{}/fgs/functions/{function}/async-invoke-config", self.project());
        let settings = json!({ "max_async_retry_attempts": 0, "destination_config": on });
        let answer = self.request("PUT", &path, &[], &settings.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    #[track_caller]
    fn accept(&self, function: &str, event: &Value) -> String {
        let path = format!("/v2/{}/fgs/functions/{function}/invocations-async", self.project());
        let answer = self.request("POST", &path, &[], &event.to_string());
        assert_eq!(answer.status, 202, "{}", answer.text());
        let answer: Value = serde_json::from_str(&answer.text()).expect("JSON");
        answer["request_id"].as_str().expect("an id").to_owned()
    }

    fn records(&self, function: &str) -> Vec<Value> {
        let path = format!("/v2/{}/fgs/functions/{function}/async-invocations?limit=100", self.project());
        let answer = self.request("GET", &path, &[], "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer: Value = serde_json::from_str(&answer.text()).expect("JSON");
        answer["invocations"].as_array().expect("a list").clone()
    }
}

fn to(kind: &str, param: &Value) -> Value {
    json!({ "destination": kind, "param": param.to_string() })
}

#[test]
fn objects_and_topics_are_told_of_each_end_once_they_take_it() {
    let (home, outside) = (open_folder(), Outside::start());
    let server = server(&home.path().join("data"), &outside);
    server.create("job", "Python3.9", CODE);
    let bucket = to("OBS", &json!({ "bucket": "results", "prefix": "a/b c/", "expires": 7 }));
    server.set(
        "job",
        &json!({ "on_success": bucket, "on_failure": to("SMN", &json!({ "topic_urn": "urn:smn:r:p:t" })) }),
    );
    // Whoever refuses at first is asked again.
    outside.refuse(1);
    let good = server.accept("job", &json!({ "name": "Ada" }));
    let put = wait_for("the object", || outside.taken("PUT", &good));
    outside.refuse(1);
    let bad = server.accept("job", &json!({ "raise": true }));
    let posted = wait_for("the message", || outside.taken("POST", &bad));

    assert!(put.head.starts_with("PUT /results/a/b%20c/job/20"), "{}", put.head);
    assert!(
        put.head.contains(&format!("/{good}.json?X-Amz-")) && put.head.contains("x-obs-expires: 7"),
        "{}",
        put.head
    );
    assert!(!put.head.contains("hidden"), "{}", put.head);
    let told: Value = serde_json::from_str(&put.body).expect("JSON");
    assert_eq!(told["request_context"]["request_id"], good.as_str());
    assert_eq!(told["request_context"]["condition"], "");
    assert_eq!(told["response_context"]["status_code"], 200);
    let payload = (told["request_payload"].as_str(), told["response_payload"].as_str());
    assert_eq!(payload, (Some(r#"{"name":"Ada"}"#), Some(r#"{"got": "Ada"}"#)));
    assert!(
        told["request_context"]["function_urn"].as_str().expect("a text").ends_with(":function:default:job:latest")
    );

    assert!(posted.head.starts_with("POST /topics HTTP/1.1"), "{}", posted.head);
    assert!(posted.head.contains("x-fungraph-signature: sha256=") && !posted.head.contains("between us"));
    let message: Value = serde_json::from_str(&posted.body).expect("JSON");
    assert_eq!((&message["topic_urn"], &message["message_id"]), (&json!("urn:smn:r:p:t"), &json!(bad)));
    let told: Value = serde_json::from_str(message["message"].as_str().expect("a text")).expect("JSON");
    assert_eq!(told["request_context"]["condition"], "UnhandledInvocationError");
    assert_eq!(told["response_context"]["status_code"], 500);
    assert!(told["response_payload"].as_str().expect("a text").contains("no luck"));
    assert_eq!((outside.count("PUT", &good), outside.count("POST", &bad)), (2, 2), "one refused, one taken");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_function_is_called_with_what_another_one_left() {
    let home = open_folder();
    let server = Server::start_on(&home.path().join("data"), &["--auth", "off"]);
    server.create("job", "Python3.9", CODE);
    server.create("told", "Python3.9", TOLD);
    let target = to("FunctionGraph", &json!({ "func_urn": format!("{}:default:told", server.project()) }));
    server.set("job", &json!({ "on_success": target, "on_failure": target }));
    let call = server.accept("job", &json!({ "name": "Ada" }));
    let told = wait_for("the call of the destination", || {
        server.records("told").into_iter().find(|record| record["status"] == "SUCCESS")
    });
    let id = told["request_id"].as_str().expect("an id").to_owned();
    assert_ne!(id, call);
    let data = server.data().display().to_string();
    let log = wait_for("its log", || {
        let run = crate::harness::fungraph(&["logs", "told", "--request", &id, "--data-dir", &data]);
        run.out.contains("Finish invoke").then_some(run.out)
    });
    assert!(
        log.contains(&format!("\"request_id\": \"{call}\"")) && log.contains("{\\\"got\\\": \\\"Ada\\\"}"),
        "{log}"
    );
    assert_eq!(server.records("told").len(), 1);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn functions_that_tell_one_another_in_a_circle_are_stopped() {
    let home = open_folder();
    let server = Server::start_on(&home.path().join("data"), &["--auth", "off"]);
    for name in ["ping", "pong"] {
        server.create(name, "Python3.9", TOLD);
    }
    for (name, next) in [("ping", "pong"), ("pong", "ping")] {
        let param = json!({ "func_urn": format!("{}:default:{next}", server.project()) });
        server.set(name, &json!({ "on_success": to("FunctionGraph", &param) }));
    }
    server.accept("ping", &json!({}));
    let ended = || -> usize {
        let records = ["ping", "pong"].into_iter().flat_map(|name| server.records(name));
        records.filter(|record| record["status"] == "SUCCESS").count()
    };
    wait_for("the last of the chain", || (ended() >= 17).then_some(()));
    let data = server.data().display().to_string();
    wait_for("the word in the log", || {
        let run = crate::harness::fungraph(&["logs", "ping", "--data-dir", &data]);
        run.out.contains("a longer chain is taken for a circle").then_some(())
    });
    assert_eq!(ended(), 17, "the call of the client, and sixteen that follow from it");
    assert_eq!(server.records("ping").len() + server.records("pong").len(), 17);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_is_owed_outlives_the_server() {
    let (home, outside) = (open_folder(), Outside::start());
    let data = home.path().join("data");
    let mut first = server(&data, &outside);
    first.create("job", "Python3.9", CODE);
    first.set("job", &json!({ "on_success": to("OBS", &json!({ "bucket": "results" })) }));
    // It hears the notice and never takes it.
    outside.refuse(usize::MAX);
    let call = first.accept("job", &json!({ "name": "Ada" }));
    wait_for("the first try", || (outside.count("PUT", &call) > 0).then_some(()));
    first.signal(rustix::process::Signal::KILL);
    first.wait();
    outside.refuse(0);
    first = server(&data, &outside);
    wait_for("the object", || outside.taken("PUT", &call));
    assert_eq!(first.records("job").len(), 1);
    assert_eq!(first.stop(), Some(0));
}

#[test]
fn a_destination_that_the_server_cannot_reach_is_refused_when_it_is_named() {
    let home = open_folder();
    let server = Server::start_on(&home.path().join("data"), &["--auth", "off"]);
    server.create("job", "Python3.9", CODE);
    let path = format!("/v2/{}/fgs/functions/job/async-invoke-config", server.project());
    for (kind, param, word) in [
        ("OBS", json!({ "bucket": "results" }), "obs.endpoint"),
        ("SMN", json!({ "topic_urn": "t" }), "destinations.smn_endpoint"),
        ("DIS", json!({ "stream_name": "s" }), "destinations.dis_server"),
    ] {
        let body = json!({ "destination_config": { "on_failure": to(kind, &param) } });
        let answer = server.request("PUT", &path, &[], &body.to_string());
        assert!(answer.status == 400 && answer.text().contains(word), "{kind}: {}", answer.text());
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn no_project_writes_into_the_bucket_of_another() {
    let (home, outside) = (open_folder(), Outside::start());
    let data = home.path().join("data");
    let host = server(&data, &outside);
    host.create("job", "Python3.9", CODE);
    let obs = |bucket: &str| json!({ "on_success": to("OBS", &json!({ "bucket": bucket })) });
    let refused = |host: &Server, bucket: &str| {
        let path = format!("/v2/{}/fgs/functions/job/async-invoke-config", host.project());
        let answer = host.request("PUT", &path, &[], &json!({ "destination_config": obs(bucket) }).to_string());
        assert!(answer.status == 400 && answer.text().contains("destinations.obs_buckets"), "{}", answer.text());
    };
    host.set("job", &obs("results"));
    let made = crate::harness::fungraph(&["project", "create", "team-a", "--data-dir", &data.display().to_string()]);
    assert_eq!(made.code, 0, "{}", made.err);
    refused(&host, "other");
    // What was set while nobody else was there goes on.
    let call = host.accept("job", &json!({ "name": "Ada" }));
    wait_for("the object", || outside.taken("PUT", &call));
    outside.refuse(usize::MAX);
    let owed = host.accept("job", &json!({ "name": "Ada" }));
    wait_for("an object that is not taken", || (outside.count("PUT", &owed) > 0).then_some(()));
    let project = host.project();
    assert_eq!(host.stop(), Some(0));
    outside.refuse(0);

    let buckets = format!("obs_buckets = [\"shared\", \"{project}/mine\", \"{}/theirs\"]", made.out.trim());
    let host = server_with(&data, &outside, &buckets);
    refused(&host, "theirs");
    // Nor goes on what the operator has closed.
    let call = host.accept("job", &json!({ "name": "Ada" }));
    wait_for("the word in the log", || {
        let run = crate::harness::fungraph(&["logs", "job", "--data-dir", &data.display().to_string()]);
        // Not even what was owed before.
        let told = |call| run.out.contains(&format!("{call} WARN on_success (OBS) is not told: the bucket 'results'"));
        (told(&call) && told(&owed)).then_some(())
    });
    assert!(outside.taken("PUT", &owed).is_none());
    for bucket in ["shared", "mine"] {
        host.set("job", &obs(bucket));
        let call = host.accept("job", &json!({ "name": "Ada" }));
        let put = wait_for("the object", || outside.taken("PUT", &call));
        assert!(put.head.starts_with(&format!("PUT /{bucket}/job/")), "{}", put.head);
    }
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_can_never_be_taken_is_tried_once_and_its_owner_is_told() {
    let (home, outside) = (open_folder(), Outside::start());
    let data = home.path().join("data");
    let server = server(&data, &outside);
    server.create("job", "Python3.9", CODE);
    server.set("job", &json!({ "on_failure": to("SMN", &json!({ "topic_urn": "urn:smn:r:p:t" })) }));
    outside.take_nothing();
    let call = server.accept("job", &json!({ "raise": true }));
    wait_for("the word in the log", || {
        let run = crate::harness::fungraph(&["logs", "job", "--data-dir", &data.display().to_string()]);
        run.out
            .contains(&format!("{call} WARN on_failure (SMN) is not told: it answered with status 413"))
            .then_some(())
    });
    wait_for("the end of the notice", || {
        let metrics = server.request("GET", "/metrics", &[], "").text();
        let given_up = "fungraph_notices_total{kind=\"SMN\",end=\"given_up\"} 1";
        metrics.lines().any(|line| line == given_up).then_some(())
    });
    assert_eq!(outside.count("POST", &call), 1);
    assert!(!server.log().contains("never told"), "a tenant does not fill the server's log: {}", server.log());
    assert_eq!(server.stop(), Some(0));
}
