//! Functions as archives: what is asked for, and the description inside.
//!
//! `function` of a description is a body of CreateFunction, `triggers` are bodies of CreateFunctionTrigger and `events` of CreateEvent: an archive is read by the
//! readers of requests, and says nothing that a request could not.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use fungraph_engine::{DependencyName, Encoded, Exported, ExportedTrigger, ImportDraft};
use fungraph_model::{CODE_URL, Dependency, ErrorCode, Fault, FunctionVersion, TestEvent, limits};
use serde_json::{Map, Value, json};

use super::{draft, fields::Fields, image, list, mount, test_event::test_event_draft, trigger::trigger_create};

/// What a description says that it is. Another number is another form.
const FORMAT: &str = "fungraph-function/1";

/// What is to be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The code alone.
    Code,
    /// The configuration alone, with what belongs to it.
    Config,
    /// Both; the same where nobody says.
    All,
}

/// ExportFunction.
///
/// # Errors
/// FSS.0400 for a value that does not exist, and for `type` beside one of the others.
pub(crate) fn export_query(query: &str) -> Result<Wanted, Fault> {
    let flag = |name: &str| match list::value(query, name)?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(bad(format!("The query value {name} must be true or false"))),
    };
    let (config, code) = (flag("config")?, flag("code")?);
    match (list::value(query, "type")?.as_deref(), config, code) {
        (Some(_), true, _) | (Some(_), _, true) => {
            Err(bad("The query value type does not go together with config and code. Use one or the other".to_owned()))
        }
        (Some("code"), ..) | (None, false, true) => Ok(Wanted::Code),
        (Some("config"), ..) | (None, true, false) => Ok(Wanted::Config),
        (None, ..) => Ok(Wanted::All),
        (Some(_), ..) => Err(bad("The query value type must be code or config".to_owned())),
    }
}

/// The description of a function.
pub(crate) fn description(exported: &Exported, with_code: bool) -> Value {
    let version = &exported.version;
    let code = (with_code && version.image.is_none()).then(|| {
        json!({
            "code_type": exported.code_type().name(),
            "code_filename": version.code.filename,
            "digest": version.code.digest.0,
        })
    });
    json!({
        "format": FORMAT,
        "function": function(exported),
        "code": code,
        "dependencies": version.dependencies.iter().map(dependency).collect::<Vec<_>>(),
        "triggers": exported.triggers.iter().map(trigger).collect::<Vec<_>>(),
        "events": exported.events.iter().map(event).collect::<Vec<_>>(),
        "left_out": exported.left_out,
    })
}

/// A body of CreateFunction, but for its code.
fn function(exported: &Exported) -> Value {
    let version: &FunctionVersion = &exported.version;
    let spec = &version.spec;
    let mut shape = Map::new();
    let mut put = |name: &str, value: Value| drop(shape.insert(name.to_owned(), value));
    put("func_name", json!(version.key.name));
    put("package", json!(version.key.package));
    put("runtime", json!(spec.runtime.name()));
    put("handler", json!(spec.handler));
    put("timeout", json!(spec.timeout_s));
    put("memory_size", json!(spec.memory_mb));
    put("ephemeral_storage", json!(spec.tmp_mb));
    put("description", json!(spec.description));
    put("user_data", json!(json!(spec.user_data).to_string()));
    put("strategy_config", super::function::strategy(version));
    put("enable_dynamic_memory", json!(spec.dynamic_memory));
    for (name, hook) in [("initializer", &spec.initializer), ("pre_stop", &spec.pre_stop)] {
        if let Some(hook) = hook {
            put(&format!("{name}_handler"), json!(hook.handler));
            put(&format!("{name}_timeout"), json!(hook.timeout_s));
        }
    }
    if !exported.tags.is_empty() {
        put("tags", json!(json!(exported.tags).to_string()));
    }
    if version.image.is_some() {
        put("code_type", json!(version.code.code_type.name()));
    }
    image::put(version, &mut shape);
    shape.remove("image_name");
    mount::put(version, &mut shape);
    let passive: Map<String, Value> = serde_json::from_str(&spec.passive).unwrap_or_default();
    // Where the code came from is nothing to whoever has it; tags are the tag operations'.
    shape.extend(passive.into_iter().filter(|(name, _)| name != CODE_URL && name != "tags"));
    Value::Object(shape)
}

