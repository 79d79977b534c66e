//! .NET's bootstrap: sources that are compiled in as text, the command with which an SDK makes an assembly of them, and the command
//! line of an instance.
//!
//! Building fungraph takes no .NET. The SDK on the host compiles the sources itself, once for each run of the server and each .NET that
//! functions use, as a JDK does for Java.

mod sources;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Interpreter, Sources,
    bootstrap::RUNTIME_ROOT,
    interpreters::Version,
    script::{self, quote},
};

pub use sources::api_sources;

/// Of the assembly.
pub(crate) const EXTENSION: &str = "dll";
/// It has 60 KB.
pub(crate) const MOST_BYTES: u64 = 4 << 20;
/// Memory of a sandbox in which the SDK compiles.
pub(crate) const PREPARING_MB: u32 = 512;
/// Folder of the sources, below that of the bootstraps.
const FOLDER: &str = "dotnet";
/// The file that the step makes.
const OUT: &str = "/tmp/bootstrap.dll";
/// The runtime itself, below a program's folder: one folder for each version.
const RUNTIMES: &str = "shared/Microsoft.NETCore.App";
/// The compiler in an SDK.
const COMPILER: &str = "Roslyn/bincore/csc.dll";
/// The first version that reads `DOTNET_` variables; those before it read `COMPlus_`.
const RENAMED_SINCE: u16 = 6;

/// Versions of .NET beside a `dotnet`. Those that are not released are left out: nobody expects functions on them.
pub(crate) fn runtimes(program: &Path) -> Vec<Version> {
    children(&folder(program).join(RUNTIMES)).iter().filter_map(|name| version(name)).collect()
}

/// The newest compiler beside a `dotnet`.
pub(crate) fn compiler(program: &Path) -> Option<PathBuf> {
    let sdks = folder(program).join("sdk");
    let has_compiler = |name: &String| sdks.join(name).join(COMPILER).is_file();
    let newest = children(&sdks).into_iter().filter(has_compiler).max_by_key(|name| version(name))?;
    Some(sdks.join(newest).join(COMPILER))
}

