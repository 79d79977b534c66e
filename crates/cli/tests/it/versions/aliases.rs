//! Which version a call by an alias gets.

use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};

use super::Stage;

#[test]
fn an_alias_is_created_shown_changed_and_deleted() {
    let stage = Stage::new(&["v1", "v2"]);
    let made = stage.alias(&json!({
        "name": "prod", "version": "v1", "description": "what clients use", "additional_version_weights": { "v2": 10 },
    }));
    let urn = format!("urn:fss:local:{}:function:default:f:!prod", stage.client.project);
    assert_eq!((&made["alias_urn"], &made["additional_version_weights"]), (&json!(urn), &json!({ "v2": 10 })));
    assert_eq!(stage.done("GET", "/f/aliases/prod", &Value::Null), made);
    let strategy = json!({ "v1": { "combine_type": "or", "rules": [
        { "rule_type": "cookie", "param": "id", "op": "in", "value": "a,b" },
    ] } });
    stage.alias(&json!({ "name": "beta", "version": "v2", "additional_version_strategy": strategy }));
    let list = stage.done("GET", &format!("/{}/aliases", stage.of("latest")), &Value::Null);
    let names: Vec<&str> =
        list.as_array().expect("a bare list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["prod", "beta"]);
    assert_eq!(list[1]["additional_version_strategy"], strategy);
    let changed = stage.done("PUT", "/f/aliases/prod", &json!({ "version": "v1" }));
    assert_eq!(
        (&changed["description"], &changed["additional_version_weights"]),
        (&json!("what clients use"), &Value::Null)
    );
    assert_eq!(stage.ask("DELETE", "/f/aliases/prod", &Value::Null).status, 204);
    assert_eq!(stage.ask("GET", "/f/aliases/prod", &Value::Null).status, 404);
    assert_eq!(stage.call("!prod").status, 404);
    stage.answers("v1", "v1");
    // A version takes its alias along.
    assert_eq!(stage.ask("DELETE", &format!("/{}", stage.of("!beta")), &Value::Null).status, 204);
    assert_eq!((stage.call("v2").status, stage.call("!beta").status), (404, 404));
    assert_eq!(stage.done("GET", "/f/aliases", &Value::Null), json!([]));
    assert_eq!(stage.server.stop(), Some(0));
}

/// So many calls at once, as texts.
fn calls(stage: &Stage, count: usize) -> Vec<String> {
    let answers = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..count / 4 {
                    let answer = stage.call("!prod");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    answers.lock().expect("no panic").push(answer.text());
                }
            });
        }
    });
    answers.into_inner().expect("no panic")
}

/// The pure function is tested with 100,000 calls; this is its way through the server.
#[test]
fn weights_share_calls_between_two_versions() {
    const CALLS: usize = 800;
    let stage = Stage::new(&["v1", "v2"]);
    stage.alias(&json!({ "name": "prod", "version": "v1" }));
    for percent in [0, 25, 100] {
        let weights = json!({ "version": "v1", "additional_version_weights": { "v2": percent } });
        stage.done("PUT", "/f/aliases/prod", &weights);
        let answers = calls(&stage, CALLS);
        let other = answers.iter().filter(|text| *text == "v2").count();
        assert_eq!(answers.iter().filter(|text| *text == "v1").count(), CALLS - other);
        // Eight times the standard deviation of 25 %: chance does not fail this in a lifetime.
        let (expected, slack) = (CALLS * percent / 100, if percent == 25 { 98 } else { 0 });
        assert!(other.abs_diff(expected) <= slack, "{percent} %: {other} of {CALLS}");
    }
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn rules_look_at_the_callers_headers_and_cookies() {
    let stage = Stage::new(&["v1", "v2"]);
    let rules = json!([
        { "rule_type": "Header", "param": "X-Group", "op": "=", "value": "beta" },
        { "rule_type": "cookie", "param": "user", "op": "in", "value": "ada, bob" },
    ]);
    let body = |combine: &str| {
        json!({ "name": "prod", "version": "v1",
            "additional_version_strategy": { "v2": { "combine_type": combine, "rules": rules } } })
    };
    stage.alias(&body("and"));
    let check = |headers: &[(&str, &str)], expected: &str| {
        let answer = stage.call_with("!prod", headers);
        assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{headers:?}");
    };
    let (group, user, both) = (("x-group", "beta"), ("Cookie", "x=1; user=bob"), "v2");
    check(&[group, user], both);
    check(&[group], "v1");
    check(&[user], "v1");
    check(&[], "v1");
    stage.done("PUT", "/f/aliases/prod", &body("or"));
    check(&[group], both);
    check(&[user], both);
    check(&[("x-group", "other"), ("Cookie", "user=eve")], "v1");
    // Who names a version gets it, whatever else the request says.
    let answer = stage.call_with("v1", &[group, user]);
    assert_eq!(answer.text(), "v1");
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn a_change_applies_to_the_next_call() {
    let stage = Stage::new(&["v1", "v2"]);
    stage.alias(&json!({ "name": "prod", "version": "v1" }));
    for round in 0..20 {
        let version = if round % 2 == 0 { "v2" } else { "v1" };
        stage.done("PUT", "/f/aliases/prod", &json!({ "version": version }));
        stage.answers("!prod", version);
    }
    stage.done("PUT", "/f/aliases/prod", &json!({ "version": "latest" }));
    for number in 0..5 {
        stage.change(&super::says(&number.to_string()));
        stage.answers("!prod", &number.to_string());
    }
    assert_eq!(stage.server.stop(), Some(0));
}
