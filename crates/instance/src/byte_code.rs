//! The Python bootstrap as byte code: each start saves the compiling, 10 ms and 2.4 MB.
//!
//! Byte code belongs to one version of one interpreter, and only that can make it. It is asked once for each run of the server, in a
//! sandbox that no function ever enters; until it has answered, and if it does not, instances start from the text.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use fungraph_model::Language;

use crate::{
    Interpreter,
    bootstrap::{Bootstrap, RUNTIME_ROOT},
};

const EXTENSION: &str = "pyc";
/// The bootstrap compiles to 60 KB.
pub(crate) const MOST_BYTES: u64 = 4 << 20;

/// Stands before the length and the byte code.
const MARK: &str = "fungraph byte code ";

/// Which interpreters have their byte code.
#[derive(Debug)]
pub(crate) struct ByteCode {
    /// The folder of the bootstraps.
    folder: PathBuf,
    files: Mutex<HashMap<PathBuf, State>>,
}

#[derive(Clone, Debug)]
enum State {
    /// Somebody was told to make it, or has failed to.
    Asked,
    Ready(String),
}

/// What an interpreter runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This file of the bootstraps' folder.
    File(String),
    /// The text, and the caller is the one to make the byte code.
    Make,
    /// The text.
    Text,
}

impl ByteCode {
    /// Removes what an earlier run left: the interpreters may have changed since.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { folder: folder.to_owned(), files: Mutex::default() })
    }

    /// What this interpreter runs.
    pub(crate) fn find(&self, interpreter: &Interpreter) -> Found {
        if interpreter.language != Language::Python {
            return Found::Text;
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        match files.get(&interpreter.program) {
            Some(State::Ready(name)) => Found::File(name.clone()),
            Some(State::Asked) => Found::Text,
            None => {
                files.insert(interpreter.program.clone(), State::Asked);
                Found::Make
            }
        }
    }

    /// Keeps what the interpreter made.
    pub(crate) fn keep(&self, interpreter: &Interpreter, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (major, minor, patch) = interpreter.version;
        // Two interpreters of one version may differ all the same.
        let name = format!("bootstrap-{major}.{minor}.{patch}-{}.{EXTENSION}", files.len());
        let path = self.folder.join(&name);
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        files.insert(interpreter.program.clone(), State::Ready(name));
        Ok(())
    }
}

/// The command line that prints the byte code.
pub(crate) fn command(interpreter: &Interpreter, bootstrap: &Bootstrap) -> Vec<String> {
    // The header is that of a file without a source to compare it with: 12 bytes on 3.6, 16 since.
    let script = format!(
        "import importlib.util, marshal, sys\n\
         path = '{RUNTIME_ROOT}/{file}'\n\
         code = compile(open(path, 'rb').read(), path, 'exec', dont_inherit=True, optimize=2)\n\
         header = importlib.util.MAGIC_NUMBER + bytes(12 if sys.version_info >= (3, 7) else 8)\n\
         code = header + marshal.dumps(code)\n\
         sys.stdout.buffer.write(b'{MARK}%d\\n' % len(code) + code)",
        file = bootstrap.file,
    );
    let program = interpreter.program.to_string_lossy().into_owned();
    [program, "-B".into(), "-s".into(), "-c".into(), script].into()
}

/// The byte code in what the command printed; warnings of the interpreter come through the same pipe.
pub(crate) fn printed(output: &[u8]) -> Option<&[u8]> {
    let start = output.windows(MARK.len()).position(|window| window == MARK.as_bytes())? + MARK.len();
    let rest = &output[start..];
    let line = rest.iter().position(|byte| *byte == b'\n')?;
    let length: usize = std::str::from_utf8(&rest[..line]).ok()?.parse().ok()?;
    rest[line + 1..].get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreters::Origin;

    fn interpreter(language: Language, program: &str) -> Interpreter {
        Interpreter { language, version: (3, 9, 1), program: program.into(), prefix: None, origin: Origin::System }
    }

    #[test]
    fn warnings_around_the_byte_code_are_no_part_of_it() {
        let output = b"Could not find platform libraries\nfungraph byte code 4\na\nb\nException ignored";
        assert_eq!(printed(output), Some(&b"a\nb\n"[..]));
        for bad in [&b""[..], b"a\nb\n", b"fungraph byte code 9\nshort", b"fungraph byte code x\nabc"] {
            assert_eq!(printed(bad), None);
        }
    }

    #[test]
    fn first_one_makes_it_for_all() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("bootstrap-3.8.0-1.pyc"), "old").expect("it is written");
        fs::write(folder.path().join("bootstrap.py"), "text").expect("it is written");
        let code = ByteCode::new(folder.path()).expect("a folder");
        let (one, other) = (interpreter(Language::Python, "/a/python"), interpreter(Language::Python, "/b/python"));
        assert_eq!(code.find(&interpreter(Language::NodeJs, "/a/node")), Found::Text);
        assert_eq!((code.find(&one), code.find(&one), code.find(&other)), (Found::Make, Found::Text, Found::Make));
        code.keep(&one, b"code").expect("it is kept");
        let Found::File(name) = code.find(&one) else { panic!("it was kept") };
        assert_eq!(fs::read(folder.path().join(&name)).expect("it is there"), b"code");
        assert_eq!(code.find(&other), Found::Text);
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        assert_eq!(names, [name.as_str(), "bootstrap.py"]);
    }
}
