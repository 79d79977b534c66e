//! Code and its dependencies as one tree: layer upon layer, later ones win (contract: runtimes.md section 2, "Dependencies").
//!
//! Trees are read-only to everybody but us and never change, so files are hard links and cost no disk. Nothing is followed: a
//! link of one layer is replaced, or kept as it is, and never walked through.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use fungraph_model::Digest;

use super::error::{during, fault};
use super::links::Walk;
use super::name::Name;
use super::{PackageError, PackageLimits, disk};

/// Lines about conflicts that are kept; one more says how many there were.
const MOST_LINES: usize = 200;

/// One tree of those that are laid over one another.
pub(super) struct Layer<'a> {
    /// What a report calls it.
    pub(super) name: String,
    pub(super) tree: PathBuf,
    pub(super) digest: &'a Digest,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Lines for [`in_words`].
    pub(super) conflicts: Vec<String>,
}

/// What the name of the result is made of: equal layers in equal order are one tree.
pub(super) fn recipe(tree_name: &str, layers: &[Layer<'_>]) -> String {
    layers.iter().fold(format!("merged\n{tree_name}\n"), |text, layer| text + &layer.digest.0 + "\n")
}

/// Makes `target` of the layers, the first one lowest.
///
/// # Errors
/// [`PackageError::Refused`] where the whole is over a limit or a link leads out of it; [`PackageError::Missing`] where a
/// layer is gone.
pub(super) fn merge(layers: &[Layer<'_>], target: &Path, limits: &PackageLimits) -> Result<Report, PackageError> {
    disk::make_folder(target).map_err(during("make the folder", target))?;
    let mut merge = Merge { limits, bytes: 0, entries: 0, owners: HashMap::new(), lost: 0, report: Report::default() };
    for (number, layer) in layers.iter().enumerate() {
        if !layer.tree.is_dir() {
            return Err(PackageError::Missing { digest: layer.digest.clone() });
        }
        merge.lay(layers, number, Path::new(""), target)?;
    }
    check_links(target)?;
    if merge.lost > MOST_LINES {
        merge.report.conflicts.push(format!("and {} more", merge.lost - MOST_LINES));
    }
    Ok(merge.report)
}

/// A line of a report, which has the numbers of layers: whoever has the same files gets the same folder and report, but
/// names his layers himself, and has no business with the names of others.
pub(super) fn in_words(line: &str, layers: &[Layer<'_>]) -> String {
    let name = |number: &str| Some(layers.get(number.parse::<usize>().ok()?)?.name.as_str());
    let mut parts = line.splitn(3, '\t').collect::<Vec<_>>().into_iter();
    let (winner, loser, place) = (parts.next().and_then(name), parts.next().and_then(name), parts.next());
    match (winner, loser, place) {
        (Some(winner), Some(loser), Some(place)) => format!("{place}: that of {winner} is used, not that of {loser}"),
        _ => line.to_owned(),
    }
}

struct Merge<'a> {
    limits: &'a PackageLimits,
    bytes: u64,
    /// Files, folders and links of the tree so far.
    entries: usize,
    /// Which layer each entry is from, by its place.
    owners: HashMap<PathBuf, usize>,
    lost: usize,
    report: Report,
}

impl Merge<'_> {
    fn lay(&mut self, layers: &[Layer<'_>], number: usize, below: &Path, target: &Path) -> Result<(), PackageError> {
        let from = layers[number].tree.join(below);
        for entry in fs::read_dir(&from).map_err(during("read the folder", &from))? {
            let entry = entry.map_err(during("read the folder", &from))?;
            let (source, place) = (entry.path(), below.join(entry.file_name()));
            let about = entry.metadata().map_err(during("look at", &source))?;
            let there = target.join(&place);
            let found = fs::symlink_metadata(&there).ok();
            if !(about.is_dir() && found.as_ref().is_some_and(Metadata::is_dir)) {
                if let Some(found) = found {
                    self.replace(number, &place, &there, &found)?;
                }
                self.put(&source, &there, &about)?;
            }
            self.owners.insert(place.clone(), number);
            if about.is_dir() {
                self.lay(layers, number, &place, target)?;
            }
        }
        Ok(())
    }

    /// What an earlier layer has in this place goes.
    fn replace(&mut self, number: usize, place: &Path, there: &Path, found: &Metadata) -> Result<(), PackageError> {
        self.entries -= 1 + if found.is_dir() { count(there).map_err(during("read the folder", there))? } else { 0 };
        let removed = if found.is_dir() { fs::remove_dir_all(there) } else { fs::remove_file(there) };
        removed.map_err(during("replace", there))?;
        self.lost += 1;
        if self.lost <= MOST_LINES {
            let loser = self.owners.get(place).copied().unwrap_or_default();
            let place = place.display().to_string().escape_debug().to_string();
            self.report.conflicts.push(format!("{number}\t{loser}\t{place}"));
        }
        Ok(())
    }

    fn put(&mut self, source: &Path, there: &Path, about: &Metadata) -> Result<(), PackageError> {
        self.entries += 1;
        if self.entries > self.limits.merged_entries {
            let most = self.limits.merged_entries;
            return Err(fault::merged(&format!(
                "they have more than {most} files and folders; leave out what is not needed"
            )));
        }
        if about.is_dir() {
            return disk::make_folder(there).map_err(during("make the folder", there));
        }
        self.bytes += about.len();
        if self.bytes > self.limits.unpacked_bytes {
            let most = self.limits.unpacked_bytes;
            return Err(fault::merged(&format!("they come to more than {most} bytes; leave out what is not needed")));
        }
        link(source, there, about).map_err(during("link", there))
    }
}

/// Entries below a folder.
fn count(folder: &Path) -> io::Result<usize> {
    fs::read_dir(folder)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let inside = if entry.file_type()?.is_dir() { count(&entry.path())? } else { 0 };
        Ok(sum + 1 + inside)
    })
}

