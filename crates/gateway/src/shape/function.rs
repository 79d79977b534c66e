//! A function in answers (contract: schemas.json, `ShowFunctionConfigResponse` and its kin).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use fungraph_engine::{FunctionCode, FunctionList};
use fungraph_model::{FunctionVersion, Reservation, limits};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    dependency::{attached_ids, attached_whole},
    image, mount, passive,
};

/// Seconds above which the service calls a function a long one.
const LONG_SECONDS: u32 = 900;

/// Configuration, as create, show, update and publish answer it.
pub(crate) fn config(version: &FunctionVersion, reservation: Option<&Reservation>, region: &str) -> Value {
    let mut shape = common(version, region);
    let spec = &version.spec;
    put(
        &mut shape,
        json!({
            "func_id": version.func_id,
            "ephemeral_storage": spec.tmp_mb,
            "allow_ephemeral_storage": true,
            "enable_dynamic_memory": spec.dynamic_memory,
            "depend_list": attached_ids(version),
            "depend_version_list": attached_ids(version),
            "dependencies": attached_whole(version),
            "is_stateful_function": false,
            "is_return_stream": false,
            "enable_class_isolation": false,
            "apig_route_enable": false,
            "reserved_instance_count": reservation.map_or(0, |reservation| reservation.count),
            "reserved_instance_idle_mode": reservation.is_some_and(|reservation| reservation.idle_mode),
        }),
    );
    if version.version != limits::LATEST {
        shape.insert("version_description".to_owned(), json!(version.remark));
    }
    image::put(version, &mut shape);
    mount::put(version, &mut shape);
    passive::put(&spec.passive, &mut shape);
    shape.remove("func_vpc_id");
    Value::Object(shape)
}

/// One page of a list.
pub(crate) fn list_page(list: &FunctionList, region: &str) -> Value {
    let pinned = |position| position < list.pinned;
    let functions = list.functions.iter().enumerate();
    let failures = |position: usize| list.failures.get(position).copied().unwrap_or_default();
    let entry = |(position, version)| entry(version, pinned(position), failures(position), region);
    let functions: Vec<_> = functions.map(entry).collect();
    json!({ "functions": functions, "next_marker": list.next_marker, "count": list.count })
}

/// `is_collected` is ours: no public document says how a list tells which functions are pinned.
fn entry(version: &FunctionVersion, pinned: bool, failures: u64, region: &str) -> Value {
    let mut shape = listed(version, region);
    // The API's number has 32 bits.
    shape.insert("fail_count".to_owned(), json!(i32::try_from(failures).unwrap_or(i32::MAX)));
    shape.insert("is_collected".to_owned(), json!(pinned));
    Value::Object(shape)
}

/// What lists show of a function, or of a version.
pub(super) fn listed(version: &FunctionVersion, region: &str) -> Map<String, Value> {
    let mut shape = common(version, region);
    image::put(version, &mut shape);
    mount::put(version, &mut shape);
    passive::put(&version.spec.passive, &mut shape);
    shape
}

/// Code, as show and update answer it. `link` is where the package can be fetched for a while.
pub(crate) fn code(code: &FunctionCode, link: &str, region: &str) -> Value {
    let version = &code.version;
    let file = code.inline.as_ref().map(|source| BASE64.encode(source));
    let mut shape = Map::new();
    let fields = json!({
        "func_urn": version.key.urn(region, &version.version),
        "func_name": version.key.name,
        "domain_id": version.domain.0,
        "runtime": version.spec.runtime.name(),
        "code_type": version.code.code_type.name(),
        "code_url": passive::code_url(&version.spec.passive),
        "code_filename": version.code.filename,
        "code_size": version.code.size,
        "digest": version.code.digest.0,
        "last_modified": time(version.last_modified),
        "func_code": { "file": file, "link": link },
        "depend_list": attached_ids(version),
        "depend_version_list": attached_ids(version),
        "strategy_config": strategy(version),
        "dependencies": attached_whole(version),
    });
    put(&mut shape, fields);
    image::put(version, &mut shape);
    Value::Object(shape)
}

/// What a list and a configuration share. Encrypted variables are never shown, not even masked: a client that reads and
/// writes back would replace the secrets by the mask.
fn common(version: &FunctionVersion, region: &str) -> Map<String, Value> {
    let (key, spec, code) = (&version.key, &version.spec, &version.code);
    let mut shape = Map::new();
    put(
        &mut shape,
        json!({
            "resource_id": urn_without_version(version, region),
            "func_urn": key.urn(region, &version.version),
            "func_name": key.name,
            "domain_id": version.domain.0,
            "namespace": key.project.0,
            "project_name": region,
            "package": key.package,
            "runtime": spec.runtime.name(),
            "timeout": spec.timeout_s,
            "handler": spec.handler,
            "memory_size": spec.memory_mb,
            "cpu": limits::cpu_millicores(spec.memory_mb),
            "code_type": code.code_type.name(),
            "code_url": "",
            "code_filename": code.filename,
            "code_size": code.size,
            "user_data": user_data(version),
            "digest": code.digest.0,
            "version": version.version,
            "image_name": "",
            "description": spec.description,
            "last_modified": time(version.last_modified),
            "strategy_config": strategy(version),
            "initializer_handler": spec.initializer.as_ref().map(|hook| &hook.handler),
            "initializer_timeout": spec.initializer.as_ref().map(|hook| hook.timeout_s),
            "pre_stop_handler": spec.pre_stop.as_ref().map(|hook| &hook.handler),
            "pre_stop_timeout": spec.pre_stop.as_ref().map(|hook| hook.timeout_s),
            "long_time": spec.timeout_s > LONG_SECONDS,
            "type": "v2",
            "is_bridge_function": false,
        }),
    );
    shape
}

pub(super) fn put(shape: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        shape.extend(more);
    }
}

/// What the tag operations call the resource.
fn urn_without_version(version: &FunctionVersion, region: &str) -> String {
    let urn = version.key.urn(region, "");
    urn.trim_end_matches(':').to_owned()
}

/// Text of a JSON object, as it was sent; empty where there are no variables.
fn user_data(version: &FunctionVersion) -> String {
    let variables = &version.spec.user_data;
    if variables.is_empty() { String::new() } else { json!(variables).to_string() }
}

pub(super) fn strategy(version: &FunctionVersion) -> Value {
    json!({
        "concurrency": version.spec.strategy.concurrency,
        "concurrent_num": version.spec.strategy.concurrent_num,
    })
}

/// UTC without a fraction, the one form that every SDK reads (conventions.md, "Times").
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
