//! The LOAD frame's object: all a bootstrap learns about its function.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use fungraph_model::{CLASS_ISOLATION, FunctionImage, FunctionVersion, HEARTBEAT_HANDLER, limits};
use serde_json::{Map, Value, json};

use crate::bootstrap::RUNTIME_ROOT;

/// Where a function's code appears inside its sandbox.
pub(crate) const CODE_ROOT: &str = "/opt/function/code";

/// The object as JSON text. `api` is where a Custom function's program asks for its events.
pub(crate) fn object(version: &FunctionVersion, limit: Duration, api: Option<SocketAddr>) -> String {
    let spec = &version.spec;
    let java: Map<String, Value> = serde_json::from_str(&spec.passive).unwrap_or_default();
    json!({
        "runtime": spec.runtime.name(),
        "handler": spec.handler,
        "initializer": spec.initializer.as_ref().map(|hook| &hook.handler),
        "pre_stop": spec.pre_stop.as_ref().map(|hook| &hook.handler),
        "heartbeat": java.get(HEARTBEAT_HANDLER),
        "class_isolation": java.get(CLASS_ISOLATION).is_some_and(|on| on == true),
        "timeout_ms": u64::from(spec.timeout_s) * 1000,
        "initializer_timeout_ms": spec.initializer.as_ref().map_or(3, |hook| u64::from(hook.timeout_s)) * 1000,
        "pre_stop_timeout_ms": spec.pre_stop.as_ref().map_or(3, |hook| u64::from(hook.timeout_s)) * 1000,
        "start_timeout_ms": u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        "concurrent_num": spec.strategy.concurrent_num,
        "memory_mb": spec.memory_mb,
        "cpu_millicores": limits::cpu_millicores(spec.memory_mb),
        "max_result_bytes": limits::RESULT_BYTES,
        "project_id": version.key.project.0,
        "package": version.key.package,
        "function": version.key.name,
        "version": version.version,
        "alias": "",
        "user_data": user_data(version),
        "env": environment(version),
        "code_root": CODE_ROOT,
        "image": version.image.as_ref().map(image),
        "runtime_api_addr": api.map(|api| api.to_string()),
    })
    .to_string()
}

/// How the program of an image is started.
fn image(image: &FunctionImage) -> Value {
    json!({ "args": image.command_line(), "env": image.own.env, "cwd": image.directory() })
}

/// Plain and encrypted variables read the same at run time; an encrypted one wins over a plain one of its name.
fn user_data(version: &FunctionVersion) -> Map<String, Value> {
    let plain = version.spec.user_data.iter().map(|(key, value)| (key, value.as_str()));
    let encrypted = version.spec.encrypted_user_data.iter().map(|(key, value)| (key, value.reveal()));
    plain.chain(encrypted).map(|(key, value)| (key.clone(), Value::from(value))).collect()
}

/// The documented variables (contract: runtimes.md section 3).
fn environment(version: &FunctionVersion) -> BTreeMap<&'static str, String> {
    let spec = &version.spec;
    let mut env = BTreeMap::from([
        ("RUNTIME_PROJECT_ID", version.key.project.0.clone()),
        ("RUNTIME_FUNC_NAME", version.key.name.clone()),
        ("RUNTIME_FUNC_VERSION", version.version.clone()),
        ("RUNTIME_PACKAGE", version.key.package.clone()),
        ("RUNTIME_HANDLER", spec.handler.clone()),
        ("RUNTIME_TIMEOUT", spec.timeout_s.to_string()),
        ("RUNTIME_USERDATA", Value::Object(user_data(version)).to_string()),
        ("RUNTIME_CPU", limits::cpu_millicores(spec.memory_mb).to_string()),
        ("RUNTIME_MEMORY", spec.memory_mb.to_string()),
        ("RUNTIME_MAX_RESP_BODY_SIZE", limits::RESULT_BYTES.to_string()),
        ("RUNTIME_ROOT", RUNTIME_ROOT.to_owned()),
        ("RUNTIME_CODE_ROOT", CODE_ROOT.to_owned()),
        ("RUNTIME_LOG_DIR", "/home/snuser/log".to_owned()),
    ]);
    if let Some(hook) = &spec.initializer {
        env.insert("RUNTIME_INITIALIZER_HANDLER", hook.handler.clone());
        env.insert("RUNTIME_INITIALIZER_TIMEOUT", hook.timeout_s.to_string());
    }
    if let Some(hook) = &spec.pre_stop {
        env.insert("RUNTIME_PRESTOP_HANDLER", hook.handler.clone());
        env.insert("PRE_STOP_TIMEOUT", hook.timeout_s.to_string());
    }
    env
}
