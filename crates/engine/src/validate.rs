//! Drafts become specifications here, and nowhere else: every range of the contract (limits.md) is checked in this file.

mod java;

use std::collections::BTreeMap;

use fungraph_model::{ErrorCode, Fault, FunctionSpec, HookSpec, Language, Mounts, Runtime, Secret, Strategy, limits};
use serde_json::{Map, Value};

use crate::{SpecDraft, StrategyDraft, mounts};

/// Words that stand where a function's URN can stand in a path (contract: conventions.md, "Paths").
const RESERVED_NAMES: [&str; 7] = [
    "import",
    "reservedinstances",
    "reservedinstanceconfigs",
    "statistics",
    "enable-lts-logs",
    "enable-async-status-logs",
    "async-status-log-detail",
];

/// Checks a function's name.
pub(crate) fn function_name(name: Option<String>) -> Result<String, Fault> {
    let bad = |why: &str| Fault::new(ErrorCode::BadName, format!("func_name {why}"));
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| bad("is missing. Give the function a name"))?;
    if RESERVED_NAMES.contains(&name.as_str()) {
        return Err(bad(&format!("'{name}' is a fixed word of the API. Choose another name")));
    }
    is_name(&name).then_some(name).ok_or_else(|| {
        bad("must have 1 to 60 letters, digits, '-' or '_', start with a letter and end with a letter or digit")
    })
}

/// Checks a package; none, or an empty one, is `default`.
pub(crate) fn package(package: Option<String>) -> Result<String, Fault> {
    let package = package.filter(|package| !package.is_empty()).unwrap_or_else(|| limits::DEFAULT_PACKAGE.to_owned());
    is_name(&package).then_some(package).ok_or_else(|| {
        Fault::new(
            ErrorCode::BadPackage,
            "package must have 1 to 60 letters, digits, '-' or '_', start with a letter and end with a letter or digit",
        )
    })
}

/// Checks the name of a dependency (contract: schemas.json, `CreateDependencyRequestBody`).
pub(crate) fn dependency_name(name: Option<String>) -> Result<String, Fault> {
    let bad = |why: &str| Fault::new(ErrorCode::BadName, format!("name {why}"));
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| bad("is missing. Give the dependency a name"))?;
    let bytes = name.as_bytes();
    let good = bytes.len() <= limits::DEPENDENCY_NAME_CHARS
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    good.then_some(name).ok_or_else(|| {
        bad("must have 1 to 96 letters, digits, '.', '-' or '_', start with a letter and end with a letter or digit")
    })
}

/// Checks the name of a version that is to be published.
pub(crate) fn version_name(name: String) -> Result<String, Fault> {
    let bad = |why: &str| Fault::new(ErrorCode::BadVersion, format!("version {why}"));
    if name == limits::LATEST {
        return Err(bad("cannot be latest, which is what is published. Choose another name, or leave it out"));
    }
    let bytes = name.as_bytes();
    let good = bytes.len() <= limits::VERSION_CHARS
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    good.then_some(name)
        .ok_or_else(|| bad("must have 1 to 42 letters, digits, '.', '-' or '_', first and last a letter or digit"))
}

/// Checks the name of an alias.
pub(crate) fn alias_name(name: Option<String>) -> Result<String, Fault> {
    let bad = |why: &str| Fault::new(ErrorCode::BadAlias, format!("name {why}"));
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| bad("is missing. Give the alias a name"))?;
    is_name_of(&name, limits::ALIAS_CHARS).then_some(name).ok_or_else(|| {
        bad("must have 1 to 63 letters, digits, '-' or '_', start with a letter and end with a letter or digit, without '!'")
    })
}

fn is_name(text: &str) -> bool {
    is_name_of(text, limits::NAME_CHARS)
}

fn is_name_of(text: &str, most: usize) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= most
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Checks a runtime's name.
pub(crate) fn runtime(name: Option<&str>) -> Result<Runtime, Fault> {
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Fault::new(ErrorCode::BadRuntime, "runtime is missing. Python3.9, for instance"))?;
    Runtime::parse(name).ok_or_else(|| {
        let known: Vec<&str> = Runtime::all().map(Runtime::name).collect();
        Fault::new(
            ErrorCode::BadRuntime,
            format!("runtime '{}' does not exist. Known: {}", clip(name), known.join(", ")),
        )
    })
}

