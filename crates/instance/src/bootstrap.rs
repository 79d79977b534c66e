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
    flags: &["-d", "auto_prepend_file=", "-d", "auto_append_file=", "-d", "open_basedir=", "-d", "memory_limit=-1"],
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
