//! What belongs to a function beside its code, and to a project: test events, tags, asynchronous settings, tracing keys, pins, quotas.

use serde_json::{Value, json};

use crate::harness::{Answer, Server};
use crate::raw::{base64, create, from_base64, python};
use crate::signed::Client;

const CODE: &str = "def handler(event, context):\n    return event\n";

struct Host {
    server: Server,
    client: Client,
}

impl Host {
    fn start(args: &[&str]) -> Self {
        let server = Server::start(args);
        Self { client: Client::of(&server), server }
    }

    fn send(&self, method: &str, rest: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.client.call(method, &format!("/v2/{}{rest}", self.client.project), &body)
    }

    /// What a request that succeeds answers.
    #[track_caller]
    fn done(&self, method: &str, rest: &str, body: &Value) -> Value {
        let answer = self.send(method, rest, body);
        assert!(answer.status / 100 == 2, "{method} {rest}: {} {}", answer.status, answer.text());
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    #[track_caller]
    fn refused(&self, method: &str, rest: &str, body: &Value, status: u16, code: &str, word: &str) {
        let answer = self.send(method, rest, body);
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let seen = (answer.status, said["error_code"].as_str().unwrap_or_default());
        assert_eq!(seen, (status, code), "{method} {rest} {body}: {}", answer.text());
        let message = said["error_msg"].as_str().unwrap_or_default();
        assert!(message.contains(word), "{method} {rest} {body}: {message:?} lacks {word:?}");
    }

    fn urn(&self, name: &str) -> String {
        format!("urn:fss:local:{}:function:default:{name}", self.client.project)
    }

    fn stop(self) {
        assert!(
            !self.server.log().contains("ERROR") && !self.server.log().contains("panicked"),
            "{}",
            self.server.log()
        );
        assert_eq!(self.server.stop(), Some(0));
    }
}

fn event(name: &str, text: &str) -> Value {
    json!({ "name": name, "content": base64(text.as_bytes()) })
}

#[test]
fn test_events_are_kept_called_with_and_gone_with_their_function() {
    let host = Host::start(&[]);
    create(&host.client, "f", CODE);
    let events = "/fgs/functions/f/events";
    let made = host.done("POST", events, &event("first", r#"{"n": 1}"#));
    assert_eq!(made["name"], "first");
    let id = made["id"].as_str().expect("a text").to_owned();
    // A qualifier, even of a version that is not there, is ignored.
    let by_version = format!("/fgs/functions/{}:v9/events/{id}", host.urn("f"));
    let shown = host.done("GET", &by_version, &Value::Null);
    let content = from_base64(shown["content"].as_str().expect("a text"));
    assert_eq!(content, br#"{"n": 1}"#);
    assert!(shown["last_modified"].as_f64().expect("seconds") > 1.7e9, "{shown}");
    let called = host.client.done("POST", "/f/invocations", &serde_json::from_slice(&content).expect("JSON"));
    assert_eq!(called.text(), r#"{"n": 1}"#.replace(": ", ":").replace(':', ": "));

    let one = format!("{events}/{id}");
    assert_eq!(host.done("PUT", &one, &json!({ "content": base64(b"[2]") })), json!({ "id": id, "name": "first" }));
    assert_eq!(host.done("PUT", &one, &event("renamed", "3"))["name"], "renamed");
    host.done("POST", events, &event("second", "4"));
    let list = host.done("GET", events, &Value::Null);
    assert_eq!((&list["count"], &list["next_marker"]), (&json!(2), &json!(0)));
    assert_eq!((&list["events"][0]["name"], &list["events"][1]["name"]), (&json!("renamed"), &json!("second")));
    assert!(list["events"][0].get("content").is_none(), "{list}");

    for (body, status, code, word) in [
        (event("second", "1"), 403, "FSS.1073", "second"),
        (event("9", "1"), 400, "FSS.1074", "name"),
        (json!({ "content": base64(b"1") }), 400, "FSS.1074", "name"),
        (json!({ "name": "a" }), 400, "FSS.1074", "content"),
        (json!({ "name": "a", "content": "%" }), 400, "FSS.1074", "base64"),
        (event("a", "{"), 400, "FSS.1074", "JSON"),
        (event("a", &format!("\"{}\"", "x".repeat(4095))), 403, "FSS.1069", "4096"),
        (json!({ "name": 7 }), 400, "FSS.0400", "name"),
    ] {
        host.refused("POST", events, &body, status, code, word);
    }
    host.refused("PUT", &one, &event("second", "1"), 403, "FSS.1073", "second");
    (0..8).for_each(|n| drop(host.done("POST", events, &event(&format!("more{n}"), "0"))));
    host.refused("POST", events, &event("eleventh", "1"), 403, "FSS.1068", "10");
    for method in ["GET", "PUT", "DELETE"] {
        host.refused(method, &format!("{events}/none"), &event("a", "1"), 404, "FSS.1070", "none");
        host.refused(
            method,
            &format!("/fgs/functions/nobody/events/{id}"),
            &event("a", "1"),
            404,
            "FSS.1051",
            "nobody",
        );
    }
    assert_eq!(host.send("DELETE", &one, &Value::Null).status, 204);
    host.refused("GET", &one, &Value::Null, 404, "FSS.1070", &id);

    host.client.done("DELETE", "/f", &Value::Null);
    host.refused("GET", events, &Value::Null, 404, "FSS.1051", "f");
    create(&host.client, "f", CODE);
    assert_eq!(host.done("GET", events, &Value::Null)["count"], 0);
    host.stop();
}

#[test]
fn tags_are_one_set_whoever_writes_them_and_find_their_functions() {
    let host = Host::start(&[]);
    let mut body = python("tagged", CODE);
    (body["tags"], body["enterprise_project_id"]) = (json!("env=dev,team=x"), json!("e1"));
    host.client.done("POST", "", &body);
    create(&host.client, "plain", CODE);
    let (tagged, plain) = (format!("/functions/{}", host.urn("tagged")), "/functions/plain");
    let own = |expected: &[(&str, &str)]| {
        let listed = host.done("GET", &format!("{tagged}/tags"), &Value::Null);
        let expected: Value = expected.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        assert_eq!(listed["tags"], expected);
        assert_eq!(listed["sys_tags"], json!([{ "key": "_sys_enterprise_project_id", "value": "e1" }]));
    };
    own(&[("env", "dev"), ("team", "x")]);
    let put = |pairs: Value| json!({ "action": "create", "tags": pairs });
    let path = format!("{tagged}:latest/tags/create");
    let made = host.send("POST", &path, &put(json!([{ "key": "env", "value": "prod" }, { "key": "žluť" }])));
    assert_eq!((made.status, made.body.len()), (204, 0), "{}", made.text());
    own(&[("env", "prod"), ("team", "x"), ("žluť", "")]);
    let gone =
        json!({ "action": "delete", "tags": [{ "key": "team", "value": "x" }, { "key": "env", "value": "dev" }] });
    assert_eq!(host.send("DELETE", &format!("{tagged}/tags/delete"), &gone).status, 204);
    own(&[("env", "prod"), ("žluť", "")]);
    host.done("POST", &format!("{plain}/tags/create"), &put(json!([{ "key": "env", "value": "test" }])));
    let all = host.done("GET", "/functions/tags", &Value::Null);
    assert_eq!(all["tags"][0], json!({ "key": "env", "values": ["prod", "test"] }));
    assert_eq!(all["sys_tags"], json!([{ "key": "_sys_enterprise_project_id", "values": ["e1"] }]));

    let find = |filter: Value| host.done("POST", "/functions/resource-instances/filter", &filter);
    let prod = json!([{ "key": "env", "values": ["prod", "other"] }]);
    let found = find(json!({ "action": "filter", "tags": prod, "limit": "10", "offset": "0" }));
    let resource = &found["resources"][0];
    assert_eq!((&found["total_count"], &resource["resource_name"]), (&json!(1), &json!("tagged")));
    assert_eq!(resource["resource_id"], host.urn("tagged"));
    assert_eq!(resource["resource_detail"]["detailId"], format!("{}:latest", host.urn("tagged")));
    assert_eq!(resource["tags"][0], json!({ "key": "env", "value": "prod" }));
    assert_eq!(find(json!({ "not_tags": prod }))["resources"][0]["resource_name"], "plain");
    assert_eq!(find(json!({ "matches": [{ "key": "resource_name", "value": "LAI" }] }))["total_count"], 1);
    assert_eq!(
        find(json!({ "sys_tags": [{ "key": "_sys_enterprise_project_id", "values": ["e1"] }] }))["total_count"],
        1
    );
    assert_eq!(find(json!({ "without_any_tag": true })), json!({ "resources": [], "total_count": 0 }));
    assert_eq!(find(json!({ "limit": 1, "offset": 1 }))["resources"].as_array().map(Vec::len), Some(1));
    let count = host.done("POST", "/functions/resource-instances/count", &Value::Null);
    assert_eq!(count, json!({ "total_count": 2 }));

    let many: Vec<Value> = (0..19).map(|n| json!({ "key": format!("k{n}") })).collect();
    for (body, word) in [
        (put(json!([])), "tags"),
        (put(json!([{ "value": "x" }])), "key"),
        (put(json!([{ "key": "_sys_x" }])), "_sys_x"),
        (put(json!([{ "key": "a,b" }])), "a,b"),
        (put(json!([{ "key": "a" }, { "key": "a" }])), "twice"),
        (put(json!(many)), "20"),
        (json!({ "action": "delete", "tags": [{ "key": "a" }] }), "action"),
        (json!({ "sys_tags": [{ "key": "a" }] }), "enterprise_project_id"),
    ] {
        host.refused("POST", &format!("{tagged}/tags/create"), &body, 400, "FSS.0400", word);
    }
    own(&[("env", "prod"), ("žluť", "")]);
    host.refused("POST", "/functions/nobody/tags/create", &put(json!([{ "key": "a" }])), 404, "FSS.1051", "nobody");
    host.refused("GET", "/functions/nobody/tags", &Value::Null, 404, "FSS.1051", "nobody");
    host.refused("POST", "/functions/resource-instances/delete", &json!({}), 400, "FSS.0400", "count");
    host.refused("GET", "/workflows/tags", &Value::Null, 404, "FSS.0404", "path");
    let mut bad = python("bad", CODE);
    bad["tags"] = json!("nothing");
    host.refused("POST", "/fgs/functions", &bad, 400, "FSS.0400", "tags");
    host.client.done("DELETE", "/tagged", &Value::Null);
    assert_eq!(
        host.done("GET", "/functions/tags", &Value::Null)["tags"],
        json!([{ "key": "env", "values": ["test"] }])
    );
    host.stop();
}

#[test]
fn asynchronous_settings_are_checked_kept_and_given_back() {
    let host = Host::start(&[]);
    for name in ["f", "target"] {
        create(&host.client, name, CODE);
    }
    let path = "/fgs/functions/f/async-invoke-config";
    host.refused("GET", path, &Value::Null, 404, "FSS.0404", "UpdateFunctionAsyncInvokeConfig");
    host.refused("DELETE", path, &Value::Null, 404, "FSS.0404", "set");
    let param = |urn: &str| json!({ "func_urn": urn }).to_string();
    let to = |urn: &str| json!({ "on_failure": { "destination": "FunctionGraph", "param": param(urn) } });
    let set = json!({
        "max_async_event_age_in_seconds": 60, "max_async_retry_attempts": 0, "enable_async_status_log": true,
        "destination_config": to(&format!("{}:latest", host.urn("target"))), "log_group_id": "g",
    });
    let answer = host.done("PUT", path, &set);
    for field in
        ["max_async_event_age_in_seconds", "max_async_retry_attempts", "enable_async_status_log", "log_group_id"]
    {
        assert_eq!(answer[field], set[field], "{field}");
    }
    assert_eq!(answer["func_urn"], format!("{}:latest", host.urn("f")));
    assert_eq!(answer["destination_config"]["on_failure"], set["destination_config"]["on_failure"]);
    assert_eq!(answer["destination_config"]["on_success"], Value::Null);
    assert_eq!(host.done("GET", path, &Value::Null), answer);
    let list = host.done("GET", "/fgs/functions/f/async-invoke-configs?limit=5", &Value::Null);
    assert_eq!((&list["async_invoke_configs"][0], &list["count"]), (&answer, &json!(1)));
    assert_eq!(list["page_info"], json!({ "next_marker": 0, "previous_marker": 0, "current_count": 1 }));
    // Other clients say POST; what is left out takes its default again.
    let plain = host.done("POST", path, &json!({}));
    assert_eq!(
        (&plain["max_async_event_age_in_seconds"], &plain["max_async_retry_attempts"]),
        (&json!(3600), &json!(1))
    );
    assert_eq!(plain["created_time"], answer["created_time"]);

    for (body, status, code, word) in [
        (json!({ "max_async_event_age_in_seconds": 0 }), 400, "FSS.0400", "86400"),
        (json!({ "max_async_retry_attempts": 4 }), 400, "FSS.0400", "0 to 3"),
        (json!({ "max_async_retry_attempts": "x" }), 400, "FSS.0400", "whole number"),
        (
            json!({ "destination_config": { "on_success": { "destination": "S3", "param": "{}" } } }),
            400,
            "FSS.0400",
            "OBS",
        ),
        (
            json!({ "destination_config": { "on_success": { "destination": "OBS", "param": "{}" } } }),
            400,
            "FSS.0400",
            "bucket",
        ),
        (json!({ "destination_config": to("f") }), 400, "FSS.0400", "own destination"),
        (json!({ "destination_config": to(&format!("{}:v1", host.urn("f"))) }), 400, "FSS.0400", "own destination"),
        (json!({ "destination_config": to("nobody") }), 404, "FSS.1051", "on_failure"),
        (json!({ "destination_config": to("a:b:c:d:e") }), 400, "FSS.1309", "URN"),
        (json!({ "destination_config": to("0a0a:default:target") }), 403, "FSS.0403", "on_failure"),
    ] {
        host.refused("PUT", path, &body, status, code, word);
    }
    assert_eq!(host.done("GET", path, &Value::Null), plain);
    let versioned = |part: &str| format!("/fgs/functions/{}:{part}/async-invoke-config", host.urn("f"));
    host.refused("PUT", &versioned("v9"), &json!({}), 404, "FSS.1052", "v9");
    host.refused("PUT", &versioned("%21none"), &json!({}), 404, "FSS.1053", "none");
    host.refused("GET", "/fgs/functions/nobody/async-invoke-configs", &Value::Null, 404, "FSS.1051", "nobody");
    host.refused("GET", "/fgs/functions/f/async-invoke-configs?limit=-1", &Value::Null, 400, "FSS.0400", "limit");
    assert_eq!(host.send("DELETE", path, &Value::Null).status, 204);
    host.refused("GET", path, &Value::Null, 404, "FSS.0404", "set");
    host.stop();
}

#[test]
fn asynchronous_settings_go_with_their_version_or_alias() {
    let host = Host::start(&[]);
    create(&host.client, "f", CODE);
    host.done("POST", "/fgs/functions/f/versions", &json!({ "version": "v1" }));
    host.done("POST", "/fgs/functions/f/aliases", &json!({ "name": "prod", "version": "v1" }));
    let path = |part: &str| format!("/fgs/functions/{}:{part}/async-invoke-config", host.urn("f"));
    let all = || host.done("GET", "/fgs/functions/f/async-invoke-configs", &Value::Null);
    for (part, age) in [("v1", 1), ("%21prod", 2), ("latest", 3)] {
        host.done("PUT", &path(part), &json!({ "max_async_event_age_in_seconds": age }));
    }
    let shown = host.done("GET", &path("%21prod"), &Value::Null);
    assert_eq!(shown["max_async_event_age_in_seconds"], 2);
    assert_eq!(shown["func_urn"], format!("{}:!prod", host.urn("f")));
    assert_eq!(all()["count"], 3);
    let ages = |list: &Value| -> Vec<i64> {
        let configs = list["async_invoke_configs"].as_array().expect("a list");
        configs.iter().map(|config| config["max_async_event_age_in_seconds"].as_i64().expect("a number")).collect()
    };
    assert_eq!(ages(&all()), [1, 2, 3], "in the order in which they were set");
    let page = host.done("GET", "/fgs/functions/f/async-invoke-configs?limit=2&marker=1", &Value::Null);
    assert_eq!(page["page_info"], json!({ "next_marker": 0, "previous_marker": 0, "current_count": 2 }));
    host.done("DELETE", "/fgs/functions/f/aliases/prod", &Value::Null);
    assert_eq!(all()["count"], 2);
    host.done("DELETE", &format!("/fgs/functions/{}:v1", host.urn("f")), &Value::Null);
    assert_eq!(all()["async_invoke_configs"][0]["func_urn"], format!("{}:latest", host.urn("f")));
    assert_eq!(all()["count"], 1);
    host.stop();
}

#[test]
fn pins_and_tracing_keys_are_the_functions() {
    let host = Host::start(&[]);
    for name in ["a", "b", "c"] {
        create(&host.client, name, CODE);
    }
    let order = || {
        let list = host.done("GET", "/fgs/functions", &Value::Null);
        let functions = list["functions"].as_array().expect("a list").clone();
        functions.iter().map(|one| format!("{}{}", one["func_name"], one["is_collected"])).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(host.done("PUT", &format!("/fgs/functions/{}/collect/true", host.urn("c")), &Value::Null), json!({}));
    assert_eq!(order(), r#""c"true "a"false "b"false"#);
    host.done("PUT", "/fgs/functions/c/collect/false", &Value::Null);
    assert_eq!(order(), r#""a"false "b"false "c"false"#);
    host.refused("PUT", "/fgs/functions/c/collect/yes", &Value::Null, 400, "FSS.0400", "true");
    host.refused("PUT", "/fgs/functions/nobody/collect/true", &Value::Null, 404, "FSS.1051", "nobody");

    let path = "/fgs/functions/a/tracing";
    host.refused("GET", path, &Value::Null, 404, "FSS.0404", "tracing");
    let keys = json!({ "tracing_ak": "AK", "tracing_sk": "hidden-word" });
    assert_eq!(host.done("PUT", path, &keys), json!({}));
    assert_eq!(host.done("GET", path, &Value::Null), keys);
    host.refused("PUT", path, &json!({ "tracing_ak": "AK" }), 400, "FSS.0400", "tracing_sk");
    host.refused("PUT", "/fgs/functions/nobody/tracing", &keys, 404, "FSS.1051", "nobody");
    assert_eq!(host.done("PUT", path, &json!({})), json!({}));
    host.refused("GET", path, &Value::Null, 404, "FSS.0404", "tracing");
    assert!(!host.server.log().contains("hidden-word"), "{}", host.server.log());
    host.stop();
}

#[test]
fn a_project_is_told_its_quotas_and_held_to_them() {
    let folder = crate::harness::open_folder();
    let config = folder.path().join("config.toml");
    let text = "[limits]\nfunctions_per_project = 2\ncode_mb_per_project = 1\n[pool]\nmost_instances = 7\nqueue = 50\nidle_seconds = 30\n";
    std::fs::write(&config, text).expect("a file of settings");
    let host = Host::start(&["--config", config.to_str().expect("UTF-8")]);
    let quotas = || {
        let answer = host.done("GET", "/fgs/quotas", &Value::Null);
        let resources = answer["quotas"]["resources"].as_array().expect("a list").clone();
        move |kind: &str| {
            let one = resources.iter().find(|one| one["type"] == kind).expect(kind);
            (one["quota"].as_i64().expect("a number"), one["used"].as_i64().expect("a number"), one["unit"].clone())
        }
    };
    let before = quotas();
    assert_eq!(before("fgs_func_num"), (2, 0, json!("")));
    assert_eq!(before("fgs_func_code_size"), (1, 0, json!("MB")));
    assert_eq!((before("fgs_func_scale_down_timeout").0, before("fgs_func_qos_limit").0), (30, 50));
    assert_eq!((before("fgs_on_demand_instance_limit").0, before("fgs_func_occurs").0), (7, 7));
    for kind in ["fgs_func_pat_idle_time", "fgs_workflow_num"] {
        assert_eq!(before(kind).1, 0);
    }
    create(&host.client, "one", CODE);
    host.client.done("POST", "/one/invocations", &json!({}));
    let after = quotas();
    assert_eq!((after("fgs_func_num").1, after("fgs_func_code_size").1), (1, 1));
    assert_eq!(after("fgs_on_demand_instance_limit").1, 1, "the instance of the call waits for the next one");
    create(&host.client, "two", CODE);
    host.refused("POST", "/fgs/functions", &python("three", CODE), 403, "FSS.1041", "functions_per_project");
    host.client.done("DELETE", "/two", &Value::Null);
    let mut large = python("large", CODE);
    let mut state = 7_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(1_200_000).collect();
    let archive = crate::dependencies::zip(&[("index.py", CODE), ("noise", &base64(&noise))]);
    (large["code_type"], large["func_code"]) = (json!("zip"), json!({ "file": base64(&archive) }));
    host.refused("POST", "/fgs/functions", &large, 403, "FSS.1042", "code_mb_per_project");
    assert_eq!(quotas()("fgs_func_num").1, 1);
    host.stop();
}

#[test]
fn what_is_only_kept_comes_back() {
    let host = Host::start(&[]);
    let network = json!({ "vpc_id": "5f5a9ba9", "subnet_id": "s-1", "flavor": "small", "xrole": "agency" });
    let made = host.done("POST", "/fgs/vpc-endpoint", &network);
    let address = host.server.endpoint().trim_start_matches("http://").to_owned();
    assert_eq!(made, json!({ "endpoints": ["127.0.0.1"], "address": address }));
    host.refused("POST", "/fgs/vpc-endpoint", &json!({ "vpc_id": "v" }), 400, "FSS.0400", "subnet_id");
    host.refused("POST", "/fgs/vpc-endpoint", &json!({ "vpc_id": "a/b", "subnet_id": "s" }), 400, "FSS.0400", "vpc_id");
    for _ in 0..2 {
        assert_eq!(host.send("DELETE", "/fgs/vpc-endpoint/5f5a9ba9/s-1", &Value::Null).status, 204);
    }

    let (states, on) = ("/fgs/functions/async-status-log-detail", "/fgs/functions/enable-async-status-logs");
    host.refused("GET", states, &Value::Null, 404, "FSS.0404", "EnableAsyncStatusLog");
    assert_eq!(host.done("POST", on, &Value::Null), json!({}));
    let place = host.done("GET", states, &Value::Null);
    for field in ["group_id", "group_name", "stream_id", "stream_name"] {
        assert!(place[field].as_str().is_some_and(|text| !text.is_empty()), "{place}");
    }
    host.done("POST", on, &Value::Null);
    assert_eq!(host.done("GET", states, &Value::Null), place, "switching on again changes nothing");
    assert_eq!(host.send("DELETE", states, &Value::Null).status, 204);
    host.refused("GET", states, &Value::Null, 404, "FSS.0404", "EnableAsyncStatusLog");

    create(&host.client, "f", CODE);
    let mut other = python("own-place", CODE);
    other["log_config"] = json!({ "group_id": "g", "group_name": "gn", "stream_id": "s", "stream_name": "sn" });
    host.client.done("POST", "", &other);
    let log = |name: &str| format!("/fgs/functions/{name}/lts-log-detail");
    host.refused("GET", &log("f"), &Value::Null, 404, "FSS.0404", "EnableLtsLogs");
    assert_eq!(host.done("POST", "/fgs/functions/enable-lts-logs", &Value::Null), json!({}));
    host.refused("POST", "/fgs/functions/enable-lts-logs", &Value::Null, 400, "FSS.1221", "already");
    assert_eq!(host.done("GET", &log("f"), &Value::Null)["stream_name"], "default_f");
    assert_eq!(host.done("GET", &log("own-place"), &Value::Null)["stream_name"], "sn");
    host.refused("GET", &log("nobody"), &Value::Null, 404, "FSS.1051", "nobody");

    let features = host.done("GET", "/fgs/feature", &Value::Null);
    assert_eq!((&features["tags"], &features["workflows"]), (&json!(true), &json!(false)));
    let runtimes = host.done("GET", "/fgs/runtimetypes", &Value::Null);
    let runtimes = runtimes.as_array().expect("a bare list");
    assert!(runtimes.contains(&json!({ "type": "Python3.9", "display_name": "Python 3.9" })), "{runtimes:?}");
    assert!(!runtimes.iter().any(|runtime| runtime["type"] == "Cangjie1.0"), "{runtimes:?}");
    assert_eq!(host.done("GET", "/fgs/service-trusted-agencies", &Value::Null), json!([]));
    host.stop();
}