/// The specification of a new function.
pub(crate) fn new_spec(draft: SpecDraft, runtime: Runtime) -> Result<FunctionSpec, Fault> {
    if draft.handler.is_none() {
        return Err(bad_handler("is missing. index.handler, for instance"));
    }
    if draft.memory_size.is_none() {
        return Err(bad_memory("is missing"));
    }
    let fresh = FunctionSpec {
        runtime,
        handler: String::new(),
        timeout_s: *limits::TIMEOUT_SECONDS.start(),
        memory_mb: limits::MEMORY_MB[0],
        tmp_mb: limits::TMP_MB[0],
        initializer: None,
        pre_stop: None,
        user_data: BTreeMap::new(),
        encrypted_user_data: BTreeMap::new(),
        strategy: Strategy::default(),
        description: String::new(),
        dynamic_memory: false,
        mounts: Mounts::default(),
        passive: "{}".to_owned(),
    };
    changed_spec(draft, &fresh)
}

/// The specification after an update: what the draft leaves out stays.
pub(crate) fn changed_spec(draft: SpecDraft, old: &FunctionSpec) -> Result<FunctionSpec, Fault> {
    let runtime = old.runtime;
    let user_data = draft.user_data.map(|text| variables("user_data", &text)).transpose()?;
    let encrypted = draft.encrypted_user_data.map(|text| variables("encrypted_user_data", &text)).transpose()?;
    Ok(FunctionSpec {
        runtime,
        handler: draft.handler.map_or(Ok(old.handler.clone()), |text| handler(text, runtime))?,
        timeout_s: draft.timeout.map_or(Ok(old.timeout_s), timeout)?,
        memory_mb: draft.memory_size.map_or(Ok(old.memory_mb), memory)?,
        tmp_mb: draft.ephemeral_storage.map_or(Ok(old.tmp_mb), tmp)?,
        initializer: initializer(draft.initializer_handler, draft.initializer_timeout, old, runtime)?,
        pre_stop: pre_stop(draft.pre_stop_handler, draft.pre_stop_timeout, old, runtime)?,
        user_data: user_data.unwrap_or_else(|| old.user_data.clone()),
        encrypted_user_data: encrypted.map_or_else(|| old.encrypted_user_data.clone(), secret),
        strategy: draft.strategy.map_or(Ok(old.strategy), |strategy_draft| strategy(strategy_draft, old.strategy))?,
        description: draft.description.map_or(Ok(old.description.clone()), description)?,
        dynamic_memory: draft.dynamic_memory.unwrap_or(old.dynamic_memory),
        mounts: draft.mounts.map_or_else(|| Ok(old.mounts.clone()), mounts::checked)?,
        passive: java::settings(
            passive(draft.passive, &old.passive),
            draft.heartbeat_handler,
            draft.class_isolation,
            runtime,
        )?,
    })
}

fn bad_handler(why: &str) -> Fault {
    Fault::new(ErrorCode::BadHandler, format!("handler {why}"))
}

fn handler(text: String, runtime: Runtime) -> Result<String, Fault> {
    if runtime.language() == Language::Image && !matches!(text.as_str(), "-" | "http") {
        return Err(bad_handler(
            "of an image must be - (events come as POST /invoke) or http (requests come as they are)",
        ));
    }
    hook_form(&text, runtime).map_err(|why| bad_handler(&why))?;
    Ok(text)
}

/// The form `file.function`, where the runtime needs one (SETTLED.md, "Management").
fn hook_form(text: &str, runtime: Runtime) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty. Use file.function, index.handler for instance".to_owned());
    }
    if text.chars().count() > limits::HANDLER_CHARS {
        return Err("has more than 128 characters".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("has control characters".to_owned());
    }
    let names_a_file = runtime.handler_needs_dot() || runtime.language() == Language::Go;
    if names_a_file && (text.starts_with('/') || text.split('/').any(|part| part == "..")) {
        return Err(format!("'{}' leaves the code folder; name the file relative to it", clip(text)));
    }
    let dotted = text.rsplit_once('.').is_some_and(|(file, function)| !file.is_empty() && !function.is_empty());
    if runtime.handler_needs_dot() && !dotted {
        let form = if runtime.language() == Language::Java { "package.Class.method" } else { "file.function" };
        return Err(format!("'{}' is not {form}, as {} needs it", clip(text), runtime.name()));
    }
    Ok(())
}

fn timeout(seconds: i64) -> Result<u32, Fault> {
    within(seconds, limits::TIMEOUT_SECONDS)
        .ok_or_else(|| Fault::new(ErrorCode::BadTimeout, format!("timeout {seconds} is outside 3 to 259200 seconds")))
}

fn within(value: i64, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    u32::try_from(value).ok().filter(|value| range.contains(value))
}

