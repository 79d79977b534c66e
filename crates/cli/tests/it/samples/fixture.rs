//! A sample: its `fixture.json` and its files.

use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{FOLDERS, csharp, go, java};
use crate::harness::repository;
use crate::images::registry::Registry;
use crate::raw::base64;

/// Keys of a fixture that are read somewhere. Others would be expectations that nobody checks.
const KEYS: [&str; 26] = [
    "title",
    "runtime",
    "also_on",
    "handler",
    "initializer_handler",
    "initializer_timeout",
    "code_type",
    // For people; what it asks for is done in `csharp.rs`, `go.rs` and `java.rs`.
    "build",
    "files",
    "dependencies",
    // What the image says of itself, and what the function says of it.
    "image",
    "custom_image",
    "memory_size",
    "timeout",
    "concurrent_num",
    "max_instances",
    "user_data",
    "idle_before_ms",
    "invoke",
    "async_config",
    // The shape of the event only: who sends it makes no difference to the function.
    "trigger",
    "event",
    "event_raw",
    "expect",
    "then",
    "parallel",
];

/// One sample.
pub(super) struct Fixture {
    pub(super) name: String,
    folder: PathBuf,
    pub(super) json: Value,
    /// Compiled once for all runtimes.
    jar: OnceLock<Vec<u8>>,
    /// The same of C#, with what lies beside it.
    assemblies: OnceLock<Vec<(String, Vec<u8>)>>,
    /// Name of the image, where it is one and has been pushed.
    image: OnceLock<String>,
}

/// One call of it.
pub(super) struct Step<'a> {
    /// The bytes to send.
    pub(super) event: String,
    /// Events to send at the same time.
    pub(super) parallel: Vec<String>,
    pub(super) expect: &'a Value,
}

impl Fixture {
    /// One that is to be played: all that it says is understood.
    pub(super) fn read(name: &str) -> Self {
        let fixture = Self::find(name);
        for key in fixture.json.as_object().expect("a fixture is an object").keys() {
            assert!(KEYS.contains(&key.as_str()), "{name}: this harness does not know {key:?}");
        }
        fixture
    }

    /// One of either folder, whatever it says.
    pub(super) fn find(name: &str) -> Self {
        let places = FOLDERS.map(|folder| repository(folder).join(name));
        let folder = places.into_iter().find(|folder| folder.exists()).expect("it was listed");
        let text = fs::read(folder.join("fixture.json")).expect("the sample has a fixture");
        let json: Value = serde_json::from_slice(&text).expect("a fixture is JSON");
        let (jar, assemblies, image) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { name: name.to_owned(), folder, json, jar, assemblies, image }
    }

    /// The runtime, and the others that must behave the same.
    pub(super) fn runtimes(&self) -> Vec<String> {
        let others = self.json["also_on"].as_array().into_iter().flatten();
        let mut all: Vec<String> = std::iter::once(&self.json["runtime"])
            .chain(others)
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// How long an instance is left alone before the first call that counts.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.json["idle_before_ms"].as_u64().map(Duration::from_millis)
    }

    /// The behaviour in one line.
    pub(super) fn title(&self) -> &str {
        self.json["title"].as_str().unwrap_or_default()
    }

    /// Whether its calls go through the queue.
    pub(super) fn is_asynchronous(&self) -> bool {
        self.json["invoke"] == "async"
    }

    pub(super) fn has_http(&self) -> bool {
        self.steps().iter().any(|step| step.expect.get("http").is_some())
    }

