//! What versions and aliases may not be, word by word of the contract.

use serde_json::{Value, json};

use super::{Stage, says};

#[track_caller]
fn refused(stage: &Stage, method: &str, rest: &str, body: &Value, status: u16, code: &str, word: &str) {
    let answer = stage.ask(method, rest, body);
    let envelope: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert_eq!((answer.status, envelope["error_code"].as_str()), (status, Some(code)), "{}", answer.text());
    let message = envelope["error_msg"].as_str().unwrap_or_default();
    assert!(message.contains(word), "{message:?} lacks {word:?}");
}

#[test]
fn versions_that_may_not_be_are_refused() {
    let stage = Stage::new(&["v1"]);
    let publish = |body: Value, status, code, word| {
        refused(&stage, "POST", "/f/versions", &body, status, code, word);
    };
    publish(json!({ "version": "v2" }), 400, "FSS.1016", "'v1'");
    stage.change(&says("two"));
    publish(json!({ "version": "v1" }), 409, "FSS.1062", "'v1' already");
    for bad in ["latest", "-a", "a-", "a b", "!a", "ž", "a/b", &"x".repeat(43)] {
        publish(json!({ "version": bad }), 400, "FSS.1015", "version");
    }
    publish(json!({ "version": 7 }), 400, "FSS.0400", "'version' must be a text");
    publish(json!({ "description": "x".repeat(513) }), 400, "FSS.1019", "512");
    publish(json!({ "digest": "0".repeat(128) }), 400, "FSS.0400", "'digest'");
    publish(json!([]), 400, "FSS.0400", "JSON object");
    for qualifier in ["v1", "!prod"] {
        let path = format!("/{}/versions", stage.of(qualifier));
        refused(&stage, "POST", &path, &json!({}), 400, "FSS.1015", "Leave the last field");
    }
    refused(&stage, "POST", "/absent/versions", &json!({}), 404, "FSS.1051", "absent");
    refused(&stage, "GET", "/absent/versions", &Value::Null, 404, "FSS.1051", "absent");
    refused(&stage, "GET", "/f/versions?maxitems=-1", &Value::Null, 400, "FSS.0400", "maxitems");
    let foreign = format!("/{}:default:f/versions", "0a".repeat(16));
    refused(&stage, "POST", &foreign, &json!({}), 403, "FSS.0403", "project");

    // Published versions do not change.
    let config = json!({ "func_name": "f", "runtime": "Python3.9", "handler": "index.handler", "timeout": 9, "memory_size": 128 });
    let code = json!({ "code_type": "inline", "func_code": { "file": "eA==" } });
    for (rest, body) in
        [("config", &config), ("code", &code), ("config-max-instance", &json!({ "max_instance_num": 1 }))]
    {
        refused(&stage, "PUT", &format!("/{}/{rest}", stage.of("v1")), body, 400, "FSS.1015", "do not change");
    }
    for (qualifier, status, code) in [("v9", 404, "FSS.1052"), ("!no", 404, "FSS.1053"), ("latest", 403, "FSS.0403")] {
        refused(&stage, "DELETE", &format!("/{}", stage.of(qualifier)), &Value::Null, status, code, "");
    }
    assert_eq!(stage.call("v9").status, 404);
    assert_eq!(stage.call("!no").status, 404);

    // The digest of latest, as it is shown, is the right one.
    let digest = stage.done("GET", "/f/code", &Value::Null)["digest"].clone();
    stage.done("POST", "/f/versions", &json!({ "version": "2.0_b-1", "digest": digest }));
    for number in 3..20 {
        stage.change(&says(&number.to_string()));
        stage.publish(&number.to_string());
    }
    stage.change(&says("one too many"));
    publish(json!({ "version": "20" }), 403, "FSS.0403", "20 versions");
    assert_eq!(stage.ask("DELETE", &format!("/{}", stage.of("7")), &Value::Null).status, 204);
    stage.publish("20");
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn aliases_that_may_not_be_are_refused() {
    let stage = Stage::new(&["v1", "v2", "v3"]);
    stage.alias(&json!({ "name": "prod", "version": "v1", "additional_version_weights": { "v3": 1 } }));
    stage.alias(&json!({ "name": "beta", "version": "v2" }));
    let create = |body: Value, status, code, word| refused(&stage, "POST", "/f/aliases", &body, status, code, word);
    create(json!({ "version": "v3" }), 400, "FSS.1014", "missing");
    for bad in ["1a", "a-", "a.b", "!a", &"x".repeat(64)] {
        create(json!({ "name": bad, "version": "v3" }), 400, "FSS.1014", "must have 1 to 63");
    }
    create(json!({ "name": "new" }), 400, "FSS.0400", "'version' is missing");
    create(json!({ "name": "new", "version": "v9" }), 404, "FSS.1052", "'v9'");
    create(json!({ "name": "prod", "version": "v3" }), 409, "FSS.1063", "already");
    create(json!({ "name": "new", "version": "v1" }), 409, "FSS.1066", "'prod'");
    let weights = |weights: Value| json!({ "name": "new", "version": "v3", "additional_version_weights": weights });
    create(weights(json!({ "v9": 1 })), 400, "FSS.1091", "Publish it first");
    create(weights(json!({ "latest": 1 })), 400, "FSS.1091", "latest");
    create(weights(json!({ "v1": 1, "v2": 1 })), 400, "FSS.1091", "one additional version");
    create(weights(json!({ "v3": 1 })), 400, "FSS.1093", "the same");
    create(weights(json!({ "v1": 101 })), 400, "FSS.1092", "0 to 100");
    create(weights(json!({ "v1": -1 })), 400, "FSS.1092", "0 to 100");
    create(weights(json!({ "v1": "many" })), 400, "FSS.0400", "'additional_version_weights.v1'");
    create(weights(json!(5)), 400, "FSS.0400", "must be an object");
    create(
        json!({ "name": "new", "version": "latest", "additional_version_weights": { "v1": 1 } }),
        400,
        "FSS.1015",
        "latest",
    );
    let rules = |rules: Value| json!({ "name": "new", "version": "v3", "additional_version_strategy": { "v1": { "rules": rules } } });
    create(rules(json!([])), 400, "FSS.0400", "1 to 10 rules");
    let rule = |kind: &str| json!([{ "rule_type": kind, "param": "a", "op": "=", "value": "b" }]);
    create(rules(rule("query")), 400, "FSS.0400", "'additional_version_strategy.v1.rules[0].rule_type'");
    let mut both = rules(rule("header"));
    both["additional_version_weights"] = json!({ "v1": 1 });
    create(both, 400, "FSS.0400", "exclude each other");
    refused(&stage, "POST", "/absent/aliases", &json!({ "name": "a", "version": "v1" }), 404, "FSS.1051", "absent");
    refused(&stage, "PUT", "/f/aliases/no", &json!({ "version": "v1" }), 404, "FSS.1053", "'no'");
    refused(&stage, "PUT", "/f/aliases/beta", &json!({ "version": "v1" }), 409, "FSS.1066", "'prod'");
    refused(&stage, "PUT", "/f/aliases/beta", &json!({}), 400, "FSS.0400", "'version' is missing");
    refused(&stage, "GET", "/absent/aliases", &Value::Null, 404, "FSS.1051", "absent");
    refused(&stage, "DELETE", "/f/aliases/no", &Value::Null, 404, "FSS.1053", "no such alias");
    refused(&stage, "DELETE", &format!("/{}", stage.of("v3")), &Value::Null, 403, "FSS.1094", "'prod'");
    for number in 0..8 {
        // Each has a version of its own, but for latest.
        let version = if number == 0 { "latest".to_owned() } else { format!("w{number}") };
        if number > 0 {
            stage.change(&says(&version));
            stage.publish(&version);
        }
        stage.alias(&json!({ "name": format!("a{number}"), "version": version }));
    }
    create(json!({ "name": "new", "version": "v3" }), 403, "FSS.1043", "10 aliases");
    // Nothing of what was refused has left anything.
    assert_eq!(stage.done("GET", "/f/aliases", &Value::Null).as_array().map(Vec::len), Some(10));
    assert_eq!(stage.server.stop(), Some(0));
}
