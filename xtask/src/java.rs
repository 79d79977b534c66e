//! The Java bootstrap's own tests: compiled by the JDK of this machine, and run, with nothing but that and Gson.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{step, workspace};

const GSON: &str = "/usr/share/java/gson.jar";
/// What the manifest of the bootstrap's jar opens. Java 8 neither has it nor looks at the variable.
const OPENS: &str = "--add-opens=java.base/java.util=ALL-UNNAMED";

/// Compiles with every warning, then runs.
pub(crate) fn test() -> Result<()> {
    let root = workspace::root();
    let out = root.join("target/java-tests");
    let (classes, functions) = (out.join("classes"), out.join("functions"));
    let _from_the_last_time = fs::remove_dir_all(&out);
    for folder in [&classes, &functions] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let in_folder = |folder: &str| sources(&root.join("runtimes/java").join(folder));
    let bootstrap = [in_folder("src")?, in_folder("tests/fungraph")?].concat();
    step::run(javac(&classes, GSON).args(["-Xlint:all,-processing,-serial", "-Werror"]).args(bootstrap))?;
    let class_path = format!("{}:{GSON}", classes.display());
    step::run(javac(&functions, &class_path).args(in_folder("tests/functions")?))?;
    let mut java = Command::new("java");
    java.env("JDK_JAVA_OPTIONS", OPENS).args(["-cp", &class_path, "fungraph.Tests"]).arg(&functions).arg(GSON);
    step::run(&mut java)
}

fn javac(into: &Path, class_path: &str) -> Command {
    let mut javac = Command::new("javac");
    javac.args(["-encoding", "UTF-8", "-cp", class_path, "-d"]).arg(into);
    javac
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = workspace::files()?;
    files.retain(|file| file.starts_with(folder) && file.extension().is_some_and(|extension| extension == "java"));
    Ok(files)
}