fn bad_memory(why: &str) -> Fault {
    let sizes: Vec<String> = limits::MEMORY_MB.iter().map(u32::to_string).collect();
    Fault::new(ErrorCode::BadMemorySize, format!("memory_size {why}. Use one of {} MB", sizes.join(", ")))
}

fn memory(megabytes: i64) -> Result<u32, Fault> {
    let known = limits::MEMORY_MB.iter().copied().find(|size| i64::from(*size) == megabytes);
    known.ok_or_else(|| bad_memory(&format!("{megabytes} does not exist")))
}

/// The value of `X-Cff-Instance-Memory`.
pub(crate) fn memory_header(text: &str) -> Result<u32, Fault> {
    let sizes = limits::MEMORY_MB.iter().copied();
    let known = sizes.clone().find(|size| text.trim() == size.to_string());
    known.ok_or_else(|| {
        let sizes: Vec<String> = sizes.map(|size| size.to_string()).collect();
        Fault::new(
            ErrorCode::NotAcceptable,
            format!("X-Cff-Instance-Memory '{}' does not exist. Use one of {} MB", clip(text), sizes.join(", ")),
        )
    })
}

fn tmp(megabytes: i64) -> Result<u32, Fault> {
    let known = limits::TMP_MB.iter().copied().find(|size| i64::from(*size) == megabytes);
    known.ok_or_else(|| {
        Fault::new(
            ErrorCode::BadParameter,
            format!("ephemeral_storage {megabytes} does not exist. Use 512 or 10240 MB"),
        )
    })
}

/// Both fields are looked at together: an empty handler removes the hook, a handler alone keeps or gets a timeout.
fn initializer(
    text: Option<String>,
    seconds: Option<i64>,
    old: &FunctionSpec,
    runtime: Runtime,
) -> Result<Option<HookSpec>, Fault> {
    let timeout_s = seconds
        .map(|seconds| {
            within(seconds, limits::INITIALIZER_SECONDS).ok_or_else(|| {
                Fault::new(
                    ErrorCode::BadInitializerTimeout,
                    format!("initializer_timeout {seconds} is outside 1 to 300 seconds"),
                )
            })
        })
        .transpose();
    hook(text, timeout_s, old.initializer.as_ref(), |text| {
        hook_form(text, runtime)
            .map_err(|why| Fault::new(ErrorCode::BadInitializer, format!("initializer_handler {why}")))
    })
}

fn pre_stop(
    text: Option<String>,
    seconds: Option<i64>,
    old: &FunctionSpec,
    runtime: Runtime,
) -> Result<Option<HookSpec>, Fault> {
    let timeout_s = seconds
        .map(|seconds| {
            within(seconds, limits::PRE_STOP_SECONDS).ok_or_else(|| {
                Fault::new(ErrorCode::BadParameter, format!("pre_stop_timeout {seconds} is outside 1 to 90 seconds"))
            })
        })
        .transpose();
    hook(text, timeout_s, old.pre_stop.as_ref(), |text| {
        hook_form(text, runtime).map_err(|why| Fault::new(ErrorCode::BadHandler, format!("pre_stop_handler {why}")))
    })
}

/// Seconds a hook gets where nobody said (contract: runtimes.md section 4).
const HOOK_SECONDS: u32 = 3;

fn hook(
    text: Option<String>,
    timeout_s: Result<Option<u32>, Fault>,
    old: Option<&HookSpec>,
    check: impl FnOnce(&str) -> Result<(), Fault>,
) -> Result<Option<HookSpec>, Fault> {
    let handler = match text {
        Some(text) if text.is_empty() => return Ok(None),
        Some(text) => {
            check(&text)?;
            text
        }
        None => match old {
            Some(old) => old.handler.clone(),
            // Clients send a timeout of 0 beside no handler; without a handler it means nothing.
            None => return Ok(None),
        },
    };
    let timeout_s = timeout_s?.or(old.map(|old| old.timeout_s)).unwrap_or(HOOK_SECONDS);
    Ok(Some(HookSpec { handler, timeout_s }))
}

/// Bytes that no text of user variables needs, with every character escaped.
const USER_DATA_TEXT_BYTES: usize = 16 * limits::USER_DATA_CHARS;