fn dependency(dependency: &Dependency) -> Value {
    json!({ "name": dependency.name, "version": dependency.version, "digest": dependency.digest.0 })
}

fn trigger(trigger: &ExportedTrigger) -> Value {
    let mut shape = json!({ "trigger_type_code": trigger.kind.code(), "event_data": trigger.data });
    // A type that cannot be disabled has no status to ask for.
    if trigger.kind.may_be_disabled() {
        shape["trigger_status"] = json!(if trigger.enabled { "ACTIVE" } else { "DISABLED" });
    }
    shape
}

fn event(event: &TestEvent) -> Value {
    json!({ "name": event.name, "content": BASE64.encode(&event.content) })
}

/// ImportFunction, but for what is in its archive.
pub(crate) struct ImportRequest {
    /// `file_code`: base64 of the archive.
    file: Encoded,
    names: ImportNames,
}

/// What the function is to be called here.
pub(crate) struct ImportNames {
    name: Option<String>,
    package: Option<String>,
}

impl ImportRequest {
    pub(crate) fn into_parts(self) -> (Encoded, ImportNames) {
        (self.file, self.names)
    }
}

/// ImportFunction.
///
/// # Errors
/// FSS.0400 naming the field, FSS.1013 for another type than zip, FSS.1012 where there is no archive.
pub(crate) fn import_request(mut fields: Fields) -> Result<ImportRequest, Fault> {
    // What the archive was called says nothing.
    fields.text("file_name")?;
    let kind = fields.text("file_type")?.filter(|kind| !kind.is_empty());
    let file = fields.package("file_code")?.filter(|file| !file.text.is_empty());
    let names = ImportNames { name: fields.text("func_name")?, package: fields.text("package")? };
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("zip")) {
        return Err(Fault::new(ErrorCode::BadFilename, "file_type must be zip: ExportFunction gives one"));
    }
    let file = file.ok_or_else(|| {
        Fault::new(
            ErrorCode::CodeMissing,
            "file_code is missing. Send the archive of ExportFunction as base64 in file_code",
        )
    })?;
    Ok(ImportRequest { file, names })
}

/// What an archive says, with its code. `description` is what its reading came to.
///
/// # Errors
/// FSS.1025 where it is no description; the code of a field that is wrong.
pub(crate) fn import_draft(
    description: Result<Fields, Fault>,
    code: Option<Bytes>,
    names: ImportNames,
) -> Result<ImportDraft, Fault> {
    let mut fields = description.map_err(|fault| told(&fault.message.replace("The body", "It")))?;
    let format = fields.text("format").map_err(|fault| told(&fault.message))?;
    if format.as_deref() != Some(FORMAT) {
        return Err(told(&format!("It is not of the format {FORMAT}, the one that this server reads")));
    }
    let (name, package) =
        (names.name.filter(|name| !name.is_empty()), names.package.filter(|package| !package.is_empty()));
    let function = fields.inside("function", |fields| draft::create(std::mem::take(fields)))?;
    let mut function = function.ok_or_else(|| told("It has no function"))?;
    function.name = name.or(function.name);
    function.package = package.or(function.package);
    let digest = fields.inside("code", |fields| {
        function.code.code_type = fields.text("code_type")?.or(function.code.code_type.take());
        function.code.filename = fields.text("code_filename")?;
        fields.text("digest")
    })?;
    (function.code.file, function.code.link, function.code.bytes) = (None, None, code);
    let few = |fields: &Fields, name: &str, most: usize| match fields.get(name) {
        Some(Value::Array(items)) if items.len() > most => {
            Err(told(&format!("It has {} {name}, of which a function may have {most}", items.len())))
        }
        _ => Ok(()),
    };
    few(&fields, "dependencies", limits::DEPENDENCIES)?;
    few(&fields, "triggers", limits::TRIGGERS)?;
    few(&fields, "events", limits::TEST_EVENTS)?;
    Ok(ImportDraft {
        function,
        digest: digest.flatten(),
        dependencies: fields.each("dependencies", dependency_name)?,
        triggers: fields.each("triggers", |fields| trigger_create(std::mem::take(fields)))?,
        events: fields.each("events", |fields| test_event_draft(std::mem::take(fields)))?,
        left_out: fields.texts("left_out")?.unwrap_or_default(),
    })
}

