use serde_json::{Value, json};

use super::{Host, PRINTS};
use crate::harness::wait_for;
use crate::raw::{base64, python};

fn of(kind: &str, data: &Value) -> Value {
    json!({ "trigger_type_code": kind, "event_data": data })
}

fn gateway(name: &str, path: &str) -> Value {
    json!({
        "name": name, "group_id": "shop", "env_id": "DEFAULT_ENVIRONMENT_RELEASE_ID", "env_name": "RELEASE", "auth": "IAM",
        "protocol": "HTTPS", "path": path, "req_method": "ANY", "match_mode": "SWA", "type": 1, "func_info": { "timeout": "5000" },
    })
}

/// Event data of each kind whose source is not connected, with a field that is secret where there is one.
fn unconnected() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("CTS", json!({ "name": "audit", "operations": ["FunctionGraph:Functions:createFunction"] }), ""),
        (
            "DDS",
            json!({ "instance_id": "i", "db_name": "d", "collection_name": "c", "db_password": "pass-dds", "batch_size": 50 }),
            "db_password",
        ),
        ("DMS", json!({ "queue_id": "q", "consumer_group_id": "g", "polling_interval": 30 }), ""),
        (
            "DIS",
            json!({ "stream_name": "s", "sharditerator_type": "LATEST", "polling_interval": 10, "polling_unit": "s", "is_serial": "true" }),
            "",
        ),
        ("LTS", json!({ "log_group_id": "g", "log_topic_id": "t" }), ""),
        ("OBS", json!({ "bucket": "b", "events": ["s3:ObjectCreated:*"], "prefix": "in/" }), ""),
        ("SMN", json!({ "topic_urn": "urn:smn:local:p:topic" }), ""),
        (
            "KAFKA",
            json!({ "instance_id": "i", "topic_ids": ["t"], "batch_size": 100, "kafka_user": "u", "kafka_password": "pass-kafka" }),
            "kafka_password",
        ),
        ("OPENSOURCEKAFKA", json!({ "kafka_connect_address": "a:9092", "topic_ids": ["t"], "batch_size": 100 }), ""),
        (
            "RABBITMQ",
            json!({ "instance_id": "i", "access_password": "pass-rabbit", "exchange_name": "x" }),
            "access_password",
        ),
        (
            "ROCKETMQ",
            json!({ "instance_id": "i", "topic_ids": ["t"], "batch_size": 1, "enable_acl": true, "access_key": "k", "secret_key": "pass-rocket" }),
            "secret_key",
        ),
        (
            "GAUSSMONGO",
            json!({ "instance_id": "i", "db_name": "d", "collection_name": "c", "db_password": "pass-gauss", "batch_size": 50 }),
            "db_password",
        ),
        (
            "EVENTGRID",
            json!({ "channel_id": "c", "event_types": ["OBS:DWR:ObjectCreated:PUT"], "Key_encode": true }),
            "",
        ),
        ("IOTDA", json!({ "resource": "device.message", "event": "report" }), ""),
    ]
}

