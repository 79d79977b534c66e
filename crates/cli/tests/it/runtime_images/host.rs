//! Images made of this host's own interpreters: their files, and the libraries that they are linked with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::images::registry::Registry;

/// Where Python is in the image; no host has it there.
pub(super) const PYTHON: &str = "/opt/python/bin/python3.11";
/// And Node.js.
pub(super) const NODE: &str = "/opt/node/bin/node";
/// What the image says when a function asks where it is.
pub(super) const MARK: &str = "inside the image";
/// Parts of Python's library that no sample wants.
const LEFT_OUT: [&str; 7] = ["test", "__pycache__", "lib2to3", "idlelib", "tkinter", "ensurepip", "config-"];

/// Files of an image by their paths.
#[derive(Default)]
pub(super) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Python and Node.js in folders of their own, and what samples start.
    pub(super) fn interpreters() -> Self {
        let mut files = Self::default();
        files.add("marker", MARK.as_bytes().to_vec());
        files.program(Path::new("/usr/bin/python3.11"), PYTHON);
        files.folder(Path::new("/usr/lib/python3.11"), "opt/python/lib/python3.11");
        files.program(Path::new("/usr/bin/node"), NODE);
        files.libraries();
        files.tools(&["sleep"]);
        files
    }

    /// A JDK and PHP, and what the JDK's compiler is started with.
    pub(super) fn jdk_and_php() -> Self {
        let (jdk, inside) = ("/usr/lib/jvm/java-17-openjdk-amd64", "opt/java/openjdk");
        let mut files = Self::default();
        for part in ["bin", "conf", "lib", "release"] {
            let (from, to) = (Path::new(jdk).join(part), format!("{inside}/{part}"));
            if from.is_dir() {
                files.folder(&from, &to);
            } else {
                files.add(&to, fs::read(&from).expect("a JDK has it"));
            }
        }
        let parts =
            ["bin/java", "bin/javac", "lib/server/libjvm.so", "lib/libjava.so", "lib/libzip.so", "lib/libnio.so"];
        parts.iter().for_each(|part| files.link(&Path::new(jdk).join(part)));
        files.tools(&["sh", "cat", "wc", "find", "mkdir"]);
        files.program(Path::new("/usr/bin/php8.2"), "usr/local/bin/php");
        // Debian's PHP has no time zones of its own.
        files.folder(Path::new("/usr/share/zoneinfo/Etc"), "usr/share/zoneinfo/Etc");
        for file in ["UTC", "zone.tab", "tzdata.zi"] {
            let path = format!("/usr/share/zoneinfo/{file}");
            if let Ok(bytes) = fs::read(&path) {
                files.add(&path, bytes);
            }
        }
        files
    }

    pub(super) fn add(&mut self, path: &str, bytes: Vec<u8>) {
        self.0.insert(path.trim_start_matches('/').to_owned(), bytes);
    }

    fn program(&mut self, from: &Path, to: &str) {
        self.add(to, fs::read(from).expect("this host has it; cargo xtask check host installs it"));
        self.link(from);
    }

    /// Small programs, which samples and compilers start.
    fn tools(&mut self, names: &[&str]) {
        for tool in names {
            let places = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
            let from = places.iter().find(|path| path.exists()).expect("every host has it");
            self.program(from, &format!("bin/{tool}"));
        }
    }

    /// Libraries that a file is linked with, at their own places.
    fn link(&mut self, file: &Path) {
        let output = Command::new("ldd").arg(file).output().expect("ldd is there");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            // What lies beside the file itself comes with its folder.
            let path = line.split_whitespace().find(|word| word.starts_with('/') && !word.contains("/../"));
            if let Some(bytes) = path.and_then(|path| fs::read(path).ok()) {
                self.add(path.expect("it was read"), bytes);
            }
        }
    }

    fn folder(&mut self, from: &Path, to: &str) {
        for entry in fs::read_dir(from).expect("a folder").flatten() {
            let (name, path) = (entry.file_name().into_string().expect("a text"), entry.path());
            if LEFT_OUT.iter().any(|left| name.starts_with(left)) {
                continue;
            }
            if path.is_dir() {
                self.folder(&path, &format!("{to}/{name}"));
            } else if let Ok(bytes) = fs::read(&path) {
                self.add(&format!("{to}/{name}"), bytes);
            }
        }
    }

    /// What the modules of Python's library are linked with.
    fn libraries(&mut self) {
        let modules = fs::read_dir("/usr/lib/python3.11/lib-dynload").expect("a folder").flatten();
        let modules: Vec<PathBuf> = modules.map(|module| module.path()).collect();
        modules.iter().for_each(|module| self.link(module));
    }

    /// Pushes them; returns the name.
    pub(super) fn push(&self, registry: &Registry, name: &str) -> String {
        let files: Vec<(&str, &[u8])> = self.0.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        let path = "PATH=/opt/python/bin:/opt/node/bin:/usr/bin:/bin";
        registry.push(name, &files, &json!({ "Env": [path, "OF_IMAGE=yes"] }))
    }
}
