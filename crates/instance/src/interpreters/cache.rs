//! Answers of programs, kept in a file so that the next start asks nothing.
//!
//! An answer belongs to a state of a file (path, inode, time, size), so an upgrade is noticed and nothing has to expire.
//! The file is only ever a shortcut: one that cannot be read or written is as good as none.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Version;
use super::program::Identity;

/// Format of the file; another number is read as an empty cache.
const FORMAT: u32 = 1;

#[derive(serde::Serialize, serde::Deserialize)]
struct Stored {
    format: u32,
    programs: Vec<Entry>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Entry {
    #[serde(flatten)]
    program: Identity,
    version: Version,
}

/// The answers, and those of them that still matter.
#[derive(Debug)]
pub(super) struct Cache {
    path: Option<PathBuf>,
    known: HashMap<Identity, Version>,
    used: HashMap<Identity, Version>,
    changed: bool,
}

impl Cache {
    pub(super) fn read(path: Option<&Path>) -> Self {
        let stored = path.and_then(|path| fs::read(path).ok()).and_then(|text| serde_json::from_slice(&text).ok());
        let known = stored
            .filter(|stored: &Stored| stored.format == FORMAT)
            .into_iter()
            .flat_map(|stored| stored.programs)
            .map(|entry| (entry.program, entry.version))
            .collect();
        Self { path: path.map(Path::to_path_buf), known, used: HashMap::new(), changed: false }
    }

    /// The version of a program, asked from it only where no earlier answer fits.
    pub(super) fn version<E>(
        &mut self,
        program: Identity,
        ask: impl FnOnce() -> Result<Version, E>,
    ) -> Result<Version, E> {
        let version = match self.known.get(&program) {
            Some(version) => *version,
            None => {
                self.changed = true;
                ask()?
            }
        };
        self.used.insert(program, version);
        Ok(version)
    }

    /// Writes the answers that were used, if they differ from the file's.
    pub(super) fn write(self) {
        let Some(path) = self.path.as_deref().filter(|_| self.changed || self.used.len() != self.known.len()) else {
            return;
        };
        if let Err(error) = replace(path, self.used) {
            tracing::debug!(%error, "the versions of interpreters could not be kept for the next start");
        }
    }
}

fn replace(path: &Path, used: HashMap<Identity, Version>) -> io::Result<()> {
    let mut programs: Vec<Entry> = used.into_iter().map(|(program, version)| Entry { program, version }).collect();
    programs.sort_by(|a, b| a.program.path.cmp(&b.program.path));
    let text = serde_json::to_vec_pretty(&Stored { format: FORMAT, programs })?;
    let new = path.with_extension(format!("{}.new", std::process::id()));
    // Never through a link or into an existing file: the folder belongs to the unprivileged server, we may be root.
    let result = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(&text))
        .and_then(|()| fs::rename(&new, path));
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result
}
