//! Interpreters of this host: where they live, which version each has, and which one a runtime name means.
//!
//! People keep interpreters in pyenv, nvm, uv, `/opt` or a home folder, behind shims that are scripts. A sandbox needs
//! the real program and the folder that belongs to it, so discovery looks where the version managers put their
//! installations and takes nothing but ELF files. It reads no environment variable: where to look is a [`SearchPlan`].

mod ask;
mod cache;
mod choose;
mod find;
mod gson;
mod image;
mod kind;
mod places;
mod prefix;
mod program;
mod version;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fungraph_model::{Language, Runtime};

pub use choose::Unavailable;
pub use image::{Candidate, InImage, Unfit};
pub use places::{Origin, SearchPlan};

/// Major, minor and patch of an interpreter.
pub type Version = (u16, u16, u16);

/// One interpreter of this host, old enough and readable enough to run functions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interpreter {
    /// What it interprets.
    pub language: Language,
    /// Its version.
    pub version: Version,
    /// The real ELF file, canonical: no link, no shim.
    pub program: PathBuf,
    /// Folder with `bin` and `lib` to bring into the sandbox; `None` where the program is below `/usr`, which is there anyway.
    pub prefix: Option<PathBuf>,
    /// The file that its bootstrap needs beside it: Gson for Java, the compiler for .NET. `None` where it needs none, or this host has
    /// none.
    pub library: Option<PathBuf>,
    /// What led to it.
    pub origin: Origin,
    /// The image that it is in, where it is none of the host's; `program` is a path inside then.
    pub image: Option<Arc<InImage>>,
}

/// Name and version, such as `Python 3.11.2`.
impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        match self.language {
            Language::Custom => f.write_str("programs of their own"),
            language => write!(f, "{} {major}.{minor}.{patch}", language.title()),
        }
    }
}

impl Interpreter {
    /// Folders and files of it that a sandbox has to have, each where it is on the host: the prefix. Of .NET only what runs functions: its
    /// folder is also where programs of its owner keep their certificates and tools.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        match (&self.prefix, self.language) {
            (None, _) => Vec::new(),
            (Some(prefix), Language::CSharp) => ["dotnet", "host", "shared"].map(|part| prefix.join(part)).into(),
            (Some(prefix), _) => vec![prefix.clone()],
        }
    }
}

/// What a runtime name means on this host.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The interpreter to run.
    pub interpreter: Arc<Interpreter>,
    /// Whether it is of the very series that the name asks for.
    pub exact: bool,
}

/// Every usable interpreter of this host, and those of images that stand in for them.
#[derive(Clone, Debug, Default)]
pub struct Interpreters {
    all: Vec<Arc<Interpreter>>,
    notes: Vec<String>,
    /// Runtimes that the operator has given an image.
    assigned: HashMap<Runtime, Arc<Interpreter>>,
    /// The library of Java's bootstrap.
    gson: Option<PathBuf>,
    /// The newest toolchain of Go.
    go: Option<Arc<Interpreter>>,
}

impl Interpreters {
    /// Looks for interpreters in all places of `plan`.
    ///
    /// A version that no file tells is asked from the program itself, which takes milliseconds; the answers are kept in
    /// the file `cache`, so that the next start asks nothing. Nothing here fails: what cannot be used becomes a note.
    #[must_use]
    pub fn discover(plan: &SearchPlan, cache: Option<&Path>) -> Self {
        find::all(plan, cache)
    }

    /// All of them, by language and then newest first.
    #[must_use]
    pub fn all(&self) -> &[Arc<Interpreter>] {
        &self.all
    }

    /// One sentence for each program that was found and is not used.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The interpreter for a runtime name: the same series, else the next higher, else the next lower, never across a
    /// generation.
    ///
    /// A **series** is what its makers replace in place, and a **generation** what they broke with: for Python the
    /// series is major.minor and the generation the major, so Python2.7 never runs on Python 3. Node.js numbers
    /// differently: its series is the major (18 for `Node.js18.15`), every one runs the code of the ones before it
    /// with few exceptions, and all of them are one generation. So `Node.js18.15` runs on Node.js 20 where that is
    /// what the host has. Java's numbers are such a series too, and .NET's with
    /// its minor. Within a series the newest is taken.
    ///
    /// A runtime that was given an image has the interpreter of that and no other.
    ///
    /// # Errors
    /// No interpreter of that generation, or `strict` and none of the very series, or a library is missing.
    pub fn choose(&self, runtime: Runtime, strict: bool) -> Result<Choice, Unavailable> {
        match self.assigned.get(&runtime) {
            Some(own) => Ok(Choice { interpreter: Arc::clone(own), exact: choose::is_exact(runtime, own) }),
            None => choose::choose(&self.all, runtime, strict),
        }
    }

    /// What compiles functions of a runtime: what runs them, but for Go, whose programs nothing else runs. `None` where this host has
    /// nothing that does.
    #[must_use]
    pub fn compiler(&self, runtime: Runtime, strict: bool) -> Option<Arc<Interpreter>> {
        match runtime.language() {
            Language::Go => self.go.clone(),
            _ => Some(self.choose(runtime, strict).ok()?.interpreter),
        }
    }
}