    /// All calls, in order.
    pub(super) fn steps(&self) -> Vec<Step<'_>> {
        let first = Step {
            event: event(&self.json),
            parallel: self.json["parallel"].as_array().into_iter().flatten().map(Value::to_string).collect(),
            expect: &self.json["expect"],
        };
        let then = self.json["then"].as_array().into_iter().flatten();
        let then = then.map(|step| Step { event: event(step), parallel: Vec::new(), expect: &step["expect"] });
        std::iter::once(first).chain(then).collect()
    }

    /// Body of the request that creates the function.
    pub(super) fn create(&self, function: &str, runtime: &str) -> Value {
        let fixture = &self.json;
        let number = |key: &str, default: i64| fixture[key].as_i64().unwrap_or(default);
        // What is told of attempts counts them in one instance, which a busy machine must not end by a limit that the sample does not set.
        let timeout = if self.is_asynchronous() { 30 } else { 3 };
        let mut body = json!({
            "func_name": function, "package": "default", "runtime": runtime, "handler": fixture["handler"],
            "timeout": number("timeout", timeout), "memory_size": number("memory_size", 128), "code_type": fixture["code_type"],
            "strategy_config": { "concurrency": number("max_instances", -1), "concurrent_num": number("concurrent_num", 1) },
        });
        match self.image.get() {
            Some(image) => {
                body["custom_image"] = fixture.get("custom_image").cloned().unwrap_or_else(|| json!({}));
                body["custom_image"]["enabled"] = json!(true);
                body["custom_image"]["image"] = json!(image);
            }
            None => body["func_code"] = json!({ "file": base64(&self.package()) }),
        }
        if let Some(handler) = fixture.get("initializer_handler") {
            body["initializer_handler"] = handler.clone();
            body["initializer_timeout"] = fixture["initializer_timeout"].clone();
        }
        if let Some(variables) = fixture.get("user_data") {
            body["user_data"] = json!(variables.to_string());
        }
        body
    }

    /// Pushes its image: the program of `tests/images`, and what the fixture says of it.
    pub(super) fn push(&self, registry: &Registry, program: &[u8]) {
        let files: [(&str, &[u8]); 2] = [("server", program), ("srv/app/file", b"x")];
        let name = registry.push(&format!("{}:v1", self.name), &files, &self.json["image"]);
        self.image.set(name).expect("it is pushed once");
    }

    /// Bodies of the requests that create its dependencies, in their order.
    pub(super) fn dependencies(&self, runtime: &str) -> Vec<Value> {
        let folders = self.json["dependencies"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let body = |folder: &str| {
            let root = self.folder.join(folder);
            let mut files = Vec::new();
            walk(&root, &mut files);
            let name = format!("{}-{}", self.name, folder.replace('/', "-"));
            let file = base64(&zip(&members(&root, &files)));
            json!({ "name": name, "depend_type": "zip", "runtime": runtime, "depend_file": file })
        };
        folders.map(body).collect()
    }

    fn package(&self) -> Vec<u8> {
        let mut files = Vec::new();
        walk(&self.folder, &mut files);
        files.retain(|file| !file.ends_with("fixture.json") && !go::is_no_part(file));
        if let Some(only) = self.json["files"].as_array() {
            files.retain(|file| {
                only.iter().any(|name| name.as_str().is_some_and(|name| self.folder.join(name) == *file))
            });
        }
        let sources = self.folder.join("src");
        let is = |stem: &str| self.json["runtime"].as_str().is_some_and(|runtime| runtime.starts_with(stem));
        let jar = is("Java").then(|| self.jar.get_or_init(|| java::jar(&sources)));
        let assemblies = is("C#").then(|| self.assemblies.get_or_init(|| csharp::package(&self.name, &sources)));
        files.retain(|file| !(is("Java") || is("C#")) || !file.starts_with(&sources));
        match self.json["code_type"].as_str() {
            Some("jar") => jar.expect("jars are Java's").clone(),
            Some("inline") => {
                assert_eq!(files.len(), 1, "{}: inline means one file", self.name);
                fs::read(&files[0]).expect("it was listed")
            }
            Some("zip") => {
                let mut members = members(&self.folder, &files);
                let handler = || self.json["handler"].as_str().expect("a sample has a handler").to_owned();
                members.extend(go::build(&self.name, &self.folder).map(|program| Member::read(handler(), &program)));
                let assemblies = assemblies.into_iter().flatten();
                members.extend(assemblies.map(|(name, bytes)| Member {
                    name: name.clone(),
                    mode: 0o644,
                    bytes: bytes.clone(),
                }));
                members.extend(jar.map(|jar| Member {
                    name: "lib/function.jar".to_owned(),
                    mode: 0o644,
                    bytes: jar.clone(),
                }));
                zip(&members)
            }
            other => panic!("{}: code_type {other:?}", self.name),
        }
    }
}

/// The code package of a sample.
pub(crate) fn package(name: &str) -> Vec<u8> {
    Fixture::find(name).package()
}

/// One file of an archive.
struct Member {
    name: String,
    mode: u32,
    bytes: Vec<u8>,
}

impl Member {
    fn read(name: String, file: &Path) -> Self {
        let mode = fs::metadata(file).expect("it was listed").permissions().mode() & 0o777;
        Self { name, mode, bytes: fs::read(file).expect("it was listed") }
    }
}

/// Files with names relative to a folder.
fn members(folder: &Path, files: &[PathBuf]) -> Vec<Member> {
    let name = |file: &Path| file.strip_prefix(folder).expect("it lies in the folder").display().to_string();
    files.iter().map(|file| Member::read(name(file), file)).collect()
}

fn zip(members: &[Member]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for member in members {
        let options = SimpleFileOptions::default().unix_permissions(member.mode);
        writer.start_file(&member.name, options).expect("in memory");
        writer.write_all(&member.bytes).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

fn event(step: &Value) -> String {
    match step["event_raw"].as_str() {
        Some(raw) => raw.to_owned(),
        None => step["event"].to_string(),
    }
}

pub(super) fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}
