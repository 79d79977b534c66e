//! What an interpreter prepares once for each run of the server, so that its instances start sooner, or can start at all.
//!
//! Such files belong to one version of one interpreter, and only that can make them: Python its byte code, a JDK the classes of its
//! bootstrap. It is asked in a sandbox that no function ever enters. They are not kept for the next run: the interpreter may have
//! been replaced in place since.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{Interpreter, interpreters::Version};

/// Stands before the length of a prepared file and the file, in what a command prints.
pub(crate) const MARK: &str = "fungraph prepared ";
/// What may be left of an earlier run.
const EXTENSIONS: [&str; 4] = ["pyc", "jar", "jsa", "dll"];

/// The files of every interpreter.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The folder of the bootstraps.
    folder: PathBuf,
    of: Mutex<Known>,
}

/// Those that have been asked for. One program can be several interpreters (.NET), told apart by their versions.
#[derive(Debug, Default)]
struct Known {
    progress: HashMap<Key, watch::Receiver<Progress>>,
    /// How many turns there have been: no two write a file of the same name.
    turns: usize,
    /// Sources that are there, by their names.
    written: HashSet<String>,
}

/// The root file system of a program, where it is none of the host's, its path there, and its version.
type Key = (Option<PathBuf>, PathBuf, Version);

/// How far an interpreter has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Names in the bootstraps' folder, in the order of the steps.
    pub(crate) files: Vec<String>,
    /// Why there will be no more.
    pub(crate) failed: Option<Arc<str>>,
}

/// The right, and the duty, to prepare what an interpreter needs.
pub(crate) struct Turn {
    /// Told after each step.
    pub(crate) progress: watch::Sender<Progress>,
    /// Part of the files' names.
    number: usize,
}

impl Prepared {
    /// Removes what an earlier run left: the interpreters may have changed since, and an earlier release had other sources. What lies in
    /// folders of its own there is written, or copied, anew by whoever wants it.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(path)?;
            } else if path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|left| extension == *left)) {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { folder: folder.to_owned(), of: Mutex::default() })
    }

    /// How far this interpreter has come; the first who asks gets the turn to bring it further.
    pub(crate) fn join(&self, interpreter: &Interpreter) -> (watch::Receiver<Progress>, Option<Turn>) {
        let mut of = self.lock();
        if let Some(progress) = of.progress.get(&key(interpreter)) {
            return (progress.clone(), None);
        }
        let (progress, seen) = watch::channel(Progress::default());
        // Two interpreters of one version may differ all the same.
        let number = of.turns;
        of.turns += 1;
        of.progress.insert(key(interpreter), seen.clone());
        (seen, Some(Turn { progress, number }))
    }

    /// The next who asks tries again.
    pub(crate) fn forget(&self, interpreter: &Interpreter) {
        self.lock().progress.remove(&key(interpreter));
    }

    /// Keeps a file that the interpreter made.
    pub(crate) fn keep(&self, interpreter: &Interpreter, turn: &Turn, extension: &str, bytes: &[u8]) -> io::Result<()> {
        let (major, minor, patch) = interpreter.version;
        let name = format!("bootstrap-{major}.{minor}.{patch}-{}.{extension}", turn.number);
        let path = self.folder.join(&name);
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        turn.progress.send_modify(|progress| progress.files.push(name));
        Ok(())
    }

    /// Writes sources down for a compiler, each once in a run: another interpreter of the language may be compiling them. It runs as
    /// somebody else, so what the server's umask closes is opened again.
    pub(crate) fn write(&self, sources: &[(String, String)]) -> io::Result<()> {
        let mut of = self.lock();
        for (name, text) in sources {
            if of.written.contains(name) {
                continue;
            }
            let file = self.folder.join(name);
            fs::create_dir_all(file.parent().unwrap_or(&self.folder))?;
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
            for folder in Path::new(name).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
                fs::set_permissions(self.folder.join(folder), fs::Permissions::from_mode(0o755))?;
            }
            of.written.insert(name.clone());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(interpreter: &Interpreter) -> Key {
    let tree = interpreter.image.as_ref().map(|image| image.tree.clone());
    (tree, interpreter.program.clone(), interpreter.version)
}

/// The files in what a command printed, in their order; warnings of the interpreter come through the same pipe.
pub(crate) fn printed(output: &[u8]) -> Vec<&[u8]> {
    let (mut files, mut rest) = (Vec::new(), output);
    // Each is looked for behind the one before it: what a file holds is never looked into.
    while let Some((file, behind)) = first(rest) {
        files.push(file);
        rest = behind;
    }
    files
}

/// The first file, and what comes behind it.
fn first(output: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = output.windows(MARK.len()).position(|window| window == MARK.as_bytes())? + MARK.len();
    let rest = &output[start..];
    let line = rest.iter().position(|byte| *byte == b'\n')?;
    let length: usize = std::str::from_utf8(&rest[..line]).ok()?.parse().ok()?;
    rest[line + 1..].split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use fungraph_model::Language;

    use super::*;
    use crate::interpreters::Origin;

    fn interpreter(program: &str) -> Interpreter {
        Interpreter {
            language: Language::Python,
            version: (3, 9, 1),
            program: program.into(),
            prefix: None,
            library: None,
            origin: Origin::System,
            image: None,
        }
    }

    #[test]
    fn warnings_around_a_file_are_no_part_of_it() {
        let output = b"Could not find platform libraries\nfungraph prepared 4\na\nb\nException ignored";
        assert_eq!(printed(output), [b"a\nb\n"]);
        let nested = b"fungraph prepared 20\nfungraph prepared 1\nwarning\nfungraph prepared 1\nb";
        assert_eq!(printed(nested), [&b"fungraph prepared 1\n"[..], b"b"]);
        for bad in [&b""[..], b"a\nb\n", b"fungraph prepared 9\nshort", b"fungraph prepared x\nabc"] {
            assert_eq!(printed(bad), [b""; 0]);
        }
    }

    #[test]
    fn first_one_prepares_for_all() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("bootstrap-3.8.0-1.pyc"), "old").expect("it is written");
        fs::write(folder.path().join("bootstrap.py"), "text").expect("it is written");
        fs::create_dir_all(folder.path().join("java/old")).expect("it is made");
        fs::write(folder.path().join("java/old/Gone.java"), "of an earlier release").expect("it is written");
        let prepared = Prepared::new(folder.path()).expect("a folder");
        let (one, other) = (interpreter("/a/python"), interpreter("/b/python"));
        let (seen, turn) = prepared.join(&one);
        let turn = turn.expect("nobody was there before");
        assert!(prepared.join(&one).1.is_none());
        assert!(prepared.join(&other).1.is_some());
        prepared.keep(&one, &turn, "pyc", b"code").expect("it is kept");
        let name = seen.borrow().files[0].clone();
        assert_eq!(fs::read(folder.path().join(&name)).expect("it is there"), b"code");
        assert!(prepared.join(&other).0.borrow().files.is_empty());
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        assert_eq!(names, [name.as_str(), "bootstrap.py"]);
        prepared.forget(&one);
        let again = prepared.join(&one).1.expect("it was forgotten");
        prepared.keep(&one, &again, "pyc", b"again").expect("it is kept");
        assert_eq!(
            fs::read(folder.path().join(&name)).expect("it is there"),
            b"code",
            "no turn writes over another's file"
        );
    }
}