/// Reads the text of a JSON object of strings (contract: limits.md, "environment variables").
fn variables(field: &str, text: &str) -> Result<BTreeMap<String, String>, Fault> {
    let bad = |why: String| Fault::new(ErrorCode::BadUserData, format!("{field} {why}"));
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    // Parsed JSON takes a multiple of its text, so what can only be refused is not parsed.
    if text.len() > USER_DATA_TEXT_BYTES {
        let bytes = text.len();
        let message = format!("{field} has {bytes} bytes; its keys and values may have 4096 characters");
        return Err(Fault::new(ErrorCode::UserDataTooBig, message));
    }
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| {
        bad("must be the text of a JSON object of strings, {\"city\":\"Brno\"} for instance".to_owned())
    })?;
    if object.len() > limits::USER_DATA_KEYS {
        return Err(Fault::new(
            ErrorCode::TooManyUserData,
            format!("{field} has {} keys; 20 are allowed", object.len()),
        ));
    }
    let read: BTreeMap<String, String> =
        object.into_iter().map(|entry| variable(entry).map_err(bad)).collect::<Result<_, _>>()?;
    let chars: usize = read.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
    if chars > limits::USER_DATA_CHARS {
        return Err(Fault::new(
            ErrorCode::UserDataTooBig,
            format!("{field} has {chars} characters in keys and values; 4096 are allowed"),
        ));
    }
    Ok(read)
}

/// The message names the key, never the value: it may be a secret.
fn variable((key, value): (String, Value)) -> Result<(String, String), String> {
    let named = key.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let shown = clip(&key);
    if !named {
        return Err(format!("has the key '{shown}'; keys start with a letter and have letters, digits and '_'"));
    }
    if key.starts_with("RUNTIME_") {
        return Err(format!("has the key '{shown}'; names that begin with RUNTIME_ are the platform's"));
    }
    match value {
        Value::String(value) if value.contains('\0') => Err(format!("has a zero byte in the value of '{shown}'")),
        Value::String(value) => Ok((key, value)),
        _ => Err(format!("has a value for '{shown}' that is not a text; put it in quotes")),
    }
}

fn secret(values: BTreeMap<String, String>) -> BTreeMap<String, Secret> {
    values.into_iter().map(|(key, value)| (key, Secret::new(value))).collect()
}

fn strategy(draft: StrategyDraft, old: Strategy) -> Result<Strategy, Fault> {
    let bad = |why: String| Fault::new(ErrorCode::BadConcurrency, format!("strategy_config: {why}"));
    let concurrency = match draft.concurrency {
        None => old.concurrency,
        Some(value) => i32::try_from(value)
            .ok()
            .filter(|value| limits::CONCURRENCY.contains(value))
            .ok_or_else(|| bad(format!("concurrency {value} is outside -1 to 1000 (-1 is no limit, 0 disables)")))?,
    };
    let concurrent_num = match draft.concurrent_num {
        None => old.concurrent_num,
        Some(value) => within(value, limits::CONCURRENT_NUM)
            .ok_or_else(|| bad(format!("concurrent_num {value} is outside 1 to 1000")))?,
    };
    Ok(Strategy { concurrency, concurrent_num })
}

pub(crate) fn description(text: String) -> Result<String, Fault> {
    if text.chars().count() > limits::DESCRIPTION_CHARS {
        return Err(Fault::new(ErrorCode::DescriptionTooLong, "description has more than 512 characters"));
    }
    Ok(text)
}

fn passive(new: Map<String, Value>, old: &str) -> Map<String, Value> {
    let mut kept: Map<String, Value> = serde_json::from_str(old).unwrap_or_default();
    kept.extend(new);
    kept
}

