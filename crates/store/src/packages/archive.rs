//! From uploaded bytes to a tree: one file for inline code and jars, an unpacked archive for the rest.

use std::io::{Cursor, Write};
use std::path::Path;

use fungraph_model::{CodePackage, CodeType};
use memchr::memmem;
use zip::ZipArchive;

use super::error::{during, fault};
use super::name::Name;
use super::{PackageError, PackageLimits, disk, plan, unpack};

/// An archive in memory: it came in one request and is not larger than a request may be.
pub(super) type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Fills the empty folder `tree`.
///
/// # Errors
/// [`PackageError::Refused`], or what the file system said; the tree then holds a part and must go.
pub(super) fn lay_out(
    package: &CodePackage,
    bytes: &[u8],
    tree: &Path,
    limits: &PackageLimits,
) -> Result<(), PackageError> {
    match package.code_type {
        CodeType::Inline => one_file(&package.filename, bytes, tree),
        CodeType::Zip => unpack::unpack(&mut open(bytes, limits)?, bytes.len(), tree, limits),
        // Images are kept elsewhere; nobody puts one here.
        CodeType::Image => Err(fault::archive("it is a container image")),
        CodeType::Jar => {
            let mut archive = open(bytes, limits)?;
            if is_jar(&archive) {
                return one_file(&jar_name(&package.filename), bytes, tree);
            }
            unpack::unpack(&mut archive, bytes.len(), tree, limits)
        }
    }
}

/// Checks what a dependency may not hold and other code may: names that end in `~`, which editors give to what they keep
/// of the past.
///
/// # Errors
/// [`PackageError::Refused`] naming the entry.
pub(super) fn check_dependency(bytes: &[u8], limits: &PackageLimits) -> Result<(), PackageError> {
    let archive = open(bytes, limits)?;
    // A name that cannot be read is refused with all other rules.
    let mut names = archive.file_names().flatten();
    match names.find(|name| name.trim_end_matches('/').ends_with('~')) {
        Some(name) => {
            let why = "has a name that ends in '~', which no entry of a dependency may have; leave it out";
            Err(fault::entry(&name, why))
        }
        None => Ok(()),
    }
}

/// Opens an archive once it is known not to list more entries than memory should hold.
fn open<'a>(bytes: &'a [u8], limits: &PackageLimits) -> Result<Archive<'a>, PackageError> {
    if signatures(bytes) > limits.entries && listed(bytes).is_none_or(|entries| entries > limits.entries as u64) {
        return Err(plan::too_many(limits));
    }
    let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| plan::unreadable(&e))?;
    if archive.len() > limits.entries { Err(plan::too_many(limits)) } else { Ok(archive) }
}

/// Upper bound of the entries any reader could find: each starts with this signature. Archives stored inside the
/// archive count too, so a high number alone proves nothing.
fn signatures(bytes: &[u8]) -> usize {
    memmem::find_iter(bytes, b"PK\x01\x02").count()
}

/// Entries by the end record, if that closes the file and the directory ends where the record starts: then the
/// reader uses this record and no other. `None` for ZIP64 too, which a package of this size needs for nothing but
/// more than 65,534 entries.
fn listed(bytes: &[u8]) -> Option<u64> {
    let end = memmem::rfind(bytes, b"PK\x05\x06")?;
    let record = bytes.get(end..end + 22)?;
    let two = |at: usize| u64::from(u16::from_le_bytes([record[at], record[at + 1]]));
    let four = |at: usize| two(at) | two(at + 2) << 16;
    let (entries, size, start, comment) = (two(10), four(12), four(16), two(20));
    let closes = end as u64 + 22 + comment == bytes.len() as u64 && start + size == end as u64;
    (closes && entries < 0xFFFF).then_some(entries)
}

/// A jar has a manifest; without one, the archive holds jars or classes that must lie in the class path themselves.
fn is_jar(archive: &Archive<'_>) -> bool {
    archive.index_for_name_raw(b"META-INF/MANIFEST.MF").is_some()
}

/// The class path takes every `*.jar` of the tree, so a jar must be called one.
fn jar_name(filename: &str) -> String {
    match filename {
        "" => "function.jar".to_owned(),
        name if name.ends_with(".jar") => name.to_owned(),
        name => format!("{name}.jar"),
    }
}

fn one_file(filename: &str, bytes: &[u8], tree: &Path) -> Result<(), PackageError> {
    let name = Name::parse(filename).map_err(|why| fault::filename(filename, &format!("it {why}")))?;
    if name.is_root() || filename.ends_with('/') {
        return Err(fault::filename(filename, "it names no file"));
    }
    let path = name.below(tree);
    if let Some(folder) = path.parent() {
        disk::make_folder(folder).map_err(during("make the folder", folder))?;
    }
    let mode = if name.is_bootstrap() { 0o755 } else { 0o644 };
    let written = disk::create_file(&path, mode).and_then(|mut file| file.write_all(bytes));
    written.map_err(during("write", &path))
}