/// A second name for a file or a link; a copy where the file system allows no more names, or where the file belongs to
/// the server's user of before.
fn link(source: &Path, there: &Path, about: &Metadata) -> io::Result<()> {
    match fs::hard_link(source, there) {
        Ok(()) => Ok(()),
        Err(_) if about.is_symlink() => std::os::unix::fs::symlink(fs::read_link(source)?, there),
        Err(_) => fs::copy(source, there).map(drop),
    }
}

/// Links that stayed inside their own layer may lead out of the whole, where a folder they go through became something else.
fn check_links(tree: &Path) -> Result<(), PackageError> {
    let mut found = Vec::new();
    find_links(tree, Path::new(""), &mut found)?;
    let targets: HashMap<&[String], &str> =
        found.iter().map(|(name, target)| (name.parts(), target.as_str())).collect();
    let mut walk = Walk::new(&targets);
    for (name, _) in &found {
        walk.check(name).map_err(|why| fault::merged_entry(&name.to_string(), why))?;
    }
    Ok(())
}

fn find_links(tree: &Path, below: &Path, found: &mut Vec<(Name, String)>) -> Result<(), PackageError> {
    let folder = tree.join(below);
    for entry in fs::read_dir(&folder).map_err(during("read the folder", &folder))? {
        let entry = entry.map_err(during("read the folder", &folder))?;
        let kind = entry.file_type().map_err(during("look at", &entry.path()))?;
        let place = below.join(entry.file_name());
        if kind.is_dir() {
            find_links(tree, &place, found)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).map_err(during("read the link", &entry.path()))?;
            let text = place.to_string_lossy();
            let name = Name::parse(&text).map_err(|why| fault::merged_entry(&text, why))?;
            found.push((name, target.to_string_lossy().into_owned()));
        }
    }
    Ok(())
}
