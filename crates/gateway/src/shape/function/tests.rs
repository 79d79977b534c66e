//! Golden shapes.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use fungraph_model::{
    CodePackage, CodeType, Digest, DomainId, FunctionKey, FunctionSpec, HookSpec, Mounts, ProjectId, Runtime, Secret,
    Strategy,
};

use super::*;

fn version() -> FunctionVersion {
    FunctionVersion {
        key: FunctionKey { project: ProjectId("p".into()), package: "default".into(), name: "hello".into() },
        domain: DomainId("d".into()),
        version: "latest".into(),
        func_id: "id".into(),
        spec: FunctionSpec {
            runtime: Runtime::parse("Python3.9").expect("a runtime"),
            handler: "index.handler".into(),
            timeout_s: 3,
            memory_mb: 256,
            tmp_mb: 512,
            initializer: Some(HookSpec { handler: "index.init".into(), timeout_s: 5 }),
            pre_stop: None,
            user_data: BTreeMap::from([("k".into(), "v".into())]),
            encrypted_user_data: BTreeMap::from([("k2".into(), Secret::new("hidden".into()))]),
            strategy: Strategy::default(),
            description: "text".into(),
            dynamic_memory: false,
            mounts: Mounts::default(),
            passive: r#"{"xrole":"agency","type":"v1","func_vpc":{"vpc_id":"v","subnet_id":"s"}}"#.into(),
        },
        code: CodePackage {
            code_type: CodeType::Inline,
            filename: "index.py".into(),
            size: 4,
            digest: Digest("ab".repeat(64)),
        },
        dependencies: Vec::new(),
        merged: None,
        image: None,
        revision: 1,
        last_modified: "2026-01-02T03:04:05.678Z".parse().expect("a time"),
        remark: String::new(),
    }
}

#[test]
fn a_configuration_is_golden() {
    let expected = r#"{
        "resource_id": "urn:fss:local:p:function:default:hello",
        "func_urn": "urn:fss:local:p:function:default:hello:latest",
        "func_name": "hello", "domain_id": "d", "namespace": "p", "project_name": "local", "package": "default",
        "runtime": "Python3.9", "timeout": 3, "handler": "index.handler", "memory_size": 256, "cpu": 400,
        "code_type": "inline", "code_url": "", "code_filename": "index.py", "code_size": 4,
        "user_data": "{\"k\":\"v\"}", "digest": "DIGEST", "version": "latest", "image_name": "",
        "description": "text", "last_modified": "2026-01-02T03:04:05Z",
        "strategy_config": {"concurrency": 400, "concurrent_num": 1},
        "initializer_handler": "index.init", "initializer_timeout": 5, "pre_stop_handler": null, "pre_stop_timeout": null,
        "long_time": false, "type": "v1", "is_bridge_function": false,
        "func_id": "id", "ephemeral_storage": 512, "allow_ephemeral_storage": true, "enable_dynamic_memory": false,
        "depend_list": [], "depend_version_list": [], "dependencies": [],
        "is_stateful_function": false, "is_return_stream": false, "enable_class_isolation": false,
        "apig_route_enable": false, "reserved_instance_count": 0, "reserved_instance_idle_mode": false,
        "xrole": "agency", "func_vpc": {"vpc_id": "v", "subnet_id": "s"}
    }"#;
    let expected: Value = serde_json::from_str(&expected.replace("DIGEST", &"ab".repeat(64))).expect("JSON");
    assert_eq!(config(&version(), None, "local"), expected);
}

#[test]
fn a_list_has_every_field_that_clients_insist_on() {
    let list = FunctionList { functions: vec![version()], next_marker: 1, pinned: 1, failures: vec![3], count: 7 };
    let page = list_page(&list, "local");
    assert_eq!((&page["next_marker"], &page["count"]), (&json!(1), &json!(7)));
    let entry = &page["functions"][0];
    for field in [
        "func_urn",
        "func_name",
        "domain_id",
        "namespace",
        "project_name",
        "package",
        "runtime",
        "timeout",
        "handler",
        "memory_size",
        "cpu",
        "code_type",
        "code_size",
        "digest",
        "version",
        "image_name",
        "last_modified",
    ] {
        assert!(!entry[field].is_null(), "{field}");
    }
    assert_eq!(entry["func_vpc_id"], "v");
    assert_eq!(entry["is_collected"], true);
}

#[test]
fn secrets_are_in_no_answer() {
    let version = version();
    assert!(!config(&version, None, "local").to_string().contains("hidden"));
    assert!(config(&version, None, "local").get("encrypted_user_data").is_none());
}

#[test]
fn inline_code_comes_back_as_it_was_sent() {
    let shown = code(
        &FunctionCode { version: Arc::new(version()), inline: Some(Bytes::from_static(b"pass")) },
        "http://l",
        "local",
    );
    assert_eq!(shown["func_code"], json!({"file": "cGFzcw==", "link": "http://l"}));
    let shown = code(&FunctionCode { version: Arc::new(version()), inline: None }, "http://l", "local");
    assert_eq!(shown["func_code"], json!({"file": null, "link": "http://l"}));
}