/// `3.1.102`.
fn version(name: &str) -> Option<Version> {
    let mut parts = name.split('.').map(|part| part.parse().ok());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

fn children(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn folder(program: &Path) -> &Path {
    program.parent().unwrap_or(program)
}

fn version_text(interpreter: &Interpreter) -> String {
    let (major, minor, patch) = interpreter.version;
    format!("{major}.{minor}.{patch}")
}

/// Every source, and the settings of an instance, by their paths below the bootstraps' folder.
pub(crate) fn sources(interpreter: &Interpreter) -> Vec<(String, String)> {
    let texts = sources::all().into_iter().map(|(name, text)| (format!("{FOLDER}/{name}"), text));
    texts.chain([(settings_file(interpreter), settings(interpreter))]).collect()
}

/// What only a compiler needs of an installation that is not below `/usr`.
pub(crate) fn tools(interpreter: &Interpreter) -> Vec<PathBuf> {
    interpreter.prefix.iter().map(|prefix| prefix.join("sdk")).collect()
}

fn settings_file(interpreter: &Interpreter) -> String {
    format!("{FOLDER}/{}.json", version_text(interpreter))
}

/// Settings of every instance: this very version, one collector without a thread of its own, and no ICU. That library costs each process
/// 20 ms and 30 MB, and .NET does not start where it is missing, or newer than it knows.
fn settings(interpreter: &Interpreter) -> String {
    serde_json::json!({ "runtimeOptions": {
        "framework": { "name": "Microsoft.NETCore.App", "version": version_text(interpreter) },
        "rollForward": "Disable",
        "configProperties": {
            "System.GC.Concurrent": false,
            "System.GC.Server": false,
            "System.Globalization.Invariant": true,
            "System.Globalization.PredefinedCulturesOnly": false,
        },
    }})
    .to_string()
}

/// The command line of an instance. `files` is the assembly.
pub(crate) fn args(interpreter: &Interpreter, files: &[String]) -> Vec<String> {
    let assembly = files.first().map(String::as_str).unwrap_or_default();
    [
        interpreter.program.to_string_lossy().into_owned(),
        "exec".to_owned(),
        "--runtimeconfig".to_owned(),
        format!("{RUNTIME_ROOT}/{}", settings_file(interpreter)),
        format!("{RUNTIME_ROOT}/{assembly}"),
    ]
    .into()
}

/// Heap of an instance in MB: what its code, its threads and .NET itself take comes beside it.
fn heap_mb(memory_mb: u32) -> u32 {
    memory_mb - (memory_mb / 4).max(64)
}

/// The heap is limited, so that a function which needs more gets an error it can read. Diagnostics would open a socket in `/tmp`. The
/// sandbox is the wall, not a second mapping of all compiled code.
pub(crate) fn env(interpreter: &Interpreter, memory_mb: u32) -> Vec<(String, String)> {
    let prefix = if interpreter.version.0 >= RENAMED_SINCE { "DOTNET" } else { "COMPlus" };
    let heap = u64::from(heap_mb(memory_mb)) << 20;
    [
        (format!("{prefix}_GCHeapHardLimit"), format!("{heap:x}")),
        (format!("{prefix}_EnableDiagnostics"), "0".to_owned()),
        ("DOTNET_EnableWriteXorExecute".to_owned(), "0".to_owned()),
        ("DOTNET_MULTILEVEL_LOOKUP".to_owned(), "0".to_owned()),
    ]
    .into()
}

/// The command that prints the assembly, after `mark` and its length. The API of either operator lies in it, for packages that bring none.
pub(crate) fn command(interpreter: &Interpreter, mark: &str) -> Vec<String> {
    let mut work = compiler_function(interpreter);
    let mut resources = String::new();
    for name in sources::API {
        work += &api(name);
        resources += &format!(" -resource:/tmp/{name}.dll");
    }
    work += &format!("csc -target:exe -out:{OUT}{resources} src/*.cs\n");
    script::command(mark, &work, [OUT])
}

/// The command that prints the assembly of functions. Where it runs the API is there, so a package needs nothing beside it.
pub(crate) fn function_command(interpreter: &Interpreter, mark: &str, sources: &Sources) -> Vec<String> {
    let mut work = compiler_function(interpreter);
    let [name, _] = sources::API;
    let files: String =
        sources.files.iter().map(|(path, _)| format!(" {RUNTIME_ROOT}/{}/{path}", sources.name)).collect();
    let made: Vec<String> = sources.makes.iter().map(|name| format!("/tmp/{name}")).collect();
    work += &api(name);
    for out in &made {
        work += &format!("csc -target:library -out:{out} -r:/tmp/{name}.dll{files}\n");
    }
    script::command(mark, &work, made.iter().map(String::as_str))
}

/// Compiles an operator's API.
fn api(name: &str) -> String {
    format!("csc -target:library -out:/tmp/{name}.dll api/{name}.cs\n")
}

/// A function of the shell, `csc`, which compiles against the .NET that will run what it makes, in the folder of our sources.
fn compiler_function(interpreter: &Interpreter) -> String {
    let program = &interpreter.program;
    // Found while the server was root: since then it may not see into the folder, if that is in root's home.
    let compiler = interpreter.library.clone().unwrap_or_else(|| folder(program).join(COMPILER));
    let runtime = folder(program).join(RUNTIMES).join(version_text(interpreter));
    let quote = |path: &Path| quote(&path.to_string_lossy());
    format!(
        "export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_MULTILEVEL_LOOKUP=0 COMPlus_TC_QuickJitForLoops=1\ncd {RUNTIME_ROOT}/{FOLDER}\n\
         for file in {runtime}/*.dll; do printf -- '-r:\"%s\"\\n' \"$file\"; done > /tmp/references\n\
         csc() {{ {program} exec {compiler} -nologo -noconfig -nostdlib+ -optimize+ -debug- -unsafe+ -langversion:7.3 -warn:0 \
         @/tmp/references \"$@\"; }}\n",
        runtime = quote(&runtime),
        program = quote(program),
        compiler = quote(&compiler),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreters::Origin;
    use fungraph_model::Language;

    fn dotnet(version: Version) -> Interpreter {
        Interpreter {
            language: Language::CSharp,
            version,
            program: "/opt/a b/dotnet".into(),
            prefix: Some("/opt/a b".into()),
            library: Some(format!("/opt/a b/sdk/3.1.102/{COMPILER}").into()),
            origin: Origin::System,
            image: None,
        }
    }

    #[test]
    fn command_lines_name_the_very_version() {
        let (older, newer) = (dotnet((3, 1, 2)), dotnet((8, 0, 11)));
        assert_eq!(
            args(&older, &["b.dll".to_owned()])[1..],
            ["exec", "--runtimeconfig", "/home/snuser/runtime/dotnet/3.1.2.json", "/home/snuser/runtime/b.dll"]
        );
        assert_eq!(env(&older, 256)[0], ("COMPlus_GCHeapHardLimit".to_owned(), "c000000".to_owned()));
        assert_eq!(env(&newer, 128)[0], ("DOTNET_GCHeapHardLimit".to_owned(), "4000000".to_owned()));
        assert!(settings(&newer).contains(r#""version":"8.0.11""#));
        let script = &command(&older, "m")[2];
        let compiler = "csc() { '/opt/a b/dotnet' exec '/opt/a b/sdk/3.1.102/Roslyn/bincore/csc.dll'";
        assert!(script.contains(compiler), "{script}");
        assert!(script.contains("for file in '/opt/a b/shared/Microsoft.NETCore.App/3.1.2'/*.dll"), "{script}");
        let some = Sources { name: "some", files: &[("A.cs", "")], makes: &["Some.dll"] };
        let script = &function_command(&older, "m", &some)[2];
        let compiled = "-out:/tmp/Some.dll -r:/tmp/HC.Serverless.Function.Common.dll /home/snuser/runtime/some/A.cs\n";
        assert!(script.contains(compiler) && script.contains(compiled), "{script}");
    }

    #[test]
    fn runtimes_and_compilers_are_found_by_their_folders() {
        let host = tempfile::tempdir().expect("a folder");
        let program = host.path().join("dotnet");
        assert_eq!((runtimes(&program), compiler(&program)), (Vec::new(), None));
        for name in ["3.1.2", "8.0.11", "9.0.0-rc.1", "notes"] {
            fs::create_dir_all(host.path().join(RUNTIMES).join(name)).expect("mkdir");
        }
        for name in ["8.0.404", "10.0.100", "9.0.100"] {
            fs::create_dir_all(host.path().join("sdk").join(name).join("Roslyn/bincore")).expect("mkdir");
        }
        for name in ["8.0.404", "9.0.100"] {
            fs::write(host.path().join("sdk").join(name).join(COMPILER), "").expect("write");
        }
        let mut found = runtimes(&program);
        found.sort_unstable();
        assert_eq!(found, [(3, 1, 2), (8, 0, 11)]);
        assert_eq!(compiler(&program), Some(host.path().join("sdk/9.0.100").join(COMPILER)));
    }
}
