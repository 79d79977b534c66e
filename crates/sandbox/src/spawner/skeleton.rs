//! Root folders with a mount point for everything a launch wants to see, kept and used again.
//!
//! The root of a user namespace may not make folders in a file system that is not its own, so mount points must be there before.
//! Launches of one runtime have the same ones: a skeleton is made once per set of targets, with the host's `/usr` and our `/etc`
//! mounted in it, and a launch only adds what is its own.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::mounts;
use super::staging::Staging;
use crate::launch::Launch;

/// Folders every root has.
const FOLDERS: [&str; 8] = ["dev", "etc", "home/snuser", "opt/function", "proc", "run", "tmp", "usr"];
/// Links into `/usr`, or folders of their own where a distribution has not merged them.
const BESIDE_USR: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What makes two roots the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shape {
    /// Bind targets and whether each is a folder, sorted.
    targets: Vec<(String, bool)>,
    links: Vec<(String, String)>,
}

/// The skeletons made so far; one per runtime in practice.
#[derive(Debug, Default)]
pub(super) struct Skeletons {
    made: HashMap<Shape, PathBuf>,
}

impl Skeletons {
    /// The skeleton for this launch. A source that does not exist is an error that names it.
    pub(super) fn get(&mut self, staging: &Staging, launch: &Launch) -> io::Result<PathBuf> {
        let shape = shape_of(launch)?;
        if let Some(root) = self.made.get(&shape) {
            return Ok(root.clone());
        }
        let root = staging.path("roots").join(self.made.len().to_string());
        // A failed attempt left parts under the same number.
        discard(&root);
        fs::create_dir(&root)?;
        fill(&root, &staging.path("etc"), &shape).inspect_err(|_| discard(&root))?;
        self.made.insert(shape, root.clone());
        Ok(root)
    }
}

fn shape_of(launch: &Launch) -> io::Result<Shape> {
    let mut targets = Vec::new();
    for bind in launch.binds.iter().filter(|bind| !bind.is_below_usr()) {
        let source = fs::metadata(&bind.source)
            .map_err(|error| io::Error::new(error.kind(), format!("bind source {}: {error}", bind.source.display())))?;
        targets.push((bind.target.clone(), source.is_dir()));
    }
    targets.extend(launch.late.iter().map(|target| (target.clone(), true)));
    targets.sort();
    Ok(Shape { targets, links: launch.links.clone() })
}

fn fill(root: &Path, etc: &Path, shape: &Shape) -> io::Result<()> {
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    mounts::bind_read_only(Path::new("/usr"), &root.join("usr"))?;
    mounts::bind_read_only(etc, &root.join("etc"))?;
    for name in BESIDE_USR {
        beside_usr(name, root)?;
    }
    for (target, is_folder) in &shape.targets {
        let path = inside(root, target);
        if *is_folder {
            fs::create_dir_all(&path)?;
        } else {
            make_parent(&path)?;
            File::create(&path)?;
        }
    }
    for (place, target) in &shape.links {
        let path = inside(root, place);
        make_parent(&path)?;
        symlink(target, &path)?;
    }
    Ok(())
}

fn beside_usr(name: &str, root: &Path) -> io::Result<()> {
    let host = Path::new("/").join(name);
    if let Ok(target) = fs::read_link(&host) {
        return symlink(target, root.join(name));
    }
    if host.is_dir() {
        fs::create_dir(root.join(name))?;
        mounts::bind_read_only(&host, &root.join(name))?;
    }
    Ok(())
}

fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// An absolute path inside, seen from here. It was checked to have no `..`.
pub(super) fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn discard(root: &Path) {
    if root.exists() {
        // Whatever is mounted there goes first, so that only folders of our own are deleted.
        let mounted = ["usr", "etc"].iter().chain(&BESIDE_USR);
        for folder in mounted.map(|name| root.join(name)).filter(|path| path.is_dir() && !path.is_symlink()) {
            let _not_mounted = rustix::mount::unmount(&folder, rustix::mount::UnmountFlags::DETACH);
        }
        if let Err(error) = fs::remove_dir_all(root) {
            tracing::warn!(%error, root = %root.display(), "cannot remove a failed root");
        }
    }
}
