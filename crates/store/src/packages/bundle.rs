//! Archives of a few entries, each known by its name: what an exported function is in. They are read without laying anything out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use fungraph_model::CodePackage;
use tokio::time::timeout;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::error::{during, fault};
use super::source::Source;
use super::{PackageError, PackageLimits, Packages, Shelf, archive, disk, plan};
use crate::images::turns::{Turn, Turns};

/// Archives of one name at a time that are written and downloaded, and of those that are read.
const AT_ONCE: usize = 2;
/// How long another one waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Entries that an archive may have at all, ours or not.
const ENTRIES: usize = 64;

/// An entry to write.
#[derive(Clone, Debug)]
pub enum Bundled {
    /// These bytes.
    Bytes(Bytes),
    /// A package as it was uploaded.
    Package(CodePackage),
}

impl Packages {
    /// Writes an archive into a file that has no name any more: it goes when it is closed. It takes disk as long as somebody reads it, so
    /// each of `name` has two at a time, for which it has the turn that comes along.
    ///
    /// # Errors
    /// [`PackageError::Busy`] where it has two for longer than anybody waits; [`PackageError::Missing`] where a package is gone, or what the
    /// file system said.
    pub async fn bundle(&self, name: &str, entries: Vec<(String, Bundled)>) -> Result<(File, Turn), PackageError> {
        let turn = turn(&self.shelf.bundles, name).await?;
        let file = self.blocking(move |shelf| shelf.bundle(entries)).await?;
        Ok((file, turn))
    }

    /// Reads an archive of entries with these names, each no longer than its number of bytes. What it has not is not there. A small archive
    /// may hold large entries, so each of `name` has two of them in memory at a time, for which it has the turn that comes along.
    ///
    /// # Errors
    /// FSS.1011 where it is no archive, has other entries, or one that is no file or longer than it may be; [`PackageError::Busy`] where it
    /// has two for longer than anybody waits.
    pub async fn read_bundle(
        &self,
        name: &str,
        bytes: Bytes,
        known: &'static [(&'static str, u64)],
    ) -> Result<(BTreeMap<&'static str, Bytes>, Turn), PackageError> {
        let turn = turn(&self.shelf.opened, name).await?;
        let entries = self.blocking(move |shelf| read(&bytes, known, shelf.limits)).await?;
        Ok((entries, turn))
    }
}

async fn turn(turns: &Turns, name: &str) -> Result<Turn, PackageError> {
    timeout(PATIENCE, turns.take(name.to_owned(), AT_ONCE)).await.map_err(|_| PackageError::Busy)
}

impl Shelf {
    fn bundle(&self, entries: Vec<(String, Bundled)>) -> Result<File, PackageError> {
        let staging = disk::Staging::new(&self.root).map_err(during("make a folder in", &self.root))?;
        let path = staging.path().join("bundle");
        let failed = during("write", &path);
        disk::create_file(&path, 0o600).map_err(&failed)?;
        let file = File::options().read(true).write(true).open(&path).map_err(&failed)?;
        let mut writer = ZipWriter::new(file);
        for (name, entry) in entries {
            match entry {
                Bundled::Bytes(bytes) => {
                    writer.start_file(name, options(CompressionMethod::Deflated)).map_err(|e| failed(e.into()))?;
                    writer.write_all(&bytes).map_err(&failed)?;
                }
                Bundled::Package(package) => {
                    let path = self.package(&package.digest);
                    let mut from = File::open(&path).map_err(|e| self.unreadable(&package, e))?;
                    // Archives do not shrink when they are packed again.
                    writer.start_file(name, options(CompressionMethod::Stored)).map_err(|e| failed(e.into()))?;
                    io::copy(&mut from, &mut writer).map_err(&failed)?;
                }
            }
        }
        let mut file = writer.finish().map_err(|e| failed(e.into()))?;
        file.rewind().map_err(&failed)?;
        Ok(file)
    }
}

/// The same bytes for the same entries, whenever they are written.
fn options(method: CompressionMethod) -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(method).unix_permissions(0o644)
}

fn read(
    bytes: &Bytes,
    known: &'static [(&'static str, u64)],
    limits: PackageLimits,
) -> Result<BTreeMap<&'static str, Bytes>, PackageError> {
    let mut archive = archive::open(Source::of(bytes), &PackageLimits { entries: ENTRIES, ..limits })?;
    let mut found = BTreeMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| plan::unreadable(&error))?;
        let shown: String = entry.name().map_err(|error| plan::unreadable(&error))?.into_owned();
        let Some((name, most)) = known.iter().find(|(name, _)| *name == shown) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            return Err(fault::bundle(&format!(
                "it holds '{}', and may hold {}",
                fault::shown(&shown),
                names.join(", ")
            )));
        };
        if !entry.is_file() || entry.is_symlink() {
            return Err(fault::bundle(&format!("its entry {name} is no file")));
        }
        let mut content = Vec::new();
        entry.take(most + 1).read_to_end(&mut content).map_err(|error| plan::damaged(name, &error.into()))?;
        if content.len() as u64 > *most {
            return Err(fault::bundle(&format!("its entry {name} has more than {most} bytes")));
        }
        if found.insert(*name, Bytes::from(content)).is_some() {
            return Err(fault::bundle(&format!("it holds {name} twice")));
        }
    }
    Ok(found)
}
