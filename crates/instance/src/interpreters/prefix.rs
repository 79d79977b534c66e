//! The folder that belongs to an interpreter and nothing else, to be brought into the sandbox.

use std::path::{Path, PathBuf};

use fungraph_model::Language;

use super::kind::Kind;
use super::program::Program;
use crate::java;

/// Why an interpreter cannot be brought into a sandbox.
pub(super) type Objection = &'static str;

/// The prefix of a program: the folder above its `bin`, which holds its library too, a shared one included.
///
/// `Ok(None)` below `/usr`: the sandbox has the host's `/usr`. Everything else of the prefix becomes readable to
/// functions, so it has to look like an installation and must not be a home folder, or hold one.
pub(super) fn of(program: &Program, kind: &Kind, homes: &[PathBuf]) -> Result<Option<PathBuf>, Objection> {
    if program.path.starts_with("/usr") {
        return Ok(None);
    }
    let folder = program.path.parent();
    let mut prefix = folder.filter(|bin| bin.ends_with("bin")).and_then(Path::parent);
    if kind.language == Language::CSharp {
        // It lies at the top of its installation.
        prefix = folder;
    }
    if kind.language == Language::Java && prefix.is_some() {
        prefix = Some(java::home(&program.path));
    }
    let prefix = prefix.ok_or("it does not lie in the bin folder of an installation")?;
    if prefix.parent().is_none() || homes.iter().any(|home| is_personal(prefix, home)) {
        return Err("functions would see the home folder it lies in; install it in a folder of its own");
    }
    let complete = kind.landmarks.iter().any(|mark| prefix.join(mark.replace("{program}", &program.name)).exists());
    if complete {
        Ok(Some(prefix.to_path_buf()))
    } else {
        Err("its library does not lie beside it; install it in a folder of its own")
    }
}

/// Whether a prefix holds what is private: the home itself, a folder above it, or `~/.local`, where all programs put their data.
fn is_personal(prefix: &Path, home: &Path) -> bool {
    let home = home.canonicalize().unwrap_or_else(|_| home.to_path_buf());
    home.starts_with(prefix) || home.join(".local") == prefix
}
