//! A package on its way from elsewhere: written piece by piece where it can be renamed into place, with its digest and its length.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use fungraph_model::Digest;
use sha2::{Digest as _, Sha512};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

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
        Ok(Self { staging, file: File::from_std(file), hash: Sha512::new(), size: 0, most })
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

    /// Adds what comes next.
    ///
    /// # Errors
    /// FSS.1071 where it is more than may come, or what the file system said.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), PackageError> {
        self.size += piece.len() as u64;
        self.check_size(self.size)?;
        self.hash.update(piece);
        self.file.write_all(piece).await.map_err(during("write", &self.path()))
    }

    /// Says that all has come: from here on it can be kept.
    ///
    /// # Errors
    /// What the file system said.
    pub async fn end(&mut self) -> Result<(), PackageError> {
        self.file.sync_all().await.map_err(during("bring to disk", &self.path()))
    }

    /// Forgets what came, for a second try.
    ///
    /// # Errors
    /// What the file system said.
    pub async fn restart(&mut self) -> Result<(), PackageError> {
        (self.hash, self.size) = (Sha512::new(), 0);
        let path = self.path();
        let failed = during("write", &path);
        self.file.rewind().await.map_err(&failed)?;
        self.file.set_len(0).await.map_err(failed)
    }

    /// All that came, to be read.
    pub(super) fn source(&self) -> Result<Source<'static>, PackageError> {
        let path = self.path();
        std::fs::File::open(&path).map(|file| Source::File(BufReader::new(file))).map_err(during("read", &path))
    }

    /// The folder it is in, its length, its digest.
    pub(super) fn into_parts(self) -> (disk::Staging, u64, Digest) {
        (self.staging, self.size, Digest(hex(&self.hash.finalize())))
    }

    fn path(&self) -> PathBuf {
        self.staging.path().join(PACKAGE)
    }
}
