//! Writing a planned archive into an empty folder of our own.
//!
//! Links are made last: while files are written the tree holds none, so nothing can be written through one. Sizes are
//! counted as bytes are written; what the archive says about itself is only compared with them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

use zip::result::ZipError;

use super::archive::Archive;
use super::error::{during, fault};
use super::plan::{self, Kind, Step};
use super::settling::Settling;
use super::{PackageError, PackageLimits, disk};

const CHUNK: usize = 256 << 10;

/// Unpacks all entries.
///
/// # Errors
/// [`PackageError::Refused`], or what the file system said; the tree then holds a part and must go.
pub(super) fn unpack(
    archive: &mut Archive<'_>,
    packed: u64,
    tree: &Path,
    limits: &PackageLimits,
) -> Result<(), PackageError> {
    let steps = plan::plan(archive, limits)?;
    let mut meter = Meter { written: 0, packed, limits };
    let mut chunk = vec![0; CHUNK];
    for step in &steps {
        let path = step.name.below(tree);
        let folder = if step.kind == Kind::Folder { Some(path.as_path()) } else { path.parent() };
        if let Some(folder) = folder {
            disk::make_folder(folder).map_err(during("make the folder", folder))?;
        }
        if let Kind::File { executable } = step.kind {
            let mode = if executable { 0o755 } else { 0o644 };
            let file = disk::create_file(&path, mode).map_err(during("make", &path))?;
            copy(archive, step, &file, &path, &mut meter, &mut chunk)?;
        }
    }
    for step in &steps {
        if let Kind::Link { target } = &step.kind {
            let path = step.name.below(tree);
            symlink(target, &path).map_err(during("make the link", &path))?;
        }
    }
    Ok(())
}

fn copy(
    archive: &mut Archive<'_>,
    step: &Step,
    file: &File,
    path: &Path,
    meter: &mut Meter<'_>,
    chunk: &mut [u8],
) -> Result<(), PackageError> {
    let name = step.name.to_string();
    let mut entry = archive.by_index(step.index).map_err(|e| plan::damaged(&name, &e))?;
    let mut length = 0;
    std::thread::scope(|scope| {
        let mut settling = Settling::new(scope, file);
        loop {
            let read = entry.read(chunk).map_err(|e| plan::damaged(&name, &ZipError::Io(e)))?;
            if read == 0 {
                return settling.end().map_err(during("bring to disk", path));
            }
            meter.count(read as u64, &name)?;
            length += read as u64;
            settling.write(&chunk[..read]).map_err(during("write", path))?;
        }
    })?;
    if length != entry.size() {
        return Err(fault::entry(&name, "is not as long as the archive says; pack and upload it again"));
    }
    Ok(())
}

/// Counts what was really unpacked, against both limits.
struct Meter<'a> {
    written: u64,
    packed: u64,
    limits: &'a PackageLimits,
}

impl Meter<'_> {
    fn count(&mut self, bytes: u64, name: &str) -> Result<(), PackageError> {
        self.written += bytes;
        if self.written > self.limits.unpacked_bytes {
            let most = self.limits.unpacked_bytes;
            let why = format!("brings the unpacked code over {most} bytes; leave out what the function does not need");
            return Err(fault::entry(name, &why));
        }
        if self.written > self.limits.ratio_floor && self.written / self.limits.ratio > self.packed {
            let why = format!(
                "brings the unpacked code over {} times the size of the archive, as in a zip bomb; leave it out",
                self.limits.ratio
            );
            return Err(fault::entry(name, &why));
        }
        Ok(())
    }
}