fn dependency_name(fields: &mut Fields) -> Result<DependencyName, Fault> {
    Ok(DependencyName { name: fields.text("name")?, digest: fields.text("digest")? })
}

fn told(why: &str) -> Fault {
    Fault::new(
        ErrorCode::BadDescription,
        format!("function.json of the archive cannot be read. {why}. Export the function again"),
    )
}

fn bad(message: String) -> Fault {
    Fault::new(ErrorCode::BadParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported_is_said_in_two_ways() {
        for (query, expected) in [
            ("", Some(Wanted::All)),
            ("config=false&code=false", Some(Wanted::All)),
            ("config=true&code=true", Some(Wanted::All)),
            ("config=true", Some(Wanted::Config)),
            ("code=true&config=false", Some(Wanted::Code)),
            ("type=code", Some(Wanted::Code)),
            ("type=config&code=false", Some(Wanted::Config)),
            ("type=code&code=true", None),
            ("type=config&config=true", None),
            ("type=all", None),
            ("code=yes", None),
        ] {
            assert_eq!(export_query(query).ok(), expected, "{query}");
        }
    }

    fn read(description: &str) -> Result<ImportDraft, Fault> {
        let names = ImportNames { name: Some("here".to_owned()), package: Some(String::new()) };
        import_draft(Fields::parse(description.as_bytes()), Some("x".into()), names)
    }

    #[test]
    fn a_description_is_read_as_requests_are() {
        let draft = read(
            r#"{"format":"fungraph-function/1","function":{"func_name":"there","package":"p","runtime":"Python3.9","timeout":"7",
                "code_url":"obs://b/k","func_code":{"file":"eA=="}},
                "code":{"code_type":"zip","code_filename":"a.zip","digest":"d"},
                "dependencies":[{"name":"units","version":3,"digest":"e"}],
                "triggers":[{"trigger_type_code":"TIMER","event_data":{"name":"t"}}],
                "events":[{"name":"one","content":"e30="}],"left_out":["a key"],"more":1}"#,
        );
        let draft = draft.expect("a draft");
        let function = &draft.function;
        assert_eq!((function.name.as_deref(), function.package.as_deref()), (Some("here"), Some("p")));
        assert_eq!((function.spec.timeout, function.code.code_type.as_deref()), (Some(7), Some("zip")));
        // Nothing but the archive brings code.
        assert!(function.code.file.is_none() && function.code.link.is_none());
        assert_eq!(function.code.bytes.as_deref(), Some(&b"x"[..]));
        assert_eq!((draft.digest.as_deref(), draft.dependencies[0].digest.as_deref()), (Some("d"), Some("e")));
        assert_eq!((draft.triggers.len(), draft.events.len(), draft.left_out.len()), (1, 1, 1));
    }

    #[test]
    fn what_is_no_description_is_told() {
        let check = |description: &str, code: ErrorCode, word: &str| {
            let fault = read(description).expect_err(description);
            assert!(fault.code == code && fault.message.contains(word), "{description}: {fault:?}");
        };
        check("{", ErrorCode::BadDescription, "It is not JSON");
        check("[]", ErrorCode::BadDescription, "It must be a JSON object");
        check("{}", ErrorCode::BadDescription, "fungraph-function/1");
        check(r#"{"format":7}"#, ErrorCode::BadDescription, "'format'");
        check(r#"{"format":"fungraph-function/2","function":{}}"#, ErrorCode::BadDescription, "format");
        check(r#"{"format":"fungraph-function/1"}"#, ErrorCode::BadDescription, "no function");
        check(
            r#"{"format":"fungraph-function/1","function":{"timeout":[]}}"#,
            ErrorCode::BadParameter,
            "'function.timeout'",
        );
        check(
            r#"{"format":"fungraph-function/1","function":{},"triggers":[{"event_data":7}]}"#,
            ErrorCode::BadParameter,
            "'triggers[0].event_data'",
        );
        let many = format!(r#"{{"format":"fungraph-function/1","function":{{}},"events":[{}{{}}]}}"#, "{},".repeat(10));
        check(&many, ErrorCode::BadDescription, "It has 11 events");
        check(
            r#"{"format":"fungraph-function/1","function":{"gpu_type":"nvidia-t4"}}"#,
            ErrorCode::NotSupported,
            "gpu_type",
        );
    }
}
