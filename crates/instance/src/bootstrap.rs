//! Which bootstrap speaks the protocol for which language, and how it is started.

use fungraph_model::Language;

use crate::Interpreter;

/// Where bootstraps appear inside a sandbox (`RUNTIME_ROOT`, contract: runtimes.md section 2).
pub(crate) const RUNTIME_ROOT: &str = "/home/snuser/runtime";

/// A bootstrap's one file and its way to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bootstrap {
    /// File name below [`RUNTIME_ROOT`].
    pub(crate) file: &'static str,
    /// Its text, compiled in.
    pub(crate) text: &'static str,
    /// Arguments between the interpreter and the file.
    flags: &'static [&'static str],
}

static PYTHON: Bootstrap = Bootstrap {
    file: "bootstrap.py",
    text: include_str!("../../../runtimes/python/bootstrap.py"),
    // No byte code is written: the code folder is read-only. No user site: there is no home to look in.
    flags: &["-B", "-s"],
};

static NODEJS: Bootstrap =
    Bootstrap { file: "bootstrap.js", text: include_str!("../../../runtimes/nodejs/bootstrap.js"), flags: &[] };

static PHP: Bootstrap = Bootstrap {
    file: "bootstrap.php",
    text: include_str!("../../../runtimes/php/bootstrap.php"),
    // What the host's php.ini may set and a script cannot take back.
    flags: &[
        "-d",
        "auto_prepend_file=",
        "-d",
        "auto_append_file=",
        "-d",
        "open_basedir=",
        "-d",
        "memory_limit=-1",
        "-d",
        "disable_functions=",
        "-d",
        "disable_classes=",
    ],
};

impl Bootstrap {
    /// Every bootstrap there is.
    pub(crate) fn all() -> [&'static Self; 3] {
        [&PYTHON, &NODEJS, &PHP]
    }

    /// The bootstrap of a language; `None` where none is built yet.
    pub(crate) fn of(language: Language) -> Option<&'static Self> {
        match language {
            Language::Python => Some(&PYTHON),
            Language::NodeJs => Some(&NODEJS),
            Language::Php => Some(&PHP),
            _ => None,
        }
    }

    /// The command line inside the sandbox; `file` is [`Self::file`] or what was made of it.
    pub(crate) fn args(&self, interpreter: &Interpreter, file: &str) -> Vec<String> {
        let program = interpreter.program.to_string_lossy().into_owned();
        let flags = self.flags.iter().map(|flag| (*flag).to_owned());
        std::iter::once(program).chain(flags).chain([format!("{RUNTIME_ROOT}/{file}")]).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::PHP;

    #[test]
    fn a_php_ini_that_forbids_functions_does_not_forbid_them_here() {
        let folder = tempfile::tempdir().expect("a folder");
        let ini = folder.path().join("php.ini");
        fs::write(&ini, "disable_functions = putenv, ini_set, ob_start\n").expect("it is ours");
        let run = |flags: &[&str]| {
            let mut php = Command::new("php");
            php.arg("-c").arg(&ini).args(flags).args(["-r", "echo (int) function_exists('putenv');"]);
            String::from_utf8(php.output().expect("php is installed").stdout).expect("a digit")
        };
        assert_eq!((run(&[]).as_str(), run(PHP.flags).as_str()), ("0", "1"));
    }
}
