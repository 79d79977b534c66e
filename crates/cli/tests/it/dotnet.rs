//! What is .NET's own: an SDK compiles its bootstrap before the first instance, one program is several interpreters, and assemblies are
//! built for one .NET or another.

use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::{Answer, Server, fungraph, open_folder};
use crate::raw::base64;
use crate::samples::csharp::{self, compile, compile_alone};

/// A handler that needs nothing but .NET: any interface of this name is the context.
const SELF_RELIANT: &str = "
    public interface IFunctionContext { string FunctionName { get; } }
    public class Seen
    {
        public string Look(string input, IFunctionContext context)
        {
            string runtime = System.IO.Path.GetDirectoryName(typeof(object).Assembly.Location);
            var names = new System.Collections.Generic.List<string>();
            foreach (string path in System.IO.Directory.GetFileSystemEntries(System.IO.Path.Combine(runtime, \"../../..\")))
            {
                names.Add(System.IO.Path.GetFileName(path));
            }
            names.Sort();
            return context.FunctionName + \": \" + string.Join(' ', names);
        }
    }";

/// The core of a later .NET, as far as a compiler asks for it.
const LATER_CORE: &str = "
    [assembly: System.Reflection.AssemblyVersion(\"8.0.0.0\")]
    namespace System
    {
        public class Object { }
        public class String { }
        public abstract class ValueType { }
        public abstract class Enum : ValueType { }
        public struct Void { }
        public struct Boolean { }
        public struct Int32 { }
        public class Attribute { }
    }
    namespace System.Reflection
    {
        public class AssemblyVersionAttribute : Attribute { public AssemblyVersionAttribute(string version) { } }
    }";

const LATER: &str = "
    public interface IFunctionContext { }
    public class Later { public string Grow(string input, IFunctionContext context) { return input; } }";

fn zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default()).expect("in memory");
    writer.write_all(bytes).expect("in memory");
    writer.finish().expect("in memory").into_inner()
}

fn create(server: &Server, name: &str, runtime: &str, handler: &str, package: &[u8]) -> Answer {
    let body = json!({
        "func_name": name, "package": "default", "runtime": runtime, "handler": handler, "timeout": 30,
        "memory_size": 256, "code_type": "zip", "func_code": { "file": base64(package) },
    });
    server.request("POST", &format!("/v2/{}/fgs/functions", server.project()), &[], &body.to_string())
}

fn source(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, text).expect("write");
    file
}

/// A folder that looks like an installation of .NET: its program is one of this machine that does nothing.
fn dotnet(home: &Path, version: &str, has_sdk: bool) -> PathBuf {
    let folder = home.join("dotnet");
    fs::create_dir_all(folder.join("host/fxr")).expect("mkdir");
    fs::create_dir_all(folder.join("shared/Microsoft.NETCore.App").join(version)).expect("mkdir");
    fs::copy("/bin/true", folder.join("dotnet")).expect("every system has it");
    if has_sdk {
        fs::create_dir_all(folder.join("sdk/1.0.0/Roslyn/bincore")).expect("mkdir");
        fs::write(folder.join("sdk/1.0.0/Roslyn/bincore/csc.dll"), "").expect("write");
    }
    folder
}

fn settings(home: &Path, search: &Path) -> String {
    let file = home.join("fungraph.toml");
    fs::write(&file, format!("[runtimes]\nsearch = [{:?}]\n", search.display().to_string())).expect("write");
    file.display().to_string()
}

/// A folder that a sandbox can show where it is: not below `/tmp`, which is each sandbox's own.
fn outside_tmp() -> TempDir {
    let folder = TempDir::new_in("/var/tmp").expect("every system has it");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    folder
}

#[test]
fn functions_see_what_runs_them_and_nothing_else_of_the_installation() {
    let folder = open_folder();
    let file = source(folder.path(), "Seen.cs", SELF_RELIANT);
    let assembly = folder.path().join("Seen.dll");
    compile(&[file], &assembly, &[]);
    let (_settings, config) = csharp::settings();
    let server = Server::start(&["--auth", "off", "--config", &config]);
    let package = zip("Seen.dll", &fs::read(&assembly).expect("it was compiled"));
    let answer = create(&server, "f", "C#(.NET Core 3.1)", "Seen::Seen::Look", &package);
    assert_eq!(answer.status, 200, "{}", answer.text());
    for _ in 0..2 {
        let answer = server.request("POST", &server.invocations("f"), &[], "{}");
        assert_eq!((answer.status, answer.text()), (200, "f: dotnet host shared".to_owned()));
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn an_assembly_for_a_later_dotnet_is_told_with_both_versions() {
    let folder = open_folder();
    let core = folder.path().join("System.Runtime.dll");
    compile_alone(&[source(folder.path(), "Core.cs", LATER_CORE)], &core, &[]);
    let assembly = folder.path().join("Later.dll");
    compile_alone(&[source(folder.path(), "Later.cs", LATER)], &assembly, &[&core]);
    let (_settings, config) = csharp::settings();
    let server = Server::start(&["--auth", "off", "--config", &config]);
    let package = zip("Later.dll", &fs::read(&assembly).expect("it was compiled"));
    let answer = create(&server, "f", "C#(.NET Core 3.1)", "Later::Later::Grow", &package);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = server.request("POST", &server.invocations("f"), &[], "{}");
    let told = answer.text();
    assert!(answer.status == 500 && told.contains("FSS.4001"), "{told}");
    assert!(told.contains("it was built for .NET 8.0, and .NET 3.1 runs it"), "{told}");
    assert_eq!(server.stop(), Some(0));
}

/// A program of the user's own that finds .NET at its documented place.
const BOOTSTRAP: &str = r#"#!/bin/bash
base="http://${RUNTIME_API_ADDR}/v1/runtime/invocation"
while true; do
  event=$(curl -sS -L -D /tmp/head "$base/request") || continue
  id=$(grep -i '^x-cff-request-id:' /tmp/head | head -n 1 | cut -d: -f2 | tr -d '[:space:]')
  curl -sS -o /dev/null -X POST -d "$(/opt/function/runtime/dotnet3.1/rtsp/dotnet/dotnet --list-runtimes)" "$base/response/$id"
done
"#;

#[test]
fn programs_of_their_own_find_dotnet_at_its_documented_place() {
    let (_settings, config) = csharp::settings();
    let server = Server::start(&["--auth", "off", "--config", &config]);
    let body = json!({
        "func_name": "f", "package": "default", "runtime": "Custom", "handler": "bootstrap", "timeout": 30,
        "memory_size": 256, "code_type": "inline", "func_code": { "file": base64(BOOTSTRAP.as_bytes()) },
    });
    let answer = server.request("POST", &format!("/v2/{}/fgs/functions", server.project()), &[], &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = server.request("POST", &server.invocations("f"), &[], "{}");
    assert!(answer.status == 200 && answer.text().starts_with("Microsoft.NETCore.App 3.1."), "{}", answer.text());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn an_sdk_that_compiles_nothing_is_told_in_the_log() {
    let home = outside_tmp();
    // A series that no host has, and nearest to the one asked for.
    let folder = dotnet(home.path(), "6.0.99", true);
    let config = settings(home.path(), &folder);
    let server = Server::start(&["--auth", "off", "--config", &config]);
    let answer = create(&server, "f", "C#(.NET Core 6.0)", "A::B::C", &zip("A.dll", b"no assembly is looked at"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = server.request("POST", &server.invocations("f"), &[], "{}");
    assert!(answer.status == 500 && answer.text().contains("FSS.6001"), "{}", answer.text());
    let log = server.log();
    assert!(log.contains(".NET 6.0.99 could not compile its bootstrap"), "{log}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_runtime_is_no_sdk_and_doctor_says_what_to_install() {
    let home = open_folder();
    let folder = dotnet(home.path(), "8.0.1", false);
    let run = fungraph(&["doctor", "--config", &settings(home.path(), &folder), "--listen", "127.0.0.1:0"]);
    let told: Vec<&str> = run.out.lines().filter(|line| line.contains("dotnet/dotnet is not used")).collect();
    assert!(told.len() == 1 && told[0].contains("install the SDK of this version"), "{}", run.out);
}
