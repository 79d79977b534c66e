//! From uploaded bytes to a tree: one file for inline code and jars, an unpacked archive for the rest.

use std::io::{self, Write};
use std::path::Path;

use fungraph_model::CodeType;
use memchr::memmem;
use zip::ZipArchive;
use zip::result::ZipError;

use super::error::{during, fault};
use super::name::Name;
use super::source::Source;
use super::{PackageError, PackageLimits, disk, layout, plan, unpack};

/// An archive: in memory where it came in a request, a file where it was fetched.
pub(super) type Archive<'a> = ZipArchive<Source<'a>>;

/// What is laid out: all of a package but its digest, which may not be known yet.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) code_type: CodeType,
    pub(super) filename: &'a str,
    pub(super) size: u64,
    pub(super) source: Source<'a>,
}

/// Fills the empty folder `tree`.
///
/// # Errors
/// [`PackageError::Refused`], or what the file system said; the tree then holds a part and must go.
pub(super) fn lay_out(content: Content<'_>, tree: &Path, limits: &PackageLimits) -> Result<(), PackageError> {
    let Content { code_type, filename, size, source } = content;
    match layout(code_type, filename) {
        CodeType::Inline => one_file(filename, source, tree),
        CodeType::Zip | CodeType::Object => unpack::unpack(&mut open(source, limits)?, size, tree, limits),
        // Images are kept elsewhere; nobody puts one here.
        CodeType::Image => Err(fault::archive("it is a container image")),
        CodeType::Jar => {
            let mut archive = open(source, limits)?;
            if is_jar(&archive) {
                return one_file(&jar_name(filename), archive.into_inner(), tree);
            }
            unpack::unpack(&mut archive, size, tree, limits)
        }
    }
}

/// Checks what a dependency may not hold and other code may: names that end in `~`, which editors give to what they keep
/// of the past.
///
/// # Errors
/// [`PackageError::Refused`] naming the entry.
pub(super) fn check_dependency(source: Source<'_>, limits: &PackageLimits) -> Result<(), PackageError> {
    let archive = open(source, limits)?;
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
pub(super) fn open<'a>(mut source: Source<'a>, limits: &PackageLimits) -> Result<Archive<'a>, PackageError> {
    let unreadable = |error| plan::unreadable(&ZipError::Io(error));
    if signatures(&mut source).map_err(unreadable)? > limits.entries
        && listed(&mut source).map_err(unreadable)?.is_none_or(|entries| entries > limits.entries as u64)
    {
        return Err(plan::too_many(limits));
    }
    let archive = ZipArchive::new(source).map_err(|e| plan::unreadable(&e))?;
    if archive.len() > limits.entries { Err(plan::too_many(limits)) } else { Ok(archive) }
}

/// Upper bound of the entries any reader could find: each starts with this signature. Archives stored inside the
/// archive count too, so a high number alone proves nothing.
fn signatures(source: &mut Source<'_>) -> io::Result<usize> {
    let mut found = 0;
    source.scan(3, |bytes| {
        found += memmem::find_iter(bytes, b"PK\x01\x02").count();
        Ok(())
    })?;
    Ok(found)
}

/// Bytes of the end record without its comment, and the longest comment.
const END: u64 = 22;
const COMMENT: u64 = 0xFFFF;

/// Entries by the end record, if that closes the file and the directory ends where the record starts: then the
/// reader uses this record and no other. `None` for ZIP64 too, which a package of this size needs for nothing but
/// more than 65,534 entries.
fn listed(source: &mut Source<'_>) -> io::Result<Option<u64>> {
    let (tail, length) = source.tail(END + COMMENT)?;
    let Some(end) = memmem::rfind(&tail, b"PK\x05\x06") else { return Ok(None) };
    let Some(record) = tail.get(end..end + END as usize) else { return Ok(None) };
    let two = |at: usize| u64::from(u16::from_le_bytes([record[at], record[at + 1]]));
    let four = |at: usize| two(at) | two(at + 2) << 16;
    let (entries, size, start, comment) = (two(10), four(12), four(16), two(20));
    let at = length - tail.len() as u64 + end as u64;
    let closes = at + END + comment == length && start + size == at;
    Ok((closes && entries < 0xFFFF).then_some(entries))
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

fn one_file(filename: &str, mut source: Source<'_>, tree: &Path) -> Result<(), PackageError> {
    let name = Name::parse(filename).map_err(|why| fault::filename(filename, &format!("it {why}")))?;
    if name.is_root() || filename.ends_with('/') {
        return Err(fault::filename(filename, "it names no file"));
    }
    let path = name.below(tree);
    if let Some(folder) = path.parent() {
        disk::make_folder(folder).map_err(during("make the folder", folder))?;
    }
    let mode = if name.is_bootstrap() { 0o755 } else { 0o644 };
    let written = disk::create_file(&path, mode).and_then(|mut file| source.scan(0, |bytes| file.write_all(bytes)));
    written.map_err(during("write", &path))
}
