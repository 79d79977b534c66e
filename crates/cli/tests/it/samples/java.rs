//! Builds Java samples: javac against the platform's API, and the classes in a jar.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::fixture::walk;

/// Oldest Java that must be able to run the classes.
const RELEASE: &str = "8";
/// Where Debian's libgoogle-gson-java puts it.
const GSON: &str = "/usr/share/java/gson.jar";

/// The jar of a sample's sources.
pub(crate) fn jar(sources: &Path) -> Vec<u8> {
    let classes = tempfile::tempdir().expect("a folder for the classes");
    compile(sources, classes.path(), &format!("{}:{GSON}", api().display()));
    pack(classes.path())
}

/// Classes of the API, compiled once.
fn api() -> &'static Path {
    static API: OnceLock<TempDir> = OnceLock::new();
    API.get_or_init(|| {
        let (sources, classes) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        for (name, text) in fungraph_instance::java_api() {
            let file = sources.path().join(name);
            fs::create_dir_all(file.parent().expect("it is below")).expect("mkdir");
            fs::write(file, text).expect("write");
        }
        compile(sources.path(), classes.path(), "");
        classes
    })
    .path()
}

fn compile(sources: &Path, classes: &Path, class_path: &str) {
    let mut files = Vec::new();
    walk(sources, &mut files);
    let mut javac = Command::new("javac");
    javac.args([
        "--release",
        RELEASE,
        "-Xlint:-options",
        "-proc:none",
        "-J-XX:TieredStopAtLevel=1",
        "-encoding",
        "UTF-8",
        "-cp",
        class_path,
        "-d",
    ]);
    let run = javac.arg(classes).args(files).output().expect("javac is installed; `cargo xtask check` sees to that");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

fn pack(classes: &Path) -> Vec<u8> {
    let mut files = Vec::new();
    walk(classes, &mut files);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| {
        writer.start_file(name, SimpleFileOptions::default()).expect("in memory");
        writer.write_all(bytes).expect("in memory");
    };
    add("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n\r\n");
    for file in files {
        let name = file.strip_prefix(classes).expect("it lies in the folder").to_string_lossy().into_owned();
        add(&name, &fs::read(&file).expect("it was listed"));
    }
    writer.finish().expect("in memory").into_inner()
}