/// User text in a message is cut short.
pub(crate) fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python() -> Runtime {
        Runtime::parse("Python3.9").expect("in the list")
    }

    fn draft() -> SpecDraft {
        SpecDraft { handler: Some("index.handler".into()), memory_size: Some(128), ..SpecDraft::default() }
    }

    fn check(change: impl FnOnce(&mut SpecDraft), expected: Result<(), ErrorCode>) {
        let mut changed = draft();
        change(&mut changed);
        let shown = format!("{changed:?}");
        let got = new_spec(changed, python()).map(|_| ()).map_err(|fault| fault.code);
        assert_eq!(got, expected, "{shown}");
    }

    #[test]
    fn ranges_of_the_contract() {
        check(|_| {}, Ok(()));
        check(|d| d.handler = None, Err(ErrorCode::BadHandler));
        check(|d| d.handler = Some("handler".into()), Err(ErrorCode::BadHandler));
        check(|d| d.handler = Some(".handler".into()), Err(ErrorCode::BadHandler));
        check(|d| d.handler = Some(format!("{}.h", "x".repeat(127))), Err(ErrorCode::BadHandler));
        check(|d| d.handler = Some("../x.handler".into()), Err(ErrorCode::BadHandler));
        check(|d| d.handler = Some("/etc/x.handler".into()), Err(ErrorCode::BadHandler));
        check(|d| d.handler = Some("src/app.main.entry".into()), Ok(()));
        check(|d| d.memory_size = None, Err(ErrorCode::BadMemorySize));
        check(|d| d.memory_size = Some(129), Err(ErrorCode::BadMemorySize));
        check(|d| d.memory_size = Some(10240), Ok(()));
        for (seconds, fine) in [(2, false), (3, true), (259_200, true), (259_201, false), (i64::MIN, false)] {
            check(|d| d.timeout = Some(seconds), if fine { Ok(()) } else { Err(ErrorCode::BadTimeout) });
        }
        check(|d| d.ephemeral_storage = Some(1024), Err(ErrorCode::BadParameter));
        check(|d| d.description = Some("x".repeat(513)), Err(ErrorCode::DescriptionTooLong));
        check(|d| d.initializer_handler = Some("init".into()), Err(ErrorCode::BadInitializer));
        check(
            |d| (d.initializer_handler, d.initializer_timeout) = (Some("i.h".into()), Some(301)),
            Err(ErrorCode::BadInitializerTimeout),
        );
        check(|d| d.initializer_timeout = Some(0), Ok(()));
        check(
            |d| d.strategy = Some(StrategyDraft { concurrency: Some(1001), concurrent_num: None }),
            Err(ErrorCode::BadConcurrency),
        );
        check(
            |d| d.strategy = Some(StrategyDraft { concurrency: Some(-1), concurrent_num: Some(0) }),
            Err(ErrorCode::BadConcurrency),
        );
        check(|d| d.strategy = Some(StrategyDraft { concurrency: Some(0), concurrent_num: Some(1000) }), Ok(()));
    }

    #[test]
    fn the_handler_of_a_go_function_is_its_executable() {
        let go = Runtime::parse("Go1.x").expect("in the list");
        for (text, fine) in [("handler", true), ("bin/handler", true), ("/bin/sh", false), ("../handler", false)] {
            assert_eq!(handler(text.to_owned(), go).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn user_variables() {
        let keys =
            |n: usize| format!("{{{}}}", (0..n).map(|i| format!("\"k{i}\":\"v\"")).collect::<Vec<_>>().join(","));
        check(|d| d.user_data = Some(keys(20)), Ok(()));
        check(|d| d.user_data = Some(keys(21)), Err(ErrorCode::TooManyUserData));
        check(|d| d.user_data = Some(String::new()), Ok(()));
        for text in
            ["[]", "{\"a\":1}", "{\"1a\":\"x\"}", "{\"a-b\":\"x\"}", "{\"RUNTIME_CPU\":\"1\"}", "{", "{\"\":\"x\"}"]
        {
            check(|d| d.user_data = Some(text.into()), Err(ErrorCode::BadUserData));
        }
        check(
            |d| d.encrypted_user_data = Some(format!("{{\"a\":\"{}\"}}", "x".repeat(4096))),
            Err(ErrorCode::UserDataTooBig),
        );
    }

    #[test]
    fn names() {
        for (name, fine) in
            [("a", true), ("a-b_c9", true), ("", false), ("9a", false), ("a-", false), ("ž", false), ("import", false)]
        {
            assert_eq!(function_name(Some(name.into())).is_ok(), fine, "{name}");
        }
        assert!(function_name(Some("a".repeat(60))).is_ok() && function_name(Some("a".repeat(61))).is_err());
        assert_eq!(package(Some(String::new())), Ok("default".to_owned()));
    }

    #[test]
    fn update_keeps_what_it_does_not_name() {
        let mut first = draft();
        first.user_data = Some("{\"a\":\"b\"}".into());
        (first.initializer_handler, first.initializer_timeout) = (Some("i.h".into()), Some(9));
        first.passive.insert("xrole".into(), "agent".into());
        let old = new_spec(first, python()).expect("valid");
        let same = changed_spec(SpecDraft { timeout: Some(10), ..SpecDraft::default() }, &old).expect("valid");
        assert_eq!((same.timeout_s, same.user_data.len(), same.passive.as_str()), (10, 1, "{\"xrole\":\"agent\"}"));
        assert_eq!(same.initializer, Some(HookSpec { handler: "i.h".into(), timeout_s: 9 }));
        let without = SpecDraft { initializer_handler: Some(String::new()), ..SpecDraft::default() };
        assert_eq!(changed_spec(without, &old).expect("valid").initializer, None);
    }
}
