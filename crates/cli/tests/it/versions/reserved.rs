//! Reserved instances of versions and aliases.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::open_folder;
use crate::raw::base64;
use crate::reserved::{Host, code};

#[test]
fn instances_are_reserved_for_versions_and_for_aliases_which_take_them_along() {
    let home = open_folder();
    let host = Host::start(home.path());
    host.create("kept", &code("one"));
    host.done("POST", "/kept/versions", &json!({ "version": "v1" }));
    let two = json!({ "code_type": "inline", "func_code": { "file": base64(code("two").as_bytes()) } });
    host.done("PUT", "/kept/code", &two);
    host.done("POST", "/kept/versions", &json!({ "version": "v2" }));
    let project = host.server.project();
    let of = |qualifier: &str| format!("{project}:default:kept:{qualifier}");
    host.reserve(&of("v1"), 1);
    let first = host.settled(1, &BTreeSet::new());
    host.warm_call(&of("v1"), "one 1");
    host.done("POST", "/kept/aliases", &json!({ "name": "prod", "version": "v2" }));
    host.reserve(&of("!prod"), 2);
    let both = host.settled(3, &BTreeSet::new());
    assert!(both.is_superset(&first), "what is reserved for the version stays");
    host.warm_call(&of("!prod"), "two 1");
    host.warm_call(&of("v2"), "two 1");

    let configs = host.done("GET", "/reservedinstanceconfigs", &Value::Null);
    let named = |config: &Value| {
        (config["qualifier_type"].clone(), config["qualifier_name"].clone(), config["min_count"].clone())
    };
    let configs: Vec<_> = configs["reserved_instances"].as_array().expect("a list").iter().map(named).collect();
    assert_eq!(configs, [(json!("version"), json!("v1"), json!(1)), (json!("alias"), json!("prod"), json!(2))]);
    let shown = |qualifier: &str| {
        host.done("GET", &format!("/{}/config", of(qualifier)), &Value::Null)["reserved_instance_count"].clone()
    };
    assert_eq!(["v1", "!prod", "latest"].map(shown), [json!(1), json!(2), json!(0)]);

    // Not for a version and its alias at once.
    let twice = |method: &str, rest: String, body: Value| {
        let answer = host.server.request(method, &format!("{}{rest}", host.functions), &[], &body.to_string());
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains("not for both"), "{}", answer.text());
    };
    twice("PUT", format!("/{}/reservedinstances", of("v2")), json!({ "count": 1 }));
    twice("PUT", "/kept/aliases/prod".to_owned(), json!({ "version": "v1" }));

    host.reserve(&of("v1"), 0);
    let two = host.settled(2, &first);
    host.done("PUT", "/kept/aliases/prod", &json!({ "version": "v1" }));
    let moved = host.settled(2, &two);
    host.warm_call(&of("!prod"), "one 1");
    host.done("PUT", "/kept/aliases/prod", &json!({ "version": "latest" }));
    host.settled(2, &moved);
    host.warm_call("kept", "two 1");
    let deleted = host.server.request("DELETE", &format!("{}/kept/aliases/prod", host.functions), &[], "");
    assert_eq!(deleted.status, 204);
    host.settled(0, &BTreeSet::new());
    assert_eq!(host.done("GET", "/reservedinstanceconfigs", &Value::Null)["count"], json!(0));
    assert_eq!(host.server.stop(), Some(0));
}
