//! What an archive asks for, checked entry by entry before anything is written.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use zip::result::ZipError;
use zip::{CompressionMethod, System};

use super::archive::Archive;
use super::error::fault;
use super::name::Name;
use super::{PackageError, PackageLimits, links};

const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
/// Longest target of a link, in bytes.
const TARGET_BYTES: u64 = 4096;

/// What one entry becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// A file, executable or not.
    File {
        /// Whether it gets mode 0755 and not 0644.
        executable: bool,
    },
    /// A symbolic link that stays inside.
    Link {
        /// As the archive writes it.
        target: String,
    },
}

/// One entry to lay out.
#[derive(Debug)]
pub(super) struct Step {
    /// Its number in the archive.
    pub(super) index: usize,
    /// Where it goes.
    pub(super) name: Name,
    /// What it becomes.
    pub(super) kind: Kind,
}

/// Reads all entries' headers; the order is that of the archive.
///
/// # Errors
/// [`PackageError::Refused`] naming the first entry that breaks a rule.
pub(super) fn plan(archive: &mut Archive<'_>, limits: &PackageLimits) -> Result<Vec<Step>, PackageError> {
    check_whole(archive, limits)?;
    let mut steps = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        steps.extend(step(archive, index)?);
    }
    check_clashes(&steps)?;
    check_folders(&steps, limits)?;
    check_links(&steps)?;
    if !steps.iter().any(|step| matches!(step.kind, Kind::File { .. })) {
        return Err(fault::archive("it holds no file; put the function's code into it"));
    }
    Ok(steps)
}

fn check_whole(archive: &mut Archive<'_>, limits: &PackageLimits) -> Result<(), PackageError> {
    if archive.len() > limits.entries {
        return Err(too_many(limits));
    }
    if archive.has_duplicate_names() {
        return Err(fault::archive("it holds two entries of the same name; pack it again from a folder"));
    }
    if archive.has_overlapping_entries().map_err(|e| unreadable(&e))? {
        return Err(fault::archive("its entries overlap, as in a zip bomb; pack it again from a folder"));
    }
    Ok(())
}

pub(super) fn too_many(limits: &PackageLimits) -> PackageError {
    fault::archive(&format!(
        "it has more than {} files or folders; leave out what the function does not need",
        limits.entries
    ))
}

fn step(archive: &mut Archive<'_>, index: usize) -> Result<Option<Step>, PackageError> {
    let entry = archive.by_index_data(index).map_err(|e| unreadable(&e))?;
    let text = entry.name().map_err(|e| unreadable(&e))?.into_owned();
    let refuse = |why: &str| Err(fault::entry(&text, why));
    let name = Name::parse(&text).map_err(|why| fault::entry(&text, why))?;
    if entry.encrypted() {
        return refuse("is encrypted; pack it without a password");
    }
    if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
        return refuse("is compressed by a method other than deflate; pack it again with deflate or stored");
    }
    // Only archives from Unix and macOS say in these bits what they mean there.
    let mode = match entry.system() {
        System::Unix | System::OsDarwin => entry.external_attributes() >> 16,
        _ => 0,
    };
    let kind = match (mode & TYPE, text.ends_with('/')) {
        (FOLDER, _) | (0, true) => Kind::Folder,
        (_, true) => return refuse("is named as a folder but is none; pack it again from a folder"),
        (REGULAR | 0, false) => Kind::File { executable: mode & 0o111 != 0 || (mode == 0 && name.is_bootstrap()) },
        (LINK, false) => Kind::Link { target: target(archive, index, &text)? },
        _ => return refuse("is neither file, folder nor link; leave it out"),
    };
    if name.is_root() {
        return if kind == Kind::Folder { Ok(None) } else { refuse("has an empty name; rename it") };
    }
    Ok(Some(Step { index, name, kind }))
}

fn target(archive: &mut Archive<'_>, index: usize, name: &str) -> Result<String, PackageError> {
    let mut bytes = Vec::new();
    let entry = archive.by_index(index).map_err(|e| damaged(name, &e))?;
    entry.take(TARGET_BYTES + 1).read_to_end(&mut bytes).map_err(|e| damaged(name, &ZipError::Io(e)))?;
    if bytes.len() as u64 > TARGET_BYTES {
        return Err(fault::entry(name, "is a link with a target of more than 4096 bytes; remove it"));
    }
    String::from_utf8(bytes).map_err(|_| fault::entry(name, "is a link whose target is not UTF-8; rename the target"))
}

/// Two names for one place.
fn check_clashes(steps: &[Step]) -> Result<(), PackageError> {
    let mut places: HashMap<&Name, &Kind> = HashMap::with_capacity(steps.len());
    for step in steps {
        match places.insert(&step.name, &step.kind) {
            None => {}
            Some(Kind::Folder) if step.kind == Kind::Folder => {}
            Some(_) => return Err(fault::entry(&step.name.to_string(), "is there twice; pack it again from a folder")),
        }
    }
    Ok(())
}

/// Entries below something that is no folder, and more folders than entries could be. Folders need no entry of
/// their own, so few long names can mean many of them.
fn check_folders(steps: &[Step], limits: &PackageLimits) -> Result<(), PackageError> {
    let others = steps.iter().filter(|step| step.kind != Kind::Folder);
    let others: HashSet<&[String]> = others.map(|step| step.name.parts()).collect();
    let mut folders: HashSet<&[String]> = HashSet::new();
    for step in steps {
        for parent in step.name.parents() {
            if others.contains(parent) {
                let why = "lies below an entry that is no folder; pack it again from a folder";
                return Err(fault::entry(&step.name.to_string(), why));
            }
            if !folders.insert(parent) {
                break;
            }
        }
        if folders.len() > limits.entries {
            return Err(too_many(limits));
        }
    }
    Ok(())
}

fn check_links(steps: &[Step]) -> Result<(), PackageError> {
    let targets: HashMap<&[String], &str> = steps
        .iter()
        .filter_map(|step| match &step.kind {
            Kind::Link { target } => Some((step.name.parts(), target.as_str())),
            _ => None,
        })
        .collect();
    let mut walk = links::Walk::new(&targets);
    for step in steps.iter().filter(|step| matches!(step.kind, Kind::Link { .. })) {
        walk.check(&step.name).map_err(|why| fault::entry(&step.name.to_string(), why))?;
    }
    Ok(())
}

/// An archive that the zip reader does not take.
pub(super) fn unreadable(error: &ZipError) -> PackageError {
    fault::archive(&format!(
        "it is not a readable zip archive ({error}); upload the whole file, not encrypted and not split"
    ))
}

/// An entry whose content cannot be read: from memory, or from a file that was just written, so it is hardly ever the system's fault.
pub(super) fn damaged(name: &str, error: &ZipError) -> PackageError {
    let why = match error {
        ZipError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => "the archive ends too early".to_owned(),
        ZipError::Io(e) => e.to_string(),
        other => other.to_string(),
    };
    fault::entry(name, &format!("is damaged ({why}); pack and upload it again"))
}
