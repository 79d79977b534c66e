//! What unpacked code takes of the disk, beside the packages that it came in.

use std::fs;
use std::io;
use std::path::Path;

use fungraph_model::{CodePackage, Digest};

use super::error::during;
use super::{MERGED, PackageError, Shelf, disk, tree_name};

/// What a name takes in its folder at most.
const NAME: u64 = 256;

/// A folder of unpacked code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tree {
    digest: String,
    name: String,
}

impl Tree {
    /// What a package is unpacked to.
    #[must_use]
    pub fn of(package: &CodePackage) -> Self {
        Self { digest: package.digest.0.clone(), name: tree_name(package.code_type, &package.filename) }
    }

    /// What code and dependencies were merged into.
    #[must_use]
    pub fn merged(digest: &Digest) -> Self {
        Self { digest: digest.0.clone(), name: MERGED.to_owned() }
    }
}

impl Shelf {
    /// Counted once, and noted beside the folder, which never changes. A note that a crash cut short is none; a folder that is gone takes
    /// nothing.
    pub(super) fn takes(&self, tree: &Tree) -> Result<u64, PackageError> {
        let home = self.home(&tree.digest);
        let note = home.join(format!("{}.bytes", tree.name));
        let noted = fs::read_to_string(&note).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
        if let Some(noted) = noted {
            return Ok(noted);
        }
        let folder = home.join(&tree.name);
        match measure(&folder, tree.name == MERGED) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            measured => {
                let bytes = measured.map_err(during("measure", &folder))?;
                // Without it, it is only counted again.
                _ = fs::write(&note, format!("{bytes}\n"));
                Ok(bytes)
            }
        }
    }
}

/// Whole blocks, and one for whatever is empty, as it takes a place in the file system too. The files of a merged folder are second names
/// of files that are counted already, but for copies.
fn measure(folder: &Path, is_merged: bool) -> io::Result<u64> {
    let of_file = |about: &fs::Metadata| {
        use std::os::unix::fs::MetadataExt as _;
        if is_merged && about.nlink() > 1 { NAME } else { disk::blocks(about.len()) }
    };
    disk::sum(folder, &of_file)
}
