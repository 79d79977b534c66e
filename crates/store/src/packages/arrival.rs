//! A package on its way from elsewhere: written piece by piece where it can be renamed into place, with its digest and its length.

use std::fs::File;
use std::io::{BufReader, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use fungraph_model::Digest;
use sha2::{Digest as _, Sha512};

use super::error::{during, fault};
use super::source::Source;
use super::{PACKAGE, PackageError, disk, hex};

/// What has come so far. It goes when this is dropped, unless it was kept.
#[derive(Debug)]
pub struct Arrival {
    staging: disk::Staging,
    file: File,
    hash: Sha512,
    size: u64,
    most: u64,
}

impl Arrival {
    pub(super) fn new(root: &Path, most: u64) -> Result<Self, PackageError> {
        let staging = disk::Staging::new(root).map_err(during("make a folder in", root))?;
        let path = staging.path().join(PACKAGE);
        let file = disk::create_file(&path, 0o600).map_err(during("make", &path))?;
        Ok(Self { staging, file, hash: Sha512::new(), size: 0, most })
    }

    /// How many bytes came.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether so many bytes may come.
    ///
    /// # Errors
    /// FSS.1071.
    pub fn check_size(&self, size: u64) -> Result<(), PackageError> {
        if size > self.most { Err(fault::fetched_too_large(self.most)) } else { Ok(()) }
    }

    /// Adds what comes next. A piece is what the network gives at once, so this takes no longer than a copy.
    ///
    /// # Errors
    /// FSS.1071 where it is more than may come, or what the file system said.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), PackageError> {
        self.size += piece.len() as u64;
        self.check_size(self.size)?;
        self.hash.update(piece);
        self.file.write_all(piece).map_err(during("write", &self.path()))
    }

    /// Forgets what came, for a second try.
    ///
    /// # Errors
    /// What the file system said.
    pub fn restart(&mut self) -> Result<(), PackageError> {
        (self.hash, self.size) = (Sha512::new(), 0);
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(during("write", &self.path()))
    }

    /// All that came, to be read.
    pub(super) fn source(&self) -> Result<Source<'static>, PackageError> {
        let path = self.path();
        File::open(&path).map(|file| Source::File(BufReader::new(file))).map_err(during("read", &path))
    }

    /// Brings it to disk: the folder it is in, its length, its digest.
    pub(super) fn close(self) -> Result<(disk::Staging, u64, Digest), PackageError> {
        self.file.sync_all().map_err(during("bring to disk", &self.path()))?;
        Ok((self.staging, self.size, Digest(hex(&self.hash.finalize()))))
    }

    fn path(&self) -> PathBuf {
        self.staging.path().join(PACKAGE)
    }
}