#[test]
fn every_kind_is_stored_shown_changed_and_deleted() {
    let host = Host::start();
    for name in ["f", "g"] {
        host.server.create(name, "Python3.9", PRINTS);
    }
    for (index, (kind, data, secret)) in unconnected().into_iter().enumerate() {
        let function = if index % 2 == 0 { "f" } else { "g" };
        let created = host.done(201, "POST", &format!("/{function}"), &of(&kind.to_lowercase(), &data));
        assert_eq!(created["trigger_type_code"], kind);
        let can_be_disabled = !matches!(kind, "CTS" | "OBS" | "SMN" | "EVENTGRID" | "IOTDA");
        assert_eq!(created["trigger_status"], if can_be_disabled { "DISABLED" } else { "ACTIVE" }, "{kind}");
        assert!(created["note"].as_str().is_some_and(|note| note.contains("not connected")), "{created}");
        let mut expected = data.clone();
        if !secret.is_empty() {
            expected[secret] = json!("******");
        }
        let shown = |answer: &Value| {
            let mut shown = answer["event_data"].clone();
            if data.get("name").is_none() {
                shown.as_object_mut().expect("an object").remove("name");
            }
            shown
        };
        assert_eq!(shown(&created), expected, "{kind}");
        let path = format!("/{function}/{kind}/{}", created["trigger_id"].as_str().expect("an id"));
        assert_eq!(host.done(200, "GET", &path, &Value::Null), created);
        // A client that sends back what it was shown changes nothing.
        let same = host.done(200, "PUT", &path, &json!({ "event_data": created["event_data"] }));
        assert_eq!(shown(&same), expected, "{kind}");
        if !can_be_disabled {
            let word = "cannot be disabled";
            host.refused(400, "FSS.0400", word, "PUT", &path, &json!({ "trigger_status": "DISABLED" }));
        }
        host.done(204, "DELETE", &path, &Value::Null);
        host.refused(404, "FSS.1131", "List its triggers", "GET", &path, &Value::Null);
        host.refused(404, "FSS.1131", "List its triggers", "DELETE", &path, &Value::Null);
        host.refused(404, "FSS.0404", "List its triggers", "PUT", &path, &json!({}));
        wait_for("a line in the function's log", || {
            host.log(function).contains(&format!("{kind} is not connected to this server")).then_some(())
        });
    }
    let (log, functions) = (host.server.log(), host.log("f") + &host.log("g"));
    assert!(!log.contains("pass-") && !functions.contains("pass-"), "secrets stay secret");
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn gateway_triggers_say_where_they_are() {
    let host = Host::start();
    host.server.create("api", "Python3.9", PRINTS);
    let created = host.done(201, "POST", "/api", &of("APIG", &gateway("orders", "/orders")));
    let data = &created["event_data"];
    let id = created["trigger_id"].as_str().expect("an id");
    let endpoint = host.server.endpoint();
    assert_eq!(data["invoke_url"], format!("{endpoint}/gateway/shop/orders"));
    assert_eq!((data["triggerid"].as_str(), data["api_id"].as_str()), (Some(id), Some(id.replace('-', "").as_str())));
    let urn = format!("urn:fss:local:{}:function:default:api:latest", host.server.project());
    let func_info = json!({ "timeout": 5000, "invocation_type": "sync", "function_urn": urn, "version": "latest" });
    assert_eq!((&data["func_info"], &data["backend_type"]), (&func_info, &json!("FUNCTION")));
    host.refused(409, "FSS.1147", "same path and method", "POST", "/api", &of("APIC", &gateway("more", "/orders/")));
    host.refused(409, "FSS.1146", "same name", "POST", "/api", &of("APIG", &gateway("orders", "/other")));
    host.refused(400, "FSS.1107", "start with '/'", "POST", "/api", &of("APIG", &gateway("bad", "orders")));
    host.refused(400, "FSS.1417", "event_data.func_info", "POST", "/api", &of("DEDICATEDGATEWAY", &json!({
        "name": "d", "group_id": "g", "env_id": "e", "env_name": "RELEASE", "auth": "NONE", "protocol": "HTTP", "path": "/",
        "req_method": "GET", "match_mode": "SWA", "type": 1,
    })));
    let path = format!("/api/APIG/{id}");
    let changed = json!({ "event_data": { "path": "/things/{id}", "func_info": { "timeout": 100 } } });
    let answer = host.done(200, "PUT", &path, &changed);
    assert_eq!(answer["event_data"]["invoke_url"], format!("{endpoint}/gateway/shop/things/{{id}}"));
    assert_eq!(answer["event_data"]["func_info"]["timeout"], 100);
    host.done(201, "POST", "/api", &of("APIG", &gateway("again", "/orders")));
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn what_cannot_be_is_refused_with_its_code() {
    let host = Host::start();
    host.server.create("f", "Python3.9", PRINTS);
    let timer = |name: &str, kind: &str, schedule: &str| {
        of("TIMER", &json!({ "name": name, "schedule_type": kind, "schedule": schedule }))
    };
    let refused = |status, code, word: &str, body: &Value| host.refused(status, code, word, "POST", "/f", body);
    refused(400, "FSS.1101", "trigger_type_code is missing", &json!({}));
    refused(400, "FSS.1101", "'CLOCK' does not exist", &of("CLOCK", &json!({})));
    refused(400, "FSS.1109", "'event_data.name' is missing", &json!({ "trigger_type_code": "TIMER" }));
    refused(400, "FSS.0400", "must be an object", &json!({ "trigger_type_code": "TIMER", "event_data": [] }));
    refused(400, "FSS.1109", "event_data.schedule", &timer("t", "Rate", "61m"));
    refused(400, "FSS.1109", "event_data.schedule_type", &timer("t", "Often", "1m"));
    refused(400, "FSS.1109", "no time to come", &timer("t", "Cron", "0 0 0 30 2 ?"));
    refused(400, "FSS.1319", "start with a letter", &timer("1st", "Rate", "1m"));
    refused(400, "FSS.1317", "more than 64", &timer(&"t".repeat(65), "Rate", "1m"));
    refused(400, "FSS.0400", "ACTIVE or DISABLED", &json!({ "trigger_type_code": "TIMER", "trigger_status": "ON" }));
    refused(
        400,
        "FSS.1113",
        "kafka_user",
        &of(
            "KAFKA",
            &json!({
                "instance_id": "i", "topic_ids": ["t"], "batch_size": 1, "kafka_ssl_enable": true,
            }),
        ),
    );
    refused(
        400,
        "FSS.1112",
        "batch_size",
        &of("KAFKA", &json!({ "instance_id": "i", "topic_ids": ["t"], "batch_size": 1001 })),
    );
    refused(400, "FSS.1318", "cannot be read", &of("CTS", &json!({ "name": "c", "operations": ["x"] })));
    let obs = |prefix: &str| of("OBS", &json!({ "bucket": "b", "events": ["s3:ObjectCreated:*"], "prefix": prefix }));
    host.done(201, "POST", "/f", &obs("in/"));
    host.server.create("g", "Python3.9", PRINTS);
    host.refused(403, "FSS.1108", "same objects", "POST", "/g", &obs("in/more"));
    host.done(201, "POST", "/g", &obs("out/"));

    host.refused(404, "FSS.1051", "no function", "POST", "/absent", &timer("t", "Rate", "1m"));
    host.refused(404, "FSS.1051", "no function", "GET", "/absent", &Value::Null);
    let urn = |qualifier: &str| format!("/urn:fss:local:{}:function:default:f:{qualifier}", host.server.project());
    host.refused(404, "FSS.1052", "no version", "POST", &urn("v1"), &timer("t", "Rate", "1m"));
    host.refused(404, "FSS.1053", "no alias", "DELETE", &urn("!prod"), &Value::Null);
    host.refused(404, "FSS.1137", "does not exist", "GET", "/f/CLOCK/1", &Value::Null);
    host.refused(400, "FSS.1309", "cannot be read", "GET", "/a:b:c:d:e", &Value::Null);

    for number in 2..=10 {
        host.timer("f", &format!("t{number}"), "Rate", "1d");
    }
    refused(400, "FSS.1306", "10 triggers", &timer("more", "Rate", "1m"));
    host.refused(
        409,
        "FSS.1148",
        "same name",
        "PUT",
        &first_timer(&host, "t2"),
        &json!({ "event_data": { "name": "t3" } }),
    );
    host.done(204, "DELETE", &urn("latest"), &Value::Null);
    assert_eq!(host.done(200, "GET", "/f", &Value::Null), json!([]));

    let kafka =
        |topic: usize| of("KAFKA", &json!({ "instance_id": "i", "topic_ids": [topic.to_string()], "batch_size": 1 }));
    (0..10).for_each(|topic| drop(host.done(201, "POST", "/f", &kafka(topic))));
    host.refused(403, "FSS.1123", "10 triggers", "POST", "/g", &kafka(10));
    assert_eq!(host.server.stop(), Some(0));
}

fn first_timer(host: &Host, name: &str) -> String {
    let listed = host.done(200, "GET", "/f", &Value::Null);
    let found = listed.as_array().expect("a list").iter().find(|trigger| trigger["event_data"]["name"] == name);
    format!("/f/TIMER/{}", found.expect("it is there")["trigger_id"].as_str().expect("an id"))
}

#[test]
fn http_functions_take_gateway_triggers_only() {
    let host = Host::start();
    let mut body = python("web", "");
    body["runtime"] = json!("http");
    body["handler"] = json!("-");
    body["code_type"] = json!("zip");
    body["func_code"]["file"] = json!(base64(&crate::dependencies::zip(&[("bootstrap", "#!/bin/sh\n")])));
    let path = format!("/v2/{}/fgs/functions", host.server.project());
    let answer = host.server.request("POST", &path, &[], &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let timer = of("TIMER", &json!({ "name": "t", "schedule_type": "Rate", "schedule": "1m" }));
    host.refused(426, "FSS.0426", "gateway triggers only", "POST", "/web", &timer);
    host.done(201, "POST", "/web", &of("APIG", &gateway("web", "/")));
    assert_eq!(host.server.stop(), Some(0));
}

#[test]
fn lists_of_a_project_and_what_goes_with_a_function() {
    let host = Host::start();
    for name in ["f", "g"] {
        host.server.create(name, "Python3.9", PRINTS);
        host.timer(name, "daily", "Rate", "1d");
        host.done(201, "POST", &format!("/{name}"), &of("SMN", &json!({ "topic_urn": "t" })));
    }
    let list = |query: &str| host.done(200, "GET", query, &Value::Null);
    let all = list("?maxitems=500");
    assert_eq!((&all["count"], all["triggers"].as_array().map(Vec::len)), (&json!(4), Some(4)));
    let urn = format!("urn:fss:local:{}:function:default:f:latest", host.server.project());
    assert_eq!(all["triggers"][0]["func_urn"], urn);
    assert_eq!(list("?trigger_type=timer")["count"], 2);
    host.refused(404, "FSS.1137", "does not exist", "GET", "?trigger_type=CLOCK", &Value::Null);
    let first = list("?maxitems=3");
    let rest = list(&format!("?maxitems=3&marker={}", first["next_marker"]));
    assert_eq!(
        (first["triggers"].as_array().map(Vec::len), rest["triggers"].as_array().map(Vec::len)),
        (Some(3), Some(1))
    );
    assert_eq!(list(&format!("?maxitems=3&marker={}", rest["next_marker"]))["triggers"], json!([]));
    let types = format!("/v2/{}/fgs/triggertypes", host.server.project());
    let types = host.server.request("GET", &types, &[], "").text();
    assert!(types.starts_with("[\"TIMER\",\"APIG\"") && types.contains("\"IOTDA\""), "{types}");

    let functions = format!("/v2/{}/fgs/functions/f", host.server.project());
    assert_eq!(host.server.request("DELETE", &functions, &[], "").status, 204);
    assert_eq!(list("")["count"], 2);
    host.server.create("f", "Python3.9", PRINTS);
    assert_eq!(list("/f"), json!([]), "the next function of that name has none");
    assert_eq!(host.server.stop(), Some(0));
}
