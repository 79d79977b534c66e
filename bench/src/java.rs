//! What has to be compiled before Java can be measured: the bare loop, and functions. With the JDK that the path has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::bare::app;

/// Where Debian's libgoogle-gson-java puts it.
const GSON: &str = "/usr/share/java/gson.jar";
/// As fungraph starts its own, but for the archive of classes, which a bare start has not.
const FLAGS: [&str; 3] = ["-Xmx64m", "-XX:+UseSerialGC", "-XX:-UsePerfData"];

/// Arguments that start the bare loop.
pub(crate) fn loop_args() -> Result<Vec<String>> {
    static CLASSES: OnceLock<TempDir> = OnceLock::new();
    let classes = match CLASSES.get() {
        Some(classes) => classes,
        None => {
            let folder = tempfile::tempdir()?;
            javac(folder.path(), &[app("bare/Loop.java"), app("handler/index.java")])?;
            CLASSES.get_or_init(|| folder)
        }
    };
    let class_path = format!("{}:{GSON}", classes.path().display());
    Ok(FLAGS.iter().map(|flag| (*flag).to_owned()).chain(["-cp".to_owned(), class_path, "Loop".to_owned()]).collect())
}

/// A jar with the class `index` of this text; each text is compiled once.
pub(crate) fn jar(text: &str) -> Result<Vec<u8>> {
    static MADE: Mutex<Option<HashMap<String, Vec<u8>>>> = Mutex::new(None);
    let mut made = MADE.lock().expect("no holder panics");
    let made = made.get_or_insert_with(HashMap::new);
    if let Some(jar) = made.get(text) {
        return Ok(jar.clone());
    }
    let folder = tempfile::tempdir()?;
    let (source, classes, file) =
        (folder.path().join("index.java"), folder.path().join("classes"), folder.path().join("function.jar"));
    std::fs::write(&source, text)?;
    std::fs::create_dir(&classes)?;
    javac(&classes, &[source])?;
    run(Command::new("jar").arg("cf").arg(&file).arg("-C").arg(&classes).arg("."))?;
    let jar = std::fs::read(file)?;
    made.insert(text.to_owned(), jar.clone());
    Ok(jar)
}

fn javac(into: &Path, sources: &[PathBuf]) -> Result<()> {
    run(Command::new("javac").args(["-cp", GSON, "-d"]).arg(into).args(sources))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
