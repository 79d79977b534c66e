//! Names inside a code package: which may become a path below the tree.

use std::fmt;
use std::path::{Path, PathBuf};

/// Longest part Linux file systems take, in bytes.
const PART_BYTES: usize = 255;
/// Longest name, in bytes: paths end at 4,096 (PATH_MAX), and the folders above the tree need some of that.
const NAME_BYTES: usize = 3072;
/// Most parts. Real packages stay far below; without a limit one name could ask for 1,500 folders.
pub(super) const MOST_PARTS: usize = 128;

/// A relative path of plain parts: none is empty, `.` or `..`, none holds NUL, `/` or `\`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name(Vec<String>);

impl Name {
    /// Reads a name with `/` between parts; `.` parts and doubled slashes are dropped, as tools write both.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the name.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > NAME_BYTES {
            return Err("has a name of more than 3072 bytes; shorten it");
        }
        if text.contains('\0') {
            return Err("has a NUL character in its name; rename it");
        }
        if text.contains('\\') {
            return Err("has a backslash in its name; pack again with forward slashes between folders");
        }
        if text.starts_with('/') || has_drive(text) {
            return Err("has an absolute name; pack with names relative to the code folder");
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err("leads out of the code folder with '..'; pack with names relative to the code folder");
        }
        if parts.len() > MOST_PARTS {
            return Err("lies more than 128 folders deep; pack it with fewer folders");
        }
        if parts.iter().any(|part| part.len() > PART_BYTES) {
            return Err("has a part of more than 255 bytes in its name; shorten it");
        }
        Ok(Self(parts.into_iter().map(str::to_owned).collect()))
    }

    /// Whether the name means the code folder itself.
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts from the code folder down.
    pub(super) fn parts(&self) -> &[String] {
        &self.0
    }

    /// The parts of each folder above, nearest first, without the code folder itself.
    pub(super) fn parents(&self) -> impl Iterator<Item = &[String]> {
        (1..self.0.len()).rev().map(|n| &self.0[..n])
    }

    /// The path below `tree`.
    pub(super) fn below(&self, tree: &Path) -> PathBuf {
        self.0.iter().fold(tree.to_owned(), |path, part| path.join(part))
    }

    /// The name of the start file of a custom runtime.
    pub(super) fn is_bootstrap(&self) -> bool {
        matches!(self.0.as_slice(), [only] if only == "bootstrap")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// `C:` at the start is a place of its own where archives for Windows come from.
fn has_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}
